"""The programmer of cells of several devices."""

from typing import Any

from ..contract.geometry import CrossbarGeometry
from ..contract.lfsr import LEAP
from .counters import Counters
from .device import Cell, SlicedCell
from .lfsr import WORD_MASK, Lfsr
from .programmer import Programmer, StochasticProgrammer
from .recorder import Recorder


def programmer(geometry: CrossbarGeometry, lfsr: Lfsr, counters: Counters | None = None) -> Programmer[Any]:
    """The programmer of the cells of ``geometry``."""
    if geometry.device.slices is None:
        return StochasticProgrammer(geometry, lfsr, counters)
    return SlicedProgrammer(geometry, lfsr, counters)


class SlicedProgrammer(Programmer[SlicedCell]):
    """Programs cells of several devices, the devices of one after the other (arithmetic 4.6)."""

    def __init__(self, geometry: CrossbarGeometry, lfsr: Lfsr, counters: Counters | None = None) -> None:
        """As ``StochasticProgrammer``; the geometry has ``slices``."""
        super().__init__(geometry, lfsr, counters)
        self.single = StochasticProgrammer(geometry.single, lfsr, self.counters)
        """Of one device."""
        slices, half = geometry.device.slices, 1 << geometry.device.sub_bits - 1
        assert slices is not None
        self.slices = slices
        self._reaches = [half * (1 + (slices.states - 1) * sum(slices.weights[place + 1:]))
                         for place in range(slices.count)]

    def record(self, recorder: Recorder | None) -> None:
        super().record(recorder)
        self.single.record(recorder)

    def write(self, cell: SlicedCell, state: int) -> list[int]:
        rest, device = self.device.nominal(state), self.single.device
        if not self._misses(cell, rest):
            return [0] * self.slices.count
        pulses = []
        for shift, each in zip(self.slices.shifts, cell.devices, strict=True):
            pulses.append(self.single.write(each, device.state_of(rest >> shift)))
            rest -= each.g << shift
        return pulses

    def _move(self, cell: SlicedCell, state: int, target: int) -> None:
        rest = self.device.nominal(target)
        if self.slices.in_turn:
            drawn = cell.devices[(self.lfsr.state & WORD_MASK) * self.slices.count >> LEAP]
            self._put(drawn, rest - cell.g + drawn.g, shift=0)
            return
        for shift, device, reach in zip(self.slices.shifts, cell.devices, self._reaches, strict=True):
            if abs(rest - (device.g << shift)) >= reach:
                self._put(device, rest, shift)
            rest -= device.g << shift

    def _put(self, device: Cell, rest: int, shift: int) -> None:
        """Pulse ``device``, of the weight ``2**shift``, toward the state in which it comes nearest to ``rest``."""
        law = self.single.device
        target = law.state_of(rest >> shift)
        distance = max(1, abs(target - law.state_of(device.g)))
        self.single.pulse(device, target, distance, up=rest > device.g << shift)
