"""The generator of random experiments: what it draws is valid, and reaches every option and every extreme."""

from random import Random
from typing import get_args

from spinloom.contract.formats import Neuron
from spinloom.devices.kinds import KINDS
from spinloom.random_experiment import random_experiment


def test_it_reaches_every_option_and_every_extreme():
    experiments = [random_experiment(Random(seed)) for seed in range(600)]
    crossbars = [crossbar for experiment in experiments for crossbar in experiment.crossbars]
    for name, least, most in (("z_bits", 2, 12), ("delta_bits", 2, 16), ("chi_bits", 4, 24), ("cols", 1, 12),
                              ("inputs", 1, 17), ("folds", 1, 12), ("adc_shift", 0, None), ("ports", 1, 2)):
        values = {getattr(crossbar, name) for crossbar in crossbars}
        assert min(values) == least, name
        assert max(values) == most or most is None, name
    errors = {crossbar.error_shift for crossbar in crossbars if crossbar.source}
    updates = {crossbar.update_shift(crossbar.learning_rate_shifts[0]) for crossbar in crossbars}
    assert {0, 1, 2, 10} <= errors & updates
    assert {crossbar.source for crossbar in crossbars} == {None, *get_args(Neuron)}
    assert {crossbar.x.kind for crossbar in crossbars} == {"unsigned", "signed", "ternary"}
    assert {crossbar.residual for crossbar in crossbars} == {"verified", "nominal", "none"}
    assert {experiment.device.kind for experiment in experiments} == set(KINDS)
    assert {experiment.loss for experiment in experiments} == {"cross_entropy", "squared_hinge"}
    assert {len(experiment.layers) for experiment in experiments} == {1, 2, 3}
    assert {experiment.batch for experiment in experiments} == {1, 2, 3, 5}


def test_with_convolutions_it_stays_small_and_layers_have_rates_of_their_own():
    experiments = [random_experiment(Random(seed), convolutions=True) for seed in range(300)]
    convolutions = [sum(layer.kind == "conv" for layer in experiment.layers) for experiment in experiments]
    assert set(convolutions) == {1, 2, 3}
    crossbars = [crossbar for experiment in experiments for crossbar in experiment.crossbars]
    assert max(crossbar.rows * crossbar.cols * crossbar.positions for crossbar in crossbars) < 15_000
    assert {-15, -1, 0, 1, 15} <= {crossbar.rate_offset for crossbar in crossbars}
    assert {(crossbar.forward_reads, crossbar.second_reads) for crossbar in crossbars} == {(1, 1)}


def test_rows_are_read_side_by_side_where_that_is_asked_for():
    for seed in range(20):
        plain, parallel = (random_experiment(Random(seed), reads=reads) for reads in (False, True))
        assert parallel.replaced(layers=dict.fromkeys(
            range(len(parallel.layers)), {"forward_reads": 1, "second_reads": 1})) == plain
    reads = [(crossbar.inputs, crossbar.forward_reads, crossbar.second_reads) for seed in range(100)
             for crossbar in random_experiment(Random(seed), convolutions=True, reads=True).crossbars]
    assert {1, 2, 3} <= {one for _, one, _ in reads} & {other for _, _, other in reads}
    assert {one < other for _, one, other in reads} == {False, True}


def test_a_seed_repeats_its_experiment_and_what_is_asked_for_is_kept():
    for kind in KINDS:
        experiment = random_experiment(Random(7), layers=2, kind=kind)
        assert (len(experiment.layers), experiment.device.kind) == (2, kind)
        assert random_experiment(Random(7), layers=2, kind=kind) == experiment
