"""The programmer: turns residuals into write pulses on stochastic cells."""

from typing import NamedTuple

import torch

from ..contract import tables
from ..contract.device import SIGMA_FRAC, DeviceTables, nominal
from ..contract.geometry import CrossbarGeometry
from .fixed import round_shift, saturate
from .lfsr import Lfsr


class Programmed(NamedTuple):
    """What programming did to a vector of cells."""

    g: torch.Tensor
    chi: torch.Tensor


def landings(device: DeviceTables) -> torch.Tensor:
    """int64 (states, 2**NORMAL_INDEX_BITS): where a pulse toward a state lands (arithmetic 3, ``land``),
    for each index into the normal table."""
    mean, sigma = torch.tensor(device.mean)[:, None], torch.tensor(device.sigma)[:, None]
    noise = round_shift(sigma * torch.from_numpy(tables.normal_quantiles()), SIGMA_FRAC + tables.NORMAL_FRAC)
    return saturate(mean + noise, device.g_bits)


class StochasticProgrammer:
    """Programs cells in the order given, drawing from ``lfsr`` (arithmetic 4.3 and 4.4)."""

    def __init__(self, geometry: CrossbarGeometry, lfsr: Lfsr, device: torch.device | str = "cpu"):
        self.geometry = geometry
        self.lfsr = lfsr
        self._landings = landings(geometry.device).to(device)

    def land(self, state: torch.Tensor, word: torch.Tensor) -> torch.Tensor:
        """Where a pulse toward ``state`` lands with the random ``word``: int64 of their shape."""
        return self._landings[state, word & (1 << tables.NORMAL_INDEX_BITS) - 1]

    def state_of(self, g: torch.Tensor) -> torch.Tensor:
        """The state whose nominal level is nearest to ``g``."""
        device = self.geometry.device
        return (g - device.origin + (1 << device.sub_bits - 1) >> device.sub_bits).clamp(0, device.states - 1)

    def bound(self, chi: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        """``chi``, but just below the threshold where a cell would be pushed beyond its last state."""
        device, threshold = self.geometry.device, self.geometry.threshold
        chi = torch.where((chi >= threshold) & (g >= device.lowest_top), threshold - 1, chi)
        return torch.where((chi <= -threshold) & (g <= device.highest_bottom), 1 - threshold, chi)

    def program(self, g: torch.Tensor, chi: torch.Tensor) -> Programmed:
        """Program cells whose residuals, bounded, have reached the threshold, one draw each: ``g``, ``chi``
        int64 (n,)."""
        geometry = self.geometry
        threshold = geometry.threshold
        k = torch.div(chi, threshold, rounding_mode="trunc")
        target = (self.state_of(g) + k).clamp(0, geometry.device.states - 1)
        new_g = self.land(target, self.lfsr.draw(len(g)))
        if geometry.residual == "nominal":
            return Programmed(new_g, chi - k * threshold)
        return Programmed(new_g, saturate(chi - ((new_g - g) << geometry.residual_shift), geometry.chi_bits))

    def write(self, g: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Program-and-verify cells to states: ``g``, ``target`` int64 (n,); returns the new ``g``
        and the attempts of each cell. How many words a cell takes depends on those it is given, so
        this goes cell by cell."""
        geometry = self.geometry
        device, margin = geometry.device, geometry.margin
        lands = self._landings.tolist()
        words = self.lfsr.words()
        mask = (1 << tables.NORMAL_INDEX_BITS) - 1
        levels, attempts = g.tolist(), [0] * len(g)
        for cell, state in enumerate(target.tolist()):
            goal = nominal(state, device.states, device.sub_bits)
            while abs(levels[cell] - goal) > margin and attempts[cell] < geometry.max_attempts:
                levels[cell] = lands[state][next(words) & mask]
                attempts[cell] += 1
        return torch.tensor(levels, device=g.device), torch.tensor(attempts, device=g.device)
