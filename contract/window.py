"""Where a crossbar is applied: the windows of a convolution, the pooling behind it, and the shapes that follow.

A layer is applied at ``positions`` of a sample. A dense layer is the case of one position, whose window is the whole
map. docs/arithmetic.md, sections 1.3 and 5.1, is the specification.
"""

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Self

Pair = tuple[int, int]
"""Vertical, horizontal."""
Shape = tuple[int, int, int]
"""Of a feature map: height, width, channels. Cell ``(i, j, c)`` has the index ``(i * width + j) * channels + c``."""

MAX_MAP_SIDE = 1024
"""Largest height, and largest width, of a feature map."""
MAX_MAP_CELLS = 1 << 16
"""Most cells of a feature map."""


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
        for axis, side in enumerate(("high", "wide")):
            size, kernel, stride, padding = (
                pair[axis] for pair in (self.map, self.kernel, self.stride, self.padding))
            if padding >= kernel:
                raise ValueError(f"padding={padding}: must be less than the kernel, which is {kernel} {side}")
            if kernel > size + 2 * padding:
                raise ValueError(f"kernel={kernel}: the map is {size} {side}"
                                 + (f", with padding {size + 2 * padding}" if padding else "")
                                 + f"; the kernel may be 1 to {size + 2 * padding} {side}")
            self._check_covered("kernel", "stride", kernel, stride, size + 2 * padding, side, padding)
            pool, pool_stride, outputs = self.pool[axis], self.pool_stride[axis], self.outputs[axis]
            if pool > outputs:
                raise ValueError(f"pool={pool}: the outputs are {outputs} {side}; it may be 1 to {outputs}")
            self._check_covered("pool", "pool_stride", pool, pool_stride, outputs, side)
        if self.view is not None and (self.positions > 1 or prod(self.view) != self.cols):
            raise ValueError(f"map={list(self.view)}: has {prod(self.view)} cells, and a layer of one position has as "
                             f"many as cols={self.cols}")

    def _check_covered(self, name: str, step: str, window: int, stride: int, size: int, side: str,
                       padding: int = 0) -> None:
        if self.drop:
            return
        if stride > window and size > window:
            raise ValueError(f"{step}={stride}: steps over cells, as {name} is {window} {side}; use 1 to {window}, or "
                             "drop=true to leave them out")
        left = (size - window) % stride
        if left > padding:  # padding alone may be left out
            raise ValueError(f"{step}={stride}: with {name}={window}, {left - padding} of {size - 2 * padding} lines "
                             f"of cells would be dropped, as the map is {size - 2 * padding} {side}; change one of "
                             "them, or use drop=true to leave them out")

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
    def touched(self) -> tuple[tuple[int, ...], ...]:
        """For each position, for each row: the index of the cell of the map that drives it, or -1 in the padding."""
        height, width, channels = self.map
        found = []
        for a in range(self.outputs[0]):
            for b in range(self.outputs[1]):
                rows: list[int] = []
                for u in range(self.kernel[0]):
                    i = a * self.stride[0] + u - self.padding[0]
                    for v in range(self.kernel[1]):
                        j = b * self.stride[1] + v - self.padding[1]
                        first = (i * width + j) * channels if 0 <= i < height and 0 <= j < width else None
                        rows += [-1] * channels if first is None else range(first, first + channels)
                found.append(tuple(rows))
        return tuple(found)

    @cached_property
    def pool_windows(self) -> tuple[tuple[int, ...], ...]:
        """For each place of the pooled map, row-major: the positions of its window, in the order in which the first
        largest wins."""
        width = self.outputs[1]
        return tuple(tuple((i * self.pool_stride[0] + u) * width + j * self.pool_stride[1] + v
                           for u in range(self.pool[0]) for v in range(self.pool[1]))
                     for i in range(self.places[0]) for j in range(self.places[1]))
