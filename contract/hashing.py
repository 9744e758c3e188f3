"""A counter-based 32-bit hash: the source of everything that is fixed by the seed and a position.

Initial cell states and the order of the data come from here; whatever is drawn while the machine
runs comes from the LFSR. The functions take Python integers, NumPy ``uint32`` or ``uint64`` arrays alike.
"""

import numpy as np

MASK32 = 0xFFFFFFFF
GOLDEN_RATIO = 0x9E3779B9
MULTIPLIERS = (0x85EBCA6B, 0xC2B2AE35)
SHIFTS = (16, 13, 16)
"""Of ``mix32``: its right shifts, and the multiplications between them."""
SHUFFLE_STREAM = 0x100
"""Stream of the data order of epoch 0; streams below it belong to the layers."""
CELL_STREAM = 0x10000
"""Stream of what is fixed in the cells of layer 0."""


def mix32(value):
    """The 32-bit finaliser of MurmurHash3 (A. Appleby), a bijection of 32-bit words."""
    value = value & MASK32
    for shift, multiplier in zip(SHIFTS, MULTIPLIERS, strict=False):
        value = (value ^ value >> shift) * multiplier & MASK32
    return value ^ value >> SHIFTS[-1]


def hash_base(seed: int, stream: int) -> int:
    """What ``hash32`` adds an index to."""
    return mix32(seed + stream * GOLDEN_RATIO & MASK32)


def hash32(seed: int, stream: int, index):
    """``mix32(mix32(seed + stream * GOLDEN_RATIO) + index)`` modulo 2**32.

    ``index`` is an integer or a ``uint64`` array; the result has its shape.
    """
    return mix32(hash_base(seed, stream) + index)


def cell_hash(cell_seed: int, rows: int, cols: int) -> np.ndarray:
    """uint64 (rows, cols): the hash by which the cells of a crossbar differ (arithmetic 3.3)."""
    row, col = np.meshgrid(np.arange(rows, dtype=np.uint64), np.arange(cols, dtype=np.uint64), indexing="ij")
    return mix32(np.uint64(cell_seed) + (row << np.uint64(16)) + col)


def sample_order(seed: int, epoch: int, count: int) -> np.ndarray:
    """The order of ``count`` samples in ``epoch``: int64 (count,), a permutation.

    Sample ``i`` has the key ``hash32(seed, SHUFFLE_STREAM + epoch, i)``; samples are taken by
    ascending key, equal keys by ascending index.
    """
    keys = hash32(seed, SHUFFLE_STREAM + epoch, np.arange(count, dtype=np.uint64))
    return np.argsort(keys, kind="stable")
