"""What a crossbar does, wherever it is: its primitives on NumPy arrays of integers, and errors for what it cannot do.

`model.crossbar.Crossbar` defines the integers; docs/arithmetic.md, section 4, is their specification. A crossbar is
applied at ``P`` positions a sample, the first axis of ``x``, ``d``, ``z`` and ``e``; ``P`` is 1 for a dense layer.
What makes windows of a feature map, and a map of row sums, is outside of it.
"""

from abc import ABC, abstractmethod
from typing import Protocol

import numpy as np

from ..contract.errors import SpinloomError
from ..contract.geometry import CrossbarGeometry

State = dict[str, np.ndarray]
"""The complete state, as `model.crossbar.Crossbar.state` returns it."""


class BackendError(SpinloomError, ValueError):
    """Operands that do not fit a crossbar, or an operation that it lacks, in one line."""

    exit_status = 2


class Crossbar(Protocol):
    """A crossbar of ``rows`` by ``cols`` cells, driven at ``inputs`` rows; the bias row is driven by itself.

    Operands are integers of any type, answers are int64. Two crossbars of the same geometry that start in the same
    state and are told the same answer the same, in every bit.
    """

    @property
    def geometry(self) -> CrossbarGeometry:
        """What it was made for."""

    @property
    def counters(self) -> dict[str, int]:
        """What it has counted, by the names in ``geometry.counters``."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        """The ADCs' outputs ``z`` (P, cols) for the drives ``x`` (P, inputs)."""

    def backward(self, d: np.ndarray) -> np.ndarray:
        """The exact row sums ``e`` (P, inputs) for the deltas ``d`` (P, cols); 0 where a row is in the padding."""

    def update(self, x: np.ndarray, d: np.ndarray, learning_rate_shift: int, program: bool = True) -> None:
        """Accumulate ``-x * d``, summed over the positions of ``x`` (P, inputs) and ``d`` (P, cols), at the learning
        rate ``2**-learning_rate_shift`` into the rows that are driven where ``d`` is not 0. Then program what has
        reached the threshold there, unless ``program`` is False."""

    def program(self) -> None:
        """Program every cell whose residual has reached the threshold."""

    def apply(self, dw: np.ndarray) -> None:
        """Add ``dw`` (rows, cols), in units of the residual, to the residuals. Then program what has reached the
        threshold."""

    def write(self, states: np.ndarray) -> None:
        """Program-and-verify every cell to the nominal state in ``states`` (rows, cols). Residuals stay."""

    def state(self) -> State:
        """The complete state."""

    def load(self, state: State) -> None:
        """Restore what ``state()`` returned. ``StateError``, of `model.crossbar`, if it does not fit."""


class CheckedCrossbar(Crossbar, ABC):
    """What the implementations share: operands are checked here, and passed on as int64.

    ``BackendError`` on a wrong shape, on numbers that are not integers, and on numbers that are too large.
    """

    def __init__(self, geometry: CrossbarGeometry) -> None:
        self._geometry = geometry
        limit = 1 << geometry.delta_bits - 1
        self._x = (geometry.positions, geometry.inputs), geometry.x.minimum, geometry.x.maximum
        self._d = (geometry.positions, geometry.cols), -limit, limit - 1

    @property
    def geometry(self) -> CrossbarGeometry:
        return self._geometry

    def forward(self, x: np.ndarray) -> np.ndarray:
        return self._forward(_windows("x", x, *self._x))

    def backward(self, d: np.ndarray) -> np.ndarray:
        return self._backward(_windows("d", d, *self._d))

    def update(self, x: np.ndarray, d: np.ndarray, learning_rate_shift: int, program: bool = True) -> None:
        lowest, highest = self._geometry.learning_rate_shifts
        if not lowest <= learning_rate_shift <= highest:
            raise BackendError(f"learning_rate_shift={learning_rate_shift}: must be {lowest} to {highest}")
        self._update(_windows("x", x, *self._x), _windows("d", d, *self._d), learning_rate_shift, program)

    def apply(self, dw: np.ndarray) -> None:
        limit = 1 << self._geometry.chi_bits - 1
        self._apply(self._cells("dw", dw, -limit, limit - 1))

    def write(self, states: np.ndarray) -> None:
        self._write(self._cells("states", states, 0, self._geometry.device.states - 1))

    def _cells(self, name: str, values: np.ndarray, lowest: int, highest: int) -> np.ndarray:
        return _integers(name, values, (self._geometry.rows, self._geometry.cols), lowest, highest)

    @abstractmethod
    def _forward(self, x: np.ndarray) -> np.ndarray:
        """``z`` (P, cols) for ``x`` (P, inputs)."""

    @abstractmethod
    def _backward(self, d: np.ndarray) -> np.ndarray:
        """``e`` (P, inputs) for ``d`` (P, cols)."""

    @abstractmethod
    def _update(self, x: np.ndarray, d: np.ndarray, learning_rate_shift: int, program: bool) -> None:
        """``update`` with ``x`` (P, inputs) and ``d`` (P, cols)."""

    @abstractmethod
    def _apply(self, dw: np.ndarray) -> None: ...

    @abstractmethod
    def _write(self, states: np.ndarray) -> None: ...


def _windows(name: str, values: np.ndarray, shape: tuple[int, int], lowest: int, highest: int) -> np.ndarray:
    """``values`` (P, length) as int64, checked."""
    given, positions = np.shape(values), shape[0]
    if len(given) == 2 and given[0] != positions:
        raise BackendError(f"{name} has {given[0]} positions: a crossbar is applied at {positions} position"
                           f"{'s' if positions > 1 else ''} a sample")
    return _integers(name, values, shape, lowest, highest)


def _integers(name: str, values: np.ndarray, shape: tuple[int, int], lowest: int, highest: int) -> np.ndarray:
    """``values`` as int64, checked."""
    array = np.asarray(values)
    if array.shape != shape or not np.issubdtype(array.dtype, np.integer):
        raise BackendError(f"{name} is {array.dtype} {array.shape}: it must hold integers of shape {shape}")
    if array.min() < lowest or array.max() > highest:
        raise BackendError(f"{name} holds values from {array.min()} to {array.max()}: "
                           f"they must lie in {lowest} to {highest}")
    return array.astype(np.int64)
