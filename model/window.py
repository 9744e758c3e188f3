"""The windows that a crossbar sees of a feature map, and the pooling of its outputs: forward, and the way back."""

import torch

from ..contract.geometry import CrossbarGeometry
from .fixed import saturate


def with_bias(geometry: CrossbarGeometry, x: torch.Tensor) -> torch.Tensor:
    """The drive of all rows: ``x`` (..., inputs), and behind it that of the bias row if there is one."""
    return torch.nn.functional.pad(x, (0, 1), value=geometry.bias_value) if geometry.bias else x


class Windows:
    """The windows of a crossbar, and its pooling (arithmetic 1.3 and 5.1).

    All tensors are integers. Feature maps are flat, (..., cells); leading axes count samples. What belongs to windows
    is (..., positions, rows or columns).
    """

    def __init__(self, geometry: CrossbarGeometry, torch_device: torch.device | str = "cpu") -> None:
        """The windows and the pooling of the crossbar of ``geometry``."""
        window = geometry.window
        self._plain, self._pads = window.plain, any(window.padding)
        self._rows, self._outputs = (window.positions, window.inputs), (window.positions, window.cols)
        self._delta_bits = geometry.delta_bits
        cells = torch.tensor(window.touched, device=torch_device)
        self.driven = cells >= 0
        """Whether a row is driven by a cell, and is not in the padding: bool (positions, inputs)."""
        self._cells = torch.where(self.driven, cells, window.cells).flatten()
        """The cell of every row at every position; in the padding, one behind the last."""
        self._size = window.cells
        self._pool = torch.tensor(window.pool_windows, device=torch_device) if window.pools else None
        """The positions that each place of the pooled map sees: int64 (places, positions of a window)."""

    def gather(self, cells: torch.Tensor) -> torch.Tensor:
        """What the map ``cells`` (..., cells) gives to the rows of the windows: (..., positions, inputs), 0 in the
        padding."""
        if self._plain:
            return cells.unsqueeze(-2)
        if self._pads:
            cells = torch.nn.functional.pad(cells, (0, 1))
        return cells.index_select(-1, self._cells).reshape(*cells.shape[:-1], *self._rows)

    def fold(self, e: torch.Tensor) -> torch.Tensor:
        """The sums ``e``, int64 (..., positions, inputs), of the rows that belong to each cell of the map: int64
        (..., cells)."""
        if self._plain:
            return e.squeeze(-2)
        sums = e.new_zeros((*e.shape[:-2], self._size + 1))
        return sums.index_add_(-1, self._cells, e.flatten(-2))[..., :-1]

    def pool(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The pooled map (..., cells of the next layer) of the outputs ``z`` (..., positions, cols), and the winner of
        each of its cells, int64 (..., places, cols); None without pooling."""
        if self._pool is None:
            return z.flatten(-2), None
        largest, index = z[..., self._pool, :].max(dim=-2)  # the first of equals
        return largest.flatten(-2), self._pool.expand(*index.shape[:-2], -1, -1).gather(-1, index)

    def spread(self, delta: torch.Tensor, winner: torch.Tensor | None) -> torch.Tensor:
        """The deltas ``d``, int64 (..., positions, cols), of the outputs, for those of the pooled map, ``delta`` int64
        (..., cells), and the ``winner`` of each of its cells."""
        shape = *delta.shape[:-1], *self._outputs
        if winner is None:
            return delta.reshape(shape)
        d = delta.new_zeros(shape).scatter_add_(-2, winner, delta.reshape(winner.shape))
        return saturate(d, self._delta_bits)
