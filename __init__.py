"""Spinloom: hardware generator and bit-exact golden model for networks that train inside a crossbar of stochastic
memory devices.

``load`` reads an `Experiment`; `spinloom.model.network.Network` is its golden model, `spinloom.hw.network.Network` its
hardware, `spinloom.sim.cosim.run` compares the two. ``device`` makes a device for the layers of `spinloom.nn`, which
the optimisers of `spinloom.optim` train.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import nn, optim
    from .config import Experiment, load
    from .contract.errors import ConfigError
    from .devices.kinds import device

__all__ = ["ConfigError", "Experiment", "device", "load", "nn", "optim"]
_PLACES = {"ConfigError": "contract.errors", "Experiment": "config", "device": "devices.kinds", "load": "config"}


def __getattr__(name: str) -> Any:
    """What ``__all__`` names is loaded when it is first asked for: the program, which is in this package, must be able
    to stop before that."""
    if name in _PLACES:
        return getattr(import_module(f".{_PLACES[name]}", __name__), name)
    if name in __all__:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
