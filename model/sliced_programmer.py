"""The programmer of cells of several devices."""

from ..contract.geometry import CrossbarGeometry
from .counters import Counters
from .device import Cell, SlicedCell
from .lfsr import WORD_MASK, Lfsr
from .programmer import StochasticProgrammer


def programmer(geometry: CrossbarGeometry, lfsr: Lfsr, counters: Counters | None = None) -> StochasticProgrammer:
    """The programmer of the cells of ``geometry``."""
    kind = StochasticProgrammer if geometry.device.slices is None else SlicedProgrammer
    return kind(geometry, lfsr, counters)


class SlicedProgrammer(StochasticProgrammer):
    """Programs the devices of one cell after the other (arithmetic 4.6): a ``StochasticProgrammer`` for each cell as a
    whole, and one for each of its devices."""

    def __init__(self, geometry: CrossbarGeometry, lfsr: Lfsr, counters: Counters | None = None) -> None:
        """As ``StochasticProgrammer``; the geometry has ``slices``."""
        super().__init__(geometry, lfsr, counters)
        self.single = StochasticProgrammer(geometry.single, lfsr, self.counters)
        slices, half = geometry.device.slices, 1 << geometry.device.sub_bits - 1
        assert slices is not None
        self.slices = slices
        self._reaches = [half * (1 + (slices.states - 1) * sum(slices.weights[place + 1:]))
                         for place in range(slices.count)]

    def write(self, cell: SlicedCell, state: int) -> list[int]:  # type: ignore[override]
        """Program-and-verify the devices of ``cell``, so that it is at ``state``; returns the write pulses that each
        has taken."""
        rest, device = self.device.nominal(state), self.single.device
        if not self._misses(cell, rest):
            return [0] * self.slices.count
        pulses = []
        for weight, each in zip(cell.weights, cell.devices, strict=True):
            pulses.append(self.single.write(each, device.state_of(rest >> weight.bit_length() - 1)))
            rest -= weight * each.g
        return pulses

    def _move(self, cell: SlicedCell, state: int, target: int) -> None:  # type: ignore[override]
        rest = self.device.nominal(target)
        if self.slices.in_turn:
            drawn = cell.devices[(self.lfsr.state & WORD_MASK) * self.slices.count >> 16]
            self._put(drawn, rest - cell.g + drawn.g, weight=1)
            return
        for weight, device, reach in zip(cell.weights, cell.devices, self._reaches, strict=True):
            if abs(rest - weight * device.g) >= reach:
                self._put(device, rest, weight)
            rest -= weight * device.g

    def _put(self, device: Cell, rest: int, weight: int) -> None:
        """Pulse ``device`` toward the state in which it, ``weight`` times, is nearest to the conductance ``rest``."""
        law = self.single.device
        target = law.state_of(rest >> weight.bit_length() - 1)
        distance = max(1, abs(target - law.state_of(device.g)))
        self.single.pulse(device, target, distance, up=rest > weight * device.g)
