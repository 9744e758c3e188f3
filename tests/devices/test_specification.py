"""Devices as specified, compiled: tables, widths, and what is refused."""

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spinloom.config import parse
from spinloom.contract.device import nominal
from spinloom.contract.errors import ConfigError
from spinloom.contract.tables import normal_quantiles
from spinloom.devices.kinds import KINDS

from ..model import reference
from .documents import device_documents, specification


def compiled(certain=False, **document):
    return specification(document).compile(certain)


def noise(sigma):
    """What each index of the quantile table makes of an entry ``sigma``, in sub-levels (arithmetic 3)."""
    return sigma * normal_quantiles() + 1024 >> 11


@settings(max_examples=200)
@given(document=device_documents(), certain=st.booleans())
def test_tables_equal_those_derived_from_the_text(document, certain):
    device = specification(document)
    tables, other = device.compile(certain), reference.Device(device, certain)
    assert (tables.pulse, tables.pair, tables.states, tables.g_bits, tables.origin, tables.variation, tables.stuck) \
        == (other.pulse, other.pair, other.n, other.g_bits, other.origin, other.variation, other.stuck)
    if tables.pulse == "switching":
        assert list(tables.probability) == other.probability
        assert (tables.curve is None) == (device.curve is None)
        if tables.curve is not None:
            assert astuple(tables.curve) == (tuple(other.base), tuple(other.slope))
            assert tables.curve.bits == other.c
    else:
        assert (list(tables.mean), list(tables.sigma)) == (other.mean, other.sigma)
        assert list(tables.quantiles) == (getattr(other, "quantile", None) or [])
    if tables.pulse == "step":
        assert (tables.span, tables.segment_shift, tables.segments) == (other.span, other.segment_shift, other.segments)
    if tables.pair:
        assert (tables.refresh_high, tables.refresh_low) == (other.refresh_high, other.refresh_low)


def test_tables_in_sub_levels():
    tables = compiled(kind="domain_wall", states=3, sub_bits=2, sigma=[0.1, 0.2, 0.3], offset=0.25, variation=0.5,
                      stuck=0.25)
    assert tables.mean == (-3, 1, 5)
    assert tables.sigma == (6, 13, 19)  # 0.1, 0.2, 0.3 times 4 sub-levels times 16, rounded
    assert (tables.states, tables.origin, tables.variation, tables.stuck) == (3, -4, 32, 1 << 14)


def test_an_ideal_device_is_as_narrow_as_its_states():
    assert compiled(kind="ideal", states=2, sub_bits=1).g_bits == 2
    assert compiled(kind="ideal", states=5, sub_bits=3).g_bits == 6


def test_steps_are_interpolated_between_the_middles_of_the_parts_of_the_range():
    """128 sub-levels in segments of 16: middles at 8, 24, ... 120 and 128; figures at 1/4 and 3/4 of the range."""
    tables = compiled(kind="incremental", states=17, sub_bits=3, up_mean=[0.0, 4.0], down_mean=1.0, up_sigma=0.0,
                      down_sigma=0.5)
    assert (tables.span, tables.segments, tables.g_bits) == (128, 9, 8)
    assert tables.mean == (0, 0, 4, 12, 20, 28, 32, 32, 32) + (8,) * 9
    assert tables.sigma == (0,) * 9 + (64,) * 9


def test_a_pair_has_the_states_that_its_range_holds_on_both_sides_of_zero():
    tables = compiled(kind="pcm_pair", level=1.0, g_max=12.5, sub_bits=4, step_mean=[1.0, -0.04],
                      step_sigma=[0.25, 0.0], refresh_high=0.75, refresh_low=0.25)
    assert (tables.states, tables.span, tables.g_bits, tables.minus_bits) == (25, 200, 9, 8)
    assert tables.segments == 13
    assert tables.mean[:3] == (16, 15, 14)  # 16 - 0.04 * 8, - 0.04 * 24, - 0.04 * 40
    assert (tables.refresh_high, tables.refresh_low) == (150, 50)


def test_a_junction_switches_with_the_probability_of_a_whole_level_unless_told_otherwise():
    tables = compiled(kind="mtj", steepness=3.0, down=[0.0, 0.5, 1.0])
    whole = round(np.tanh(3.0) * 65536)
    assert tables.probability == (whole, whole, whole, 0, 32768, 65536)
    assert compiled(certain=True, kind="mtj", down=0.5).probability == (65536,) * 6


