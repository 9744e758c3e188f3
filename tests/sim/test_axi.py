"""The AXI wrapper against the golden model, driven by a public bus-functional model."""

import pytest
from spinloom.sim.simulators import runner
from spinloom.sim.testbenches.testbench import Case

pytest.importorskip("cocotbext.axi", reason="cocotbext-axi is not installed")


def bench(seed: int, convolutions: bool):
    from spinloom.sim.testbenches.tb_axi import AxiNetworkBench

    return AxiNetworkBench(Case.random(seed, layers=2, convolutions=convolutions, reads=convolutions, samples=9))


@pytest.mark.parametrize(("seed", "convolutions"), [(5, False), pytest.param(22, True, marks=pytest.mark.slow)])
def test_agrees_with_golden_twin(seed, convolutions, quick):
    runner.run(bench(seed, convolutions), quick)


@pytest.mark.slow
@pytest.mark.parametrize("convolutions", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_agrees_on_other_networks(seed, convolutions, simulator):
    runner.run(bench(seed, convolutions), simulator)
