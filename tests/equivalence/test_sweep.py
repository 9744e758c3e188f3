"""Networks of random small configurations: golden model and RTL agree in every prediction and every bit of state.

They run in Amaranth's simulator, the quickest for designs of this size, as it has nothing to build.
"""

import pytest
from spinloom.config import parse
from spinloom.sim.tb_network import NetworkBench
from spinloom.sim.testbench import Parameters

CONFIGURATIONS = 36


@pytest.mark.parametrize("seed", range(CONFIGURATIONS))
def test_golden_model_and_rtl_agree(seed):
    NetworkBench(Parameters.random(seed, layers=seed % 3 + 1, stall=(seed % 4) * 0.25, samples=15)).simulate()


def test_words_of_several_segments_of_lanes_agree():
    # The queue of programming events looks at 16 lanes at a time; a low threshold fires many of them at once.
    experiment = parse({
        "seed": 7, "learning_rate_shifts": [3], "update": {"threshold": 0.25}, "input": {"count": 4},
        "device": {"kind": "domain_wall", "states": 5},
        "layers": [{"cols": 40, "lanes": 20, "weight_step": -2, "chi_bits": 10, "chi_frac": 7},
                   {"cols": 35, "weight_step": -1, "z_bits": 8, "z_frac": 4, "chi_bits": 10, "chi_frac": 7}],
    }, "wide")
    NetworkBench(Parameters(experiment=experiment, seed=3, stall=0.2, samples=12)).simulate()
