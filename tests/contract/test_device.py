import pytest
from hypothesis import given
from hypothesis import strategies as st
from spinloom.contract.device import DeviceTables, nominal, segment_shift


def test_states_are_balanced_around_zero():
    assert [nominal(state, 2, 3) for state in range(2)] == [-4, 4]
    assert [nominal(state, 5, 3) for state in range(5)] == [-16, -8, 0, 8, 16]


@given(states=st.integers(2, 64), sub_bits=st.integers(1, 6))
def test_the_outermost_states_begin_half_a_level_from_their_nominal_level(states, sub_bits):
    device = DeviceTables(pulse="switching", sub_bits=sub_bits, states=states, g_bits=13)
    last = nominal(states - 1, states, sub_bits)


    def nearest(g):
        return g - device.origin + (1 << sub_bits - 1) >> sub_bits

    assert device.origin == -last
    assert [nearest(device.lowest_top - 1), nearest(device.lowest_top)] == [states - 2, states - 1]
    assert [nearest(device.highest_bottom), nearest(device.highest_bottom + 1)] == [0, 1]


@given(span=st.integers(1, 2**12 - 1))
def test_a_range_has_at_most_16_segments_and_as_many_as_it_can(span):
    shift = segment_shift(span)
    assert span >> shift < 16
    assert shift == 0 or span >> shift >= 8


@pytest.mark.parametrize(("pair", "variation", "stuck", "minus_bits", "differs"), [
    (False, 0, 0, 0, False), (True, 0, 0, 8, False), (True, 5, 0, 8, True), (False, 0, 1, 0, True),
])
def test_what_a_device_needs(pair, variation, stuck, minus_bits, differs):
    device = DeviceTables(pulse="step", sub_bits=3, states=33, g_bits=9, pair=pair, span=128, variation=variation,
                          stuck=stuck)
    assert (device.minus_bits, device.differs) == (minus_bits, differs)
    assert device.segments == 9
