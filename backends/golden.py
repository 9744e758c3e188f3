"""A crossbar in the golden model."""

from typing import Self

import numpy as np
import torch

from ..contract.geometry import CrossbarGeometry
from ..contract.window import Window
from ..model.compiled.crossbar import CompiledCrossbar
from ..model.crossbar import Crossbar
from .protocol import CheckedCrossbar, State


class GoldenCrossbar(CheckedCrossbar):
    """A crossbar of `model.crossbar`, compiled."""

    def __init__(self, model: Crossbar, window: Window | None = None) -> None:
        """``model``, which goes on from its state, applied to ``window``, or to that of its geometry."""
        self._compiled = CompiledCrossbar(model, window)
        super().__init__(self._compiled.geometry)
        self.model = model
        self._elsewhere: dict[Window, Self] = {}

    @classmethod
    def new(cls, geometry: CrossbarGeometry, seed: int) -> Self:
        """A crossbar in the initial state for the master ``seed``."""
        return cls(Crossbar(geometry, seed))

    @property
    def counters(self) -> dict[str, int]:
        return dict(self.model.counters)

    def at(self, window: Window) -> Self:
        if window == self.geometry.window:
            return self
        if window not in self._elsewhere:
            self._elsewhere[window] = type(self)(self.model, window)
        return self._elsewhere[window]

    def _forward(self, maps: np.ndarray) -> np.ndarray:
        return self._compiled.forward(maps)

    def _evaluate(self, maps: np.ndarray) -> np.ndarray:
        return self._compiled.evaluate(maps)

    def _backward(self, d: np.ndarray, asked: np.ndarray) -> np.ndarray:
        return self._compiled.backward(d, asked)

    def _row_sums(self, d: np.ndarray) -> np.ndarray:
        return self._compiled.row_sums(d)

    def _update(self, maps: np.ndarray, d: np.ndarray, learning_rate_shift: int, program: bool) -> None:
        self._compiled.update(maps, d, learning_rate_shift, program)

    def program(self) -> None:
        self._compiled.program()

    def _apply(self, dw: np.ndarray) -> None:
        self._compiled.apply(dw)

    def _write(self, states: np.ndarray) -> None:
        self.model.write(torch.from_numpy(states))

    def state(self) -> State:
        return self.model.state()

    def load(self, state: State) -> None:
        self.model.load(state)
