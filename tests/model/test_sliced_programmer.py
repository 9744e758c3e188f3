"""Cells of several devices: which are pulsed, and what comes of it, against their physical specification."""

import math

import numpy as np
import pytest
from spinloom import config
from spinloom.contract.errors import ConfigError
from spinloom.contract.lfsr import initial_state
from spinloom.model.crossbar import Crossbar
from spinloom.model.device import Cell, Device, SlicedCell
from spinloom.model.lfsr import WORD_MASK, Lfsr
from spinloom.model.sliced_programmer import programmer

from .test_device_statistics import INDICES, assert_frequencies

BINARY = {"kind": "ideal", "states": 2, "sub_bits": 3}


def geometry(synapse, device=None, **sections):
    """A residual of 256 is the threshold, a level 8 sub-levels unless the device says otherwise."""
    return config.parse({
        "seed": 3, "input": {"count": 20}, "device": device or BINARY, "synapse": synapse,
        "layers": [{"cols": 30, "chi_frac": 8, "chi_bits": 14, "weight_step": -6}]} | sections, "test").crossbars[0]


def cell_of(crossbar, states):
    """A cell whose devices are at the nominal conductances of ``states``."""
    device = Device(crossbar.device.single)
    return SlicedCell([Cell(device.nominal(state)) for state in states], crossbar.device.slices.weights)


def states_of(crossbar, cell):
    return [Device(crossbar.device.single).state_of(device.g) for device in cell.devices]


@pytest.mark.parametrize(("before", "levels", "after"), [
    ([0, 1, 1, 0], 1, [0, 1, 1, 1]), ([0, 1, 1, 1], 1, [1, 0, 0, 0]), ([1, 0, 0, 0], -1, [0, 1, 1, 1]),
    ([0, 0, 0, 1], 14, [1, 1, 1, 1]), ([1, 1, 1, 0], 9, [1, 1, 1, 1]), ([0, 0, 1, 1], -9, [0, 0, 0, 0])])
def test_binary_devices_hold_the_digits_of_the_state(before, levels, after):
    crossbar = geometry({"slices": [8, 4, 2, 1]})
    assert (crossbar.device.states, crossbar.device.g_bits) == (16, 8)
    served, cell = programmer(crossbar, Lfsr(1)), cell_of(crossbar, before)
    moved = sum(8 >> place << 3 for place in range(4) if after[place]) - sum(
        8 >> place << 3 for place in range(4) if before[place])
    chi = 257 * levels
    assert served.program(cell, chi) == chi - (moved << 5)
    assert states_of(crossbar, cell) == after
    changed = [int(one != other) for one, other in zip(before, after, strict=True)]
    assert cell.pulses == changed, "a device that stays is left alone"
    assert served.counters["attempts"] == sum(changed)


def test_smaller_devices_make_up_for_what_a_larger_one_has_missed():
    """The first lands 3 levels of the cell below its state: 8 + 2, of which it holds 5."""
    crossbar = geometry({"slices": [8, 4, 2, 1]})
    cell = cell_of(crossbar, [1, 0, 0, 0])
    cell.devices[0].g -= 3
    assert cell.g == 4 - 3 * 8
    programmer(crossbar, Lfsr(1)).program(cell, 256 * 5)
    assert states_of(crossbar, cell) == [1, 1, 0, 1]
    assert cell.g == Device(crossbar.device).nominal(10)


def test_a_device_that_is_too_far_off_is_written_again():
    crossbar = geometry({"slices": [2, 1]})
    cell = cell_of(crossbar, [1, 1])
    cell.devices[0].g -= 3
    programmer(crossbar, Lfsr(1)).program(cell, 256)
    assert (states_of(crossbar, cell), cell.pulses) == ([1, 1], [1, 0])


def test_a_stepping_device_is_pulsed_by_as_many_states():
    step = {"kind": "incremental", "states": 5, "sub_bits": 3, "up_sigma": 0.0, "down_sigma": 0.0}
    crossbar = geometry({"slices": [4, 1]}, step)
    cell = cell_of(crossbar, [2, 4])
    programmer(crossbar, Lfsr(1)).program(cell, 256)
    assert (states_of(crossbar, cell), cell.pulses) == ([3, 1], [1, 3])


