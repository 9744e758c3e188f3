"""A crossbar without a network around it, on tensors: many samples in a call, on any device of PyTorch."""

from dataclasses import replace

import torch

from ..contract.geometry import CrossbarGeometry
from ..contract.window import Window
from .crossbar import Crossbar
from .window import Windows

CELLS = 1 << 24
"""Increments of cells that are made at a time."""


def applied(crossbar: Crossbar, window: Window | None) -> CrossbarGeometry:
    """The geometry of ``crossbar``, applied to ``window``, or to its own, without pooling. ``ValueError`` unless a
    window has as many cells, and as many columns, as the crossbar has."""
    window = replace(window or crossbar.geometry.window, pool=(1, 1), pool_stride=(1, 1))
    geometry = replace(crossbar.geometry, window=window)
    if (geometry.rows, geometry.cols) != crossbar.g.shape or geometry.cols != window.cols:
        raise ValueError(f"windows of {window.inputs} cells and {window.cols} columns: the crossbar has "
                         f"{crossbar.geometry.inputs} inputs and {crossbar.geometry.cols} columns")
    return geometry


class SampleCrossbar:
    """Does what a ``Crossbar`` does, for many samples in a call and in its place, to the same bits.

    A sample is the map that drives the crossbar, and not its windows. The bits are those of samples that are taken one
    after the other. All sums are exact products of integer matrices. Operands are integers of any type, on the PyTorch
    device of the crossbar and within the formats of the geometry; answers are int64.
    `model.compiled.crossbar.CompiledCrossbar` does the same in main memory.
    """

    def __init__(self, crossbar: Crossbar, window: Window | None = None) -> None:
        """Of ``crossbar``, applied to ``window``, or to its own (`applied`)."""
        self.crossbar, self.geometry = crossbar, applied(crossbar, window)
        self.windows = Windows(self.geometry, crossbar.torch_device)
        """What makes windows of maps."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """The outputs ``z`` (n, positions, cols) for the drives ``maps`` (n, cells)."""
        return self.crossbar.forward(self.windows.gather(maps))

    def evaluate(self, maps: torch.Tensor) -> torch.Tensor:
        """As ``forward``, but counters and LFSRs stay as they are."""
        return self.crossbar.evaluate(self.windows.gather(maps))

    def backward(self, d: torch.Tensor, asked: torch.Tensor | None = None) -> torch.Tensor:
        """The exact sums ``e`` (n, cells) of the rows that each cell of the maps drives, for the deltas ``d`` (n,
        positions, cols).

        ``asked``, bool (n, cells), restricts it to some cells; the sums of the others are 0.
        """
        rows = None if asked is None else self.windows.gather(asked.to(torch.uint8)) != 0
        return self.windows.fold(self.crossbar.backward(d, rows))

    def row_sums(self, d: torch.Tensor) -> torch.Tensor:
        """As ``backward`` for all cells, but nothing is counted."""
        return self.windows.fold(torch.where(self.windows.driven, self.crossbar.row_sums(d), 0))

    def update(self, maps: torch.Tensor, d: torch.Tensor, learning_rate_shift: int, program: bool = True) -> None:
        """``Crossbar.update`` for each sample: ``maps`` (n, cells) are their drives, ``d`` (n, positions, cols) their
        deltas."""
        samples = max(1, CELLS // self.crossbar.g.numel())
        for some, deltas in zip(maps.split(samples), d.split(samples), strict=True):
            x = self.windows.gather(some)
            if not program:
                self.crossbar.accumulate(x, deltas, learning_rate_shift)
                continue
            for each, delta in zip(x, deltas, strict=True):
                self.crossbar.update(each, delta, learning_rate_shift)

    def program(self) -> None:
        """``Crossbar.program``."""
        self.crossbar.program()

    def apply(self, dw: torch.Tensor) -> None:
        """``Crossbar.apply``."""
        self.crossbar.apply(dw)
