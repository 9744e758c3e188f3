import numpy as np
import pytest
import torch
from spinloom import config
from spinloom.model.crossbar import StateError
from spinloom.model.network import Network

from .experiments import random_samples


def trained(network, count, seed, learning_rate_shift):
    """Train ``network`` with random samples, whose drives are returned."""
    xs, labels = random_samples(network.experiment, count, seed)
    for x, label in zip(xs, labels, strict=True):
        network.train(x, label, learning_rate_shift)
    return xs


def test_prediction_leaves_the_machine_alone_and_agrees_with_inference():
    network = Network(config.load("digits-dw5"))
    xs = trained(network, 20, 1, 5)
    before = network.state()
    predictions = network.predict(xs).tolist()
    after = network.state()
    assert all((before[name] == after[name]).all() for name in before)
    assert [network.infer(x) for x in xs] == predictions
    assert network.crossbars[0].counters["forwards"] == 40


def test_a_loaded_network_continues_as_the_saved_one():
    experiment = config.load("digits-dw5")
    xs, labels = random_samples(experiment, 60, 2)
    one, two = Network(experiment), Network(experiment.replaced(seed=7))
    for x, label in zip(xs[:30], labels[:30], strict=True):
        one.train(x, label, 4)
    two.load(one.state())
    for network in (one, two):
        for x, label in zip(xs[30:], labels[30:], strict=True):
            network.train(x, label, 4)
    first, second = one.state(), two.state()
    assert one.crossbars[0].counters["attempts"] > 0
    assert all((first[name] == second[name]).all() for name in first)


def test_the_arrays_of_a_network_are_those_of_its_crossbars():
    network = Network(config.load("digits-dw5"))
    trained(network, 5, 3, 0)
    assert {"g", "chi"} <= network.arrays.keys()
    for name, vector in network.arrays.items():
        assert torch.equal(vector, torch.cat([crossbar.arrays[name].flatten() for crossbar in network.crossbars]))


@pytest.mark.parametrize("preset", ["digits-dw5", "digits-dw2x4"])
def test_every_write_pulse_is_recorded(preset):
    network = Network(config.load(preset))
    recorder = network.record()
    trained(network, 5, 3, 0)
    assert len(recorder.take()) == sum(crossbar.counters["attempts"] for crossbar in network.crossbars) > 0


def test_bound_counts_active_rows_and_folds():
    experiment = config.parse({
        "input": {"count": 3}, "device": {"kind": "ideal"},
        "layers": [{"cols": 4, "lanes": 2, "bias": True, "weight_step": -2}, {"cols": 2, "lanes": 1}],
    }, "small")
    network = Network(experiment)
    network.train(torch.tensor([0, 200, 3]), 1, 6)
    hidden = network.crossbars[1].counters["update_rows"]
    assert network.row_reads == [[3, hidden], [3, hidden]]
    assert network.bound_cycles == network.read_cycles == 2 * (3 * 2 + hidden * 2)


def test_no_second_pass_is_read_without_an_error():
    experiment = config.parse({
        "input": {"count": 3}, "device": {"kind": "ideal"}, "loss": "squared_hinge",
        "layers": [{"cols": 1, "bias": True, "weight_step": 4, "z_bits": 4, "z_frac": 0}],
    }, "small")
    network = Network(experiment)
    network.load(network.state() | {"layer0_g": np.full((4, 1), 16, dtype=np.int16)})
    network.train(torch.tensor([0, 200, 3]), 0, 6)  # right, and beyond the margin
    assert network.row_reads == [[3], [0]]
    assert (network.bound_cycles, network.read_cycles) == (6, 3)


@pytest.mark.parametrize(("name", "value", "message"), [
    ("layer1_g", None, "crossbar 1: the state has no array 'g'"),
    ("layer0_g", np.zeros((3, 3), np.int16), r"g is int16 \(3, 3\); it must hold integers of shape \(64, 32\)"),
    ("layer0_g", np.full((64, 32), 99, np.int16), "crossbar 0: g holds values from 99 to 99; they must lie in -32"),
    ("layer0_chi", np.zeros((64, 32)), "chi is float64"),
    ("layer0_lfsr", np.array(0, np.uint32), "lfsr holds values from 0 to 0; they must lie in 1 to 4294967295"),
    ("layer1_counters", np.full(9, -1), "counters holds values from -1 to -1"),
])
def test_a_state_that_does_not_fit_is_refused(name, value, message):
    network = Network(config.load("digits-dw5"))
    state = network.state()
    if value is None:
        del state[name]
    else:
        state[name] = value
    with pytest.raises(StateError, match=message):
        network.load(state)