def test_a_cell_is_written_device_by_device():
    crossbar = geometry({"slices": [8, 4, 2, 1]}, BINARY | {"kind": "domain_wall", "sigma": 0.3},
                        write={"margin": 0.125})
    served, device = programmer(crossbar, Lfsr(5)), Device(crossbar.device.single)
    for state in range(16):
        cell = cell_of(crossbar, [state < 8] * 4)
        rest = served.device.nominal(state)
        pulses = served.write(cell, state)
        for each, weight in zip(cell.devices, cell.weights, strict=True):
            assert abs(each.g - device.nominal(device.state_of(rest // weight))) <= 1
            rest -= weight * each.g
        assert cell.pulses == pulses
    assert served.counters["verify_attempts"] == served.counters["attempts"] > 50
    assert served.counters["failures"] == 0
    assert served.write(cell, 15) == [0] * 4, "it does not miss its goal"


def test_devices_in_turn_are_drawn_by_the_word_before():
    crossbar, lfsr = geometry({"turns": 3}), Lfsr(initial_state(1, 0))
    served, drawn = programmer(crossbar, lfsr), []
    for _ in range(10_000):
        cell, word = cell_of(crossbar, [0, 0, 1]), lfsr.state & WORD_MASK
        served.program(cell, 256)
        assert cell.pulses == [int(number == word * 3 >> 16) for number in range(3)]
        drawn.append(cell.pulses.index(1))
    assert_frequencies(np.array(drawn), np.arange(3))


def test_what_is_written_scatters_as_the_sum_of_the_devices():
    """From 7 to 8 of 16, every wall is written: their noises are independent, and each counts by its weight."""
    crossbar = geometry({"slices": [8, 4, 2, 1]}, {"kind": "domain_wall", "states": 2, "sub_bits": 6, "sigma": 0.01})
    served, device = programmer(crossbar, Lfsr(initial_state(2, 0))), Device(crossbar.device.single)
    cells = [cell_of(crossbar, [0, 1, 1, 1]) for _ in range(8_000)]
    for cell in cells:
        served.program(cell, 256)
        assert cell.pulses == [1] * 4
    mean = variance = 0
    for place, (weight, state) in enumerate(zip((8, 4, 2, 1), (1, 0, 0, 0), strict=True)):
        table = device.land(state, 0, INDICES)
        assert_frequencies(np.array([cell.devices[place].g for cell in cells]), table)
        mean, variance = mean + weight * table.mean(), variance + weight**2 * table.var()
    g = np.array([cell.g for cell in cells])
    assert abs(g.mean() - mean) < 5 * math.sqrt(variance / len(g))
    assert abs(g.var() - variance) < 5 * variance * math.sqrt(2 / len(g))


def test_every_device_differs_by_itself():
    """Displacements of the devices of a cell are independent, with the standard deviation that is specified."""
    crossbar = Crossbar(geometry({"turns": 4}, BINARY | {"kind": "domain_wall", "sub_bits": 6, "variation": 0.2,
                                                         "stuck": 0.1}), seed=3)
    displacements, stuck = crossbar._fixed
    assert displacements.shape == stuck.shape == (20, 30, 4)
    values, error = displacements.reshape(-1, 4) / 64, 5 / math.sqrt(600)
    correlations = np.corrcoef(values.T) - np.eye(4)
    assert np.abs(correlations).max() < error
    assert np.abs(values.std(axis=0) - 0.2).max() < 0.2 * error
    assert abs(stuck.mean() - 0.1) < 5 * math.sqrt(0.09 / stuck.size)


def test_new_cells_are_within_the_spread():
    fresh = Crossbar(geometry({"slices": [8, 4, 2, 1]}, init_spread=2.0), seed=1)
    assert set(np.unique(fresh.states()).tolist()) == {6, 7, 8, 9}
    assert fresh.slices.shape == (20, 30, 3)
    assert fresh.state().keys() == {"g", "slices", "chi", "lfsr", "counters"}


@pytest.mark.parametrize(("synapse", "sections", "message"), [
    ({}, {}, "test: synapse: needs either slices, such as [8, 4, 2, 1], or turns, such as 4"),
    ({"slices": [4, 2], "turns": 2}, {}, "needs either slices"),
    ({"slices": [4, 3, 1]}, {}, "slices=[4, 3, 1]: must be powers of two, never ascending, and end with 1"),
    ({"slices": [1, 2]}, {}, "slices=[1, 2]: must be powers of two"),
    ({"slices": [4, 1]}, {}, "a device that counts 4 leaves gaps, as those behind it reach 1 levels; use at most 2"),
    ({"turns": 9}, {}, "less than or equal to 8"),
    ({"turns": 2}, {"device": {"kind": "pcm_pair"}}, "the device is a pair; use another kind"),
    ({"turns": 8}, {"device": {"kind": "ideal", "states": 64, "sub_bits": 6}},
     "the conductance of a cell would be 15 bits wide, at most 13 are possible"),
    ({"turns": 8}, {"device": {"kind": "ideal", "states": 30, "sub_bits": 4}},
     "layers[0].chi_bits=14: a cell and its residual would have 89 bits, at most 63 are possible"),
    ({"turns": 2}, {"device": {"kind": "mtj"}, "update": {"rounding": "stochastic", "residual": "none"}},
     "update.rounding='stochastic': rounds by the switching of one device; with a section synapse use"),
])
def test_what_cannot_be_is_refused(synapse, sections, message):
    with pytest.raises(ConfigError) as error:
        geometry(synapse, **sections)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_state_whose_last_device_is_out_of_range_is_refused():
    crossbar = Crossbar(geometry({"slices": [2, 1]}), seed=1)
    state = crossbar.state()
    state["slices"][:] = 7
    with pytest.raises(ValueError, match="g - slices holds values from"):
        crossbar.load(state)
