"""Ageing: how long cells live, by their specification, and what failed cells do."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from spinloom.config import parse
from spinloom.contract.errors import ConfigError
from spinloom.contract.lfsr import initial_state
from spinloom.devices.kinds import device, section_of
from spinloom.model.crossbar import Crossbar
from spinloom.model.device import Cell, Device, initial_lives
from spinloom.model.lfsr import Lfsr
from spinloom.model.programmer import StochasticProgrammer
from spinloom.system import toml


def geometry(ageing, kind="ideal", rows=60, cols=50, **fields):
    return parse({"seed": 5, "input": {"count": rows}, "device": {"kind": kind, "ageing": ageing} | fields,
                  "layers": [{"cols": cols, "weight_step": -6}]}, "ageing").crossbars[0]


def survived(crossbar):
    """The write pulses that each cell of a new crossbar survives, one after the other, and which one it fails at."""
    programmer = StochasticProgrammer(crossbar, Lfsr(initial_state(5, 0)))
    numbers = []
    for life in initial_lives(crossbar, 5).ravel().tolist():
        cell = Cell(0, life=life)
        while cell.life:
            programmer.write(cell, 2 if cell.g else 4)  # there and back, a pulse each
        numbers.append(cell.pulses)
    return np.array(numbers)


@pytest.mark.parametrize(("endurance", "bits", "quantum"), [
    (1000.0, 15, 0), (1000.0, 10, 2), (1e5, 12, 7), (1e6, 8, 14)])
def test_lives_are_log_normal(endurance, bits, quantum):
    """30,000 cells: median and scatter of the logarithm, and the share that fails first, within five standard
    errors and what rounding to whole units costs."""
    crossbar = geometry({"endurance": endurance, "spread": 0.4, "bits": bits}, rows=600)
    assert crossbar.device.wear == 1 << 16 - quantum
    lives = initial_lives(crossbar, 5).ravel().astype(float)
    logarithms, unit = np.log(lives * 2.0**quantum / endurance), 2.0**quantum / endurance
    error = 0.4 / math.sqrt(len(lives))
    assert abs(logarithms.mean()) < 5 * error + unit
    assert abs(logarithms.std() - 0.4) < 5 * error / math.sqrt(2) + unit
    early = (logarithms < 0.4 * NormalDist().inv_cdf(0.01)).mean()
    assert abs(early - 0.01) < 5 * math.sqrt(0.01 / len(lives)) + 1 / 1024 + 0.1 * unit


def test_cells_fail_at_the_pulse_that_their_life_says():
    crossbar = geometry({"endurance": 8.0, "bits": 15}, rows=20)
    assert survived(crossbar).tolist() == initial_lives(crossbar, 5).ravel().tolist()


@pytest.mark.parametrize(("bits", "lives"), [(1, 1), (4, 13)])
def test_where_a_unit_stands_for_several_pulses_their_number_is_geometric(bits, lives):
    """1,000 cells of one life: mean and scatter of a sum of geometric variables, of one that has no memory among them;
    five standard errors."""
    crossbar = geometry({"endurance": 100.0, "spread": 0.0, "bits": bits}, rows=20)
    mean = (1 << 16) // crossbar.device.wear
    assert set(crossbar.device.lifetimes) == {lives}
    numbers = survived(crossbar)
    scatter = math.sqrt(lives * mean * (mean - 1))
    assert abs(numbers.mean() - lives * mean) < 5 * scatter / math.sqrt(len(numbers))
    assert abs(numbers.std() / scatter - 1) < 5 * math.sqrt((2 + 6 / lives) / len(numbers) / 4)


@pytest.mark.parametrize(("kind", "sticks_at", "after"), [
    ("ideal", None, (8, 0)), ("ideal", 0, (-16, 0)), ("incremental", 0, (-64, 0)), ("pcm_pair", 10, (-80, 80)),
    ("mtj", 2, (2, 0)),
])
def test_a_cell_that_has_failed_stays_where_it_is(kind, sticks_at, after):
    tables = device(kind, ageing={"endurance": 1.0, "sticks_at": sticks_at, "spread": 0.0}).compile()
    one, cell = Device(tables), Cell(0, life=1)
    one.pulse(cell, 0, toward=3, up=True, before=0xFFFF)
    assert (cell.g, cell.g_minus, cell.life) == (*after, 0)
    one.pulse(cell, 0, toward=1, up=False, before=0)
    one.reset(cell)
    assert (cell.g, cell.g_minus, cell.life) == (*after, 0)


def test_a_stuck_cell_does_not_age():
    one, cell = Device(device("ideal", ageing={"endurance": 1.0}).compile()), Cell(0, stuck=True, life=1)
    one.pulse(cell, 0, toward=3, up=True, before=0)
    assert cell.life == 1


def test_cells_of_a_crossbar_have_lives_of_their_own():
    crossbar = Crossbar(geometry({"endurance": 1000.0}), seed=5)
    assert list(crossbar.state()) == ["g", "life", "chi", "lfsr", "counters"]
    assert len(crossbar.life.unique()) > 500
    assert (Crossbar(crossbar.geometry, seed=6).life != crossbar.life).any()


@pytest.mark.parametrize(("ageing", "message"), [
    ({"endurance": 1e12}, r"endurance=1e\+12: some cells would survive 5.2e\+12 pulses, and bits=12 hold 2.68e\+08"),
    ({"endurance": 9.0, "sticks_at": 5}, r"ageing.sticks_at=5: there are only the states 0 to 4"),
    ({"endurance": 9.0, "law": "weibull"}, r"unknown field; allowed are endurance, spread, sticks_at, bits"),
])
def test_what_cannot_be_is_refused(ageing, message):
    with pytest.raises(ConfigError, match=message):
        device("ideal", ageing=ageing)


def test_words_tell_of_it():
    """A hundredth of a normal distribution is 2.326 standard deviations below its mean; 2**7 pulses make a unit."""
    assert str(device("ideal", ageing={"endurance": 1e5, "sticks_at": 1}).ageing) == (
        "half of the cells fail after 100,000 write pulses, one in a hundred after 31,249; a life counts 128 at a "
        "time; a failed cell sticks at state 1")


def test_a_device_file_has_it(tmp_path):
    made, path = device("mtj", ageing={"endurance": 1e5, "sticks_at": 1}), tmp_path / "mtj.toml"
    path.write_text(toml.text_of(section_of(made)))
    assert device(**toml.read(path)) == made