def test_a_resolved_pulse_length_makes_a_staircase():
    curve = compiled(kind="mtj", pulse_bits=2).curve
    assert curve.base == (0, *(round(np.tanh(3 * i / 4) * 65536) for i in (1, 2, 3)))
    assert curve.slope == (0, 0, 0, 0)


@settings(max_examples=100)
@given(document=device_documents(kinds=("ideal", "domain_wall")))
def test_every_landing_fits_its_width_and_needs_it(document):
    device = specification(document).compile()
    landings = np.array([mean + noise(sigma) for mean, sigma in zip(device.mean, device.sigma, strict=True)])
    spread = noise(device.variation)
    reach = max(-(landings.min() + spread.min()), landings.max() + spread.max())
    assert reach < 1 << device.g_bits - 1
    assert reach + 1 >= 1 << device.g_bits - 2, "wider than needed"  # + 1: noise below zero rounds up


@settings(max_examples=100)
@given(document=device_documents(kinds=("incremental", "pcm_pair")))
def test_levels_and_steps_fit_their_widths(document):
    device = specification(document).compile()
    largest = device.span if device.pair else device.span // 2
    assert 1 << device.g_bits - 2 <= largest < 1 << device.g_bits - 1
    assert all(abs(mean) <= largest for mean in device.mean)
    assert 0 <= nominal(device.states - 1, device.states, device.sub_bits) <= largest
    entries = device.segments * (1 if device.pair else 2)
    assert len(device.mean) == len(device.sigma) == entries
    assert device.span >> device.segment_shift == device.segments - 1 <= 15
    assert all(0 <= sigma < 1024 for sigma in (*device.sigma, device.variation))
    if device.pair:
        assert device.span < 1 << device.minus_bits
        assert max(device.refresh_high, device.refresh_low) <= device.span


@settings(max_examples=100)
@given(document=device_documents(kinds=("mtj",)), certain=st.booleans())
def test_probabilities_and_curves_are_probabilities(document, certain):
    device = specification(document).compile(certain)
    assert len(device.probability) == 2 * device.states
    assert all(0 <= p <= 1 << 16 for p in device.probability)
    assert nominal(device.states - 1, device.states, device.sub_bits) < 1 << device.g_bits - 1
    curve = device.curve
    if curve is None:
        assert document["curve"] is None
        return
    assert len(curve.base) == len(curve.slope) == 1 << curve.bits
    assert curve.base[0] == 0, "a request for nothing moves nothing"
    assert all(slope >= 0 for slope in curve.slope)
    ends = [base + slope for base, slope in zip(curve.base, curve.slope, strict=True)]
    assert all(end <= start for end, start in zip(ends, curve.base[1:], strict=False))
    assert ends[-1] <= 1 << 16


WALL = {"kind": "domain_wall"}
STEPS = {"kind": "incremental"}
PAIR = {"kind": "pcm_pair"}
JUNCTION = {"kind": "mtj"}


