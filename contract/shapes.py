"""The shapes of a network, layer by layer, for people: tables, reports, run folders."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from .geometry import CrossbarGeometry
from .results import Result
from .window import Pair, Shape


@dataclass(frozen=True, kw_only=True)
class LayerShape(Result):
    """What a layer is applied to, and how large it is."""

    kind: str
    """``dense`` or ``conv``."""
    map: Shape
    """The map that drives it: height, width, channels."""
    kernel: Pair
    """Height and width of its window; of a dense layer, the whole map."""
    stride: Pair
    padding: Pair
    positions: int
    """How often it is applied in a sample."""
    rows: int
    """Rows of its crossbar, the bias row among them."""
    cols: int
    """Columns."""
    cells: int
    """``rows * cols``."""
    lanes: int
    """Columns that are worked on in each clock cycle."""
    outputs: Shape
    """The map of its outputs, before pooling."""
    pool: Pair
    """Window of the pooling; (1, 1) without any."""
    pool_stride: Pair
    pooled: Shape
    """The map that drives the next layer."""

    @classmethod
    def of(cls, kind: str, geometry: CrossbarGeometry) -> "LayerShape":
        """That of a layer of ``kind`` and ``geometry``."""
        window = geometry.window
        return cls(kind=kind, map=window.map, kernel=window.kernel, stride=window.stride, padding=window.padding,
                   positions=geometry.positions, rows=geometry.rows, cols=geometry.cols,
                   cells=geometry.rows * geometry.cols, lanes=geometry.lanes, outputs=window.outputs, pool=window.pool,
                   pool_stride=window.pool_stride, pooled=window.pooled)

    def __str__(self) -> str:
        """In the usual short form: ``250``, ``16C5``, ``32C3s2p1``, ``16C5-MP2``."""
        if self.kind == "dense":
            return str(self.cols)
        text = f"{self.cols}C{_side(self.kernel)}"
        text += _unless((1, 1), "s", self.stride) + _unless((0, 0), "p", self.padding)
        if self.pool == self.pool_stride == (1, 1):
            return text
        return f"{text}-MP{_side(self.pool)}" + _unless(self.pool, "s", self.pool_stride)

    def row(self) -> dict[str, str | int]:
        """A row of a table for people. What goes without saying is empty."""
        windows = {"kernel": _side(self.kernel), "stride": _side(self.stride), "padding": _side(self.padding)}
        if self.kind == "dense":
            windows = dict.fromkeys(windows, "")
        return {"kind": self.kind, "map": _shape(self.map), **windows, "positions": self.positions,
                "rows x cols": f"{self.rows:,} x {self.cols:,}", "cells": self.cells, "lanes": self.lanes,
                "outputs": _shape(self.outputs),
                "next map": _shape(self.pooled) if self.pooled != self.outputs else ""}


def topology(shapes: Sequence[LayerShape]) -> str:
    """A network in the usual short form: ``784-250-10``, ``16C5-MP2-32C5-MP2-128-10``. It begins with the number of
    inputs where the first layer is dense."""
    first = [str(prod(shapes[0].map))] if shapes[0].kind == "dense" else []
    return "-".join([*first, *map(str, shapes)])


def _shape(shape: Shape) -> str:
    """Without height and width where both are 1."""
    return f"{shape[2]:,}" if shape[:2] == (1, 1) else "x".join(map(str, shape))


def _side(pair: Pair) -> str:
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}x{pair[1]}"


def _unless(usual: Pair, letter: str, pair: Pair) -> str:
    return "" if pair == usual else letter + _side(pair)
