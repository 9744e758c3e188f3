from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spinloom import config
from spinloom.contract.hashing import sample_order
from spinloom.model import data, train
from spinloom.model.kernel import Kernel
from spinloom.model.network import Network
from spinloom.sim.sweep import random_experiment

from .experiments import experiments


def random_samples(experiment, count, seed):
    random = np.random.default_rng(seed)
    form = experiment.input.format
    xs = random.integers(form.minimum, form.maximum, (count, experiment.input.count), endpoint=True)
    xs[random.random(xs.shape) < 0.4] = 0
    return torch.from_numpy(xs), random.integers(0, experiment.layers[-1].cols, count)


def assert_same_state(network, reference):
    actual, expected = network.state(), reference.state()
    assert actual.keys() == expected.keys()
    for name in expected:
        assert actual[name].dtype == expected[name].dtype
        assert actual[name].tolist() == expected[name].tolist(), name
    assert network.row_reads == reference.row_reads


def assert_kernel_equals_reference(experiment, seed, count=30):
    """Two epochs, the kernel's in three calls; returns the write pulses of the reference."""
    reference, network = Network(experiment), Network(experiment)
    kernel = Kernel(network)
    xs, labels = random_samples(experiment, count, seed)
    for epoch in range(2):
        order = sample_order(experiment.seed, epoch, count)
        shift = experiment.learning_rate_shift(epoch)
        expected = reference.train_span(xs, labels, order, range(count), shift)
        actual = [kernel.train_span(xs, labels, order, span, shift)
                  for span in (range(0, 1), range(1, 14), range(14, count))]
        assert np.concatenate(actual).tolist() == expected.tolist()
        assert_same_state(network, reference)
    return sum(crossbar.counters["attempts"] for crossbar in reference.crossbars)


def test_random_experiments_give_the_same_bits():
    pulses = [assert_kernel_equals_reference(random_experiment(Random(seed)), seed) for seed in range(60)]
    assert sum(number > 0 for number in pulses) >= 25


@settings(max_examples=40, deadline=None)
@given(experiment=experiments(), seed=st.integers(0, 2**32 - 1))
def test_generated_experiments_give_the_same_bits(experiment, seed):
    assert_kernel_equals_reference(experiment, seed)


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
    assert assert_kernel_equals_reference(experiment, seed=3, count=16) > 1000


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
    for trainer in (reference, Kernel(network)):
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
    assert_kernel_equals_reference(experiment, seed=1)


@pytest.mark.parametrize("batch", [1, 32])
def test_an_epoch_of_digits_gives_the_same_bits(batch):
    experiment = config.load("digits-dw5").model_copy(update={"batch": batch})
    samples = data.load(experiment).train
    xs = data.drive(samples.images, experiment.input.format)
    order = sample_order(experiment.seed, 0, len(xs))
    reference, network = Network(experiment), Network(experiment)
    expected = reference.train_span(xs, samples.labels, order, range(len(xs)), 4)
    assert Kernel(network).train_span(xs, samples.labels, order, range(len(xs)), 4).tolist() == expected.tolist()
    assert_same_state(network, reference)


def test_it_continues_where_the_reference_is():
    experiment = config.load("digits-dw5")
    xs, labels = random_samples(experiment, 40, 1)
    order = np.arange(40)
    reference, network = Network(experiment), Network(experiment)
    kernel = Kernel(network)
    for trainer, span in ((kernel, range(0, 10)), (network, range(10, 20)), (kernel, range(20, 40))):
        trainer.train_span(xs, labels, order, span, 4)
    reference.train_span(xs, labels, order, range(40), 4)
    assert_same_state(network, reference)
    assert network.predict(xs).tolist() == reference.predict(xs).tolist()


def test_counters_wrap():
    network = Network(config.load("digits-dw5"))
    state = network.state()
    state["layer0_counters"][:] = 2**40 - 1
    network.load(state)
    xs, labels = random_samples(network.experiment, 3, 1)
    Kernel(network).train_span(xs, labels, np.arange(3), range(3), 4)
    assert network.crossbars[0].counters["forwards"] == 2


@pytest.mark.parametrize("batch", [1, 8])
def test_training_runs_do_not_depend_on_it(tmp_path, batch):
    experiment = config.load("digits-dw5").model_copy(update={"batch": batch, "epochs": 2})
    states = []
    for kernel in (True, False):
        train.run(experiment, out=tmp_path, samples=100, baseline=False, progress=False, kernel=kernel)
        with np.load(tmp_path / "state.npz") as file:
            states.append({name: array.tolist() for name, array in file.items()})
    assert states[0] == states[1]
    assert states[0]["layer0_counters"][4] > 0


def test_other_inputs_and_devices_are_refused():
    experiment = config.load("digits-dw5")
    kernel = Kernel(Network(experiment))
    for shape in ((1, 63), (2, 64)):
        with pytest.raises(ValueError, match=r"samples of shape .*: 1 labels and 64 inputs need \(1, 64\)"):
            kernel.train_span(torch.zeros(shape), np.zeros(1, int), np.zeros(1, int), range(1), 4)
    network = Network(experiment)
    network.device = torch.device("cuda")
    with pytest.raises(ValueError, match="the network is on the device cuda; the compiled kernel runs on the CPU only"):
        Kernel(network)
