from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spinloom import config
from spinloom.contract.geometry import POSITION_COUNTERS
from spinloom.contract.hashing import sample_order
from spinloom.contract.pulses import PULSE_WORDS
from spinloom.model.compiled import steps, tables
from spinloom.model.compiled.trainer import CompiledTrainer
from spinloom.model.network import Network
from spinloom.random_experiment import random_experiment
from spinloom.train import data
from spinloom.train import loop as train

from .experiments import experiments, random_samples


def assert_same_state(network, reference):
    actual, expected = network.state(), reference.state()
    assert actual.keys() == expected.keys()
    for name in expected:
        assert actual[name].dtype == expected[name].dtype
        assert actual[name].tolist() == expected[name].tolist(), name
    assert network.row_reads == reference.row_reads
    assert network.pulses.tolist() == reference.pulses.tolist()


def assert_compiled_equals_reference(experiment, seed, count=20):
    """Two epochs, the compiled's in three calls; returns the reference."""
    reference, network = Network(experiment), Network(experiment)
    recorders = reference.record(), network.record()
    compiled = CompiledTrainer(network)
    xs, labels = random_samples(experiment, count, seed)
    for epoch in range(2):
        order = sample_order(experiment.seed, epoch, count)
        shift = experiment.learning_rate_shift(epoch)
        expected = reference.train_span(xs, labels, order, range(count), shift)
        actual = [compiled.train_span(xs, labels, order, span, shift)
                  for span in (range(0, 1), range(1, count // 2), range(count // 2, count))]
        assert np.concatenate(actual).tolist() == expected.tolist()
        assert compiled.predict(xs).tolist() == reference.predict(xs).tolist()
        assert_same_state(network, reference)
        traces = [recorder.take() for recorder in recorders]
        assert traces[0].tolist() == traces[1].tolist()
    return reference


def counted(network, name):
    return sum(crossbar.counters.get(name, 0) for crossbar in network.crossbars)


@pytest.mark.parametrize(("kind", "also"), [
    ("ideal", {"stuck", "several devices"}),
    ("domain_wall", {"stuck", "variation", "several devices"}),
    ("incremental", {"stuck", "variation", "several devices"}),
    ("measured", {"stuck", "variation", "several devices"}),
    ("pcm_pair", {"stuck", "variation", "verify_attempts", "failures", "refreshes"}),
    ("mtj", {"stuck", "stochastic", "none", "several devices"}),
])
def test_random_experiments_give_the_same_bits(kind, also):
    """And leave out nothing that training does."""
    reached = set()
    for seed in range(36):
        experiment = random_experiment(Random(f"{kind} {seed}"), kind=kind, convolutions=seed % 3 == 2, reads=True,
                                       wires=True)
        network = assert_compiled_equals_reference(experiment, seed)
        if counted(network, "attempts"):
            device = experiment.device_tables
            happened = {"batch": experiment.batch > 1, "read noise": experiment.converters.read_noise,
                        "stuck": device.stuck, "variation": device.variation,
                        "several devices": experiment.synapse,
                        experiment.update.rounding: True, experiment.update.residual: True}
            happened |= {name: counted(network, name) for name in POSITION_COUNTERS}
            reached |= {name for name, value in happened.items() if value}
    unless_a_pair = {"verify_attempts", "failures", "refreshes"}
    always = {"threshold", "verified", "nominal", "batch", "read noise", *POSITION_COUNTERS}
    assert reached == always - unless_a_pair | also


@settings(max_examples=40)
@given(experiment=experiments(), seed=st.integers(0, 2**32 - 1))
def test_generated_experiments_give_the_same_bits(experiment, seed):
    assert_compiled_equals_reference(experiment, seed)


@settings(max_examples=60)
@given(experiment=experiments(convolutions=True), seed=st.integers(0, 2**32 - 1))
def test_generated_convolutions_give_the_same_bits(experiment, seed):
    assert_compiled_equals_reference(experiment, seed, count=8)


@pytest.mark.parametrize(("device", "update"), [
    ({"kind": "incremental", "states": 17, "variation": 0.2}, {"residual": "nominal"}),
    ({"kind": "pcm_pair", "refresh_high": 0.3, "refresh_low": 0.1, "stuck": 0.02}, {}),
    ({"kind": "mtj"}, {"rounding": "stochastic", "residual": "none"}),
])
def test_wide_crossbars_of_other_devices(device, update):
    """Of many rows and columns, also as cells differ by their place."""
    experiment = config.parse({
        "learning_rate_shifts": [3, 4], "input": {"count": 600}, "device": device, "update": update,
        "converters": {"read_noise": 2.0},
        "layers": [{"cols": 300, "bias": True, "weight_step": -4}, {"cols": 9, "weight_step": -4, "z_bits": 8,
                                                                    "z_frac": 4}]}, "wide")
    network = assert_compiled_equals_reference(experiment, seed=3, count=6)
    assert counted(network, "attempts") > 500
    assert device["kind"] != "pcm_pair" or counted(network, "refreshes") > 10


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize(("kind", "states", "sub_bits", "rate", "delta_bits", "chi_bits", "chi_frac", "loss"), [
    ("unsigned", 64, 6, 2, 16, 24, 12, "squared_hinge"),  # sums beyond 32 bits, forward and backward
    ("signed", 64, 6, 8, 16, 24, 22, "cross_entropy"),
    ("ternary", 2, 1, 6, 9, 12, 8, "cross_entropy"),
])
def test_wide_crossbars_of_extreme_widths(kind, states, sub_bits, rate, delta_bits, chi_bits, chi_frac, loss, batch):
    width = {"z_bits": 12, "delta_bits": delta_bits, "delta_frac": delta_bits - 1, "chi_bits": chi_bits,
             "chi_frac": chi_frac, "bias": True}
    experiment = config.parse({
        "batch": batch, "learning_rate_shifts": [rate, rate + 1], "loss": loss, "init_spread": 64.0,
        "input": {"count": 600, "kind": kind, "bits": 12},
        "device": {"kind": "domain_wall", "states": states, "sub_bits": sub_bits, "sigma": 0.1},
        "update": {"residual": "verified" if batch == 1 else "nominal"},
        "layers": [
            {"cols": 37, "neuron": "hard_tanh", "activation_bits": 12, "z_frac": 0, "weight_step": -6, **width},
            {"cols": 999, "neuron": "sigmoid", "activation_bits": 12, "z_frac": 0, "weight_step": -1, **width},
            {"cols": 9, "z_frac": 4, "weight_step": -4, **width}],
    }, "extreme")
    assert counted(assert_compiled_equals_reference(experiment, seed=3, count=16), "attempts") > 1000


WIDE_CONVOLUTIONS = [
    {"kind": "conv", "cols": 50, "kernel": 3, "padding": 1, "pool": 3, "pool_stride": 2, "bias": True,
     "weight_step": -2, "z_frac": 5, "delta_bits": 11, "delta_frac": 11, "forward_reads": 4, "second_reads": 2},
    {"kind": "conv", "cols": 37, "kernel": [2, 3], "padding": [0, 2], "neuron": "hard_tanh", "weight_step": -3,
     "z_frac": 6, "delta_bits": 11, "delta_frac": 11, "second_reads": 5},
    {"cols": 24, "map": [2, 3, 4], "neuron": "sigmoid", "weight_step": -4, "z_frac": 4},
    {"kind": "conv", "cols": 10, "kernel": 2, "padding": 1, "pool": [3, 4], "weight_step": -2, "z_bits": 8,
     "z_frac": 4}]


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize(("device", "width", "wide"), [
    ({"kind": "domain_wall", "sigma": 0.2}, {}, set()),
    ({"kind": "pcm_pair"}, {}, {"products"}),
    ({"kind": "domain_wall", "states": 64, "sub_bits": 6, "sigma": 0.1},
     {"delta_bits": 16, "delta_frac": 15, "z_bits": 12, "z_frac": 7, "activation_bits": 12, "chi_bits": 24},
     {"products", "sum", "gradient"}),
])
def test_wide_convolutions(device, width, wide, batch):
    """Of many columns, and of sums that need each of the widths."""
    experiment = config.parse({
        "batch": batch, "learning_rate_shifts": [2], "device": device, "update": {"threshold": 0.25},
        "input": {"map": [13, 11, 2], "bits": width.get("z_bits", 8)}, "converters": {"read_noise": 1.5},
        "layers": [layer | width for layer in WIDE_CONVOLUTIONS]}, "wide")
    records = tables.layer_records(list(experiment.crossbars))
    assert wide == {name for name in ("products", "sum", "gradient") if not all(records[f"narrow_{name}"])}
    network = assert_compiled_equals_reference(experiment, seed=5, count=3)
    assert all(crossbar.counters["attempts"] for crossbar in network.crossbars)


def test_row_sums_beyond_32_bits():
    experiment = config.parse({
        "loss": "squared_hinge", "learning_rate_shifts": [0], "input": {"count": 8},
        "device": {"kind": "domain_wall", "states": 64, "sub_bits": 6, "sigma": 0.1},
        "layers": [{"cols": 8, "delta_bits": 16, "delta_frac": 0, "weight_step": 4, "chi_bits": 24, "chi_frac": 6},
                   {"cols": 1000, "delta_bits": 16, "delta_frac": 15, "z_frac": 0, "weight_step": -7}],
    }, "wide")
    assert experiment.crossbars[1].error_bits > 32
    reference, network = Network(experiment), Network(experiment)
    state = reference.state()
    for layer, geometry in enumerate(experiment.crossbars):
        state[f"layer{layer}_g"][:] = (1 << geometry.device.g_bits - 1) - 1  # all errors point the same way and add up
    for machine in (reference, network):
        machine.load(state)
    xs, labels, order = torch.full((4, 8), 255), np.arange(4), np.arange(4)
    for trainer in (reference, CompiledTrainer(network)):
        trainer.train_span(xs, labels, order, range(4), 0)
    assert_same_state(network, reference)
    assert reference.crossbars[0].counters["attempts"] > 0


def test_shifts_beyond_64_bits():
    experiment = config.parse({
        "loss": "squared_hinge", "learning_rate_shifts": [31], "input": {"count": 8, "bits": 12},
        "device": {"kind": "domain_wall", "states": 5, "sub_bits": 6, "sigma": 0.1},
        "layers": [{"cols": 6, "neuron": "sigmoid", "z_frac": 0, "delta_frac": -16, "weight_step": 0, "chi_frac": 6},
                   {"cols": 4, "z_frac": 0, "z_bits": 8, "delta_frac": 32, "weight_step": -16}],
    }, "shifts")
    assert experiment.crossbars[1].error_shift > 64
    assert_compiled_equals_reference(experiment, seed=1)


@pytest.mark.parametrize("batch", [1, 32])
def test_an_epoch_of_digits_gives_the_same_bits(batch):
    experiment = config.load("digits-dw5").replaced(batch=batch)
    samples = data.load(experiment).train
    xs = data.drive(samples.images, experiment.input.format)
    order = sample_order(experiment.seed, 0, len(xs))
    reference, network = Network(experiment), Network(experiment)
    expected = reference.train_span(xs, samples.labels, order, range(len(xs)), 4)
    actual = CompiledTrainer(network).train_span(xs, samples.labels, order, range(len(xs)), 4)
    assert actual.tolist() == expected.tolist()
    assert_same_state(network, reference)


def test_it_continues_where_the_reference_is():
    experiment = config.load("digits-dw5")
    xs, labels = random_samples(experiment, 40, 1)
    order = np.arange(40)
    reference, network = Network(experiment), Network(experiment)
    compiled = CompiledTrainer(network)
    for trainer, span in ((compiled, range(0, 10)), (network, range(10, 20)), (compiled, range(20, 40))):
        trainer.train_span(xs, labels, order, span, 4)
    reference.train_span(xs, labels, order, range(40), 4)
    assert_same_state(network, reference)
    assert network.predict(xs).tolist() == reference.predict(xs).tolist()


@pytest.mark.parametrize("kind", ["domain_wall", "pcm_pair"])
def test_it_works_on_the_networks_own_arrays(kind):
    """Six bytes a cell, eight a pair, and four that count its write pulses; no copy of them."""
    experiment = config.parse({"input": {"count": 700}, "device": {"kind": kind}, "layers": [{"cols": 90}]}, "memory")
    network = Network(experiment)
    arrays = network.arrays | network.crossbars[0].arrays | {"pulses": network.pulses}
    compiled = CompiledTrainer(network)
    assert sum(array.nbytes for array in network.arrays.values()) == 700 * 90 * (8 if kind == "pcm_pair" else 6)
    held = [value for name in ("_arrays", "_tables", "_scratch") for value in getattr(compiled, name)]
    assert all(np.shares_memory(one.numpy(), other) for one, other in zip(
        arrays.values(), [value for value in held if value.size == 700 * 90], strict=True))
    before = network.crossbars[0].g.clone()
    xs, labels = random_samples(experiment, 50, 1)
    compiled.train_span(xs, labels, np.arange(50), range(50), 3)
    assert (network.crossbars[0].g != before).any()
    network.load(Network(experiment).state())
    assert (network.crossbars[0].g == before).all()
    reference = Network(experiment)
    for trainer in (compiled, reference):
        trainer.train_span(xs, labels, np.arange(50), range(50), 4)
    network.row_reads = reference.row_reads
    network.pulses.copy_(reference.pulses)
    assert_same_state(network, reference)


def test_a_trace_that_is_full_is_taken_between_samples(monkeypatch):
    """Cells are so few that one trace has no room for the pulses of all samples."""
    monkeypatch.setattr("spinloom.model.compiled.trainer.ROOM", 3)
    experiment = config.parse({
        "batch": 4, "learning_rate_shifts": [0], "input": {"count": 3}, "device": {"kind": "domain_wall"},
        "layers": [{"cols": 2, "weight_step": -2, "z_frac": 4}]}, "few")
    xs, labels = random_samples(experiment, 400, 1)
    reference, network = Network(experiment), Network(experiment)
    recorders = [machine.record() for machine in (reference, network)]
    trainer = CompiledTrainer(network)
    for machine in (reference, trainer):
        machine.train_span(xs, labels, np.arange(400), range(400), 0)
    expected, actual = (recorder.take().tolist() for recorder in recorders)
    assert actual == expected
    assert len(expected) * PULSE_WORDS > len(trainer._trace)
    assert recorders[1].sample == 400


def test_a_sample_may_add_more_pulses_than_there_are_cells(monkeypatch):
    """The trace is almost full then."""
    monkeypatch.setattr("spinloom.model.compiled.trainer.ROOM", 1)
    experiment = config.parse({
        "learning_rate_shifts": [0], "input": {"count": 20}, "device": {"kind": "incremental", "states": 31},
        "layers": [{"cols": 4, "weight_step": -4, "z_frac": 4, "delta_bits": 12, "delta_frac": 8, "chi_frac": 4,
                    "rate_offset": -4}]}, "many pulses")
    xs, labels = random_samples(experiment, 8, 1)
    reference, network = Network(experiment), Network(experiment)
    recorders = [machine.record() for machine in (reference, network)]
    for machine in (reference, CompiledTrainer(network)):
        machine.train_span(xs, labels, np.arange(8), range(8), 0)
    expected, actual = (recorder.take() for recorder in recorders)
    assert actual.tolist() == expected.tolist()
    assert np.bincount(expected["sample"]).max() > 5 * network.pulses.numel()


def test_counters_wrap():
    network = Network(config.load("digits-dw5"))
    state = network.state()
    state["layer0_counters"][:] = 2**40 - 1
    network.load(state)
    xs, labels = random_samples(network.experiment, 3, 1)
    CompiledTrainer(network).train_span(xs, labels, np.arange(3), range(3), 4)
    assert network.crossbars[0].counters["forwards"] == 2


@pytest.mark.parametrize("batch", [1, 8])
def test_training_runs_do_not_depend_on_it(tmp_path, batch):
    experiment = config.load("digits-dw5").replaced(batch=batch, epochs=2)
    states = []
    for compiled in (True, False):
        folder = tmp_path / str(compiled)
        train.run(experiment, out=folder, samples=100, baseline=False, progress=False, compiled=compiled)
        with np.load(folder / "state.npz") as file:
            states.append({name: array.tolist() for name, array in file.items()})
    assert states[0] == states[1]
    assert states[0]["layer0_counters"][POSITION_COUNTERS.index("attempts")] > 0


def test_other_inputs_and_devices_are_refused():
    experiment = config.load("digits-dw5")
    compiled = CompiledTrainer(Network(experiment))
    for shape in ((1, 63), (2, 64)):
        with pytest.raises(ValueError, match=r"samples of shape .*: 1 labels and 64 inputs need \(1, 64\)"):
            compiled.train_span(torch.zeros(shape), np.zeros(1, int), np.zeros(1, int), range(1), 4)
    network = Network(experiment)
    network.torch_device = torch.device("cuda")
    with pytest.raises(ValueError, match="PyTorch device cuda; the compiled trainer runs on the CPU only"):
        CompiledTrainer(network)


def test_a_change_of_any_file_is_compiled_again():
    """Numba looks at one file and at the types of the arguments, so the digest of all files is part of a type."""
    CompiledTrainer(Network(config.load("digits-dw5")))
    assert steps.train.signatures
    assert all(f"sources_{tables.digest()}" in str(signature) for signature in steps.train.signatures)
