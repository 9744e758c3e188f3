"""The random words that cells see: uniform, and independent in time, across lanes, between crossbars and between uses.

Every bound is five standard deviations of what independent uniform words give; the seeds are fixed. What these tests do
not look for, as it is known: the bits are one linear recurrence, bit ``n`` the XOR of bits ``n - 1``, ``n - 2``,
``n - 22`` and ``n - 32``, so each bit is the parity of four others that lie in the same word and the two before.
"""

import itertools
import math

import numpy as np
import pytest
import torch
from spinloom.config import parse
from spinloom.contract.lfsr import READ_STREAM, ROUNDING_STREAM, SEED_STREAM, hashed_state, initial_state
from spinloom.model.lfsr import Lfsr, jump
from spinloom.model.rounder import StochasticRounder
from spinloom.study import lfsr_battery
from spinloom.study.lfsr_battery import starts
from spinloom.study.randomness import centred

COUNT = 1 << 18
SEEDS = (1, 2, 0xC0FFEE)


def words(state, count=COUNT):
    return lfsr_battery.words(state, count)


def assert_uniform(values, size):
    """Chi-square of integers 0 .. ``size - 1``."""
    expected = len(values) / size
    chi_square = ((np.bincount(values, minlength=size) - expected) ** 2).sum() / expected
    assert abs(chi_square - (size - 1)) < 5 * math.sqrt(2 * (size - 1))


def assert_uncorrelated(one, other, what):
    assert abs((one * other).mean()) < 5 / math.sqrt(one.size), what


@pytest.fixture(scope="module", params=SEEDS)
def drawn(request):
    return words(initial_state(request.param, 0))


@pytest.mark.parametrize("field", ["noise index", "low 8", "high 8", "middle", "high 10", "all"])
def test_words_are_uniform(drawn, field):
    """Their low 10 bits index the noise, all 16 are compared with probabilities."""
    shift, bits = {"noise index": (0, 10), "low 8": (0, 8), "high 8": (8, 8), "middle": (5, 8), "high 10": (6, 10),
                   "all": (0, 16)}[field]
    assert_uniform(drawn >> shift & (1 << bits) - 1, 1 << bits)


