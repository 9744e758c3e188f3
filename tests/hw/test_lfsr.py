"""hw.lfsr against model.lfsr."""

import pytest
from spinloom.hw.lfsr import Lfsr
from spinloom.sim.tb_lfsr import LfsrBench
from spinloom.sim.testbench import Parameters


@pytest.mark.parametrize("seed", range(2))
def test_agrees_with_golden_twin(seed):
    LfsrBench(Parameters.random(seed)).simulate()


@pytest.mark.parametrize("init", [0, 1 << 32])
def test_a_state_out_of_range_is_refused(init):
    with pytest.raises(ValueError, match=f"init={init}: the state of an LFSR must be 1 to"):
        Lfsr(init=init)
