"""Integer tables of the smooth functions (sigmoid, its derivative, the normal quantile), and the noise made of them.

Entries are rounded to nearest, halves up. For ``z`` of up to 24 fraction bits, no value lies within 1e-9 of a tie,
except ``sigmoid(0)``, which is exactly 1/2. So all correct implementations of ``exp`` and of the quantile give the same
integers.
"""

from statistics import NormalDist

import numpy as np

from .device import SIGMA_FRAC

NORMAL_INDEX_BITS = 10
"""Random bits that address the normal quantile table."""
NORMAL_BITS = 10
NORMAL_FRAC = 7
"""Width and fraction bits of its signed entries, in units of one sigma."""
NORMAL_MASK = (1 << NORMAL_INDEX_BITS) - 1
"""The bits of a drawn word that address it."""
NOISE_FRAC = SIGMA_FRAC + NORMAL_FRAC
"""Fraction bits of the product of an entry of a noise table and a normal quantile."""
DERIVATIVE_BITS = 8
DERIVATIVE_FRAC = 9
"""Width and fraction bits of the derivative of sigmoid and stochastic neurons."""
FIRING_BITS = 16
"""Width of the probability that a stochastic neuron fires, and of the word that it draws."""


def _round(values: np.ndarray) -> np.ndarray:
    return np.floor(values + 0.5).astype(np.int64)


def normal_quantiles() -> np.ndarray:
    """int64 (2**NORMAL_INDEX_BITS,): quantile ``(u + 1/2) / size`` of the standard normal
    distribution in units of ``2**-NORMAL_FRAC``."""
    size = 1 << NORMAL_INDEX_BITS
    inverse = NormalDist().inv_cdf
    return _round(np.array([inverse((u + 0.5) / size) * (1 << NORMAL_FRAC) for u in range(size)]))


_NORMAL = normal_quantiles()


def noise(sigma: int | np.ndarray, word: int | np.ndarray) -> np.ndarray:
    """Noise for the random ``word``, in sub-levels, rounded to nearest, ties up (arithmetic 3). ``sigma`` is its
    standard deviation, an entry of a noise table. Integers, or int64 arrays that broadcast; the answer is int64."""
    return sigma * _NORMAL[word & NORMAL_MASK] + (1 << NOISE_FRAC - 1) >> NOISE_FRAC


def largest_noise(sigma: int) -> int:
    """The largest magnitude of ``noise`` of the standard deviation ``sigma``, over all words."""
    return int(noise(sigma, NORMAL_MASK))  # the quantiles ascend, and are symmetric about zero


def _sigmoid(z_bits: int, z_frac: int) -> np.ndarray:
    z = np.arange(-(1 << z_bits - 1), 1 << z_bits - 1) / (1 << z_frac)
    return 1 / (1 + np.exp(np.minimum(-z, 700)))  # the rest is 0 as well, without overflow


def sigmoid(z_bits: int, z_frac: int, one: int) -> np.ndarray:
    """int64 (2**z_bits,): ``one * sigmoid(z)``; entry ``i`` belongs to ``z = i - 2**(z_bits-1)``."""
    return _round(_sigmoid(z_bits, z_frac) * one)


def firing(z_bits: int, z_frac: int) -> np.ndarray:
    """int64 (2**z_bits,): the probability that a stochastic neuron fires, in units of ``2**-FIRING_BITS``, indexed as
    ``sigmoid``."""
    return sigmoid(z_bits, z_frac, (1 << FIRING_BITS) - 1)


def sigmoid_derivative(z_bits: int, z_frac: int) -> np.ndarray:
    """int64 (2**z_bits,): ``s * (1 - s)`` in units of ``2**-DERIVATIVE_FRAC``, indexed as ``sigmoid``."""
    s = _sigmoid(z_bits, z_frac)
    return _round(s * (1 - s) * (1 << DERIVATIVE_FRAC))
