"""What a crossbar does, wherever it is: its primitives on tensors of integers, and errors for what it cannot do.

`model.crossbar.Crossbar` defines the integers; docs/arithmetic.md, section 4, is their specification. A crossbar makes
its windows of the feature maps that drive it, and adds up what they pass back to each cell.
"""

from abc import ABC, abstractmethod
from typing import Protocol, Self

import numpy as np
import torch

from ..contract.errors import SpinloomError
from ..contract.geometry import CrossbarGeometry
from ..contract.window import Window
from ..model.window import Windows

INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
"""What operands may be."""
State = dict[str, np.ndarray]
"""The complete state, as `model.crossbar.Crossbar.state` returns it."""


class BackendError(SpinloomError, ValueError):
    """Operands that do not fit a crossbar, or an operation that it lacks, in one line."""

    exit_status = 2


class Crossbar(Protocol):
    """A crossbar of ``rows`` by ``cols`` cells; the bias row is driven by itself.

    Operations take many samples, one after the other: ``maps`` (n, cells) are the feature maps that drive it, ``d``
    (n, positions, cols) the deltas. Operands are integers of any type, on ``torch_device``; so are answers. Two
    crossbars of the same geometry that start in the same state and are told the same answer the same, in every bit.
    """

    @property
    def geometry(self) -> CrossbarGeometry:
        """What it was made for. It does not pool."""

    @property
    def counters(self) -> dict[str, int]:
        """What it has counted, by the names in ``geometry.counters``."""

    windows: Windows
    """What makes windows of maps."""
    torch_device: torch.device
    """The device of PyTorch that operands and answers are on."""

    def at(self, window: Window) -> Self:
        """The same crossbar, with the same state, applied to ``window``. ``BackendError`` if it cannot be."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """The ADCs' outputs ``z`` (n, positions, cols)."""

    def evaluate(self, maps: torch.Tensor) -> torch.Tensor:
        """As ``forward``, but counters and LFSRs stay as they are."""

    def backward(self, d: torch.Tensor, asked: torch.Tensor | None = None) -> torch.Tensor:
        """The exact sums ``e`` (n, cells) of the rows that each cell of the maps drives. ``asked``, bool (n, cells),
        restricts it to some cells; the sums of the others are 0."""

    def row_sums(self, d: torch.Tensor) -> torch.Tensor:
        """As ``backward`` for all cells, but nothing is counted."""

    def update(self, maps: torch.Tensor, d: torch.Tensor, learning_rate_shift: int, program: bool = True) -> None:
        """For every sample, accumulate ``-x * d``, summed over the positions, at the learning rate
        ``2**-learning_rate_shift`` into the rows that are driven where ``d`` is not 0. Then program what has reached
        the threshold there, unless ``program`` is False."""

    def program(self) -> None:
        """Program every cell whose residual has reached the threshold."""

    def apply(self, dw: torch.Tensor) -> None:
        """Add ``dw`` (rows, cols), in units of the residual, to the residuals. Then program what has reached the
        threshold."""

    def write(self, states: torch.Tensor) -> None:
        """Program-and-verify every cell to the nominal state in ``states`` (rows, cols). Residuals stay."""

    def state(self) -> State:
        """The complete state."""

    def load(self, state: State) -> None:
        """Restore what ``state()`` returned. ``StateError``, of `model.crossbar`, if it does not fit."""


