"""Integer arithmetic in compiled code: fixed point, the hash of a cell, the LFSR, noise."""

import numpy as np
from numba import njit

from ...contract.hashing import MASK32, MULTIPLIERS, SHIFTS
from ...contract.tables import NOISE_FRAC, NORMAL_MASK
from ..lfsr import WORD_MASK
from .tables import KINDS, Integer, Pointer, Tables


@njit
def round_shift(value: Integer, shift: Integer) -> Integer:
    """``value * 2**-shift`` rounded to nearest, ties up, for ``value`` of less than 60 bits."""
    shift = min(shift, 62)  # by 62, as by more, all of them are rounded to 0
    return (value + ((1 << shift) >> 1)) >> shift


@njit
def clip(value: Integer, lowest: Integer, highest: Integer) -> Integer:
    """``value`` limited to ``lowest`` .. ``highest``."""
    return max(lowest, min(highest, value))


@njit
def mix32(value: Integer) -> Integer:
    """As `contract.hashing.mix32`."""
    value &= MASK32
    for i in range(len(MULTIPLIERS)):
        value = (value ^ value >> SHIFTS[i]) * MULTIPLIERS[i] & MASK32
    return value ^ value >> SHIFTS[-1]


@njit
def leap(state: Integer, images: Pointer) -> Integer:
    """The ``state`` of an LFSR one draw on, by the table ``Tables.leap``."""
    state = np.int64(state)
    return (images[state & 255] ^ images[256 + (state >> 8 & 255)] ^ images[512 + (state >> 16 & 255)]
            ^ images[768 + (state >> 24)])


@njit
def draw(lfsrs: Pointer, index: int, kind: int, tables: Tables) -> Integer:
    """Advance the LFSR ``kind`` of the crossbar ``index`` by a draw; returns the word."""
    state = leap(lfsrs[index * KINDS + kind], tables.leap)
    lfsrs[index * KINDS + kind] = state
    return np.int64(state) & WORD_MASK


@njit
def noise(sigma: Integer, word: Integer, tables: Tables) -> Integer:
    """As `model.device.noise`."""
    return round_shift(sigma * tables.normal[word & NORMAL_MASK], NOISE_FRAC)
