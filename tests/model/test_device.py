"""What a pulse does, in small numbers that can be checked by hand; ``test_reference`` compares at random."""

import numpy as np
import pytest
from spinloom import config
from spinloom.contract.device import DeviceTables
from spinloom.contract.hashing import CELL_STREAM, hash32
from spinloom.contract.tables import noise
from spinloom.model.device import Cell, Device, fixed_in_cells, initial_levels

MIDDLE, LOWEST, HIGHEST = 512, 0, 1023
"""Words whose noise is none to speak of, the least and the largest."""


def single(**fields):
    """Levels -8 .. 8 in segments of 2; pulses up move by 3, down by 2 in the lower half of the range and 5 above."""
    up, down = (3,) * 9, (2,) * 4 + (5,) * 5
    return Device(DeviceTables(pulse="step", sub_bits=2, states=5, g_bits=5, span=16, mean=up + down,
                               sigma=(0,) * 18, **fields))


def pair(**fields):
    """Two devices of levels 0 .. 16, moved by 7 and, from level 8 on, by 2."""
    tables = {"mean": (7,) * 4 + (2,) * 5, "sigma": (0,) * 9, "refresh_high": 10, "refresh_low": 4} | fields
    return Device(DeviceTables(pulse="step", sub_bits=2, states=9, g_bits=6, span=16, pair=True, **tables))


def switch(probability):
    return Device(DeviceTables(pulse="switching", sub_bits=1, states=3, g_bits=3, probability=probability))


def pulsed(device, cell, *ups, word=MIDDLE, toward=0):
    levels = []
    for up in ups:
        device.pulse(cell, word, toward=toward, up=up)
        levels.append(cell.g)
    return levels


def test_noise_rounds_ties_up():
    assert [noise(16, word) for word in (LOWEST, 511, MIDDLE, HIGHEST)] == [-3, 0, 0, 3]  # 3.3 sigma of 1 sub-level
    assert noise(0, LOWEST) == 0
    assert noise(16, 1024 + MIDDLE) == noise(16, MIDDLE)
    assert noise(np.array([16, 32]), np.array([HIGHEST, HIGHEST])).tolist() == [3, 7]


def test_a_single_device_steps_by_its_segment_and_stops_at_its_ends():
    assert single().tables.segment_shift == 1
    assert pulsed(single(), Cell(g=0), True, True, True, True) == [3, 6, 8, 8]
    assert pulsed(single(), Cell(g=8), *[False] * 6) == [3, -2, -4, -6, -8, -8]
    assert pulsed(single(), Cell(g=-1), False) == [-3]
    assert pulsed(single(), Cell(g=0), False) == [-5]


def test_displacement_and_noise_add_to_a_step():
    assert pulsed(single(), Cell(g=0, displacement=-2), True, False) == [1, -2]
    assert pulsed(single(), Cell(g=0, displacement=-4), True) == [-1], "a step up can go down"
    tables = single().tables
    noisy = Device(DeviceTables(**{**vars(tables), "sigma": (16,) * 18}))
    assert pulsed(noisy, Cell(g=0), True, word=HIGHEST) == [6]
    assert pulsed(noisy, Cell(g=0), True, word=LOWEST) == [0]


def test_a_pair_steps_one_of_its_devices():
    device, cell = pair(), Cell(g=0)
    assert pulsed(device, cell, True) == [7]
    assert (cell.g, cell.g_minus) == (7, 0)
    assert pulsed(device, cell, False, False, False) == [0, -7, -9]
    assert (cell.g, cell.g_minus) == (-9, 16)
    assert pulsed(device, cell, False) == [-9], "a full device stays"


@pytest.mark.parametrize(("plus", "minus", "worn"), [
    (11, 5, True), (5, 11, True), (10, 5, False), (11, 4, False), (16, 16, True), (0, 0, False)])
