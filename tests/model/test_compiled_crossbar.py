from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spinloom import config
from spinloom.contract.window import Window
from spinloom.model.compiled import gradient, threads
from spinloom.model.compiled.crossbar import CompiledCrossbar
from spinloom.model.compiled.gradient import product_sums
from spinloom.model.crossbar import Crossbar
from spinloom.model.samples import SampleCrossbar
from spinloom.model.window import Windows, with_bias
from spinloom.random_experiment import random_experiment
from spinloom.sim.stimuli import random_deltas, random_drive, random_increments, random_state

from .experiments import experiments


def assert_same_state(crossbar, reference):
    actual, expected = crossbar.state(), reference.state()
    assert actual.keys() == expected.keys()
    for name in expected:
        assert actual[name].dtype == expected[name].dtype
        assert actual[name].tolist() == expected[name].tolist(), name
    assert crossbar.pulses.tolist() == reference.pulses.tolist()


def operands(random, geometry, count):
    """Drives of maps, int64 (count, cells), and deltas, int64 (count, positions, cols)."""
    d = [random_deltas(random, geometry).reshape(geometry.positions, geometry.cols) for _ in range(count)]
    return np.array([random_drive(random, geometry) for _ in range(count)]), np.array(d)


class OnArrays:
    """A ``SampleCrossbar`` that takes arrays and returns tensors."""

    def __init__(self, *arguments):
        self._crossbar = SampleCrossbar(*arguments)

    def __getattr__(self, name):
        return lambda *arguments: getattr(self._crossbar, name)(*(
            torch.from_numpy(each) if isinstance(each, np.ndarray) else each for each in arguments))


def assert_equals_reference(geometry, seed, kind=CompiledCrossbar, count=5):
    """Every operation, from a random state on; returns the reference."""
    random = Random(seed)
    reference, crossbar = Crossbar(geometry, seed), Crossbar(geometry, seed)
    state = random_state(random, geometry)
    for each in (reference, crossbar):
        each.load(state)
    compiled, windows = kind(crossbar), reference.windows
    for batch in (1, count):
        maps, d = operands(random, geometry, batch)
        x, deltas = windows.gather(torch.from_numpy(maps)), torch.from_numpy(d)
        asked = np.array([[random.random() < 0.5 for _ in range(geometry.window.cells)] for _ in range(batch)])
        shift = random.randint(*geometry.learning_rate_shifts)

        assert compiled.evaluate(maps).tolist() == reference.evaluate(x).tolist()
        assert compiled.forward(maps).tolist() == reference.forward(x).tolist()
        assert compiled.row_sums(d).tolist() == windows.fold(
            torch.where(windows.driven, reference.row_sums(deltas), 0)).tolist()
        assert compiled.backward(d).tolist() == windows.fold(reference.backward(deltas)).tolist()
        masked = reference.backward(deltas, windows.gather(torch.from_numpy(asked).long()).bool())
        assert compiled.backward(d, asked).tolist() == windows.fold(masked).tolist()
        assert_same_state(crossbar, reference)
        for program in (batch == 1, True):
            compiled.update(maps, d, shift, program)
            for windows_of_sample, delta in zip(x, deltas, strict=True):
                reference.update(windows_of_sample, delta, shift, program)
            assert_same_state(crossbar, reference)
        dw = random_increments(random, geometry)
        compiled.apply(dw)
        reference.apply(torch.from_numpy(dw))
        assert_same_state(crossbar, reference)
        compiled.program()
        reference.program()
        assert_same_state(crossbar, reference)
    return reference


def assert_same_gradient(geometry, seed, count):
    """The sums of products that compiled code has, and those that tensors have. With an odd ``seed``, most operands are
    the largest that there are."""
    random, windows, limit = Random(seed), Windows(geometry), 1 << geometry.delta_bits - 1
    maps, d = operands(random, geometry, count)
    if seed % 2:
        maps[1:] = geometry.x.minimum or geometry.x.maximum
        d[1:] = -limit
        d[0, random.randrange(geometry.positions)] = 0
    drive = with_bias(geometry, windows.gather(torch.from_numpy(maps)))
    expected = torch.einsum("npr,npc->rc", drive, torch.from_numpy(d))
    assert product_sums(geometry, maps.astype(np.int16), d.astype(np.int16)).tolist() == expected.tolist()


