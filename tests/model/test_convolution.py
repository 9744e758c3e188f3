"""Networks with layers of several positions."""

from math import prod

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spinloom import config
from spinloom.config import Experiment
from spinloom.model import network as network_module
from spinloom.model.crossbar import StateError
from spinloom.model.network import Network
from spinloom.train.host import HostTrainer

from .experiments import experiments, random_samples

CONVOLUTION = {"kind": "conv", "cols": 3, "kernel": [3, 2], "padding": [1, 0], "weight_step": -3, "z_frac": 6,
               "delta_bits": 14, "delta_frac": 12, "chi_frac": 8}
DEVICES = {
    "domain_wall": {"device": {"kind": "domain_wall", "states": 5, "sigma": 0.3, "variation": 0.1, "stuck": 0.05}},
    "pcm_pair": {"device": {"kind": "pcm_pair", "sub_bits": 3}, "update": {"residual": "nominal", "threshold": 0.25}},
    "incremental": {"device": {"kind": "incremental", "states": 9}},
    "mtj": {"device": {"kind": "mtj", "states": 3, "curve": "tanh"},
            "update": {"rounding": "stochastic", "residual": "none", "threshold": 0.25}},
}


def network_of(**fields) -> Experiment:
    """A convolution with pooling, one with a stride, and a dense layer."""
    return config.parse({
        "input": {"map": [8, 7, 2]}, "learning_rate_shifts": [1, 2], "device": {"kind": "domain_wall", "sigma": 0.3},
        "update": {"threshold": 0.25},
        "layers": [CONVOLUTION | {"pool": [2, 3]},
                   {"kind": "conv", "cols": 4, "kernel": 2, "stride": 2, "weight_step": -4, "z_frac": 5, "bias": True,
                    "delta_bits": 14, "delta_frac": 12, "chi_frac": 8, "rate_offset": 1},
                   {"cols": 5, "weight_step": -3, "z_frac": 4, "delta_frac": 9, "delta_bits": 11, "chi_frac": 6}],
    } | fields, "convolutions")


def trained(experiment: Experiment, xs: torch.Tensor, labels: np.ndarray) -> tuple[Network, list[int]]:
    network = Network(experiment)
    order = np.arange(len(xs))
    shift = experiment.learning_rate_shift(0)
    return network, network.train_span(xs, labels, order, range(len(xs)), shift).tolist()


def expect_equal(one: Network, other: Network) -> None:
    first, second = one.state(), other.state()
    assert list(first) == list(second)
    for name in first:
        assert first[name].tolist() == second[name].tolist(), name
    assert one.row_reads == other.row_reads


@settings(max_examples=60)
@given(dense=experiments(), height=st.integers(1, 3), left=st.booleans(), seed=st.integers(0, 1000))
def test_a_dense_layer_is_a_convolution_with_one_window(dense, height, left, seed):
    """The kernel is as large as the map, or the rest of the map is dropped. Hidden layers see columns as they are
    arranged."""
    count = dense.input.count
    height = height if count % height == 0 else 1
    kernel = height, count // height
    layers = {index: {"kind": "conv", "kernel": 1} for index in range(1, len(dense.layers))}
    layers[0] = {"kind": "conv", "kernel": kernel, "stride": [height + 1, 1], "drop": True}
    shape = height + left, kernel[1], 1
    convolutions = dense.replaced(input={"map": shape, "count": prod(shape)}, layers=layers)
    assert [crossbar.positions for crossbar in convolutions.crossbars] == [1] * len(dense.layers)
    xs, labels = random_samples(dense, 8, seed)
    rest = torch.full((len(xs), prod(shape) - count), 1)
    one, predictions = trained(dense, xs, labels)
    other, others = trained(convolutions, torch.cat([xs, rest], dim=1), labels)
    assert predictions == others
    expect_equal(one, other)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("neuron", ["relu", "sigmoid", "hard_tanh", "ternary"])
