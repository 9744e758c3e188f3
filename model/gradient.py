"""Training from outside: the exact gradient of the cells of a crossbar, and the increments that are made of steps."""

from collections.abc import Callable

import torch

from ..contract.geometry import CrossbarGeometry
from .compiled.gradient import product_sums
from .fixed import exact_float, saturate
from .window import with_bias

WINDOW_CELLS = 1 << 20
"""Cells of windows that are made at a time on a CPU: they stay in a cache."""
GPU_WINDOW_CELLS = 1 << 24
"""Likewise, on a GPU: so many keep it busy."""


def gradient(geometry: CrossbarGeometry, x: torch.Tensor, d: torch.Tensor, count: int,
             gather: Callable[[torch.Tensor], torch.Tensor] | None = None) -> torch.Tensor:
    """The gradient of every cell, float64 (rows, cols), divided by ``count``: ``x`` (samples, positions, inputs) are
    the drives of windows, ``d`` (samples, positions, cols) the deltas.

    With ``gather`` (`window.Windows.gather`), ``x`` (samples, cells) are maps. On the CPU compiled code then adds up
    the products; elsewhere a few windows at a time are gathered and multiplied.
    """
    if gather is not None and x.device.type == "cpu":
        sums = torch.from_numpy(product_sums(geometry, x.numpy(), d.numpy()))
    else:
        sums = _product_sums(geometry, x, d, gather)
    return sums.double() * (2.0 ** -(geometry.x.frac + geometry.delta_frac + geometry.weight_step) / count)


def _product_sums(geometry: CrossbarGeometry, x: torch.Tensor, d: torch.Tensor,
                  gather: Callable[[torch.Tensor], torch.Tensor] | None) -> torch.Tensor:
    """The sums of drive times delta, exact, (rows, cols), on any device of PyTorch."""
    exact = exact_float(d.shape[:2].numel() * geometry.x.magnitude << geometry.delta_bits - 1)
    sums = d.new_zeros((geometry.rows, geometry.cols), dtype=exact)
    cells = WINDOW_CELLS if d.device.type == "cpu" else GPU_WINDOW_CELLS
    share = max(1, cells // (d.shape[1] * geometry.rows))
    for drive, delta in zip(x.split(share), d.split(share), strict=True):
        windows = drive.to(exact) if gather is None else gather(drive.to(exact))
        sums.addmm_(with_bias(geometry, windows).flatten(0, 1).T, delta.to(exact).flatten(0, 1))
    return sums


def increments(levels: torch.Tensor, geometry: CrossbarGeometry) -> torch.Tensor:
    """``levels``, float64, in units of the residual, as ``Crossbar.apply`` takes them: int64, rounded to nearest, ties
    up, and saturated."""
    return saturate(torch.floor(levels * 2.0**geometry.chi_frac + 0.5), geometry.chi_bits).to(torch.int64)
