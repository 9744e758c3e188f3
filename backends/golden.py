"""A crossbar in the golden model."""

import numpy as np
import torch

from ..contract.geometry import CrossbarGeometry
from ..model.crossbar import Crossbar
from .protocol import CheckedCrossbar, State


class GoldenCrossbar(CheckedCrossbar):
    """A crossbar of `model.crossbar`, in the initial state for the master ``seed``."""

    def __init__(self, geometry: CrossbarGeometry, seed: int) -> None:
        super().__init__(geometry)
        self.model = Crossbar(geometry, seed)

    @property
    def counters(self) -> dict[str, int]:
        return dict(self.model.counters)

    def _forward(self, x: np.ndarray) -> np.ndarray:
        return self.model.forward(torch.from_numpy(x)).numpy()

    def _backward(self, d: np.ndarray) -> np.ndarray:
        return self.model.backward(torch.from_numpy(d)).numpy()

    def _update(self, x: np.ndarray, d: np.ndarray, learning_rate_shift: int, program: bool) -> None:
        self.model.update(torch.from_numpy(x), torch.from_numpy(d), learning_rate_shift, program)

    def program(self) -> None:
        self.model.program()

    def _apply(self, dw: np.ndarray) -> None:
        self.model.apply(torch.from_numpy(dw))

    def _write(self, states: np.ndarray) -> None:
        self.model.write(torch.from_numpy(states))

    def state(self) -> State:
        return self.model.state()

    def load(self, state: State) -> None:
        self.model.load(state)
