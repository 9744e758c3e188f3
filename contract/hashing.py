"""A hash of 32 bits: the source of everything that follows from the seed and a position.

Initial states, the order of the samples and the differences of cells come from here. What is drawn while the machine
runs comes from the LFSRs. The functions take Python integers, and arrays of ``uint64``.
"""

from typing import TypeVar

import numpy as np

Words = TypeVar("Words", int, np.ndarray)
"""A word, or an array of words."""

MASK32 = 0xFFFFFFFF
GOLDEN_RATIO = 0x9E3779B9
MULTIPLIERS = (0x85EBCA6B, 0xC2B2AE35)
SHIFTS = (16, 13, 16)
"""Of ``mix32``: the multiplications, and the right shifts between them."""
SHUFFLE_STREAM = 0x100
"""Stream of the order of samples in epoch 0. The streams below it belong to the layers."""
DEVICE_SHIFT = 11
"""Left shift of the number of a device of a cell in the index of its hash: above that of a column."""
CELL_STREAM = 0x10000
"""Stream of what is fixed in the cells of layer 0."""
COLUMN_STREAM = 0x20000
"""Stream of what is fixed in the columns of layer 0."""


def mix32(value: Words) -> Words:
    """The 32-bit finaliser of MurmurHash3 (A. Appleby), a bijection of 32-bit words."""
    value = value & MASK32
    for shift, multiplier in zip(SHIFTS, MULTIPLIERS, strict=False):
        value = (value ^ value >> shift) * multiplier & MASK32
    return value ^ value >> SHIFTS[-1]


def hash_base(seed: int, stream: int) -> int:
    """The part of ``hash32`` that does not depend on the index, which is added to it."""
    return mix32(seed + stream * GOLDEN_RATIO & MASK32)


def hash32(seed: int, stream: int, index: Words) -> Words:
    """The hash of the place ``index`` in ``stream`` for a master ``seed``:
    ``mix32(mix32(seed + stream * GOLDEN_RATIO) + index)``, all modulo 2**32."""
    return mix32(hash_base(seed, stream) + index)


def cell_hash(cell_seed: int, rows: int, cols: int, device: int = 0) -> np.ndarray:
    """uint64 (rows, cols): the hash by which the cells of a crossbar differ (arithmetic 3.3), or one of the devices of
    each cell (3.4)."""
    row, col = np.meshgrid(np.arange(rows, dtype=np.uint64), np.arange(cols, dtype=np.uint64), indexing="ij")
    return mix32(np.uint64(cell_seed) + (row << np.uint64(16)) + np.uint64(device << DEVICE_SHIFT) + col)


def sample_order(seed: int, epoch: int, count: int) -> np.ndarray:
    """The order of ``count`` samples in ``epoch``: int64 (count,), a permutation.

    Sample ``i`` has the key ``hash32(seed, SHUFFLE_STREAM + epoch, i)``. Samples come by ascending key, and those of
    equal keys by ascending index.
    """
    keys = hash32(seed, SHUFFLE_STREAM + epoch, np.arange(count, dtype=np.uint64))
    return np.argsort(keys, kind="stable")