def test_pairs_and_triples_of_draws_are_uniform(drawn):
    """Cells draw several words: a few bits of two and three in a row, at either end of a word."""
    for bits, number in ((5, 2), (3, 3)):
        for shift in (0, 16 - bits):
            parts = drawn[:len(drawn) // number * number].reshape(-1, number) >> shift & (1 << bits) - 1
            assert_uniform((parts << np.arange(number) * bits).sum(axis=1), 1 << bits * number)


@pytest.mark.parametrize("used", ["as a number", "noise index"])
def test_draws_are_uncorrelated_in_time(drawn, used):
    """At lags 1 .. 64, and those of rows of common widths: neighbours in a column."""
    values = centred(drawn if used == "as a number" else drawn & 1023)
    for lag in (*range(1, 65), 100, 128, 250, 256, 512, 784, 1024, 2048):
        assert_uncorrelated(values[:-lag], values[lag:], lag)


def test_squares_are_uncorrelated_in_time(drawn):
    """Large noise does not come in bursts."""
    values = centred(centred(drawn & 1023) ** 2)
    for lag in range(1, 65):
        assert_uncorrelated(values[:-lag], values[lag:], lag)


def test_bits_are_balanced_and_alternate_as_often_as_not(drawn):
    """Monobit and runs, over all bits in the order in which they are made, and for each bit of the words."""
    bits = drawn[:, None] >> np.arange(15, -1, -1) & 1
    for sequence in (bits.ravel(), *bits.T):
        assert abs(sequence.mean() - 0.5) < 5 * 0.5 / math.sqrt(len(sequence))
        changes = (sequence[1:] != sequence[:-1]).mean()
        assert abs(changes - 0.5) < 5 * 0.5 / math.sqrt(len(sequence))


def test_runs_are_as_long_as_chance_makes_them(drawn):
    """A run of ``k`` equal bits, 1 to 12, has a share of 2^-k of all runs."""
    bits = (drawn[:, None] >> np.arange(15, -1, -1) & 1).ravel()
    lengths = np.diff(np.flatnonzero(np.diff(bits, prepend=2, append=2)))
    for length in range(1, 13):
        p = 2.0**-length
        assert abs((lengths == length).mean() - p) < 5 * math.sqrt(p * (1 - p) / len(lengths))


def test_bits_of_a_word_do_not_know_of_one_another_or_of_the_next_word(drawn):
    signs = 1.0 - 2 * (drawn[:, None] >> np.arange(16) & 1)
    for lag in (0, 1, 2):
        correlations = signs[:len(signs) - lag].T @ signs[lag:] / (len(signs) - lag)
        if lag == 0:
            correlations -= np.eye(16)
        assert np.abs(correlations).max() < 5 / math.sqrt(len(signs))


@pytest.mark.parametrize("seed", SEEDS)
def test_crossbars_and_uses_do_not_know_of_one_another(seed):
    """All pairs of the 60 LFSRs of the largest network, word by word and one word apart."""
    values = {name: centred(words(state, 1 << 14)) for name, state in starts(seed).items()}
    for (name, one), (other_name, other) in itertools.combinations(values.items(), 2):
        assert_uncorrelated(one, other, (name, other_name))
        assert_uncorrelated(one[1:], other[:-1], (name, other_name))
        assert_uncorrelated(one[:-1], other[1:], (name, other_name))


@pytest.mark.parametrize("seed", SEEDS)
def test_no_lfsr_runs_closely_behind_another(seed):
    """No state that one passes in 2^11 draws is passed by another: their words would come again within that time. (All
    share one period, so after long times they do. Of programming LFSRs, only after 2^24 draws.)"""
    states = torch.tensor(list(starts(seed).values()))
    passed = torch.stack([jump(states, draws) for draws in range(1 << 11)])
    assert len(passed.unique()) == passed.numel()


def test_seeds_and_layers_start_anywhere():
    """The bits of the starting states of a thousand seeds in a row, of every use, are balanced."""
    for stream in (SEED_STREAM, ROUNDING_STREAM, READ_STREAM):
        for layer in (0, 1, 14):
            states = np.array([hashed_state(seed, stream, layer) for seed in range(1000)])
            assert len(set(states.tolist())) == 1000
            shares = (states[:, None] >> np.arange(32) & 1).mean(axis=0)
            assert np.abs(shares - 0.5).max() < 5 * 0.5 / math.sqrt(1000)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("cols", [10, 128, 250, 256])
def test_stochastic_rounding_does_not_know_of_its_neighbours(seed, cols):
    """A whole crossbar asks for the same fraction: the cells that are rounded up are as many as they should be in each
    row and column, and independent of their neighbours in the row (the next lane), the column, and diagonally."""
    crossbar = parse({"input": {"count": 4}, "device": {"kind": "mtj"}, "layers": [{"cols": 2}],
                      "update": {"rounding": "stochastic", "residual": "none"}}, "test").crossbars[0]
    rounder = StochasticRounder(crossbar, Lfsr(hashed_state(seed, ROUNDING_STREAM, 0)))
    rows = COUNT // cols
    for fraction in (0.02, 0.183):  # about 6 % and 50 %
        chi = torch.full((rows, cols), int(fraction * crossbar.threshold))
        up = (rounder.round(chi) != 0).numpy().astype(float)
        p = up.mean()
        for axis in (0, 1):
            shares = up.mean(axis=axis)
            scatter = math.sqrt(p * (1 - p) / up.shape[axis])
            chi_square = ((shares - p) ** 2).sum() / scatter**2
            assert abs(chi_square - len(shares)) < 5 * math.sqrt(2 * len(shares))
        values = centred(up)
        for right in range(-3, 4):
            for below in range(4):
                if below or right > 0:
                    moved = np.roll(values, (-below, -right), (0, 1))
                    assert_uncorrelated(values, moved, (right, below))
