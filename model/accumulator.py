"""The accumulator: the residual beside every cell, and when it is programmed."""

import torch

from ..contract.geometry import CrossbarGeometry
from .fixed import exact_float, round_shift, saturate
from .lfsr import Lfsr
from .rounder import StochasticRounder


class GradientAccumulator:
    """The residuals ``chi`` of a crossbar: int32 (rows, cols), in units of ``2**-chi_frac`` level (arithmetic 4.2)."""

    def __init__(self, geometry: CrossbarGeometry, rounding_lfsr: Lfsr | None = None,
                 torch_device: torch.device | str = "cpu") -> None:
        """All residuals are 0. Stochastic rounding, if the geometry has it, draws from ``rounding_lfsr``."""
        self.geometry = geometry
        self.chi = torch.zeros((geometry.rows, geometry.cols), dtype=torch.int32, device=torch_device)
        self.rounder = (StochasticRounder(geometry, rounding_lfsr, torch_device)
                        if rounding_lfsr is not None and geometry.rounding == "stochastic" else None)

    def accumulate(self, rows: torch.Tensor, x: torch.Tensor, d: torch.Tensor, learning_rate_shift: int) -> None:
        """Add ``-x * d``, summed over positions, at the learning rate ``2**-learning_rate_shift`` to the rows with the
        indices ``rows`` (n,). ``x`` (positions, n) is their drive, ``d`` (positions, cols) the delta."""
        self.add(rows, self._change(x, d, learning_rate_shift))

    def accumulate_all(self, x: torch.Tensor, d: torch.Tensor, learning_rate_shift: int) -> None:
        """The same for many samples, one after the other, and all rows: ``x`` (samples, positions, rows) is their
        drive, ``d`` (samples, positions, cols) their delta."""
        for change in self._change(x, d, learning_rate_shift):
            self.chi.copy_(saturate(self.chi + change, self.geometry.chi_bits))

    def add(self, rows: torch.Tensor, change: torch.Tensor) -> None:
        """Add ``change``, int32 or int64 (n, cols), to the rows with the indices ``rows`` (n,); sums saturate."""
        sums = saturate(self.chi.index_select(0, rows) + change, self.geometry.chi_bits)
        self.chi.index_copy_(0, rows, sums.to(self.chi.dtype))

    def _change(self, x: torch.Tensor, d: torch.Tensor, learning_rate_shift: int) -> torch.Tensor:
        """The increments (..., n, cols) for the drives ``x`` (..., positions, n) and the deltas ``d`` (..., positions,
        cols)."""
        bound = x.shape[-2] * self.geometry.x.magnitude << self.geometry.delta_bits - 1
        exact, whole = exact_float(bound), torch.int32 if bound < 1 << 29 else torch.int64  # chi has up to 24 bits
        products = -x.transpose(-1, -2).to(exact) @ d.to(exact)
        return round_shift(products.to(whole), self.geometry.update_shift(learning_rate_shift))

    def visit(self, rows: torch.Tensor, g: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Round and bound the residuals of some rows, and find the cells to program.

        ``rows`` (n,) are their indices, ascending; ``g`` (rows, cols) are the conductances of the whole array. Returns
        the rows and the columns of the cells to program, in row-major order.
        """
        chi = self.chi.index_select(0, rows)
        if self.rounder is not None:
            chi = self.rounder.round(chi)
        if self.geometry.residual == "none":
            self.chi.index_fill_(0, rows, 0)
        reached = self._reached(chi).nonzero(as_tuple=True)
        cells = rows[reached[0]], reached[1]
        bounded = self.bound(chi[reached], g[cells])
        self.chi[cells] = bounded
        moving = self._reached(bounded)
        return cells[0][moving], cells[1][moving]

    def bound(self, chi: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        """``chi``, but plus or minus ``held`` where a cell of conductance ``g`` would be pushed beyond its last
        state."""
        device, threshold, held = self.geometry.device, self.geometry.threshold, self.geometry.held
        chi = torch.where((chi >= threshold) & (g >= device.lowest_top), held, chi)
        return torch.where((chi <= -threshold) & (g <= device.highest_bottom), -held, chi)

    def _reached(self, chi: torch.Tensor) -> torch.Tensor:
        return chi.abs() >= self.geometry.threshold
