"""Networks of random small configurations: golden model and RTL agree in every prediction and every bit of state.

They run in Amaranth's simulator, the quickest for designs of this size, as it has nothing to build.
"""

from itertools import count
from random import Random

import pytest
from spinloom.config import Experiment, parse
from spinloom.devices.kinds import KINDS
from spinloom.random_experiment import random_experiment
from spinloom.sim.testbenches.tb_network import NetworkBench
from spinloom.sim.testbenches.testbench import Case
from spinloom.train import lockstep

RULES = [(kind, residual) for kind in KINDS for residual in ("verified", "nominal")] + [("mtj", "none")]
"""Every kind of device with every rule of update that it can have."""
DENSE = range(2, 5)
CONVOLUTIONAL = range(1, 10)
"""Numbers of configurations with each rule, of dense networks and of networks with convolutions: the first in a row
among which every option occurs. One of each is in `make test`, the others are in `make test-slow`."""
LARGEST, SMALL = 300, 80
"""Largest `size` of a network with convolutions, as a simulation of more takes too long; and of one in `make test`."""


def configuration(kind: str, residual: str, number: int) -> Experiment:
    """Random experiment ``number`` with devices of ``kind`` and the rule ``residual``, of 1 to 3 dense layers."""
    random = Random(f"{kind} {residual} {number}")
    return next(experiment for _ in count()
                if (experiment := random_experiment(random, number % 3 + 1, kind)).update.residual == residual)


def convolutional(kind: str, residual: str, number: int) -> Experiment:
    """Likewise, of 1 to 4 layers with convolutions among them, and with several rows read in a clock cycle."""
    random = Random(f"convolutions {kind} {residual} {number}")
    return next(experiment for _ in count()
                if (experiment := random_experiment(random, None, kind, convolutions=True, reads=True)
                    ).update.residual == residual and size(experiment) <= LARGEST)


def size(experiment: Experiment) -> int:
    """Rows read a sample, and cells."""
    return sum(crossbar.folds * crossbar.rows * (crossbar.positions + crossbar.lanes)
               for crossbar in experiment.crossbars)


def agree(experiment: Experiment, number: int, traced: bool = False) -> None:
    NetworkBench(Case(experiment=experiment, seed=number, stall=number % 3 * 0.3, samples=6, traced=traced)).simulate()


def slow_but(quick: int | None, kind: str, residual: str, numbers: range) -> list:
    """The cases of a rule; all are slow but the number ``quick``."""
    return [pytest.param(kind, residual, number, marks=() if number == quick else pytest.mark.slow)
            for number in numbers]


def small(kind: str, residual: str) -> int:
    """The first number of a small network with convolutions."""
    return next(number for number in CONVOLUTIONAL if size(convolutional(kind, residual, number)) <= SMALL)


def smallest(kind: str, residual: str) -> int:
    """The number of the smallest dense network of several layers."""
    return min((number for number in DENSE if len(configuration(kind, residual, number).layers) > 1),
               key=lambda number: size(configuration(kind, residual, number)))


@pytest.mark.parametrize(("kind", "residual", "number"), [
    case for rule in RULES for case in slow_but(None if "nominal" in rule else smallest(*rule), *rule, DENSE)])
def test_golden_model_and_rtl_agree(kind, residual, number):
    agree(configuration(kind, residual, number), number)


@pytest.mark.parametrize(("kind", "residual", "number"), [
    case for rule in RULES for case in slow_but(None if "verified" in rule else small(*rule), *rule, CONVOLUTIONAL)])
def test_golden_model_and_rtl_agree_on_convolutions(kind, residual, number):
    agree(convolutional(kind, residual, number), RULES.index((kind, residual)) + number)


@pytest.fixture
def pulses(monkeypatch):
    """How many write pulses have been compared, in a list."""
    compared, original = [], lockstep.expect_pulses

    def expect_pulses(expected, *rest):
        compared.append(len(expected))
        original(expected, *rest)

    monkeypatch.setattr(lockstep, "expect_pulses", expect_pulses)
    return compared


QUICK = ("pcm_pair", "verified"), ("mtj", "none")
"""Rules of which `make test` has one."""


@pytest.mark.parametrize(("kind", "residual", "number"), [
    case for rule in RULES for case in slow_but(DENSE[1] if rule in QUICK else None, *rule, DENSE)])
def test_they_agree_in_every_write_pulse(kind, residual, number, pulses):
    agree(configuration(kind, residual, number), number, traced=True)
    assert sum(pulses) > 0


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "residual", "number"), [(*rule, number) for rule in RULES for number in (1, 2)])
def test_they_agree_in_every_write_pulse_of_convolutions(kind, residual, number, pulses):
    agree(convolutional(kind, residual, number), number, traced=True)
    assert sum(pulses) > 0