def test_every_device_and_neuron_trains(device, neuron):
    hidden = {"neuron": neuron} | ({"weight_step": -1, "z_frac": 2} if neuron == "ternary" else {})
    layers = [layer.model_dump() | (hidden if index < 2 else {}) for index, layer in enumerate(network_of().layers)]
    experiment = network_of(**DEVICES[device], layers=layers, converters={"read_noise": 1.5})
    xs, labels = random_samples(experiment, 12, 3)
    network, _ = trained(experiment, xs[:9], labels[:9])
    assert [len(crossbar.counters) for crossbar in network.crossbars] == [10, 10, 9]
    assert all(crossbar.counters["update_rows"] for crossbar in network.crossbars)
    assert any(crossbar.counters["attempts"] for crossbar in network.crossbars[:2])
    again = Network(experiment)
    again.load(network.state())
    for each in (network, again):  # the state is complete
        each.row_reads = [[0] * 3, [0] * 3]
        each.train_span(xs, labels, np.arange(12), range(9, 12), 1)
    expect_equal(network, again)


def convolved(experiment: Experiment, network: Network, x: torch.Tensor, label: int) -> list[torch.Tensor]:
    """The sums over positions of drive times delta, for each layer, by the gradients of ``conv2d``. Outputs, winners
    and derivatives are those of ``network``."""
    passes, z = network.forward(x)
    cells, crossbars = [x], network.crossbars
    for crossbar, neuron, each in zip(crossbars, network.neurons, passes, strict=False):
        cells.append(neuron(crossbar.windows.pool(crossbar.evaluate(each.x))[0])[0])
    delta, found = network.loss.delta(z, label), []
    for crossbar, driven, each in reversed(list(zip(crossbars, cells, passes, strict=True))):
        geometry, window = crossbar.geometry, crossbar.geometry.window
        d = crossbar.windows.spread(delta, each.winner)
        image = driven.double().reshape(window.map).movedim(2, 0)[None].requires_grad_()
        rows = crossbar.g[:geometry.inputs].double().reshape(*window.kernel, window.map[2], window.cols)
        weights = rows.permute(3, 2, 0, 1).contiguous().requires_grad_()
        sums = torch.nn.functional.conv2d(image, weights, stride=window.stride, padding=window.padding)[0]
        (sums * d.double().reshape(window.outputs).movedim(2, 0)).sum().backward()
        gradient = weights.grad.permute(2, 3, 1, 0).reshape(-1, window.cols).long()
        bias = geometry.bias_value * d.sum(dim=0, keepdim=True)
        found.append(torch.cat([gradient, bias]) if geometry.bias else gradient)
        if geometry.index:
            e = image.grad[0].movedim(0, 2).flatten().long()
            delta = e * each.y + (1 << geometry.error_shift >> 1) >> geometry.error_shift
            limit = 1 << geometry.source_delta_bits - 1
            delta = delta.clamp(-limit, limit - 1)
    return found[::-1]


@pytest.mark.parametrize("neuron", ["relu", "sigmoid"])
def test_what_a_sample_accumulates_is_its_gradient(neuron):
    layers = [layer.model_dump() | ({"neuron": neuron, "chi_bits": 24} if index < 2 else {"chi_bits": 24})
              for index, layer in enumerate(network_of().layers)]
    experiment = network_of(batch=3, layers=layers)
    network = Network(experiment)
    (xs, labels), reference = random_samples(experiment, 2, 4), Network(experiment)
    expected = [torch.zeros(crossbar.g.shape, dtype=torch.int64) for crossbar in network.crossbars]
    for x, label in zip(xs, labels, strict=True):
        network.train(x, int(label), 2, program=False)
        for total, gradient, geometry in zip(expected, convolved(experiment, reference, x, int(label)),
                                             experiment.crossbars, strict=True):
            shift = geometry.update_shift(2)
            total += (-gradient + (1 << shift >> 1)) >> shift
    for crossbar, total in zip(network.crossbars, expected, strict=True):
        assert crossbar.accumulator.chi.tolist() == total.tolist()
        assert total.abs().max() > 0
    network.program()
    assert all(crossbar.counters["visited_rows"] == crossbar.geometry.rows for crossbar in network.crossbars)
    assert any(crossbar.counters["attempts"] for crossbar in network.crossbars)


