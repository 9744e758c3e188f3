from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from spinloom import config
from spinloom.contract.errors import ConfigError
from spinloom.contract.geometry import COUNTERS, MAX_SIDE, POSITION_COUNTERS
from spinloom.contract.widths import divisors, signed_bits
from spinloom.contract.window import Window


def geometry():
    return config.load("digits-dw5").crossbars[1]


@pytest.mark.parametrize(("change", "message"), [
    ({"cols": 0}, r"layers\[1\].cols=0: must be 1 to 2048"),
    ({"cols": 2049, "lanes": 1, "adcs": 1}, r"cols=2049: must be 1 to 2048"),
    ({"forward_reads": 33}, r"layers\[1\].forward_reads=33: must be 1 to 32"),
    ({"second_reads": 0}, r"layers\[1\].second_reads=0: must be 1 to 32"),
    ({"lanes": 3}, r"lanes=3: must be one of the divisors 1, 2, 5, 10"),
    ({"lanes": 5, "adcs": 2}, r"adcs=2: must be one of the divisors 1, 5"),
    ({"z_bits": 13}, r"z_bits=13: must be 2 to 12"),
    ({"delta_bits": 17}, r"delta_bits=17: must be 2 to 16"),
    ({"chi_bits": 25}, r"chi_bits=25: must be 4 to 24"),
    ({"threshold": 0}, r"threshold=0: must be 1 to"),
    ({"threshold": 1 << 20}, r"threshold=1048576: must be 1 to \d+ \(units of 2\*\*-chi_frac levels; raise chi_bits"),
    ({"chi_frac": 2}, r"chi_frac=2: must be at least device.sub_bits=3"),
    ({"z_frac": 25}, r"z_frac=25: must be -16 to 24"),
    ({"delta_frac": 33}, r"delta_frac=33: must be -16 to 32"),
    ({"chi_frac": 33}, r"chi_frac=33: must be 0 to 32"),
    ({"z_frac": 20}, r"derived adc_shift is -\d+, must be at least 0: lower z_frac"),
    ({"source_delta_frac": 30}, r"derived error_shift is -\d+, must be at least 0: lower delta_frac"),
    ({"learning_rate_shifts": (-20, 0)}, r"update_shift at the largest learning rate is -\d+"),
    ({"learning_rate_shifts": (5, 21)}, r"learning_rate_shifts=\(5, 21\): may span at most 15"),
])
def test_bounds_are_refused_by_name(change, message):
    with pytest.raises(ConfigError, match=message):
        replace(geometry(), **change)


def junction(**change):
    """A crossbar with stochastic rounding."""
    experiment = config.parse({
        "input": {"count": 4}, "device": {"kind": "mtj"}, "update": {"rounding": "stochastic", "residual": "none"},
        "layers": [{"cols": 2}],
    }, "test")
    return replace(experiment.crossbars[0], **change)


@pytest.mark.parametrize(("change", "message"), [
    ({"threshold": 3000}, r"layers\[0\].threshold=3000: stochastic rounding needs a power of two"),
    ({"residual": "verified"}, "update.residual='verified': rounding='stochastic' needs 'none'"),
    ({"rounding": "threshold"}, "update.residual='none': rounding='threshold' needs 'verified' or 'nominal'"),
    ({"device": replace(config.load("digits-dw5").device_tables, sub_bits=1)}, "the device has no switching curve"),
])
def test_contradictions_of_rounding_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        junction(**change)


@pytest.mark.parametrize(("threshold", "shift"), [(1, 0), (2, 1), (4096, 12), (16384, 14)])
def test_what_stochastic_rounding_derives(threshold, shift):
    crossbar = junction(threshold=threshold)
    assert (crossbar.threshold_shift, crossbar.held) == (shift, 0)


def test_what_rounding_by_threshold_holds():
    assert geometry().held == geometry().threshold - 1


@pytest.mark.parametrize("side", [1, MAX_SIDE])
def test_every_side_from_1_to_the_largest_is_possible(side):
    crossbar = replace(geometry(), window=Window.dense((1, 1, side), side), cols=side, lanes=side, adcs=1)
    assert (crossbar.rows, crossbar.folds) == (side, 1)


def test_sums_never_need_more_than_their_width():
    crossbar = geometry()
    g = -(1 << crossbar.device.g_bits - 1)
    assert crossbar.rows * crossbar.x.maximum * -g < 1 << crossbar.sum_bits - 1
    assert crossbar.cols * g * -(1 << crossbar.delta_bits - 1) < 1 << crossbar.error_bits - 1


def convolution(**layer):
    """A crossbar at 6 x 6 positions, which a neuron drives."""
    experiment = config.parse({
        "input": {"map": [8, 8, 2]}, "device": {"kind": "domain_wall"},
        "layers": [{"kind": "conv", "cols": 3, "kernel": 1},
                   {"kind": "conv", "cols": 5, "kernel": 3, "bias": True} | layer, {"cols": 4}],
    }, "test")
    return experiment.crossbars[1]


def test_sums_over_positions_never_need_more_than_their_width():
    crossbar = convolution()
    assert (crossbar.positions, crossbar.inputs, crossbar.rows) == (36, 27, 28)
    assert crossbar.window.overlap == np.bincount(crossbar.window.touched.ravel()).max() == 9
    g, d = 1 << crossbar.device.g_bits - 1, 1 << crossbar.delta_bits - 1
    assert crossbar.rows * crossbar.x.maximum * g < 1 << crossbar.sum_bits - 1
    assert 9 * crossbar.cols * g * d < 1 << crossbar.error_bits - 1 <= 2 * 9 * crossbar.cols * g * d
    assert 36 * crossbar.x.maximum * d < 1 << crossbar.gradient_bits - 1 <= 4 * 36 * crossbar.x.maximum * d


def test_a_layer_of_several_positions_counts_its_products_too():
    assert convolution().counters == (*COUNTERS, "product_rows") == POSITION_COUNTERS
    assert geometry().counters == convolution(kernel=8).counters == COUNTERS


def test_a_layer_may_learn_more_slowly_than_the_others():
    assert convolution(rate_offset=2).update_shift(6) == convolution().update_shift(6) + 2 == \
        convolution().update_shift(8)
    with pytest.raises(ConfigError, match=r"layers\[1\]: derived update_shift at the largest learning rate is -\d+"):
        convolution(rate_offset=-15)


@given(magnitude=st.integers(0, 2**40))
def test_signed_bits_is_the_narrowest_width(magnitude):
    bits = signed_bits(magnitude)
    assert magnitude < 1 << bits - 1
    assert bits == 1 or magnitude >= 1 << bits - 2


def test_divisors():
    assert divisors(12) == [1, 2, 3, 4, 6, 12]
