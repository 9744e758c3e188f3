"""hw.crossbar and its parts against model.crossbar: every primitive, every answer, every bit of state."""

import pytest
from spinloom.sim.testbenches.tb_crossbar import CrossbarBench
from spinloom.sim.testbenches.testbench import Case


@pytest.mark.parametrize("seed", range(16))
def test_agrees_with_golden_twin(seed):
    CrossbarBench(Case.random(seed, stall=(seed % 4) * 0.25, samples=15)).simulate()


@pytest.mark.parametrize("seed", range(16))
def test_agrees_with_golden_twin_at_several_positions(seed):
    case = Case.random(seed, convolutions=True, stall=(seed % 4) * 0.25, samples=10)
    CrossbarBench(case).simulate()


@pytest.mark.parametrize("seed", range(12))
def test_agrees_with_golden_twin_with_several_reads(seed):
    case = Case.random(seed, convolutions=True, reads=True, stall=(seed % 4) * 0.25, samples=8)
    CrossbarBench(case).simulate()
