import pytest
import torch
from spinloom.sim.simulators import toolchain


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """The tensors are small, and tests run side by side."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def verilator():
    """Skips where Verilator cannot be used."""
    try:
        toolchain.require("verilator")
    except toolchain.SimulatorError as error:
        pytest.skip(str(error))
