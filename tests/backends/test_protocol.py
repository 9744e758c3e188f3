"""Every implementation of a crossbar against the golden model: every primitive, every answer, every bit of state."""

from copy import deepcopy
from dataclasses import replace
from random import Random

import numpy as np
import pytest
import torch
from spinloom.backends.golden import GoldenCrossbar
from spinloom.backends.protocol import BackendError, Crossbar
from spinloom.backends.rtl import rtl_crossbars
from spinloom.config import parse
from spinloom.contract.geometry import CrossbarGeometry
from spinloom.hw.crossbar.layouts import conversion_layout
from spinloom.model.crossbar import Crossbar as Model
from spinloom.model.crossbar import StateError
from spinloom.sim.simulators import toolchain
from spinloom.sim.stimuli import random_deltas, random_drive, random_increments, random_state, random_states

SEED = 5
HIDDEN = {"cols": 4, "lanes": 2, "z_bits": 6, "z_frac": 3}


def geometry(device: dict, layers: list[dict], layer: int = -1, **fields) -> CrossbarGeometry:
    """That of one of the layers."""
    return parse({"input": {"count": 5, "bits": 4}, "device": device, "layers": layers, **fields},
                 "test").crossbars[layer]


CASES = {
    # Outputs and deltas of all columns at once, in payloads of more than 64 bits.
    "domain walls": geometry(
        {"kind": "domain_wall", "states": 3, "sigma": 0.3, "variation": 0.1, "stuck": 0.1},
        [HIDDEN | {"neuron": "relu"}, {"cols": 6, "adcs": 6, "z_bits": 12, "z_frac": 4, "delta_bits": 12, "bias": True,
                                       "chi_bits": 10, "chi_frac": 8}]),
    "tunnel junctions with stochastic rounding and read noise": geometry(
        {"kind": "mtj", "states": 3, "curve": "tanh"},
        [HIDDEN | {"neuron": "sigmoid"}, {"cols": 4, "lanes": 2, "adcs": 1, "z_frac": 4, "chi_bits": 10,
                                          "chi_frac": 8}],
        update={"rounding": "stochastic", "residual": "none", "threshold": 0.5}, converters={"read_noise": 2.5}),
    "pairs of phase-change cells": geometry(
        {"kind": "pcm_pair", "level": 0.5, "g_max": 4.0, "step_mean": [0.5, 0.1], "step_sigma": [0.2, 0.1],
         "refresh_high": 0.75, "refresh_low": 0.25},
        [{"cols": 4, "lanes": 2, "bias": True, "chi_bits": 12, "chi_frac": 8}]),
    "at several positions, whose windows overlap and reach into the padding": geometry(
        {"kind": "domain_wall", "states": 3, "sigma": 0.3}, [
            {"cols": 4, "map": [2, 2, 1]}, {"kind": "conv", "cols": 3, "kernel": [2, 2], "padding": [1, 0],
                                            "bias": True, "z_frac": 4}, {"cols": 2, "z_frac": 4}], 1),
    "at several positions, with several reads": geometry(
        {"kind": "ideal", "states": 5}, [
            {"kind": "conv", "cols": 4, "kernel": 2, "forward_reads": 4, "second_reads": 2, "chi_bits": 12,
             "chi_frac": 8, "neuron": "relu"}, {"cols": 2}], 0, input={"map": [3, 4, 2], "bits": 3}),
}


@pytest.fixture(scope="module")
def bank():
    """All of them in RTL."""
    try:
        toolchain.require("verilator")
    except toolchain.SimulatorError as error:
        pytest.skip(str(error))
    return rtl_crossbars(tuple(CASES.values()), [Model(case, SEED).state() for case in CASES.values()])


@pytest.fixture(params=CASES)
def name(request):
    return request.param


@pytest.fixture(params=["golden", "rtl"])
def made(name, request):
    """A crossbar of each implementation."""
    if request.param == "golden":
        return GoldenCrossbar.new(CASES[name], SEED)
    return request.getfixturevalue("bank")[list(CASES).index(name)]


