from hypothesis import given
from hypothesis import strategies as st
from spinloom.contract import lfsr

PERIOD = 2**32 - 1
IDENTITY = tuple(1 << bit for bit in range(32))


def test_the_period_is_maximal():
    """One period returns to the start, and no proper divisor of it does: 3, 5, 17, 257 and 65537 are its primes."""
    assert PERIOD == 3 * 5 * 17 * 257 * 65537
    assert lfsr.jump(PERIOD) == IDENTITY
    assert all(lfsr.jump(PERIOD // prime) != IDENTITY for prime in (3, 5, 17, 257, 65537))


@given(state=st.integers(1, PERIOD), steps=st.integers(0, 300))
def test_jump_equals_steps(state, steps):
    stepped = state
    for _ in range(steps):
        stepped = lfsr.step(stepped)
    assert lfsr.apply(lfsr.jump(steps), state) == stepped


@given(seed=st.integers(0, 2**32 - 1))
def test_segments_are_disjoint(seed):
    """Each starts where the one before ends, and all of them fit into one period."""
    assert lfsr.MAX_SEGMENTS << lfsr.SEGMENT_BITS <= PERIOD
    starts = [lfsr.initial_state(seed, segment) for segment in range(lfsr.MAX_SEGMENTS)]
    segment = lfsr.jump(1 << lfsr.SEGMENT_BITS)
    assert 0 not in starts
    assert [lfsr.apply(segment, start) for start in starts[:-1]] == starts[1:]
