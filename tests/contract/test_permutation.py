"""The permuted order: a permutation for every number of samples, as the document defines it, and a good shuffle."""

from itertools import permutations
from math import factorial, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from spinloom.contract.hashing import hash32
from spinloom.contract.lfsr import LEAP, step
from spinloom.contract.permutation import permuted_order

SEEDS = st.integers(0, 2**32 - 1)


def place_by_place(seed, epoch, count):
    """The order as docs/arithmetic.md, 7.2, defines it."""
    def draw(state):
        for _ in range(LEAP):
            state = step(state)
        return state

    def sample(i):
        state = hash32(seed, 0x100 + epoch, 0) or 1
        for _ in range(32):
            state = draw(state)
            k = state % 2**(count - 1).bit_length()
            k -= count if k >= count else 0
            state = draw(state)
            j = (k - i) % count
            h = max(i, j)
            i = j if (h & (state ^ h >> 1)).bit_count() % 2 else i
        return i

    return [sample(place) for place in range(count)]


def test_the_example_of_the_document():
    assert permuted_order(1, 0, 10).tolist() == [1, 8, 7, 2, 4, 5, 3, 6, 0, 9]


@given(seed=SEEDS, epoch=st.integers(0, 1000), count=st.integers(0, 20) | st.integers(60, 70))
def test_is_what_the_document_says(seed, epoch, count):
    assert permuted_order(seed, epoch, count).tolist() == place_by_place(seed, epoch, count)


def test_permutes_every_number_of_samples():
    for count in range(400):
        assert sorted(permuted_order(count, 0, count).tolist()) == list(range(count))


@given(seed=SEEDS, epoch=st.integers(0, 1000), count=st.integers(400, 5000))
def test_permutes_many_samples(seed, epoch, count):
    assert (np.bincount(permuted_order(seed, epoch, count), minlength=count) == 1).all()


@pytest.mark.parametrize("count", [60_000, 2**20 + 1])
def test_permutes_very_many_samples(count):
    assert (np.bincount(permuted_order(3, 2, count), minlength=count) == 1).all()


def test_orders_of_epochs_and_seeds_are_independent():
    """Two random orders agree at one place on average, whatever their length."""
    orders = [permuted_order(seed, epoch, 500) for seed in range(8) for epoch in range(8)]
    pairs = [(first, second) for number, first in enumerate(orders) for second in orders[:number]]
    assert abs(sum(int((first == second).sum()) for first, second in pairs) - len(pairs)) < 4 * sqrt(len(pairs))


def test_every_permutation_of_a_few_samples_is_as_likely():
    keys = 50 * factorial(4)
    counts = dict.fromkeys(permutations(range(4)), 0)
    for key in range(keys):
        counts[tuple(permuted_order(key // 100, key % 100, 4).tolist())] += 1
    freedom = factorial(4) - 1
    assert sum((count - 50)**2 / 50 for count in counts.values()) < freedom + 4 * sqrt(2 * freedom)


@pytest.mark.parametrize("count", [1000, 1024])
def test_neighbours_go_anywhere(count):
    """Over 200 keys: fixed points, neighbours that stay neighbours, and equal differences of neighbours are as many as
    those of random permutations, and the spectrum is flat."""
    places = np.arange(count)
    orders = np.array([permuted_order(seed, seed % 5, count) for seed in range(200)])
    moves = (np.diff(orders) % count).ravel()
    assert abs(int((orders == places).sum()) - 200) < 4 * sqrt(200)
    assert abs(int(np.isin(moves, [1, count - 1]).sum()) - 2 * 200) < 4 * sqrt(2 * 200)
    spread = np.bincount(moves, minlength=count)[1:]
    assert ((spread - 200)**2 / 200).sum() < count + 4 * sqrt(2 * count)
    spectrum = (np.abs(np.fft.rfft(orders - orders.mean(), axis=1))**2).sum(axis=0)[1:-1]
    assert (np.abs(spectrum / spectrum.mean() - 1) < 5 / sqrt(200)).all()


def test_every_sample_comes_at_every_place():
    """One sample of 60 over 1,800 epochs, and where the next one is from there."""
    orders = np.array([permuted_order(9, epoch, 60) for epoch in range(1800)])
    where = np.argsort(orders, axis=1)
    for counts in (np.bincount(where[:, 17], minlength=60), np.bincount((where[:, 18] - where[:, 17]) % 60)[1:]):
        assert ((counts - 1800 / len(counts))**2 * len(counts) / 1800).sum() < len(counts) + 4 * sqrt(2 * len(counts))
