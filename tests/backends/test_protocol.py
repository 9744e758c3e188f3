"""Every implementation of a crossbar against the golden model: every primitive, every answer, every bit of state."""

from random import Random

import numpy as np
import pytest
import torch
from spinloom.backends.golden import GoldenCrossbar
from spinloom.backends.protocol import BackendError, Crossbar
from spinloom.backends.rtl import RtlCrossbar
from spinloom.config import parse
from spinloom.contract.geometry import CrossbarGeometry
from spinloom.hw.crossbar.layouts import conversion_layout
from spinloom.model.crossbar import Crossbar as Model
from spinloom.model.crossbar import StateError
from spinloom.sim.simulators import toolchain
from spinloom.sim.stimuli import random_deltas, random_drive, random_increments, random_state, random_states

SEED = 5
HIDDEN = {"cols": 4, "lanes": 2, "z_bits": 6, "z_frac": 3}


def geometry(device: dict, layers: list[dict], layer: int, **fields) -> CrossbarGeometry:
    return parse({"input": {"count": 5, "bits": 4}, "device": device, "layers": layers, **fields},
                 "test").crossbars[layer]


CASES = {
    # Outputs and deltas of all columns at once, in payloads of more than 64 bits.
    "domain walls behind relu": (geometry(
        {"kind": "domain_wall", "states": 3, "sigma": 0.3, "variation": 0.1, "stuck": 0.1},
        [HIDDEN | {"neuron": "relu"}, {"cols": 6, "adcs": 6, "z_bits": 12, "z_frac": 4, "delta_bits": 12, "bias": True,
                                       "chi_bits": 10, "chi_frac": 8}], 1), True),
    "tunnel junctions with stochastic rounding and read noise behind sigmoid": (geometry(
        {"kind": "mtj", "states": 3, "curve": "tanh"},
        [HIDDEN | {"neuron": "sigmoid"}, {"cols": 4, "lanes": 2, "adcs": 1, "z_frac": 4, "chi_bits": 10,
                                          "chi_frac": 8}], 1,
        update={"rounding": "stochastic", "residual": "none", "threshold": 0.5}, converters={"read_noise": 2.5}), True),
    "pairs of phase-change cells behind data": (geometry(
        {"kind": "pcm_pair", "level": 0.5, "g_max": 4.0, "step_mean": [0.5, 0.1], "step_sigma": [0.2, 0.1],
         "refresh_high": 0.75, "refresh_low": 0.25},
        [{"cols": 4, "lanes": 2, "bias": True, "chi_bits": 12, "chi_frac": 8}], 0), False),
    "ideal devices behind data, with a backward pass": (geometry(
        {"kind": "ideal", "states": 5}, [{"cols": 3, "lanes": 1, "chi_bits": 12, "chi_frac": 8}], 0), True),
}
"""Geometries, and whether the RTL has a backward pass."""


@pytest.fixture(scope="module", params=CASES)
def case(request):
    return CASES[request.param]


@pytest.fixture(scope="module", params=["golden", "rtl"])
def made(case, request):
    """A crossbar of each implementation, as it was made."""
    if request.param == "golden":
        yield GoldenCrossbar(case[0], SEED)
        return
    try:
        toolchain.require("verilator")
    except toolchain.SimulatorError as error:
        pytest.skip(str(error))
    crossbar = RtlCrossbar(case[0], SEED, backward=case[1])
    yield crossbar
    crossbar.close()


class Pair:
    """A crossbar and the golden model, in the same state."""

    def __init__(self, crossbar: Crossbar, has_backward: bool, random: Random):
        self.crossbar, self.has_backward, self.random = crossbar, has_backward, random
        self.geometry = crossbar.geometry
        self.model = Model(self.geometry, SEED)

    def load(self, state: dict[str, np.ndarray]):
        self.model.load(state)
        self.crossbar.load(state)

    def forward(self):
        x = random_drive(self.random, self.geometry)
        z = self.crossbar.forward(x[np.newaxis])
        assert z.shape == (1, self.geometry.cols)
        assert z[0].tolist() == self.model.forward(torch.from_numpy(x)).tolist()

    def backward(self):
        d = random_deltas(self.random, self.geometry)
        e = self.crossbar.backward(d[np.newaxis])
        assert e.shape == (1, self.geometry.inputs)
        assert e[0].tolist() == self.model.backward(torch.from_numpy(d)).tolist()

    def update(self, program: bool = True):
        x, d = random_drive(self.random, self.geometry), random_deltas(self.random, self.geometry)
        shift = self.random.randint(*self.geometry.learning_rate_shifts)
        self.crossbar.update(x[np.newaxis], d[np.newaxis], shift, program)
        self.model.update(torch.from_numpy(x), torch.from_numpy(d), shift, program)

    def accumulate(self):
        self.update(program=False)

    def program(self):
        self.crossbar.program()
        self.model.program()

    def apply(self):
        dw = random_increments(self.random, self.geometry)
        self.crossbar.apply(dw)
        self.model.apply(torch.from_numpy(dw))

    def write(self):
        states = random_states(self.random, self.geometry)
        self.crossbar.write(states)
        self.model.write(torch.from_numpy(states))

    def compare(self):
        expected, actual = self.model.state(), self.crossbar.state()
        assert actual.keys() == expected.keys()
        for name, array in expected.items():
            assert (actual[name].dtype, actual[name].shape) == (array.dtype, array.shape)
            assert (actual[name] == array).all(), name


@pytest.fixture
def pair(made, case):
    """In the initial state."""
    pair = Pair(made, case[1] or isinstance(made, GoldenCrossbar), Random(SEED))
    made.load(pair.model.state())
    return pair


