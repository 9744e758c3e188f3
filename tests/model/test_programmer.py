import pytest
from spinloom import config
from spinloom.model.device import Cell
from spinloom.model.lfsr import Lfsr
from spinloom.model.programmer import StochasticProgrammer

IDEAL = {"kind": "ideal", "states": 5, "sub_bits": 3}
STEP = {"kind": "incremental", "states": 5, "sub_bits": 3, "up_mean": 1.0, "down_mean": 0.5, "up_sigma": 0.0,
        "down_sigma": 0.0}
PAIR = {"kind": "pcm_pair", "sub_bits": 3, "level": 1.0, "g_max": 8.0, "step_mean": [1.0, 0.0],
        "step_sigma": [0.0, 0.0], "refresh_high": 0.5, "refresh_low": 0.25}
SWITCH = {"kind": "mtj", "states": 5, "sub_bits": 3, "up": 1.0, "down": 0.0}


def programmer(device=None, update=None, **write):
    """A residual of 256 is the threshold, a level 8 sub-levels."""
    geometry = config.parse({
        "input": {"count": 4}, "device": device or IDEAL, "update": update or {}, "write": write,
        "layers": [{"cols": 4, "chi_frac": 8, "chi_bits": 14, "weight_step": -6}]}, "test").crossbars[0]
    return StochasticProgrammer(geometry, Lfsr(1))


def assert_draws(programmer, count):
    lfsr = Lfsr(1)
    lfsr.draw(count)
    assert programmer.lfsr.state == lfsr.state
    assert programmer.counters["attempts"] == count


def program(programmer, g, chi):
    cell = Cell(g=g)
    chi = programmer.program(cell, chi)
    return cell.g, chi


@pytest.mark.parametrize(("g", "chi", "after"), [
    (0, 256, (8, 0)), (0, -300, (-8, -44)), (0, 700, (16, 188)), (8, 5000, (16, 5000 - 256)), (-16, 8191, (16, 7167))])
def test_programming_moves_by_whole_thresholds_and_keeps_the_rest(g, chi, after):
    landing = programmer()
    assert program(landing, g, chi) == after
    assert_draws(landing, 1)


@pytest.mark.parametrize(("g", "chi", "left"), [(8, 5000, 5000 - 19 * 256), (5, -300, -44), (0, -8192, 0)])
def test_a_nominal_residual_ignores_where_the_cell_landed(g, chi, left):
    assert program(programmer(update={"residual": "nominal"}), g, chi)[1] == left


def test_a_stuck_cell_draws_and_keeps_a_verified_residual():
    landing, cell = programmer(), Cell(g=0, stuck=True)
    assert landing.program(cell, 700) == 700
    assert cell.g == 0
    assert_draws(landing, 1)


@pytest.mark.parametrize(("g", "chi", "after", "pulses"), [
    (0, 256, (8, 0), 1),
    (0, 600, (16, 600 - 512), 2),
    (-16, 8191, (16, 8191 - 1024), 4),  # 31 thresholds, but four states to go
    (16, -8192, (0, -8192 + 512), 4),  # as many pulses, of half a level
    (8, -300, (4, -300 + 128), 1),
])
def test_a_stepping_device_gets_a_pulse_a_state(g, chi, after, pulses):
    step = programmer(STEP)
    assert program(step, g, chi) == after
    assert_draws(step, pulses)


def test_switching_may_fail():
    up, down = programmer(SWITCH), programmer(SWITCH)
    assert program(up, 0, 700) == (16, 700 - 512)
    assert_draws(up, 2)
    assert program(down, 0, -700) == (0, -700)
    assert_draws(down, 2)


def test_stochastic_rounding_leaves_nothing_and_its_pulses_are_certain():
    switch = programmer(SWITCH, {"rounding": "stochastic", "residual": "none"})
    assert program(switch, 0, -512) == (-16, 0)
    assert_draws(switch, 2)


