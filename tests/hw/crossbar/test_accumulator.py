"""hw.accumulator against model.accumulator."""

import pytest
from spinloom.sim.testbenches.tb_accumulator import AccumulatorBench
from spinloom.sim.testbenches.testbench import Case


@pytest.mark.parametrize("seed", range(12))
def test_agrees_with_golden_twin(seed):
    AccumulatorBench(Case.random(seed, stall=(seed % 4) * 0.25)).simulate()


@pytest.mark.parametrize("seed", range(12))
def test_agrees_with_golden_twin_at_several_positions(seed):
    AccumulatorBench(Case.random(seed, convolutions=True, stall=(seed % 4) * 0.25)).simulate()
