"""The analog-to-digital converters behind the columns."""

import torch

from ..contract import tables
from ..contract.geometry import CrossbarGeometry
from .fixed import round_shift, saturate
from .lfsr import Lfsr


class Adc:
    """Converts column sums to outputs ``z`` (arithmetic 4.2)."""

    def __init__(self, geometry: CrossbarGeometry, torch_device: torch.device | str = "cpu") -> None:
        self.geometry = geometry
        self._normal = torch.from_numpy(tables.normal_quantiles()).to(torch_device)

    def convert(self, sums: torch.Tensor, read_lfsr: Lfsr | None = None) -> torch.Tensor:
        """The outputs for the exact column sums ``sums``: both int64, (cols,) or (n, cols). With read noise, each
        conversion draws one word from ``read_lfsr``, in row-major order."""
        geometry, shift = self.geometry, self.geometry.adc_shift
        if geometry.read_noise:
            assert read_lfsr is not None
            fraction = tables.NOISE_FRAC
            words = read_lfsr.draw(sums.numel()).reshape(sums.shape)
            noise = geometry.read_noise * self._normal[words & tables.NORMAL_MASK]
            if shift >= fraction:  # bits of the sum finer than those of the noise change no rounding
                sums, shift = (sums >> shift - fraction) + noise, fraction
            else:
                sums = sums + round_shift(noise, fraction - shift)
        return saturate(round_shift(sums, shift), geometry.z_bits)
