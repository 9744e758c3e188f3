import os

import pytest
from hypothesis import settings
from spinloom.sim.simulators import toolchain

settings.register_profile("untimed", deadline=None)  # no test depends on the machine's speed
settings.load_profile("untimed")


def pytest_configure(config):
    """Fast tests simulate small designs briefly, so it takes longer to optimise these than to run them."""
    if config.option.markexpr == "not slow":
        os.environ.setdefault(toolchain.QUICK_BUILDS, "1")


@pytest.fixture(scope="session")
def verilator():
    """Skips where Verilator cannot be used."""
    try:
        toolchain.require("verilator")
    except toolchain.SimulatorError as error:
        pytest.skip(str(error))
