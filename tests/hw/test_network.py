"""hw.network with convolutions against model.network: every prediction, every bit of state."""

import pytest
from spinloom.sim.testbenches.tb_network import NetworkBench
from spinloom.sim.testbenches.testbench import Case


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_golden_twin(seed):
    NetworkBench(Case.random(seed, convolutions=True, stall=(seed % 2) * 0.4, samples=9)).simulate()