def assert_largest_sums_have_the_same_bits(geometry, largest=np.max):
    """Column sums and row sums whose products are all large and of one sign, that of the ``largest`` conductance;
    returns the largest row sum."""
    random, reference, crossbar = Random(1), Crossbar(geometry, 1), Crossbar(geometry, 1)
    state = random_state(random, geometry)
    state["g"][:] = largest(state["g"])
    for each in (reference, crossbar):
        each.load(state)
    compiled, windows, window = CompiledCrossbar(crossbar), reference.windows, geometry.window
    maps = np.full((1, window.cells), geometry.x.maximum)
    d = np.full((1, window.positions, window.cols), -1 << geometry.delta_bits - 1)
    sums = windows.fold(torch.where(windows.driven, reference.row_sums(torch.from_numpy(d)), 0))
    assert compiled.row_sums(d).tolist() == sums.tolist()
    assert compiled.evaluate(maps).tolist() == reference.evaluate(windows.gather(torch.from_numpy(maps))).tolist()
    return int(sums.abs().max())


@pytest.fixture(params=[1, 3])
def shared(request, monkeypatch):
    """Whether threads share even the least work: one, or three."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    monkeypatch.setattr(threads, "WORTH", 1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("kind", ["ideal", "domain_wall", "incremental", "pcm_pair", "mtj", "measured"])
def test_random_crossbars_give_the_same_bits(kind):
    assert_random_crossbars_give_the_same_bits(kind, CompiledCrossbar)


@pytest.mark.parametrize("kind", ["ideal", "domain_wall", "incremental", "pcm_pair", "mtj", "measured"])
def test_random_crossbars_on_tensors_give_the_same_bits(kind):
    assert_random_crossbars_give_the_same_bits(kind, OnArrays)


def assert_random_crossbars_give_the_same_bits(kind, implementation):
    """And leave out nothing that a crossbar does."""
    happened = set()
    for seed in range(24):
        experiment = random_experiment(Random(f"{kind} {seed}"), kind=kind, convolutions=seed % 2 == 1, wires=True)
        for geometry in experiment.crossbars:
            reference = assert_equals_reference(geometry, seed, implementation)
            facts = {"read noise": geometry.read_noise, "bias": geometry.bias,
                     "attempts": reference.counters["attempts"],
                     "positions": geometry.positions > 1, "padding": any(geometry.window.padding),
                     geometry.rounding: True, geometry.residual: True, "pooling": geometry.window.pools}
            happened |= {name for name, fact in facts.items() if fact}
    always = {"read noise", "bias", "attempts", "positions", "padding", "pooling", "threshold", "verified", "nominal"}
    assert happened == always | ({"stochastic", "none"} if kind == "mtj" else set())


@pytest.mark.parametrize("largest", [np.max, np.min])
@pytest.mark.parametrize(("count", "bits", "cols"), [(70, 12, 112), (2048, 8, 112), (2048, 8, 113)])
def test_largest_sums_have_the_same_bits(count, bits, cols, largest):
    """Row sums need more than 32 bits, of which lanes may add up the products of 112 columns, but not of 113. Column
    sums of 8-bit drives just fit 32 bits."""
    geometry = config.parse({
        "input": {"count": count, "bits": bits}, "device": {"kind": "domain_wall", "states": 64, "sub_bits": 6},
        "layers": [{"cols": cols, "delta_bits": 16, "chi_bits": 24, "z_frac": 0}]}, "large").crossbars[0]
    assert assert_largest_sums_have_the_same_bits(geometry, largest) >= 1 << 32


@settings(max_examples=40)
@given(experiment=experiments(convolutions=True), seed=st.integers(0, 2**32 - 1))
def test_generated_crossbars_give_the_same_bits(experiment, seed):
    assert_equals_reference(experiment.crossbars[-1], seed)


def convolution(**fields):
    return config.parse({
        "input": {"map": [6, 5, 2]}, "device": {"kind": "domain_wall", "sigma": 0.2}, "layers": [
            {"kind": "conv", "cols": 40, "kernel": 3, "padding": 1, "pool": [6, 5], "weight_step": -2, "z_frac": 4}],
    } | fields, "convolution").crossbars[0]


@pytest.mark.usefixtures("shared")
def test_wide_crossbars_of_a_network_give_the_same_bits():
    """Those that are not the first, too, and whose arrays are views."""
    experiment = config.parse({
        "input": {"count": 70, "kind": "signed"}, "converters": {"read_noise": 1.0},
        "device": {"kind": "pcm_pair", "refresh_high": 0.3, "refresh_low": 0.1, "stuck": 0.02},
        "layers": [{"cols": 300, "bias": True, "neuron": "sigmoid"}, {"cols": 75, "z_frac": 4, "bias": True}]}, "wide")
    for geometry in experiment.crossbars:
        assert assert_equals_reference(geometry, 3).counters["refreshes"]


@pytest.mark.parametrize("kind", [CompiledCrossbar, OnArrays])
def test_other_windows_share_the_state(kind):
    """Those of another map: as a crossbar whose geometry has that map."""
    geometry, other = convolution(), convolution(input={"map": [3, 4, 2]}, layers=[
        {"kind": "conv", "cols": 40, "kernel": 3, "padding": 1, "pool": [3, 4], "weight_step": -2, "z_frac": 4}])
    reference, crossbar = Crossbar(other, 1), Crossbar(geometry, 1)
    compiled = kind(crossbar, Window(map=(3, 4, 2), cols=40, kernel=(3, 3), padding=(1, 1)))
    maps, d = operands(Random(1), other, 4)
    x = reference.windows.gather(torch.from_numpy(maps))
    assert compiled.forward(maps).tolist() == reference.forward(x).tolist()
    compiled.update(maps, d, 3)
    for windows, delta in zip(x, d, strict=True):
        reference.update(windows, torch.from_numpy(delta), 3)
    assert reference.counters["attempts"] > 0
    assert_same_state(crossbar, reference)


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("cached", [1, 64, 1 << 13])
def test_random_gradients_have_the_same_bits(cached, monkeypatch):
    """However many deltas are worked on at a time."""
    monkeypatch.setattr(gradient, "CACHED", cached)
    for seed in range(30):
        experiment = random_experiment(Random(f"gradient {seed}"), convolutions=seed % 2 == 1)
        for geometry in experiment.crossbars:
            assert_same_gradient(geometry, seed, count=1 + seed % 7)


@pytest.mark.parametrize("widths", [{"input": {"kind": "signed", "bits": 12}, "delta": 16},
                                    {"input": {"kind": "unsigned", "bits": 8}, "delta": 14}])
def test_gradients_of_wide_operands_have_the_same_bits(widths):
    """Sums do not fit 32 bits: of all samples, or even of few."""
    geometry = config.parse({
        "input": {"count": 37, **widths["input"]}, "device": {"kind": "domain_wall", "sigma": 0.2},
        "layers": [{"cols": 45, "bias": True, "delta_bits": widths["delta"], "delta_frac": 12, "z_frac": 4,
                    "chi_bits": 24}]}, "wide").crossbars[0]
    for seed in (1, 2):
        assert_same_gradient(geometry, seed, 3001)


def test_a_mini_batch_of_no_samples_does_nothing():
    crossbar = Crossbar(convolution(), 1)
    before, compiled = crossbar.state(), CompiledCrossbar(crossbar)
    compiled.update(np.zeros((0, 60)), np.zeros((0, 30, 40)), 3, program=False)
    assert compiled.forward(np.zeros((0, 60))).shape == (0, 30, 40)
    sums = product_sums(compiled.geometry, np.zeros((0, 60), np.int16), np.zeros((0, 30, 40), np.int16))
    assert sums.shape == (18, 40)
    assert not sums.any()
    assert {name: array.tolist() for name, array in crossbar.state().items()} == {
        name: array.tolist() for name, array in before.items()}


def test_what_does_not_fit_is_refused():
    crossbar = Crossbar(convolution(), 1)
    compiled = CompiledCrossbar(crossbar)
    maps, d = np.zeros((2, 60)), np.zeros((2, 30, 40))
    with pytest.raises(ValueError, match=r"operands of shape \(2, 59\): they must be \(samples, 60\)"):
        compiled.forward(maps[:, 1:])
    with pytest.raises(ValueError, match=r"operands of shape \(2, 30, 39\): they must be \(samples, 30, 40\)"):
        compiled.update(maps, d[:, :, 1:], 6)
    with pytest.raises(ValueError, match="1 maps and the deltas of 2: there must be as many"):
        compiled.update(maps[:1], d, 6)
    with pytest.raises(ValueError, match="the deltas of 2 samples, and 1 maps of what is asked for"):
        compiled.backward(d, maps[:1])
    with pytest.raises(ValueError, match="windows of 2 cells and 40 columns: the crossbar has 18 inputs"):
        CompiledCrossbar(crossbar, Window.dense((1, 1, 2), 40))
    crossbar.torch_device = torch.device("cuda")
    with pytest.raises(ValueError, match="PyTorch device cuda; compiled code runs on the CPU only"):
        CompiledCrossbar(crossbar)


def test_threads_evaluate_at_the_same_time():
    """Without seeing what the other one works on."""
    geometry = config.load("mnist-dw5").crossbars[0]
    crossbar = CompiledCrossbar(Crossbar(geometry, 1))
    given = [operands(Random(seed), geometry, 200) for seed in range(4)]
    calls = [partial(crossbar.evaluate, maps) for maps, _ in given] + [partial(crossbar.row_sums, d) for _, d in given]
    expected = [call() for call in calls]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda call: call(), 4 * calls))
    assert all(map(np.array_equal, found, 4 * expected))
