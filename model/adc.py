"""The converters: analog-to-digital behind the columns, digital-to-analog before rows and columns."""

import torch

from ..contract import tables
from ..contract.converters import GAIN_FRAC, OFFSET_FRAC, fine_bits, mismatch
from ..contract.geometry import CrossbarGeometry
from .fixed import round_shift, saturate
from .lfsr import Lfsr


class Adc:
    """Converts column sums to outputs ``z`` (arithmetic 4.2)."""

    def __init__(self, geometry: CrossbarGeometry, torch_device: torch.device | str = "cpu") -> None:
        self.geometry = geometry
        self._normal = torch.from_numpy(tables.normal_quantiles()).to(torch_device)
        self._offset, self._gain = (torch.from_numpy(part).to(torch_device) for part in mismatch(geometry))
        self._nonlinearity = torch.tensor(geometry.nonlinearity, dtype=torch.int64, device=torch_device)

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
        if geometry.distorted:
            return self._distorted(sums >> shift - OFFSET_FRAC if shift >= OFFSET_FRAC
                                   else sums << OFFSET_FRAC - shift)
        return saturate(round_shift(sums, shift), geometry.z_bits)

    def _distorted(self, fine: torch.Tensor) -> torch.Tensor:
        """The outputs of converters that are not ideal, for column sums in ``2**-OFFSET_FRAC`` of a least significant
        bit (arithmetic 4.7)."""
        bits = self.geometry.z_bits
        passed = saturate(fine, fine_bits(self.geometry))
        passed = passed + round_shift(passed * self._gain, GAIN_FRAC) + self._offset
        code = saturate(round_shift(passed, OFFSET_FRAC), bits)
        if not len(self._nonlinearity):
            return code
        segment = (code + (1 << bits - 1)) * len(self._nonlinearity) >> bits
        return saturate(round_shift(passed + self._nonlinearity[segment], OFFSET_FRAC), bits)


def dac(values: torch.Tensor, bits: int, signed: bool, dropped: int) -> torch.Tensor:
    """What DACs make of ``values``, integers of any type, ``bits`` wide, of which they do not resolve the lowest
    ``dropped`` (arithmetic 4.7)."""
    if not dropped:
        return values
    rounded, kept = round_shift(values.to(torch.int64), dropped), bits - dropped
    return (saturate(rounded, kept) if signed else rounded.clamp(max=(1 << kept) - 1)) << dropped
