"""Where a crossbar is applied: the windows of a convolution, the pooling behind it, and the shapes that follow.

A layer is applied at ``positions`` of a sample. A dense layer is the case of one position, whose window is the whole
map. docs/arithmetic.md, sections 1.3 and 5.1, is the specification.
"""

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Self

import numpy as np

from .widths import divisors

Pair = tuple[int, int]
"""Vertical, horizontal."""
Shape = tuple[int, int, int]
"""Of a feature map: height, width, channels. Cell ``(i, j, c)`` has the index ``(i * width + j) * channels + c``."""

MAX_MAP_SIDE = 1024
"""Largest height, and largest width, of a feature map."""
MAX_MAP_CELLS = 1 << 16
"""Most cells of a feature map."""
MOST_NAMED = 12
"""Of the values that would do, in a message."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """What a crossbar reads of the feature map before it at each position, and how its outputs are pooled.

    ``ValueError`` names the field that does not fit, and what is allowed.
    """

    map: Shape
    """The feature map that drives the crossbar."""
    cols: int
    """Columns of the crossbar: channels of its outputs."""
    kernel: Pair
    """Height and width of the window."""
    stride: Pair = (1, 1)
    """Distance of neighbouring positions."""
    padding: Pair = (0, 0)
    """Rows and columns of cells that are not driven, on each side of the map."""
    pool: Pair = (1, 1)
    """Window of the max pooling behind the crossbar; (1, 1) for none."""
    pool_stride: Pair = (1, 1)
    """Distance of its windows."""
    drop: bool = False
    """Whether cells that no window reaches are left out; they are refused unless this is set."""
    view: Shape | None = None
    """As what the next layer sees the outputs of a single position; unless given, (1, 1, cols)."""

    @classmethod
    def dense(cls, map: Shape, cols: int, view: Shape | None = None) -> Self:  # noqa: A002
        """The window of a dense layer: one position, which reads the whole map."""
        return cls(map=map, cols=cols, kernel=map[:2], view=view)

    def __post_init__(self) -> None:
        for axis, high in enumerate(("high", "wide")):
            size, kernel, stride, padding = (
                pair[axis] for pair in (self.map, self.kernel, self.stride, self.padding))
            padded = size + 2 * padding
            if padding >= kernel:
                raise ValueError(f"padding={padding}: must be less than the kernel, which is {kernel} {high}")
            if kernel > padded:
                raise ValueError(f"kernel={kernel}: must be {_up_to(padded)}, as the map is {size} {high}"
                                 + (f", and {padded} with its padding" if padding else ""))
            if not self.drop:
                _check_covered("stride", "kernel", stride, kernel, size, padding, f"the map is {size} {high}")
        for pool, stride, size, high in zip(self.pool, self.pool_stride, self.outputs, ("high", "wide"), strict=False):
            if pool > size:
                raise ValueError(f"pool={pool}: must be {_up_to(size)}, as the outputs are {size} {high}")
            if not self.drop:
                _check_covered("pool_stride", "pool", stride, pool, size, 0, f"the outputs are {size} {high}")
        if self.view is not None and (self.positions > 1 or prod(self.view) != self.cols):
            raise ValueError(f"map={list(self.view)}: has {prod(self.view):,} cells; it must have as many as the layer "
                             f"has columns, which is cols={self.cols}")

    @property
    def outputs(self) -> Shape:
        """The map of the crossbar's outputs: a position for each cell of height and width, a channel a column."""
        height, width = ((size + 2 * padding - kernel) // stride + 1 for size, padding, kernel, stride in zip(
            self.map, self.padding, self.kernel, self.stride, strict=False))
        return height, width, self.cols

    @property
    def places(self) -> Pair:
        """Places of the pooled map: windows of the pooling, vertically and horizontally."""
        height, width = ((size - pool) // stride + 1 for size, pool, stride in zip(
            self.outputs, self.pool, self.pool_stride, strict=False))
        return height, width

    @property
    def pooled(self) -> Shape:
        """The map behind the pooling, which drives the next layer."""
        return self.view if self.view is not None else (*self.places, self.cols)

    @property
    def pooled_cells(self) -> int:
        """Cells of that map."""
        return prod(self.pooled)

    @property
    def positions(self) -> int:
        """``P``: how often the crossbar is applied in a sample."""
        return self.outputs[0] * self.outputs[1]

    @property
    def inputs(self) -> int:
        """Rows of the crossbar that the map drives: cells of a window. Row ``(u * kernel width + v) * channels + c`` is
        the cell ``(u, v)`` of the window in channel ``c``."""
        return prod(self.kernel) * self.map[2]

    @property
    def cells(self) -> int:
        """Cells of the map."""
        return prod(self.map)

    @property
    def pools(self) -> bool:
        """Whether there is any pooling."""
        return self.pool != (1, 1) or self.pool_stride != (1, 1)

    @property
    def plain(self) -> bool:
        """Whether rows and columns are the cells of the maps before and behind: a dense layer."""
        return self.positions == 1 and self.inputs == self.cells and not any(self.padding)

    @property
    def overlap(self) -> int:
        """Most windows that a cell of the map is in."""
        return prod(min(-(-kernel // stride), outputs) for kernel, stride, outputs in zip(
            self.kernel, self.stride, self.outputs, strict=False))

    @cached_property
    def touched(self) -> np.ndarray:
        """int64 (positions, rows that the map drives): the cell of the map that drives the row at the position, or -1
        in the padding."""
        cells = np.full([size + 2 * padding for size, padding in zip(self.map, self.padding, strict=False)]
                        + [self.map[2]], -1, np.int64)
        (top, left), (height, width, _) = self.padding, self.map
        cells[top:top + height, left:left + width] = np.arange(self.cells).reshape(self.map)
        return _flat(_windows(cells, self.kernel, self.stride).transpose(0, 1, 3, 4, 2))

    @cached_property
    def pool_windows(self) -> np.ndarray:
        """int64 (places of the pooled map, places of a window): the positions that a place is pooled from, in the order
        in which the first largest wins. Of all channels alike."""
        positions = np.arange(self.positions, dtype=np.int64).reshape(self.outputs[:2])
        return _flat(_windows(positions, self.pool, self.pool_stride))


def _check_covered(step: str, window: str, stride: int, width: int, size: int, padding: int, what: str) -> None:
    """``ValueError`` unless windows of ``width``, ``stride`` apart, reach every one of ``size`` lines of cells.

    It names the field ``step``, or the field ``window`` of a pooling whose windows are as far apart as they are wide,
    as they are unless something else is given.
    """
    room = size + 2 * padding - width
    starts = (min(place // stride, room // stride) * stride for place in range(padding, padding + size))
    left = sum(place - start >= width for place, start in enumerate(starts, padding))
    if not left:
        return
    if step == "pool_stride" and stride == width:
        field, allowed = f"{window}={width}", divisors(size)
    else:  # lines of padding alone may be left out
        field, allowed = f"{step}={stride}", [each for each in range(1, width + 1) if room % each <= padding]
    shown = ", ".join(map(str, allowed[:MOST_NAMED])) + (", ..." if len(allowed) > MOST_NAMED else "")
    raise ValueError(f"{field}: leaves out {left} of {size} lines of cells, as {what}; use {shown}, or drop=true if "
                     "they may be left out")


def _up_to(most: int) -> str:
    return "1" if most == 1 else f"1 to {most}"


def _windows(places: np.ndarray, shape: Pair, stride: Pair) -> np.ndarray:
    """The windows of ``shape`` of an array (height, width, ...), ``stride`` apart: (down, across, ..., *shape)."""
    return np.lib.stride_tricks.sliding_window_view(places, shape, axis=(0, 1))[::stride[0], ::stride[1]]


def _flat(windows: np.ndarray) -> np.ndarray:
    """A table of ``windows`` (down, across, ...) that cannot be changed: a row for each of them."""
    table = windows.reshape(windows.shape[0] * windows.shape[1], -1)
    table.setflags(write=False)
    return table
