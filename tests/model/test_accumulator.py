import pytest
import torch
from spinloom import config
from spinloom.model.accumulator import GradientAccumulator
from spinloom.model.lfsr import Lfsr
from spinloom.model.rounder import StochasticRounder

SWITCH = {"kind": "mtj", "states": 5, "sub_bits": 3, "curve": "tanh"}
STOCHASTIC = {"rounding": "stochastic", "residual": "none"}


def geometry(device=None, update=None, **layer):
    """A residual of 256 is the threshold; five states at -16, -8, 0, 8, 16."""
    return config.parse({
        "input": {"count": 4}, "device": device or {"kind": "ideal", "states": 5, "sub_bits": 3},
        "update": update or {}, "layers": [{"cols": 4, "chi_frac": 8, "chi_bits": 14} | layer]}, "test").crossbars[0]


@pytest.mark.parametrize(("update", "held"), [({}, 255), ({"residual": "nominal"}, 255), (STOCHASTIC, 0)])
def test_cells_at_their_last_state_are_not_pushed_outward(update, held):
    accumulator = GradientAccumulator(geometry(SWITCH, update), Lfsr(1))
    g = torch.tensor([16, 12, 11, -16, -12, -13, 16, -16])
    chi = torch.tensor([256, 300, 300, -256, -300, -300, -256, 255])
    assert accumulator.bound(chi, g).tolist() == [held, held, 300, -held, -300, -held, -256, 255]


def test_a_visit_bounds_and_finds_what_to_program():
    accumulator = GradientAccumulator(geometry())
    g = torch.zeros(4, 4, dtype=torch.int16)
    g[2, 0] = 16
    accumulator.chi[0] = torch.tensor([999, 999, 999, 999])  # not visited
    accumulator.chi[1] = torch.tensor([255, -256, 0, 256])
    accumulator.chi[2] = torch.tensor([256, -255, 8191, -8192])
    rows, cols = accumulator.visit(torch.tensor([1, 2]), g)
    assert list(zip(rows.tolist(), cols.tolist(), strict=True)) == [(1, 1), (1, 3), (2, 2), (2, 3)]
    assert accumulator.chi.tolist() == [[999] * 4, [255, -256, 0, 256], [255, -255, 8191, -8192], [0] * 4]


def test_stochastic_rounding_visits_leave_only_what_is_to_be_programmed():
    accumulator = GradientAccumulator(geometry(SWITCH, STOCHASTIC), Lfsr(12345))
    g = torch.zeros(4, 4, dtype=torch.int16)
    accumulator.chi[1] = torch.tensor([0, 512, -512, 512])
    accumulator.chi[2] = torch.tensor([1, 1, -1, -1])
    accumulator.chi[3] = 7
    g[1, 3] = 16
    rows, cols = accumulator.visit(torch.tensor([1, 2]), g)
    assert list(zip(rows.tolist(), cols.tolist(), strict=True)) == [(1, 1), (1, 2)]
    assert accumulator.chi[1].tolist() == [0, 512, -512, 0]
    assert accumulator.chi[2].tolist() == [0, 0, 0, 0]
    assert accumulator.chi[3].tolist() == [7, 7, 7, 7]


@pytest.mark.parametrize("curve", [{}, {"pulse_bits": 2}, {"curve": "switching_time", "pulse_bits": 6}])
def test_rounding_is_up_with_the_probability_of_the_curve(curve):
    """Every residual of a level, against the share of all words."""
    rounding = geometry(SWITCH | curve, STOCHASTIC)
    table = rounding.device.curve
    chi = torch.arange(256, dtype=torch.int32)

    class EveryWord:
        def draw(self, count):
            assert count == 256
            return torch.full((count,), self.word)

    lfsr = EveryWord()
    rounder = StochasticRounder(rounding, lfsr)
    up = torch.zeros(256, dtype=torch.int64)
    for lfsr.word in range(0, 1 << 16, 16):
        up += rounder.round(chi) != 0
    segment_width = 256 >> table.bits
    for value in range(256):
        segment, rest = divmod(value, segment_width)
        chance = table.base[segment] + table.slope[segment] * rest // segment_width
        assert up[value] == (chance + 15) // 16


def test_rounding_is_odd_and_saturates_to_whole_thresholds():
    rounding = geometry(SWITCH, STOCHASTIC)
    chi = torch.tensor([0, 255, 256, 300, 700, 8191, 8192], dtype=torch.int32)
    up, down = (StochasticRounder(rounding, Lfsr(5)).round(sign * chi) for sign in (1, -1))
    assert up.dtype == torch.int32
    assert (up == -down).all()
    assert up[0] == 0
    assert up[2] == 256
    assert up[3] in (256, 512)
    assert up[5:].tolist() == [31 * 256, 31 * 256]
