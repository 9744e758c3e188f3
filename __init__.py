"""Spinloom: hardware generator and bit-exact golden model for networks that train inside a crossbar of stochastic
memory devices.

``load`` reads an `Experiment`; `spinloom.model.network.Network` is its golden model, `spinloom.hw.network.Network` its
hardware, `spinloom.sim.cosim.run` compares the two.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .config import Experiment, load
    from .contract.errors import ConfigError

__all__ = ["ConfigError", "Experiment", "load"]
_PLACES = {"ConfigError": "contract.errors", "Experiment": "config", "load": "config"}


def __getattr__(name: str) -> Any:
    """What ``__all__`` names is loaded when it is first asked for: the program, which is in this package, must be able
    to stop before that."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_PLACES[name]}", __name__), name)
