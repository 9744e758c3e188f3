import pytest
from spinloom.sim.simulators import toolchain


@pytest.fixture(scope="session")
def verilator():
    """Skips where Verilator cannot be used."""
    try:
        toolchain.require("verilator")
    except toolchain.SimulatorError as error:
        pytest.skip(str(error))
