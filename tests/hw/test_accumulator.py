"""hw.accumulator against model.accumulator."""

import pytest
from spinloom.sim.tb_accumulator import AccumulatorBench
from spinloom.sim.testbench import Parameters


@pytest.mark.parametrize("seed", range(12))
def test_agrees_with_golden_twin(seed):
    AccumulatorBench(Parameters.random(seed, stall=(seed % 4) * 0.25)).simulate()