class Pair:
    """A crossbar and the golden model, in the same state."""

    def __init__(self, crossbar: Crossbar, random: Random):
        self.crossbar, self.random = crossbar, random
        self.geometry = crossbar.geometry
        self.model = Model(self.geometry, SEED)

    def load(self, state: dict[str, np.ndarray]):
        self.model.load(state)
        self.crossbar.load(state)

    def maps(self, count: int) -> torch.Tensor:
        return torch.from_numpy(np.array([random_drive(self.random, self.geometry) for _ in range(count)]))

    def deltas(self, count: int) -> torch.Tensor:
        window = self.geometry.window
        d = [random_deltas(self.random, self.geometry).reshape(window.positions, window.cols) for _ in range(count)]
        return torch.from_numpy(np.array(d))

    def windows(self, maps: torch.Tensor) -> torch.Tensor:
        return self.model.windows.gather(maps)

    def forward(self, count: int = 2):
        maps = self.maps(count)
        z = self.crossbar.forward(maps)
        assert z.tolist() == [self.model.forward(self.windows(x)).tolist() for x in maps]

    def evaluate(self):
        maps = self.maps(3)
        assert self.crossbar.evaluate(maps).tolist() == self.model.evaluate(self.windows(maps)).tolist()
        assert self.crossbar.evaluate(maps[:1]).tolist() == self.model.evaluate(self.windows(maps[:1])).tolist()

    def backward(self):
        d = self.deltas(3)
        asked = torch.tensor([[self.random.random() < share for _ in range(self.geometry.window.cells)]
                              for share in (0, 0.5, 1)])
        for mask in (None, asked):
            rows = None if mask is None else self.windows(mask.long()).bool()
            e = self.model.windows.fold(self.model.backward(d, rows))
            assert self.crossbar.backward(d, mask).tolist() == e.tolist()

    def row_sums(self):
        d = self.deltas(2)
        driven = self.model.windows.driven
        e = self.model.windows.fold(torch.where(driven, self.model.row_sums(d), 0))
        assert self.crossbar.row_sums(d).tolist() == e.tolist()

    def update(self, program: bool = True):
        maps, d = self.maps(2), self.deltas(2)
        shift = self.random.randint(*self.geometry.learning_rate_shifts)
        self.crossbar.update(maps, d, shift, program)
        for x, deltas in zip(self.windows(maps), d, strict=True):
            self.model.update(x, deltas, shift, program)

    def accumulate(self):
        self.update(program=False)

    def program(self):
        self.crossbar.program()
        self.model.program()

    def apply(self):
        dw = torch.from_numpy(random_increments(self.random, self.geometry))
        self.crossbar.apply(dw)
        self.model.apply(dw)

    def write(self):
        states = torch.from_numpy(random_states(self.random, self.geometry))
        self.crossbar.write(states)
        self.model.write(states)

    def compare(self):
        expected, actual = self.model.state(), self.crossbar.state()
        assert actual.keys() == expected.keys()
        for name, array in expected.items():
            assert (actual[name].dtype, actual[name].shape) == (array.dtype, array.shape)
            assert (actual[name] == array).all(), name


OPERATIONS = ("forward", "evaluate", "backward", "row_sums", "update", "accumulate", "program", "apply", "write")


@pytest.fixture
def pair(made):
    """In the initial state."""
    pair = Pair(made, Random(SEED))
    made.load(pair.model.state())
    return pair


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_primitive_from_random_states(pair, operation):
    for _ in range(5):
        pair.load(random_state(pair.random, pair.geometry))
        getattr(pair, operation)()
        pair.compare()


@pytest.mark.parametrize("seed", range(3))
def test_a_random_sequence(pair, seed):
    pair.random.seed(seed)
    for _ in range(40):
        getattr(pair, pair.random.choice((*OPERATIONS, "update", "update")))()
    pair.compare()


def test_counters(pair):
    pair.forward(1)
    pair.update()
    assert list(pair.crossbar.counters) == list(pair.geometry.counters)
    assert pair.crossbar.counters == pair.model.counters
    assert pair.crossbar.counters["forwards"] == pair.geometry.positions


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int32])
def test_integers_of_any_type(pair, dtype):
    x = torch.arange(pair.geometry.window.cells).clamp(max=pair.geometry.x.maximum).to(dtype)
    expected = pair.model.forward(pair.windows(x.long()))
    assert pair.crossbar.forward(x[None])[0].tolist() == expected.tolist()


