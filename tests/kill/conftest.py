import shutil

import pytest
from spinloom.sim.simulators.toolchain import SIMULATORS


@pytest.fixture(params=SIMULATORS)
def simulator(request):
    """Each simulator that is installed."""
    if request.param == "icarus" and not shutil.which("iverilog"):
        pytest.skip("icarus is not installed")
    return request.param