def test_a_pair_is_worn_beyond_both_limits(plus, minus, worn):
    assert pair().worn(Cell(g=plus - minus, g_minus=minus)) is worn


def test_switching_takes_the_probability_of_state_and_direction():
    device = switch((100, 200, 300, 400, 500, 600))
    for g, up, chance, to in ((-2, True, 100, 0), (0, True, 200, 2), (0, False, 500, -2), (2, False, 600, 0)):
        assert pulsed(device, Cell(g=g), up, word=chance) == [g]
        assert pulsed(device, Cell(g=g), up, word=chance - 1) == [to]
    assert pulsed(device, Cell(g=2), True, word=0) == [2]
    assert pulsed(device, Cell(g=-2), False, word=0) == [-2]


def test_certain_and_impossible_switching():
    for word in (0, 0xFFFF):
        assert pulsed(switch((1 << 16,) * 6), Cell(g=0), True, word=word) == [2]
        assert pulsed(switch((0,) * 6), Cell(g=0), True, word=word) == [0]


def test_landing_is_displaced_and_saturates():
    device = Device(DeviceTables(pulse="landing", sub_bits=2, states=3, g_bits=4, mean=(-4, 0, 4), sigma=(0, 16, 16)))
    assert pulsed(device, Cell(g=0), True, toward=0) == [-4]
    assert pulsed(device, Cell(g=0, displacement=3), True, toward=0) == [-1]
    assert pulsed(device, Cell(g=0), True, toward=2, word=LOWEST) == [1]
    assert pulsed(device, Cell(g=0, displacement=3), True, toward=2, word=HIGHEST) == [7]


@pytest.mark.parametrize("device", [single(), pair(), switch((1 << 16,) * 6)])
def test_a_stuck_cell_does_not_move(device):
    cell = Cell(g=2, g_minus=1, stuck=True)
    assert pulsed(device, cell, True, False, True) == [2, 2, 2]
    device.reset(cell)
    assert (cell.g, cell.g_minus) == (2, 1)


def geometry(device, seed=3):
    return config.parse({"seed": seed, "input": {"count": 30}, "device": device, "init_spread": 2.0,
                         "layers": [{"cols": 40, "weight_step": -8}, {"cols": 20, "weight_step": -8}]},
                        "test").crossbars[1]


def test_what_is_fixed_in_a_cell_follows_from_its_place():
    crossbar = geometry({"kind": "domain_wall", "variation": 0.3, "stuck": 0.25})
    displacement, stuck = fixed_in_cells(crossbar)
    for row, col in ((0, 0), (39, 19), (7, 11)):
        word = hash32(3, CELL_STREAM + 1, (row << 16) + col)
        assert displacement[row, col] == noise(crossbar.device.variation, word)
        assert stuck[row, col] == (word >> 16 < 1 << 14)


def test_cells_that_do_not_differ_take_no_memory():
    for array in fixed_in_cells(geometry({"kind": "domain_wall"})):
        assert array.shape == (40, 20)
        assert not array.any()
        assert array.strides == (0, 0)


@pytest.mark.parametrize("kind", ["incremental", "pcm_pair", "mtj"])
def test_devices_that_do_not_land_start_at_nominal_levels(kind):
    crossbar = geometry({"kind": kind, "sub_bits": 3})
    levels = initial_levels(crossbar, 3, np.zeros((40, 20), np.int16))
    low, high = crossbar.init_states
    nominal = [Device(crossbar.device).nominal(state) for state in range(low, high + 1)]
    assert sorted(set(levels.ravel().tolist())) == nominal


def test_a_landing_device_starts_displaced():
    crossbar = geometry({"kind": "domain_wall", "sigma": 0.0, "variation": 0.3})
    displacement, _ = fixed_in_cells(crossbar)
    levels = initial_levels(crossbar, 3, displacement)
    assert np.isin(levels - displacement, crossbar.device.mean).all()
    assert displacement.std() > 2
