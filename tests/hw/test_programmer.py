"""hw.programmer against model.programmer."""

import pytest
from spinloom.sim.tb_programmer import ProgrammerBench
from spinloom.sim.testbench import Parameters


@pytest.mark.parametrize("seed", range(12))
def test_agrees_with_golden_twin(seed):
    ProgrammerBench(Parameters.random(seed, stall=(seed % 4) * 0.25)).simulate()
