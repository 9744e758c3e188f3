"""Spinloom: hardware generator and bit-exact golden model for networks that train inside a crossbar.

``load`` reads an `Experiment`; `spinloom.model.network.Network` is its golden model, `spinloom.hw.network.Network` its
hardware, `spinloom.sim.cosim.run` compares the two.
"""

from .config import Experiment, load
from .contract.errors import ConfigError

__all__ = ["ConfigError", "Experiment", "load"]
