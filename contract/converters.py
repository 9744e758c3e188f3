"""What is fixed in the converters of a crossbar (arithmetic 4.7)."""

import numpy as np

from .device import SIGMA_FRAC
from .geometry import CrossbarGeometry
from .hashing import mix32
from .tables import NORMAL_FRAC, NORMAL_MASK, normal_quantiles

OFFSET_FRAC = SIGMA_FRAC
"""Fraction bits of offsets and of the nonlinearity, in least significant bits of the ADC."""
GAIN_FRAC = 12
"""Fraction bits of gains."""
MISMATCH_BITS = 13
"""Width of the signed offset, and of the gain, of a column."""
NONLINEARITY_BITS = 11
"""Width of a signed entry of the nonlinearity."""
HEADROOM_BITS = 1
"""The amplifiers of the columns cover so many powers of two more than their ADCs."""


def fine_bits(geometry: CrossbarGeometry) -> int:
    """Width of what an amplifier passes on: of an output with its fraction bits."""
    return geometry.z_bits + HEADROOM_BITS + OFFSET_FRAC


def mismatch(geometry: CrossbarGeometry) -> tuple[np.ndarray, np.ndarray]:
    """The offset of each column, in ``2**-OFFSET_FRAC`` of the least significant bit of the ADC, and its gain, in
    ``2**-GAIN_FRAC``, 0 being ideal: both int64 (cols,)."""
    hashes = mix32(np.uint64(geometry.column_seed) + np.arange(geometry.cols, dtype=np.uint64)).astype(np.int64)
    normal, half = normal_quantiles(), 1 << NORMAL_FRAC - 1
    return (geometry.offset * normal[hashes & NORMAL_MASK] + half >> NORMAL_FRAC,
            geometry.gain * normal[hashes >> 16 & NORMAL_MASK] + half >> NORMAL_FRAC)