class CheckedCrossbar(Crossbar, ABC):
    """What the implementations share: operands are checked here.

    ``BackendError`` on a wrong shape, on numbers that are not integers, and on numbers that are too large.
    """

    def __init__(self, geometry: CrossbarGeometry, torch_device: torch.device) -> None:
        self._geometry = geometry
        self.torch_device = torch_device
        self.windows = Windows(geometry, torch_device)
        limit, window = 1 << geometry.delta_bits - 1, geometry.window
        self._map = (window.cells,), geometry.x.minimum, geometry.x.maximum
        self._d = (window.positions, window.cols), -limit, limit - 1

    @property
    def geometry(self) -> CrossbarGeometry:
        return self._geometry

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return self._forward(_samples("maps", maps, *self._map))

    def evaluate(self, maps: torch.Tensor) -> torch.Tensor:
        return self._evaluate(_samples("maps", maps, *self._map))

    def backward(self, d: torch.Tensor, asked: torch.Tensor | None = None) -> torch.Tensor:
        d = _samples("d", d, *self._d)
        if asked is None:
            asked = torch.ones((len(d), *self._map[0]), dtype=torch.bool, device=self.torch_device)
        return self._backward(d, _as_many("asked", asked.to(torch.uint8), d, self._map[0], 0, 1))

    def row_sums(self, d: torch.Tensor) -> torch.Tensor:
        return self._row_sums(_samples("d", d, *self._d))

    def update(self, maps: torch.Tensor, d: torch.Tensor, learning_rate_shift: int, program: bool = True) -> None:
        lowest, highest = self._geometry.learning_rate_shifts
        if not lowest <= learning_rate_shift <= highest:
            raise BackendError(f"learning_rate_shift={learning_rate_shift}: must be {lowest} to {highest}")
        maps = _samples("maps", maps, *self._map)
        self._update(maps, _as_many("d", d, maps, *self._d), learning_rate_shift, program)

    def apply(self, dw: torch.Tensor) -> None:
        limit = 1 << self._geometry.chi_bits - 1
        self._apply(self._cells("dw", dw, -limit, limit - 1))

    def write(self, states: torch.Tensor) -> None:
        self._write(self._cells("states", states, 0, self._geometry.device.states - 1))

    def _cells(self, name: str, values: torch.Tensor, lowest: int, highest: int) -> torch.Tensor:
        return _integers(name, values, (self._geometry.rows, self._geometry.cols), lowest, highest)

    @abstractmethod
    def _forward(self, maps: torch.Tensor) -> torch.Tensor: ...

    @abstractmethod
    def _evaluate(self, maps: torch.Tensor) -> torch.Tensor: ...

    @abstractmethod
    def _backward(self, d: torch.Tensor, asked: torch.Tensor) -> torch.Tensor: ...

    @abstractmethod
    def _row_sums(self, d: torch.Tensor) -> torch.Tensor: ...

    @abstractmethod
    def _update(self, maps: torch.Tensor, d: torch.Tensor, learning_rate_shift: int, program: bool) -> None: ...

    @abstractmethod
    def _apply(self, dw: torch.Tensor) -> None: ...

    @abstractmethod
    def _write(self, states: torch.Tensor) -> None: ...


def _samples(name: str, values: torch.Tensor, shape: tuple[int, ...], lowest: int, highest: int) -> torch.Tensor:
    """``values`` (n, *shape), checked."""
    return _integers(name, values, (*values.shape[:1], *shape), lowest, highest)


def _as_many(name: str, values: torch.Tensor, others: torch.Tensor, shape: tuple[int, ...], lowest: int, highest: int,
             ) -> torch.Tensor:
    """``values``, checked: as many samples as ``others``."""
    return _integers(name, values, (len(others), *shape), lowest, highest)


def _integers(name: str, values: torch.Tensor, shape: tuple[int, ...], lowest: int, highest: int) -> torch.Tensor:
    """``values``, checked."""
    if tuple(values.shape) != shape or values.dtype not in INTEGERS:
        raise BackendError(f"{name} is {str(values.dtype).removeprefix('torch.')} {tuple(values.shape)}: it must hold "
                           f"integers of shape {shape}")
    if values.numel():
        least, most = (int(bound) for bound in values.aminmax())
        if least < lowest or most > highest:
            raise BackendError(f"{name} holds values from {least} to {most}: they must lie in {lowest} to {highest}")
    return values
