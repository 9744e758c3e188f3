"""Spinloom: hardware generator and bit-exact golden model for networks that train inside a crossbar.

``load`` reads an `Experiment`; `spinloom.model.network.Network` is its golden model, `spinloom.hw.network.Network` its
hardware, `spinloom.sim.cosim.run` compares the two.
"""

# Absolute, as pytest imports this file by the name of the checkout, which may be none that Python has.
from spinloom.config import Experiment, load
from spinloom.contract.errors import ConfigError

__all__ = ["ConfigError", "Experiment", "load"]
