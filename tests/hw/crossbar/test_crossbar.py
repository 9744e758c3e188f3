"""hw.crossbar and its parts against model.crossbar: every primitive, every answer, every bit of state."""

import pytest
from spinloom.sim.testbenches.tb_crossbar import CrossbarBench
from spinloom.sim.testbenches.testbench import Case


def seeds(count, more):
    """The first ``count``, and ``more`` for `make test-slow`."""
    return [*range(count), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(count, count + more))]


@pytest.mark.parametrize("seed", seeds(8, 16))
def test_agrees_with_golden_twin(seed):
    CrossbarBench(Case.random(seed, stall=(seed % 4) * 0.25, samples=15)).simulate()


@pytest.mark.parametrize("seed", seeds(6, 20))
def test_agrees_with_golden_twin_at_several_positions(seed):
    CrossbarBench(Case.random(seed, convolutions=True, stall=(seed % 4) * 0.25, samples=10)).simulate()


@pytest.mark.parametrize("seed", seeds(6, 40))
def test_agrees_with_golden_twin_with_several_reads(seed):
    CrossbarBench(Case.random(seed, convolutions=True, reads=True, stall=(seed % 4) * 0.25, samples=8)).simulate()
