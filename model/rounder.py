"""Stochastic rounding: a residual becomes whole multiples of the threshold, by the device's switching curve."""

import torch

from ..contract.device import CURVE_REST_BITS
from ..contract.geometry import CrossbarGeometry
from .lfsr import Lfsr


class StochasticRounder:
    """Rounds residuals to multiples of the threshold ``2**threshold_shift`` (arithmetic 4.2)."""

    def __init__(self, geometry: CrossbarGeometry, lfsr: Lfsr, torch_device: torch.device | str = "cpu") -> None:
        """Draws from ``lfsr``. The geometry's rounding is stochastic: so the device has a switching curve, and the
        threshold is a power of two."""
        curve = geometry.device.curve
        assert curve is not None
        self.geometry = geometry
        self.lfsr = lfsr
        self._bits = curve.bits
        self._base = torch.tensor(curve.base, device=torch_device)
        self._slope = torch.tensor(curve.slope, device=torch_device)

    def round(self, chi: torch.Tensor) -> torch.Tensor:
        """``chi`` rounded, of the same shape and dtype. Each residual draws one word, in row-major order."""
        shift, curve_bits = self.geometry.threshold_shift, self._bits
        words = self.lfsr.draw(chi.numel()).reshape(chi.shape)
        magnitude = chi.to(torch.int64).abs()
        whole, fraction = magnitude >> shift, (magnitude & (1 << shift) - 1) << curve_bits
        segment, rest = fraction >> shift, (fraction & (1 << shift) - 1) << CURVE_REST_BITS >> shift
        probability = self._base[segment] + (self._slope[segment] * rest >> CURVE_REST_BITS)
        most = (1 << self.geometry.chi_bits - 1 - shift) - 1
        k = (whole + (words < probability)).clamp(max=most)
        return ((k << shift) * chi.sign()).to(chi.dtype)
