"""The AXI wrapper against the golden model, driven by a public bus-functional model."""

import shutil

import pytest
from spinloom.sim.simulators import runner
from spinloom.sim.testbenches.testbench import Case

pytest.importorskip("cocotbext.axi", reason="cocotbext-axi is not installed")


def bench(seed: int):
    from spinloom.sim.testbenches.tb_axi import AxiNetworkBench

    return AxiNetworkBench(Case.random(seed, layers=2, samples=9))


def test_agrees_with_golden_twin():
    """In the simulator that needs no build, where there is one."""
    runner.run(bench(5), "icarus" if shutil.which("iverilog") else "verilator")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_agrees_on_other_networks(seed, simulator):
    runner.run(bench(seed), simulator)