@pytest.mark.parametrize(("plus", "minus", "refreshed"), [
    (24, 24, False),  # 32 of 64 after the pulse: at the limit
    (25, 17, True), (25, 16, False),
    (8, 40, False),  # 16 and 40
    (9, 40, True),
])
def test_a_pair_is_refreshed_beyond_both_limits(plus, minus, refreshed):
    """A pulse up adds 8; the refresh needs a pulse a level, and leaves one device at zero."""
    pair, cell = programmer(PAIR, margin=0.5), Cell(g=plus - minus, g_minus=minus)
    before = cell.g
    pair.program(cell, 256)
    assert pair.counters["refreshes"] == refreshed
    if refreshed:
        assert abs(cell.g - (before + 8)) <= 4
        assert 0 in (cell.g_minus, cell.g + cell.g_minus)
        assert pair.counters["failures"] == 0
        assert_draws(pair, 1 + pair.counters["verify_attempts"])
        assert pair.counters["verify_attempts"] == (abs(before + 8) + 3) // 8
    else:
        assert (cell.g, cell.g_minus) == (before + 8, minus)
        assert_draws(pair, 1)


def test_a_refresh_that_fails_is_told_and_read_back():
    pair, cell = programmer(PAIR, margin=0.0, max_attempts=2), Cell(g=20, g_minus=20)
    chi = pair.program(cell, 300)
    assert (cell.g, cell.g_minus) == (16, 0), "two pulses of a level toward 28"
    assert chi == 300 - (16 - 20) * 32
    assert (pair.counters["refreshes"], pair.counters["verify_attempts"], pair.counters["failures"]) == (1, 2, 1)
    assert_draws(pair, 3)


def test_a_stuck_pair_is_refreshed_in_vain():
    pair, cell = programmer(PAIR), Cell(g=20, g_minus=20, stuck=True)
    assert pair.program(cell, 300) == 300
    assert (cell.g, cell.g_minus) == (20, 20)
    assert (pair.counters["refreshes"], pair.counters["failures"]) == (1, 0)
    assert_draws(pair, 1)


@pytest.mark.parametrize(("device", "cell", "state", "after", "pulses", "failures", "refreshes"), [
    (IDEAL, Cell(g=2), 2, Cell(g=2), 0, 0, 0),  # within the margin
    (IDEAL, Cell(g=3), 2, Cell(g=0), 1, 0, 0),
    (IDEAL, Cell(g=3, stuck=True), 2, Cell(g=3, stuck=True), 5, 1, 0),
    (STEP, Cell(g=-16), 4, Cell(g=16), 4, 0, 0),
    (STEP, Cell(g=16), 0, Cell(g=-4), 5, 1, 0),
    (SWITCH, Cell(g=-8), 3, Cell(g=8), 2, 0, 0),
    (SWITCH, Cell(g=8), 1, Cell(g=8), 5, 1, 0),
    (PAIR, Cell(g=1, g_minus=30), 8, Cell(g=1, g_minus=30), 0, 0, 0),
    (PAIR, Cell(g=5, g_minus=30), 10, Cell(g=16, g_minus=0), 2, 0, 1),
    (PAIR, Cell(g=5, g_minus=30), 5, Cell(g=-24, g_minus=24), 3, 0, 1),
    (PAIR, Cell(g=5, g_minus=30), 8, Cell(g=0, g_minus=0), 0, 0, 1),  # the reset alone does it
    (PAIR, Cell(g=5, g_minus=30), 16, Cell(g=40, g_minus=0), 5, 1, 1),
    (PAIR, Cell(g=5, g_minus=30, stuck=True), 8, Cell(g=5, g_minus=30, stuck=True), 5, 1, 1),
])
def test_program_and_verify(device, cell, state, after, pulses, failures, refreshes):
    one, cell = programmer(device, max_attempts=5, margin=0.25), Cell(**vars(cell))
    assert one.write(cell, state) == pulses
    assert cell == Cell(**vars(after) | {"pulses": pulses})
    assert_draws(one, pulses)
    assert one.counters["verify_attempts"] == pulses
    assert (one.counters["failures"], one.counters["refreshes"]) == (failures, refreshes)


def test_program_and_verify_turns_round_where_it_overshoots():
    device = STEP | {"up_mean": 1.5, "down_mean": 0.5}
    one, cell = programmer(device, margin=0.0, max_attempts=16), Cell(g=0)
    assert one.write(cell, 3) == 2  # 12 up, then 4 down
    assert cell.g == 8
