"""Sets of samples in words: what is packed is unpacked, and damage is found."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from spinloom.contract.store import HEADER_WORDS, Header, StoreError, crc, pack, sample, unpack

SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 40), st.integers(1, 30), st.integers(1, 3))
PIXELS = st.integers(1, 255) | st.just(0)


@st.composite
def sets(draw):
    images = draw(arrays.arrays(np.uint8, draw(SHAPES), elements=PIXELS, fill=st.just(0)))
    labels = draw(arrays.arrays(np.int64, len(images), elements=st.integers(0, 2047)))
    return images, labels


@given(sets(), st.integers(0, 5))
def test_round_trip(given_set, behind):
    words = pack(*given_set)
    images, labels = unpack(np.append(words, np.zeros(behind, dtype=np.uint32)))
    assert images.dtype == np.uint8
    assert images.tolist() == given_set[0].tolist()
    assert labels.tolist() == given_set[1].tolist()
    assert Header.unpacked(words).words == len(words)


@pytest.mark.parametrize("zeros", [0, 1, 254, 255, 256, 257, 511, 512, 513, 2000])
def test_long_ways(zeros):
    """Behind many cells that are zero, and in front of as many."""
    images = np.zeros((2, 1, 2 * zeros + 1, 1), dtype=np.uint8)
    images[1, 0, zeros, 0] = 255
    words = pack(images, np.array([3, 4]))
    assert unpack(words)[0].tolist() == images.tolist()
    assert len(words) == HEADER_WORDS + 3 + 1 + 1 + (1 + zeros // 256 + 1) // 2


def test_blocks_of_samples_join():
    images = np.random.default_rng(1).integers(0, 2, (10_000, 1, 5, 1)).astype(np.uint8)
    labels = np.arange(10_000)
    assert [part.tolist() for part in unpack(pack(images, labels))] == [images.tolist(), labels.tolist()]


def test_the_example_of_the_document():
    images = np.array([[[0, 0, 0], [0, 0, 9], [0, 1, 0], [0, 0, 0]], [[0] * 3] * 3 + [[0, 0, 5]]], dtype=np.uint8)
    words = pack(images[..., np.newaxis], np.array([7, 0])).tolist()
    assert [f"{word:#010x}" for word in words] == [
        "0x31535053", "0x0000000f", "0x00000002", "0x00030004", "0x00000001", "0x00000008", "0x609f24b9", "0xf4aa9563",
        "0x0000000b", "0x0000000d", "0x0000000f",
        "0xf5f30007", "0x01010905", "0xfaf40000", "0x0000050b"]


@given(sets(), st.data())
def test_every_flipped_bit_is_found(given_set, data):
    words = pack(*given_set)
    words[data.draw(st.integers(0, len(words) - 1))] ^= np.uint32(1 << data.draw(st.integers(0, 31)))
    with pytest.raises(StoreError, match="upload"):
        unpack(words)


@given(sets(), st.data())
def test_the_checksum_of_a_sample(given_set, data):
    words, header = pack(*given_set), len(given_set[0])
    number = data.draw(st.integers(0, header - 1))
    start, end = words[HEADER_WORDS + number:HEADER_WORDS + number + 2].astype(int)
    stored = words[start:end].copy()
    label, cells, values = sample(stored, number)
    assert label == given_set[1][number]
    flat = given_set[0][number].ravel()
    assert cells.tolist() == np.flatnonzero(flat).tolist()
    assert values.tolist() == flat[flat != 0].tolist()
    with pytest.raises(StoreError, match=f"the stored sample {number + 1} is damaged"):
        sample(stored, number + 1)
    stored[data.draw(st.integers(0, end - start - 1))] ^= np.uint32(1 << data.draw(st.integers(0, 31)))
    with pytest.raises(StoreError, match=f"the stored sample {number} is damaged"):
        sample(stored, number)


@pytest.mark.parametrize("words", [[], [0] * 7, [0] * 20])
def test_where_no_set_is(words):
    with pytest.raises(StoreError, match="no set of samples is stored here; upload one"):
        unpack(np.array(words, dtype=np.uint32))


def test_a_set_that_is_cut():
    words = pack(np.ones((2, 3, 3, 1), dtype=np.uint8), np.array([0, 1]))
    with pytest.raises(StoreError, match="the stored samples are damaged"):
        unpack(words[:-1])


@pytest.mark.parametrize(("count", "label"), [(0, 0), (2, -1), (2, 1 << 16)])
def test_what_cannot_be_packed(count, label):
    with pytest.raises(ValueError, match="needs samples, and labels and sides below 65,536"):
        pack(np.ones((count, 3, 3, 1), dtype=np.uint8), np.full(count, label))


def test_crc_is_that_of_zlib():
    assert crc(np.frombuffer(b"12345678", dtype="<u4")) == 0x9AE0DAAF