def test_a_new_crossbar_is_in_the_initial_state(made, case):
    state = made.state()
    assert all((array == state[name]).all() for name, array in Model(case[0], SEED).state().items())
    assert made.geometry == case[0]


@pytest.mark.parametrize("operation", ["forward", "backward", "update", "accumulate", "program", "apply", "write"])
def test_a_primitive_from_random_states(pair, operation):
    if operation == "backward" and not pair.has_backward:
        with pytest.raises(BackendError, match="made without a backward pass"):
            pair.backward()
        return
    for _ in range(8):
        pair.load(random_state(pair.random, pair.geometry))
        getattr(pair, operation)()
        pair.compare()


@pytest.mark.parametrize("seed", range(3))
def test_a_random_sequence(pair, seed):
    pair.random.seed(seed)
    operations = [pair.forward, pair.update, pair.update, pair.update, pair.accumulate, pair.program, pair.apply,
                  pair.write, *([pair.backward] if pair.has_backward else [])]
    for _ in range(40):
        pair.random.choice(operations)()
    pair.compare()


def test_counters(pair):
    pair.forward()
    pair.update()
    assert list(pair.crossbar.counters) == list(pair.geometry.counters)
    assert pair.crossbar.counters == pair.model.counters
    assert pair.crossbar.counters["forwards"] == 1


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint64])
def test_integers_of_any_type(pair, dtype):
    x = np.minimum(np.arange(pair.geometry.inputs), pair.geometry.x.maximum).astype(dtype)
    expected = pair.model.forward(torch.from_numpy(x.astype(np.int64)))
    z = pair.crossbar.forward(x[np.newaxis])
    assert z.dtype == np.int64
    assert z[0].tolist() == expected.tolist()


def test_a_state_that_does_not_fit_is_refused(pair):
    state = pair.model.state()
    with pytest.raises(StateError, match="no array 'chi'"):
        pair.crossbar.load({name: array for name, array in state.items() if name != "chi"})
    with pytest.raises(StateError, match="g holds values"):
        pair.crossbar.load(state | {"g": state["g"] + 30_000})
    pair.compare()


def test_operands_that_do_not_fit_are_refused(pair):
    crossbar, form = pair.crossbar, pair.geometry
    x, d = np.zeros((1, form.inputs), dtype=np.int64), np.zeros((1, form.cols), dtype=np.int64)
    cells, shift = np.zeros((form.rows, form.cols), dtype=np.int64), form.learning_rate_shifts[0]
    for call, text in (
        (lambda: crossbar.forward(np.vstack([x, x])), "x has 2 positions: a crossbar is applied at 1 position"),
        (lambda: crossbar.backward(np.vstack([d, d, d])), "d has 3 positions"),
        (lambda: crossbar.forward(x[0]), r"x is int64 \(5,\)|x is int64 \(4,\)"),
        (lambda: crossbar.forward(x + 0.5), "x is float64"),
        (lambda: crossbar.forward(x + 99_999), "x holds values from 99999 to 99999: they must lie in"),
        (lambda: crossbar.update(x, d - 99_999, shift), "d holds values from -99999"),
        (lambda: crossbar.update(x, d, shift - 1), f"learning_rate_shift={shift - 1}: must be {shift} to"),
        (lambda: crossbar.apply(cells[:, 1:]), "dw is int64"),
        (lambda: crossbar.apply(cells + (1 << 24)), "dw holds values"),
        (lambda: crossbar.write(cells - 1), "states holds values from -1 to -1: they must lie in 0 to"),
    ):
        with pytest.raises(BackendError, match=text):
            call()
    pair.compare()


def test_there_is_a_payload_of_more_than_64_bits():
    assert any(conversion_layout(form).size > 64 for form, _ in CASES.values())


def positions() -> CrossbarGeometry:
    """A crossbar at 3 positions, whose windows overlap and reach into the padding."""
    return geometry({"kind": "domain_wall", "states": 3, "sigma": 0.3}, [
        {"cols": 4, "map": [2, 2, 1]}, {"kind": "conv", "cols": 3, "kernel": [2, 2], "padding": [1, 0],
                                        "pool": [3, 1], "z_frac": 4}], 1)


def test_a_golden_crossbar_is_applied_at_positions():
    form = positions()
    crossbar, model, random = GoldenCrossbar(form, SEED), Model(form, SEED), np.random.default_rng(1)
    x = random.integers(0, form.x.maximum, (form.positions, form.inputs), endpoint=True)
    d = random.integers(-9, 9, (form.positions, form.cols))
    assert form.positions == 3
    z, e = crossbar.forward(x), crossbar.backward(d)
    crossbar.update(x, d, form.learning_rate_shifts[0])
    assert z.tolist() == model.forward(torch.from_numpy(x)).tolist()
    assert e.tolist() == model.backward(torch.from_numpy(d)).tolist()
    assert not e[0, :2].any()  # above the map
    assert e[0, 2:].any()
    model.update(torch.from_numpy(x), torch.from_numpy(d), form.learning_rate_shifts[0])
    assert crossbar.counters == model.counters
    assert crossbar.counters["product_rows"] == np.count_nonzero(x)
    assert all((array == model.state()[name]).all() for name, array in crossbar.state().items())
    with pytest.raises(BackendError, match="x has 1 positions: a crossbar is applied at 3 positions a sample"):
        crossbar.forward(x[:1])


def test_rtl_of_several_positions_is_refused():
    with pytest.raises(BackendError, match="applied at 3 positions cannot be simulated alone"):
        RtlCrossbar(positions(), SEED)
