import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from spinloom.contract.hashing import cell_hash, hash32, hash_base, mix32, sample_order

WORDS = st.integers(0, 2**32 - 1)


def test_mix32_matches_murmurhash3():
    """Known values of the finaliser."""
    assert [mix32(word) for word in (0, 1, 2**32 - 1)] == [0, 0x514E28B7, 0x81F16F39]


@given(seed=WORDS, stream=st.integers(0, 0xFFFF), index=WORDS)
def test_arrays_and_integers_agree(seed, stream, index):
    assert hash32(seed, stream, np.array([index], dtype=np.uint64)).tolist() == [hash32(seed, stream, index)]


@given(seed=WORDS, layer=st.integers(0, 14), rows=st.integers(1, 5), cols=st.integers(1, 5))
def test_cells_are_hashed_by_row_and_column(seed, layer, rows, cols):
    hashes = cell_hash(hash_base(seed, 0x10000 + layer), rows, cols)
    assert hashes.tolist() == [[hash32(seed, 0x10000 + layer, row * 2**16 + col) for col in range(cols)]
                               for row in range(rows)]


@given(cell_seed=WORDS)
def test_the_hash_of_a_cell_does_not_depend_on_the_size_of_the_crossbar(cell_seed):
    assert (cell_hash(cell_seed, 3, 2048)[:2, :7] == cell_hash(cell_seed, 2, 7)).all()
    assert cell_hash(cell_seed, 3, 2048)[2, 2047] == mix32(cell_seed + (2 << 16) + 2047)


@given(seed=WORDS, epoch=st.integers(0, 1000), count=st.integers(0, 200))
def test_an_order_is_a_permutation_by_ascending_key(seed, epoch, count):
    order = sample_order(seed, epoch, count)
    assert sorted(order.tolist()) == list(range(count))
    keys = [(hash32(seed, 0x100 + epoch, i), i) for i in order.tolist()]
    assert keys == sorted(keys)
