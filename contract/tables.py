"""Integer tables of the smooth functions: sigmoid, its derivative, and the normal quantile.

Entries are rounded to nearest, halves up. For ``z`` of up to 24 fraction bits, no value lies within 1e-9 of a tie,
except ``sigmoid(0)``, which is exactly 1/2. So all correct implementations of ``exp`` and of the quantile give the same
integers.
"""

from statistics import NormalDist

import numpy as np

NORMAL_INDEX_BITS = 10
"""Random bits that address the normal quantile table."""
NORMAL_BITS = 10
NORMAL_FRAC = 7
"""Width and fraction bits of its signed entries, in units of one sigma."""
DERIVATIVE_BITS = 8
DERIVATIVE_FRAC = 9
"""Width and fraction bits of the sigmoid neuron's derivative."""


def _round(values: np.ndarray) -> np.ndarray:
    return np.floor(values + 0.5).astype(np.int64)


def normal_quantiles() -> np.ndarray:
    """int64 (2**NORMAL_INDEX_BITS,): quantile ``(u + 1/2) / size`` of the standard normal
    distribution in units of ``2**-NORMAL_FRAC``."""
    size = 1 << NORMAL_INDEX_BITS
    inverse = NormalDist().inv_cdf
    return _round(np.array([inverse((u + 0.5) / size) * (1 << NORMAL_FRAC) for u in range(size)]))


def _sigmoid(z_bits: int, z_frac: int) -> np.ndarray:
    z = np.arange(-(1 << z_bits - 1), 1 << z_bits - 1) / (1 << z_frac)
    return 1 / (1 + np.exp(np.minimum(-z, 700)))  # the rest is 0 as well, without overflow


def sigmoid(z_bits: int, z_frac: int, one: int) -> np.ndarray:
    """int64 (2**z_bits,): ``one * sigmoid(z)``; entry ``i`` belongs to ``z = i - 2**(z_bits-1)``."""
    return _round(_sigmoid(z_bits, z_frac) * one)


def sigmoid_derivative(z_bits: int, z_frac: int) -> np.ndarray:
    """int64 (2**z_bits,): ``s * (1 - s)`` in units of ``2**-DERIVATIVE_FRAC``, indexed as ``sigmoid``."""
    s = _sigmoid(z_bits, z_frac)
    return _round(s * (1 - s) * (1 << DERIVATIVE_FRAC))