def test_a_host_takes_the_mean_of_the_gradients_at_the_rates_of_the_layers():
    experiment = network_of(batch=4, host={"optimizer": "sgd"})
    xs, labels = random_samples(experiment, 4, 6)
    network, counted = Network(experiment), Network(experiment)
    _, levels = HostTrainer(network).levels(xs, labels, 3)
    for x in xs:
        counted.infer(x)
    assert [each.counters for each in network.crossbars] == [each.counters for each in counted.crossbars]
    gradients = [convolved(experiment, Network(experiment), x, int(label)) for x, label in zip(xs, labels, strict=True)]
    for layer, (geometry, dw) in enumerate(zip(experiment.crossbars, levels, strict=True)):
        total = sum(gradient[layer] for gradient in gradients)
        rate = 2.0 ** -(3 + geometry.rate_offset)
        scale = 2.0 ** -(geometry.x.frac + geometry.delta_frac + geometry.weight_step) / 4
        assert dw.tolist() == (-rate * (total * scale)).tolist()
    assert experiment.crossbars[1].rate_offset == 1


@pytest.mark.parametrize("noise", [0.0, 2.0])
def test_predictions_are_those_of_samples_one_by_one(noise, monkeypatch):
    experiment = network_of(converters={"read_noise": noise})
    xs, labels = random_samples(experiment, 30, 5)
    network, _ = trained(experiment, xs, labels)
    before = network.state()
    expected = network.predict(xs).tolist()
    after = network.state()
    assert all((before[name] == after[name]).all() for name in before)
    monkeypatch.setattr(network_module, "CHUNK", 4000)  # several parts
    assert network.predict(xs).tolist() == expected
    assert [network.infer(x) for x in xs] == expected
    positions = [crossbar.geometry.positions for crossbar in network.crossbars]
    assert [crossbar.counters["forwards"] for crossbar in network.crossbars] == [60 * count for count in positions]


def test_reads_take_rows_several_at_a_time():
    """Position by position: rows driven, and those of positions with an error."""
    experiment = config.parse({
        "input": {"map": [1, 4, 1]}, "device": {"kind": "ideal"}, "loss": "squared_hinge",
        "layers": [{"kind": "conv", "cols": 2, "lanes": 1, "kernel": [1, 2], "pool": [1, 3], "bias": True,
                    "weight_step": 4, "z_bits": 4, "z_frac": 0, "forward_reads": 2}],
    }, "small")
    network = Network(experiment)
    g = np.zeros((3, 2), dtype=np.int16)
    g[0] = 16  # the first cell of a window counts
    network.load(network.state() | {"layer0_g": g})
    network.train(torch.tensor([0, 200, 3, 0]), 1, 6)  # windows (0, 200), (200, 3), (3, 0): the second wins
    assert network.row_reads == [[1 + 2 + 1], [3]]
    assert (network.bound_cycles, network.read_cycles) == (14, 14)
    counted = {"forwards": 3, "forward_rows": 2 + 3 + 2, "update_rows": 3, "visited_rows": 3, "product_rows": 3}
    counters = dict(network.crossbars[0].counters)
    assert {name: counters[name] for name in counted} == counted


def test_a_state_of_nine_counters_does_not_fit_ten():
    network = Network(network_of())
    state = network.state()
    assert [state[f"layer{layer}_counters"].shape for layer in range(3)] == [(10,), (10,), (9,)]
    with pytest.raises(StateError, match=r"counters is int64 \(9,\); it must hold integers of shape \(10,\)"):
        network.load(state | {"layer0_counters": state["layer2_counters"]})
