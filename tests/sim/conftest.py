import shutil

import pytest
from spinloom.sim.simulators.toolchain import SIMULATORS

QUICK = "icarus" if shutil.which("iverilog") else "verilator"
"""The simulator that builds sooner, of those that are there."""


@pytest.fixture(scope="session")
def quick():
    return QUICK


@pytest.fixture(params=SIMULATORS)
def simulator(request):
    """Each simulator that is installed."""
    if request.param == "icarus" and not shutil.which("iverilog"):
        pytest.skip("icarus is not installed")
    return request.param
