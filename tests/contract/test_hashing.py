import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from spinloom.contract.hashing import hash32, mix32, sample_order

WORDS = st.integers(0, 2**32 - 1)


def test_mix32_matches_murmurhash3():
    """Known values of the finaliser."""
    assert [mix32(word) for word in (0, 1, 2**32 - 1)] == [0, 0x514E28B7, 0x81F16F39]


@given(seed=WORDS, stream=st.integers(0, 0xFFFF), index=WORDS)
def test_arrays_and_integers_agree(seed, stream, index):
    assert hash32(seed, stream, np.array([index], dtype=np.uint64)).tolist() == [hash32(seed, stream, index)]


@given(seed=WORDS, epoch=st.integers(0, 1000), count=st.integers(0, 200))
def test_an_order_is_a_permutation_by_ascending_key(seed, epoch, count):
    order = sample_order(seed, epoch, count)
    assert sorted(order.tolist()) == list(range(count))
    keys = [(hash32(seed, 0x100 + epoch, i), i) for i in order.tolist()]
    assert keys == sorted(keys)
