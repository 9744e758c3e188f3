"""Training from outside: the exact gradient of the cells of a crossbar, and the increments that are made of steps."""

import torch

from ..contract.geometry import CrossbarGeometry
from .fixed import exact_float, saturate
from .window import with_bias


def gradient(geometry: CrossbarGeometry, x: torch.Tensor, d: torch.Tensor, count: int) -> torch.Tensor:
    """The gradient of every cell, float64 (rows, cols), divided by ``count``: ``x`` (samples, positions, inputs) are
    the drives of windows, ``d`` (samples, positions, cols) the deltas."""
    windows = x.shape[:2].numel()
    exact = exact_float(windows * geometry.x.magnitude << geometry.delta_bits - 1)
    drive = with_bias(geometry, x).to(exact).flatten(0, 1)
    scale = 2.0 ** -(geometry.x.frac + geometry.delta_frac + geometry.weight_step) / count
    return (drive.T @ d.to(exact).flatten(0, 1)).double() * scale


def increments(levels: torch.Tensor, geometry: CrossbarGeometry) -> torch.Tensor:
    """``levels``, float64, in units of the residual, as ``Crossbar.apply`` takes them: int64, rounded to nearest, ties
    up, and saturated."""
    return saturate(torch.floor(levels * 2.0**geometry.chi_frac + 0.5), geometry.chi_bits).to(torch.int64)