def test_a_state_that_does_not_fit_is_refused(pair):
    state = pair.model.state()
    with pytest.raises(StateError, match="no array 'chi'"):
        pair.crossbar.load({name: array for name, array in state.items() if name != "chi"})
    with pytest.raises(StateError, match="g holds values"):
        pair.crossbar.load(state | {"g": state["g"] + 30_000})
    pair.compare()


def test_operands_that_do_not_fit_are_refused(pair):
    crossbar, form = pair.crossbar, pair.geometry
    x = torch.zeros(2, form.window.cells, dtype=torch.int64)
    d = torch.zeros(2, form.positions, form.cols, dtype=torch.int64)
    cells, shift = torch.zeros(form.rows, form.cols, dtype=torch.int64), form.learning_rate_shifts[0]
    for call, text in (
        (lambda: crossbar.forward(x[:, 1:]), r"maps is int64 \(2, \d+\): it must hold integers of shape \(2, \d+\)"),
        (lambda: crossbar.forward(x[0]), r"maps is int64 \(\d+,\)"),
        (lambda: crossbar.forward(x + 0.5), "maps is float32"),
        (lambda: crossbar.evaluate(x + 99_999), "maps holds values from 99999 to 99999: they must lie in"),
        (lambda: crossbar.backward(d[:, 0]), "d is int64"),
        (lambda: crossbar.backward(d, x[:1]), "asked is uint8"),
        (lambda: crossbar.row_sums(d + 99_999), "d holds values"),
        (lambda: crossbar.update(x, d[:1], shift), r"d is int64 \(1, "),
        (lambda: crossbar.update(x, d - 99_999, shift), "d holds values from -99999"),
        (lambda: crossbar.update(x, d, shift - 1), f"learning_rate_shift={shift - 1}: must be {shift} to"),
        (lambda: crossbar.apply(cells[:, 1:]), "dw is int64"),
        (lambda: crossbar.apply(cells + (1 << 24)), "dw holds values"),
        (lambda: crossbar.write(cells - 1), "states holds values from -1 to -1: they must lie in 0 to"),
    ):
        with pytest.raises(BackendError, match=text):
            call()
    pair.compare()


def test_no_samples(pair):
    nothing = pair.maps(1)[:0], pair.deltas(1)[:0]
    assert pair.crossbar.forward(nothing[0]).shape == (0, pair.geometry.positions, pair.geometry.cols)
    assert pair.crossbar.backward(nothing[1]).shape == (0, pair.geometry.window.cells)
    pair.crossbar.update(*nothing, pair.geometry.learning_rate_shifts[0])
    pair.compare()


def test_there_is_a_payload_of_more_than_64_bits():
    assert any(conversion_layout(form).size > 64 for form in CASES.values())


def test_a_golden_crossbar_is_applied_to_other_maps():
    form = CASES["at several positions, with several reads"]
    crossbar = GoldenCrossbar.new(form, SEED)
    larger = replace(form.window, map=(5, 5, 2))
    there = crossbar.at(larger)
    assert there is crossbar.at(larger)
    assert crossbar.at(form.window) is crossbar
    assert there.forward(torch.ones(1, 50, dtype=torch.int64)).shape == (1, 16, 4)
    assert crossbar.counters["forwards"] == there.counters["forwards"] == 16


def test_hardware_is_applied_to_its_own_maps_alone(bank):
    crossbar = bank[-1]
    assert crossbar.at(crossbar.geometry.window) is crossbar
    with pytest.raises(BackendError, match=r"applied to maps of \(3, 4, 2\) alone, not \(5, 5, 2\)"):
        crossbar.at(replace(crossbar.geometry.window, map=(5, 5, 2)))


def test_hardware_is_not_copied(bank):
    with pytest.raises(BackendError, match="neither copied nor pickled"):
        deepcopy(bank[0])
