import math

import numpy as np
import pytest
import torch
from spinloom import config
from spinloom.contract.device import DomainWallDevice, IdealDevice, nominal
from spinloom.contract.tables import NORMAL_INDEX_BITS
from spinloom.model.lfsr import Lfsr
from spinloom.model.programmer import StochasticProgrammer, landings


def geometry(**update):
    return config.parse({
        "input": {"count": 4}, "device": {"kind": "ideal", "states": 5, "sub_bits": 3}, "update": update,
        "layers": [{"cols": 4, "chi_frac": 8, "chi_bits": 14}],
    }, "test").crossbars[0]


@pytest.mark.parametrize("states", [2, 3, 5])
@pytest.mark.parametrize("sub_bits", [3, 4, 5])
def test_landings_follow_the_physical_specification(states, sub_bits):
    """Over all random indices, mean and scatter are those specified, but for the resolution of a sub-level: half
    a one in the mean; in the scatter half a step of the sigma table, and the variance of rounding."""
    sigma = tuple(0.1 + 0.05 * state for state in range(states))
    offset = tuple(0.03 * state for state in range(states))
    device = DomainWallDevice(kind="domain_wall", states=states, sub_bits=sub_bits, sigma=sigma, offset=offset)
    device = device.compile()
    table = landings(device).numpy()
    scale = 1 << sub_bits
    assert table.shape == (states, 1 << NORMAL_INDEX_BITS)
    for state in range(states):
        specified = nominal(state, states, sub_bits) + offset[state] * scale
        assert abs(table[state].mean() - specified) < 0.55
        expected, slack = sigma[state] * scale, 1 / 32 + 0.02
        assert expected - slack < table[state].std() < math.hypot(expected + slack, math.sqrt(1 / 12))
        assert (np.diff(table[state]) >= 0).all()
    assert np.abs(table).max() < 1 << device.g_bits - 1
    assert np.abs(table).max() >= 1 << device.g_bits - 2, "g_bits is wider than needed"


def test_an_ideal_device_lands_on_its_states():
    device = IdealDevice(kind="ideal", states=5, sub_bits=2).compile()
    assert (landings(device) == torch.tensor([-8, -4, 0, 4, 8])[:, None]).all()


def test_programming_moves_by_whole_thresholds_and_keeps_the_rest():
    programmer = StochasticProgrammer(geometry(), Lfsr(1))
    g = torch.tensor([0, 0, 0, 8])
    chi = torch.tensor([256, -300, 700, 5000])  # thresholds of 256: up 1, down 1, up 2, up to the end
    result = programmer.program(g, chi)
    assert result.g.tolist() == [8, -8, 16, 16]
    assert result.chi.tolist() == [0, -44, 188, 5000 - 256]
    lfsr = Lfsr(1)
    lfsr.draw(4)
    assert programmer.lfsr.state == lfsr.state


def test_cells_at_their_last_state_are_not_pushed_outward():
    programmer = StochasticProgrammer(geometry(), Lfsr(1))
    g = torch.tensor([16, 12, 11, -16, -12, -13, 16, -16])
    chi = torch.tensor([256, 300, 300, -256, -300, -300, -256, 255])
    assert programmer.bound(chi, g).tolist() == [255, 255, 300, -255, -300, -255, -256, 255]


def test_a_nominal_residual_ignores_where_the_cell_landed():
    programmer = StochasticProgrammer(geometry(residual="nominal"), Lfsr(1))
    result = programmer.program(torch.tensor([8, 5]), torch.tensor([5000, -300]))
    assert result.chi.tolist() == [5000 - 19 * 256, -44]


def test_states_are_the_nearest_levels():
    programmer = StochasticProgrammer(geometry(), Lfsr(1))
    levels = torch.tensor([-32, -21, -13, -12, -5, -4, 3, 4, 12, 31])
    assert programmer.state_of(levels).tolist() == [0, 0, 0, 1, 1, 2, 2, 3, 4, 4]
