"""Statistical tests of random words of 16 bits.

Each gives a p-value, which independent uniform words spread evenly over 0 .. 1. Those of chi square are two-sided:
words that are more regular than chance makes them fail too.

Words are int64 arrays (n,) of 0 .. 65535, n at least 2**14. The tests are those of D. E. Knuth, "The Art of Computer
Programming", vol. 2, 3.3, of G. Marsaglia's Diehard (birthday spacings, rank), and of NIST SP 800-22 (rank, linear
complexity); p-values for many tests are corrected as by S. Holm, Scand. J. Statist. 6 (1979).
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch

from ..contract.lfsr import LEAP
from ..contract.tables import NORMAL_FRAC, NORMAL_INDEX_BITS, NORMAL_MASK, normal_quantiles

LAGS = 64
"""Distances at which words are compared with later ones."""
QUANTILES = normal_quantiles() / (1 << NORMAL_FRAC)
"""float64 (1024,): the normal quantiles of the machine, in units of sigma."""


def chi_square_p(statistic: float, freedom: int) -> float:
    """Two-sided p-value of ``statistic``, chi square of ``freedom`` degrees of freedom."""
    above = torch.special.gammaincc(torch.tensor(freedom / 2, dtype=torch.float64),
                                    torch.tensor(statistic / 2, dtype=torch.float64)).item()
    return min(1.0, 2 * min(above, 1 - above))


def normal_p(z: float) -> float:
    """Two-sided p-value of ``z``, standard normal."""
    return 2 * torch.special.ndtr(torch.tensor(-abs(z), dtype=torch.float64)).item()


def counts_p(seen: np.ndarray, shares: np.ndarray) -> float:
    """Whether things of kinds that have the probabilities ``shares``, of the sum 1, come as often as ``seen`` says."""
    expected = shares * seen.sum()
    return chi_square_p(float(((seen - expected) ** 2 / expected).sum()), len(seen) - 1)


def evenly_p(values: np.ndarray, size: int) -> float:
    """Whether integers 0 .. ``size - 1`` are equally frequent."""
    return counts_p(np.bincount(values, minlength=size), np.full(size, 1 / size))


def centred(values: np.ndarray) -> np.ndarray:
    """To mean 0 and variance 1, so that the mean of a product is a correlation, of the standard deviation
    ``1 / sqrt(count)``."""
    return (values - values.mean()) / (values.std() or 1.0)


def holm(p: Sequence[float]) -> list[float]:
    """The p-values ``p`` after Holm's correction: the chance that any test of so many fails where none should is at
    most the level with which these are compared."""
    order = np.argsort(p)
    raised = np.maximum.accumulate(np.array(p)[order] * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(raised, 1)
    return corrected.tolist()


def noise(words: np.ndarray) -> np.ndarray:
    """float64, the shape of ``words``: the normal quantiles that they choose, in units of sigma."""
    return QUANTILES[words & NORMAL_MASK]


def _high_bits(words: np.ndarray) -> float:
    bits = min(LEAP, len(words).bit_length() - 4)  # at least 8 words are expected in each class
    return evenly_p(words >> LEAP - bits, 1 << bits)


def _noise_index(words: np.ndarray) -> float:
    return evenly_p(words & NORMAL_MASK, 1 << NORMAL_INDEX_BITS)


def _each_bit(words: np.ndarray) -> float:
    ones = (words[:, None] >> np.arange(LEAP) & 1).sum(axis=0)
    return chi_square_p(float(((2 * ones - len(words)) ** 2 / len(words)).sum()), LEAP)


def _together(number: int, bits: int, shift: int) -> Callable[[np.ndarray], float]:
    """Of ``number`` words in a row, ``bits`` each, all combinations."""
    def test(words: np.ndarray) -> float:
        parts = words[:len(words) // number * number].reshape(-1, number) >> shift & (1 << bits) - 1
        return evenly_p((parts << np.arange(number) * bits).sum(axis=1), 1 << bits * number)
    return test


def _serial_correlation(words: np.ndarray) -> float:
    values = centred(words)
    z = [(values[:-lag] @ values[lag:]) / math.sqrt(len(values) - lag) for lag in range(1, LAGS + 1)]
    return chi_square_p(float(np.square(z).sum()), LAGS)


def _lengths_p(lengths: np.ndarray, go_on: float) -> float:
    """Lengths 1, 2, ... of what ends with the probability ``1 - go_on`` at each step."""
    most = int(math.log(8 / len(lengths)) / math.log(go_on))  # the last class, of all that are longer, expects 8
    shares = go_on ** np.arange(most) * (1 - go_on)
    seen = np.bincount(np.minimum(lengths, most + 1), minlength=most + 2)[1:]
    return counts_p(seen, np.append(shares, 1 - shares.sum()))


def _runs(words: np.ndarray) -> float:
    changes = np.flatnonzero(np.diff(words >> LEAP - 1))
    return _lengths_p(np.diff(changes), 1 / 2) if len(changes) > LAGS else 0.0


def _gaps(words: np.ndarray) -> float:
    places = np.flatnonzero(words < 1 << LEAP - 3)
    return _lengths_p(np.diff(places), 7 / 8) if len(places) > LAGS else 0.0


def _birthday_spacings(words: np.ndarray) -> float:
    """512 birthdays in a year of 2**24 days, 12 low bits of two words each: spacings come again Poisson(2) times."""
    days = words[:len(words) // 1024 * 1024].reshape(-1, 512, 2) & 0xFFF
    spacings = np.sort(np.diff(np.sort(days[..., 0] << 12 | days[..., 1], axis=1), axis=1), axis=1)
    again = (np.diff(spacings, axis=1) == 0).sum()
    mean = 2 * len(days)
    return normal_p(float(again - mean) / math.sqrt(mean))


def _mean(words: np.ndarray) -> float:
    return normal_p(float(noise(words).mean() - QUANTILES.mean()) / QUANTILES.std() * math.sqrt(len(words)))


def _sigma(words: np.ndarray) -> float:
    squares = QUANTILES**2
    return normal_p(float((noise(words) ** 2).mean() - squares.mean()) / squares.std() * math.sqrt(len(words)))


def _kolmogorov_smirnov(words: np.ndarray) -> float:
    """Against the distribution of the table. It has steps, which makes the p-value a little too large."""
    values, shares = np.unique(QUANTILES, return_counts=True)
    seen = np.bincount(np.searchsorted(values, noise(words)), minlength=len(values))
    distance = np.abs(np.cumsum(seen) / len(words) - np.cumsum(shares) / len(QUANTILES)).max() * math.sqrt(len(words))
    if distance < 0.3:
        return 1.0
    return min(1.0, 2 * sum((-1) ** (k - 1) * math.exp(-2 * (k * distance) ** 2) for k in range(1, 101)))


WORD_TESTS: dict[str, Callable[[np.ndarray], float]] = {
    "words equally frequent": _high_bits, "noise indices equally frequent": _noise_index,
    "each bit balanced": _each_bit, "pairs, low 8 bits": _together(2, 8, 0), "pairs, high 8 bits": _together(2, 8, 8),
    "triples, high 3 bits of the noise index": _together(3, 3, 7), "serial correlation, lags 1 to 64":
    _serial_correlation, "runs above and below the middle": _runs, "gaps between words below 2^13": _gaps,
    "birthday spacings": _birthday_spacings, "noise: mean": _mean, "noise: sigma": _sigma,
    "noise: Kolmogorov-Smirnov": _kolmogorov_smirnov,
}
"""What each stream of words is tested for."""


def cross_correlation(values: np.ndarray) -> float:
    """Whether the rows of ``values``, (k, n), are uncorrelated: each pair, place by place and one place apart."""
    rows = np.stack([centred(row) for row in values])
    number, count = rows.shape
    together = (rows @ rows.T)[np.triu_indices(number, 1)] / math.sqrt(count)
    apart = (rows[:, 1:] @ rows[:, :-1].T)[~np.eye(number, dtype=bool)] / math.sqrt(count - 1)
    z = np.concatenate([together, apart])
    return chi_square_p(float((z**2).sum()), len(z))


def rank(rows: Sequence[int]) -> int:
    """The rank over GF(2) of the matrix of ``rows``, the bits of which are the elements."""
    basis: list[int] = []
    for row in rows:
        for vector in basis:
            row = min(row, row ^ vector)
        if row:
            basis.append(row)
    return len(basis)


def matrix_ranks(words: np.ndarray, number: int, size: int = 64) -> list[int]:
    """The ranks of ``number`` square matrices, filled row by row with the bits of ``words``."""
    bits = (words[:, None] >> np.arange(LEAP - 1, -1, -1) & 1).ravel()[:number * size * size]
    rows = [int("".join(map(str, row)), 2) for row in bits.reshape(-1, size).tolist()]
    return [rank(rows[first:first + size]) for first in range(0, len(rows), size)]


def ranks_p(ranks: Sequence[int], size: int = 64) -> float:
    """Whether matrices of random bits have such ``ranks``: of a large one full with 0.29, with 0.58 one less."""
    full = math.prod(1 - 2.0**-k for k in range(1, size + 1))
    lacking = np.minimum(size - np.array(ranks), 2)
    return counts_p(np.bincount(lacking, minlength=3), np.array([full, 2 * full, 1 - 3 * full]))


def linear_complexity(bits: Sequence[int]) -> int:
    """The length of the shortest LFSR that yields ``bits``, by the algorithm of Berlekamp and Massey."""
    connection, before, length, past, since = 1, 1, 0, 0, 1
    for place, bit in enumerate(bits):
        past = past << 1 | bit  # bit i is the one i places ago
        if (connection & past).bit_count() & 1:
            kept = connection
            connection ^= before << since
            if 2 * length <= place:
                length, before, since = place + 1 - length, kept, 0
        since += 1
    return length


def linear_complexity_p(length: int, count: int) -> float:
    """The chance that ``count`` random bits have a linear complexity of at most ``length``, up to half of ``count``."""
    return min(1.0, 2.0 ** (2 * length + 1 - count) / 3)
