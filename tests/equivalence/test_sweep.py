"""Networks of random small configurations: golden model and RTL agree in every prediction and every bit of state.

They run in Amaranth's simulator, the quickest for designs of this size, as it has nothing to build.
"""

import pytest
from spinloom.sim.tb_network import NetworkBench
from spinloom.sim.testbench import Parameters

CONFIGURATIONS = 36


@pytest.mark.parametrize("seed", range(CONFIGURATIONS))
def test_golden_model_and_rtl_agree(seed):
    NetworkBench(Parameters.random(seed, layers=seed % 3 + 1, stall=(seed % 4) * 0.25, samples=15)).simulate()
