from statistics import NormalDist

import numpy as np
import pytest
from spinloom.contract import tables


def tie_distance(values):
    """How far the nearest value is from a half."""
    return np.abs(values - np.floor(values) - 0.5).min()


def test_normal_quantiles_are_odd_monotone_and_far_from_ties():
    quantiles = tables.normal_quantiles()
    assert (np.diff(quantiles) >= 0).all()
    assert (quantiles == -quantiles[::-1]).all()
    assert np.abs(quantiles).max() < 512
    assert abs(quantiles.std() / 128 - 1) < 0.005
    exact = np.array([NormalDist().inv_cdf((u + 0.5) / 1024) * 128 for u in range(1024)])
    assert tie_distance(exact) > 1e-9


@pytest.mark.parametrize("z_frac", range(0, 25))
def test_sigmoid_tables_are_far_from_ties(z_frac):
    """For every width: narrower tables are parts of the widest. At z = 0 the value is exact."""
    z = np.arange(-2048, 2048) / 2.0**z_frac
    exact = 1 / (1 + np.exp(np.minimum(-z, 700)))
    assert tie_distance(exact * (1 - exact) * 512) > 1e-9
    away = exact[z != 0]
    for bits in range(1, tables.FIRING_BITS + 1):
        assert tie_distance(away * ((1 << bits) - 1)) > 1e-9
        assert tables.sigmoid(12, z_frac, (1 << bits) - 1)[2048] == 1 << bits - 1


def test_a_stochastic_neuron_fires_never_half_of_the_time_and_nearly_always():
    assert tables.firing(12, 4)[[0, 2048, 4095]].tolist() == [0, 1 << 15, (1 << 16) - 1]


def test_sigmoid_tables_have_the_range_of_their_formats():
    assert tables.sigmoid(10, 4, 255)[[0, 512, 1023]].tolist() == [0, 128, 255]
    derivative = tables.sigmoid_derivative(10, 4)
    assert derivative[[0, 512, 1023]].tolist() == [0, 128, 0]
    assert derivative.max() < 1 << tables.DERIVATIVE_BITS
