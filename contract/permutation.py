"""A keyed permutation of any number of samples, of which hardware computes any place without a table.

It is the swap-or-not shuffle of V. T. Hoang, B. Morris and P. Rogaway, "An Enciphering Scheme Based on a Card Shuffle",
CRYPTO 2012. Unlike a Feistel network it needs no power of two, so no place takes longer than another. The round
function is of our own: one bit, of little logic. It shuffles, and keeps no secrets.
"""

from functools import reduce

import numpy as np

from .hashing import SHUFFLE_STREAM, hash32
from .lfsr import LEAP, WIDTH, apply, jump

ROUNDS = 32
"""Two neighbours part with a probability of 1/2 in each round."""
LARGEST = 1 << WIDTH
"""Most samples."""


def permutation_key(seed: int, epoch: int) -> int:
    """What the permutation of ``epoch`` follows from: the state, not 0, at which an LFSR starts."""
    return hash32(seed, SHUFFLE_STREAM + epoch, 0) or 1


def round_keys(key: int) -> list[tuple[int, int]]:
    """The two states of the LFSR that each round uses."""
    states = [key]
    for _ in range(2 * ROUNDS):
        states.append(apply(jump(LEAP), states[-1]))
    return list(zip(states[1::2], states[2::2], strict=True))


def permuted_order(seed: int, epoch: int, count: int) -> np.ndarray:
    """The permuted order of ``count`` samples, up to ``LARGEST``, in ``epoch``: int64 (count,), a permutation.

    The sample at each place depends on that place, ``seed``, ``epoch`` and ``count`` (docs/arithmetic.md, 7.2).
    """
    mask = (1 << max(0, count - 1).bit_length()) - 1
    samples = np.arange(count, dtype=np.int64)
    for center, mixer in round_keys(permutation_key(seed, epoch)):
        center &= mask
        if center >= count:
            center -= count
        partners = np.where(samples > center, center + count, center) - samples
        larger = np.maximum(samples, partners)
        samples = np.where(_odd(larger & (mixer ^ larger >> 1)), partners, samples)
    return samples


def _odd(words: np.ndarray) -> np.ndarray:
    """Whether the number of ones in each of ``words``, 0 .. 2**32-1, is odd."""
    return (reduce(lambda folded, shift: folded ^ folded >> shift, (16, 8, 4, 2, 1), words) & 1).astype(bool)