OPTIONS = {
    "mini-batches": lambda experiment: experiment.batch > 1,
    "read noise": lambda experiment: experiment.converters.read_noise > 0,
    "offsets of columns": lambda experiment: experiment.crossbars[0].offset > 0,
    "gains of columns": lambda experiment: experiment.crossbars[0].gain > 0,
    "nonlinear ADCs": lambda experiment: any(experiment.crossbars[0].nonlinearity),
    "coarse DACs at rows": lambda experiment: any(crossbar.x_dropped for crossbar in experiment.crossbars),
    "coarse DACs at columns": lambda experiment: any(crossbar.delta_dropped for crossbar in experiment.crossbars),
    "several devices in a cell": lambda experiment: experiment.synapse is not None,
    "folds": lambda experiment: any(geometry.folds > 1 for geometry in experiment.crossbars),
    "several layers": lambda experiment: len(experiment.layers) > 1,
    "variation": lambda experiment: experiment.device_tables.variation > 0,
    "stuck cells": lambda experiment: experiment.device_tables.stuck > 0,
    "ageing cells": lambda experiment: experiment.device_tables.life_bits > 0,
    "relaxing cells": lambda experiment: experiment.crossbars[0].relaxation > 0,
    "stochastic neurons": lambda experiment: any(layer.neuron == "stochastic" for layer in experiment.layers),
    "a resolved pulse length": lambda experiment: getattr(experiment.device, "pulse_bits", None) is not None,
}


def test_every_option_occurs_with_every_pulse_law():
    occur = {}
    for kind, residual in RULES:
        for number in DENSE:
            experiment = configuration(kind, residual, number)
            device = experiment.device_tables
            for name, option in OPTIONS.items():
                occur.setdefault((device.pulse, device.pair, name), set()).add(option(experiment))
    missing = {place: values for place, values in occur.items() if len(values) < 2}
    # A switching device has no landing points that could vary, only it has a pulse length, and a cell is of one pair.
    laws = ("landing", False), ("step", False), ("step", True)
    assert set(missing) == {("switching", False, "variation"), ("step", True, "several devices in a cell"),
                            *((*law, "a resolved pulse length") for law in laws)}


def test_every_kind_of_window_occurs():
    experiments = [convolutional(kind, residual, number) for kind, residual in RULES
                   for number in CONVOLUTIONAL]
    crossbars = [crossbar for experiment in experiments for crossbar in experiment.crossbars]
    windows = [crossbar.window for crossbar in crossbars if crossbar.positions > 1]
    for axis in range(2):
        assert {window.kernel[axis] for window in windows} == set(range(1, 8))
        assert {window.stride[axis] for window in windows} == {1, 2, 3}
        assert {window.padding[axis] for window in windows} >= {0, 1, 2, 3}
        assert {window.pool[axis] for window in windows} >= {1, 2, 3, 4}
    assert {(window.pool_stride[0] < window.pool[0], window.pool_stride[1] < window.pool[1])
            for window in windows} == {(False, False), (False, True), (True, False), (True, True)}
    assert {window.map[0] == window.map[1] for window in windows} == {False, True}
    assert {crossbar.forward_reads for crossbar in crossbars} == set(range(1, 9))
    assert {crossbar.second_reads for crossbar in crossbars} == set(range(1, 9))
    assert {crossbar.lanes for crossbar in crossbars if crossbar.positions > 1} >= {1, 2, 3, 4, 5, 6}
    assert {sum(layer.kind == "conv" for layer in experiment.layers) for experiment in experiments} == {1, 2, 3}
    assert {layer.drop for experiment in experiments for layer in experiment.layers} == {False, True}


@pytest.mark.parametrize(("cols", "lanes"), [(40, 20), pytest.param(35, 35, marks=pytest.mark.slow)])
def test_words_of_several_segments_of_lanes_agree(cols, lanes):
    # The queue of programming requests looks at 16 lanes at a time; a low threshold fires many of them at once.
    experiment = parse({
        "seed": 7, "learning_rate_shifts": [3], "update": {"threshold": 0.25}, "input": {"count": 4},
        "device": {"kind": "domain_wall", "states": 5},
        "layers": [{"cols": cols, "lanes": lanes, "weight_step": -1, "z_bits": 8, "z_frac": 4,
                    "chi_bits": 10, "chi_frac": 7}],
    }, "wide")
    NetworkBench(Case(experiment=experiment, seed=3, stall=0.2, samples=6)).simulate()


@pytest.mark.parametrize(("device", "synapse"), [
    ({"kind": "domain_wall", "states": 2, "sigma": 0.1, "variation": 0.1}, {"slices": [8, 4, 2, 1]}),
    pytest.param({"kind": "incremental", "states": 5}, {"turns": 3}, marks=pytest.mark.slow),
    pytest.param({"kind": "mtj", "states": 2, "stuck": 0.05}, {"slices": [4, 2, 1]}, marks=pytest.mark.slow),
])
def test_cells_of_several_devices_agree_in_every_write_pulse(device, synapse, pulses):
    experiment = parse({
        "seed": 7, "learning_rate_shifts": [3], "input": {"count": 9}, "device": device, "synapse": synapse,
        "init_spread": 2.0, "layers": [
            {"cols": 6, "lanes": 3, "bias": True, "weight_step": -2, "z_frac": 6},
            {"cols": 4, "weight_step": -1, "z_bits": 8, "z_frac": 4}],
    }, "several")
    NetworkBench(Case(experiment=experiment, seed=3, stall=0.2, samples=6, traced=True)).simulate()
    assert sum(pulses) > 0