@pytest.mark.parametrize(("document", "message"), [
    (WALL | {"sigma": -0.1}, "device.domain_wall: sigma=-0.1: must lie in 0 to 7.99219 levels, the range of the"),
    (WALL | {"sigma": 9.0}, "device.domain_wall: sigma=9: must lie in 0 to 7.99219 levels, the range of the"),
    (WALL | {"sigma": 4.0, "sub_bits": 4}, "device.domain_wall: sigma=4: must lie in 0 to 3.99609 levels"),
    (WALL | {"sigma": [0.1, 0.2]}, "sigma=(0.1, 0.2): give one value, or one for each of the 5 states"),
    (WALL | {"sigma": [0.1] * 3000}, "...: give one value, or one for each of the 5 states"),
    (WALL | {"sigma": []}, "sigma=(): give one value, or one for each of the 5 states"),
    (WALL | {"sigma": [0.1, 0.2, 0.1, "x", 0.1]}, "device.domain_wall.sigma[3]='x': Input should be a valid number"),
    (WALL | {"sigma": float("nan")}, "device.domain_wall.sigma=nan: Input should be a finite number"),
    (WALL | {"offset": 1.5}, "offset=1.5: must lie in -1 to 1 levels"),
    (WALL | {"offset": [1.0, 0.0, 0.0, 0.0, 0.0]}, "offset=(1.0, 0.0, 0.0, 0.0, 0.0): the mean landing points must"),
    (WALL | {"offset": [0.0] * 6}, "offset=(0.0, 0.0, 0.0, 0.0, 0.0, 0.0): give one value, or one for each of the 5"),
    (WALL | {"variation": -0.1}, "variation=-0.1: must lie in 0 to"),
    (WALL | {"variation": 99}, "variation=99: must lie in 0 to"),
    (WALL | {"stuck": 1.1}, "device.domain_wall.stuck=1.1: Input should be less than or equal to 1"),
    (WALL | {"states": 1}, "device.domain_wall.states=1: Input should be greater than or equal to 2"),
    (WALL | {"states": 65}, "device.domain_wall.states=65: Input should be less than or equal to 64"),
    (WALL | {"sub_bits": 0}, "device.domain_wall.sub_bits=0: Input should be greater than or equal to 1"),
    (WALL | {"sub_bits": 7}, "device.domain_wall.sub_bits=7: Input should be less than or equal to 6"),
    (WALL | {"up": 0.5}, "device.domain_wall.up=0.5: unknown field; allowed are sub_bits, stuck, ageing, retention"),
    (STEPS | {"up_mean": 9.0}, "up_mean=9: must lie within half the range, 8 levels"),
    (STEPS | {"down_mean": [0.5, -8.5]}, "down_mean=-8.5: must lie within half the range, 8 levels"),
    (STEPS | {"up_mean": []}, "up_mean=(): give at least one value"),
    (STEPS | {"up_mean": [1.0, float("inf")]}, "device.incremental.up_mean[1]=inf: Input should be a finite number"),
    (STEPS | {"down_sigma": -0.5}, "down_sigma=-0.5: must lie in 0 to"),
    (STEPS | {"up_sigma": [0.5, 9.0]}, "up_sigma=9: must lie in 0 to"),
    (STEPS | {"states": 64, "sub_bits": 6, "variation": 1.0}, "variation=1: must lie in 0 to 0.999023 levels"),
    (PAIR | {"g_max": 0.5}, "g_max=0.5: must be 1 to 255 levels of 0.77 uS"),
    (PAIR | {"g_max": 500.0}, "g_max=500: must be 1 to 255 levels of 0.77 uS"),
    (PAIR | {"g_max": float("inf")}, "device.pcm_pair.g_max=inf: Input should be a finite number"),
    (PAIR | {"level": 0.0}, "device.pcm_pair.level=0.0: Input should be greater than or equal to"),
    (PAIR | {"step_mean": [100.0, 0.0]}, "step_mean=(100.0, 0.0): a step of 129.87 levels is longer than the range"),
    (PAIR | {"step_mean": [1.0]}, "device.pcm_pair.step_mean[1]: Field required"),
    (PAIR | {"step_sigma": [0.1, -0.5]}, "step_sigma=-0.12013: must lie in 0 to"),
    (PAIR | {"refresh_high": 1.5}, "device.pcm_pair.refresh_high=1.5: Input should be less than or equal to 1"),
    (PAIR | {"states": 5}, "device.pcm_pair.states=5: unknown field; allowed are sub_bits, stuck, ageing, retention"),
    (JUNCTION | {"up": 1.5}, "up=1.5: a probability must lie in 0 to 1"),
    (JUNCTION | {"down": [0.5, -0.5, 0.5]}, "down=-0.5: a probability must lie in 0 to 1"),
    (JUNCTION | {"up": [0.5, 0.5]}, "up=(0.5, 0.5): give one value, or one for each of the 3 states"),
    (JUNCTION | {"curve": "line"}, "device.mtj.curve='line': Input should be 'tanh' or 'switching_time'"),
    (JUNCTION | {"curve": None}, "curve=None: give up and down, the probabilities of switching, instead"),
    (JUNCTION | {"pulse_bits": 7}, "device.mtj.pulse_bits=7: Input should be less than or equal to 6"),
    (JUNCTION | {"steepness": 0}, "device.mtj.steepness=0: Input should be greater than 0"),
    (JUNCTION | {"curve": "switching_time", "thermal_stability": 2.0},
     "thermal_stability=2: a pulse of no length would switch with probability 0.0017; use at least 5"),
    ({"kind": "memristor"}, "'memristor'"),
    ({"states": 5}, "device: kind is missing; it must be one of ideal, domain_wall, incremental, pcm_pair, mtj, m"),
])
def test_contradictory_specifications_are_refused(document, message):
    with pytest.raises(ConfigError) as caught:
        parse({"input": {"count": 4}, "device": document, "layers": [{"cols": 2}]}, "test")
    text = str(caught.value)
    assert text.startswith("test: device")
    assert message in text
    assert "\n" not in text


def test_every_kind_has_defaults():
    for kind in KINDS:
        assert specification({"kind": kind}).kind == kind
