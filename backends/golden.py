"""A crossbar in the golden model."""

from typing import Self

import torch

from ..contract.geometry import CrossbarGeometry
from ..contract.window import Window
from ..model.compiled.crossbar import CompiledCrossbar
from ..model.compiled.gpu import GpuCrossbar
from ..model.crossbar import Crossbar
from .protocol import CheckedCrossbar, State


class GoldenCrossbar(CheckedCrossbar):
    """A crossbar of `model.crossbar`: compiled in main memory, on tensors on a GPU."""

    def __init__(self, model: Crossbar, window: Window | None = None) -> None:
        """``model``, which goes on from its state, applied to ``window``, or to that of its geometry."""
        in_main_memory = model.torch_device.type == "cpu"
        self._samples = CompiledCrossbar(model, window) if in_main_memory else GpuCrossbar(model, window)
        super().__init__(self._samples.geometry, model.torch_device)
        self.model = model
        self._elsewhere: dict[Window, Self] = {}

    @classmethod
    def new(cls, geometry: CrossbarGeometry, seed: int, torch_device: torch.device | str = "cpu") -> Self:
        """A crossbar in the initial state for the master ``seed``."""
        return cls(Crossbar(geometry, seed, torch_device))

    @property
    def counters(self) -> dict[str, int]:
        return dict(self.model.counters)

    def at(self, window: Window) -> Self:
        if window == self.geometry.window:
            return self
        if window not in self._elsewhere:
            self._elsewhere[window] = type(self)(self.model, window)
        return self._elsewhere[window]

    def _forward(self, maps: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self._samples.forward(maps))

    def _evaluate(self, maps: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self._samples.evaluate(maps))

    def _backward(self, d: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self._samples.backward(d, asked))

    def _row_sums(self, d: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self._samples.row_sums(d))

    def _update(self, maps: torch.Tensor, d: torch.Tensor, learning_rate_shift: int, program: bool) -> None:
        self._samples.update(maps, d, learning_rate_shift, program)

    def program(self) -> None:
        self._samples.program()

    def _apply(self, dw: torch.Tensor) -> None:
        self._samples.apply(dw)

    def _write(self, states: torch.Tensor) -> None:
        self.model.write(states)

    def state(self) -> State:
        return self.model.state()

    def load(self, state: State) -> None:
        self.model.load(state)
