"""Layers that are larger than an array: several arrays, whose outputs are added after the ADC."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Any

import torch

from ..contract.errors import ConfigError, shown
from ..contract.geometry import MAX_SIDE
from ..contract.window import Window
from .array import Array
from .formats import Formats


class Tiles(torch.nn.Module):
    """The arrays of a layer, side by side and one below the other, in the place of one. Each has some of the channels
    of the windows and some of the columns. The first ones have the bias row, if there is one.

    Outputs of arrays that are one below the other are added as floats, after their ADCs. So are row sums of arrays that
    are side by side.
    """

    def __init__(self, formats: Formats, window: Window, channels: list[int], cols: list[int]) -> None:
        """Arrays of ``formats``, as those of one array, with so many ``channels`` and ``cols`` each."""
        super().__init__()
        self.formats, self.window = formats, window
        self._channels, self._cols = channels, cols
        self.arrays = torch.nn.ModuleList()
        for number, part in enumerate(channels):
            for width in cols:
                layer = formats.layer.model_copy(update={"cols": width, "bias": formats.layer.bias and number == 0})
                self.arrays.append(Array(replace(formats, layer=layer), _part(window, part, width)))

    def forward(self, maps: torch.Tensor, window: Window | None = None) -> torch.Tensor:
        """As `Array.forward`."""
        window = window or self.window
        for array in self.found:
            if array.formats.drive is None:
                array.settle(maps)  # of all, so that it is the same for all
        map_ = maps.unflatten(1, window.map)
        arrays, rows = iter(self.found), []
        for first, last in _places(self._channels):
            x = map_.narrow(3, first, last - first).flatten(1)
            rows.append(torch.cat([next(arrays)(x, _part(window, last - first, width)) for width in self._cols], dim=2))
        return sum(rows[1:], rows[0])

    @property
    def found(self) -> list[Array]:
        """The arrays, row by row."""
        return [array for array in self.arrays if isinstance(array, Array)]

    def portions(self, weights: torch.Tensor) -> Iterator[tuple[Array, torch.Tensor]]:
        """Every array, and its share of ``weights`` (rows, cols), which are those of one array."""
        channels = self.window.map[2]
        kernel = weights[:self.window.inputs].unflatten(0, (-1, channels))
        arrays = iter(self.found)
        for first, last in _places(self._channels):
            rows = kernel[:, first:last].flatten(0, 1)
            if first == 0:
                rows = torch.cat([rows, weights[self.window.inputs:]])
            for left, right in _places(self._cols):
                yield next(arrays), rows[:, left:right]


def in_arrays(window: Window, bias: bool, tile: Any = None, **formats: Any) -> Array | Tiles:
    """A new array for ``window``; several if it has more rows or columns than an array may have, `MAX_SIDE` or those
    of ``tile``: a number, or two, of rows and of columns. ``ConfigError`` if that is not possible."""
    most_rows, most_cols = _sides(tile)
    height, width = window.kernel
    most = (most_rows - bias) // (height * width)
    if most < 1:
        raise ConfigError(f"kernel={height}x{width}: a channel of it needs {height * width + bias} rows"
                          f"{' with the bias' * bias}; an array has {most_rows}")
    made, channels = Formats.of(replace(window, cols=min(window.cols, most_cols)), bias, **formats), window.map[2]
    if channels <= most and window.cols <= most_cols:
        return Array(made, window)
    return Tiles(made, window, _shares(channels, most), _shares(window.cols, most_cols))


def portions(array: Array | Tiles, weights: torch.Tensor) -> Iterator[tuple[Array, torch.Tensor]]:
    """Every array in ``array``, and its share of the ``weights`` (rows, cols) of all."""
    if isinstance(array, Tiles):
        yield from array.portions(weights)
    else:
        yield array, weights


def _part(window: Window, channels: int, cols: int) -> Window:
    """``window``, of some of its channels and columns."""
    return replace(window, map=(*window.map[:2], channels), cols=cols)


def _shares(count: int, most: int) -> list[int]:
    """``count`` in as few shares of at most ``most`` as can be, which are as equal as can be."""
    number = -(-count // most)
    return [count // number + (share < count % number) for share in range(number)]


def _places(shares: list[int]) -> Iterator[tuple[int, int]]:
    """Where each share begins and ends."""
    return pairwise([0, *accumulate(shares)])


def _sides(tile: Any) -> tuple[int, int]:
    """Most rows and columns of an array."""
    sides = (MAX_SIDE, MAX_SIDE) if tile is None else (tile, tile) if type(tile) is int else tile
    if not isinstance(sides, tuple | list) or len(sides) != 2 or not all(
            type(side) is int and 2 <= side <= MAX_SIDE for side in sides):
        raise ConfigError(f"tile={shown(tile)}: must be a whole number from 2 to {MAX_SIDE:,}, or two, of rows and of "
                          "columns")
    return sides[0], sides[1]
