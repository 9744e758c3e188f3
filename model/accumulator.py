"""The gradient accumulator: the high-precision residual beside every cell."""

import torch

from ..contract.geometry import CrossbarGeometry
from .fixed import round_shift, saturate


class GradientAccumulator:
    """The array ``chi``: int32 (rows, cols), in units of ``2**-chi_frac`` level (arithmetic 4.2)."""

    def __init__(self, geometry: CrossbarGeometry, device: torch.device | str = "cpu"):
        self.geometry = geometry
        self.chi = torch.zeros((geometry.rows, geometry.cols), dtype=torch.int32, device=device)

    def accumulate(self, rows: torch.Tensor, x: torch.Tensor, d: torch.Tensor,
                   learning_rate_shift: int) -> torch.Tensor:
        """Add ``-x * d`` at the learning rate ``2**-learning_rate_shift`` to the rows of index ``rows`` (n,).

        ``x`` (n,) drives them, ``d`` (cols,) is the error of the columns. Returns their new
        residuals, (n, cols).
        """
        # |x * d| < 2**28 and |chi| < 2**24, so 32 bits hold every intermediate value.
        product = torch.outer(-x.to(torch.int32), d.to(torch.int32))
        change = round_shift(product, self.geometry.update_shift(learning_rate_shift))
        chi = saturate(self.chi.index_select(0, rows) + change, self.geometry.chi_bits)
        self.chi.index_copy_(0, rows, chi)
        return chi
