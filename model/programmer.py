"""The programmer: it turns residuals into write pulses."""

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

from ..contract.geometry import CrossbarGeometry
from ..contract.pulses import Pulse
from .counters import Counters
from .device import Cell, Device, SlicedCell
from .lfsr import Lfsr
from .recorder import Recorder

AnyCell = TypeVar("AnyCell", Cell, SlicedCell)


class Programmer(ABC, Generic[AnyCell]):
    """Programs cells one after the other (arithmetic 4.3 and 4.4). Each write pulse draws one word from ``lfsr``."""

    def __init__(self, geometry: CrossbarGeometry, lfsr: Lfsr, counters: Counters | None = None) -> None:
        """Write pulses, failures and refreshes are counted in ``counters``, or in counters of its own."""
        self.geometry = geometry
        self.lfsr = lfsr
        self.counters = Counters() if counters is None else counters
        self.device = Device(geometry.device)
        self.recorder: Recorder | None = None
        """What keeps the write pulses, if they are traced."""
        self._lands = geometry.device.pulse == "landing"

    def record(self, recorder: Recorder | None) -> None:
        """Let ``recorder`` keep the write pulses from now on."""
        self.recorder = recorder

    def program(self, cell: AnyCell, chi: int) -> int:
        """Program ``cell``. Its residual ``chi`` is bounded and has reached the threshold; returns the new one."""
        geometry, device = self.geometry, self.device
        levels = abs(chi) // geometry.threshold
        k = levels if chi > 0 else -levels
        before, state = cell.g, device.state_of(cell.g)
        self._move(cell, state, min(max(state + k, 0), geometry.device.states - 1))
        match geometry.residual:
            case "nominal":
                return chi - k * geometry.threshold
            case "verified":
                limit = 1 << geometry.chi_bits - 1
                return min(max(chi - (cell.g - before << geometry.residual_shift), -limit), limit - 1)
            case "none":
                return 0

    @abstractmethod
    def write(self, cell: AnyCell, state: int) -> Any:
        """Program-and-verify ``cell`` to the nominal conductance of ``state``; returns the write pulses spent: of a
        cell of several devices, on each."""

    @abstractmethod
    def _move(self, cell: AnyCell, state: int, target: int) -> None:
        """Pulse ``cell``, which is in ``state``, toward the state ``target``."""

    def _misses(self, cell: AnyCell, goal: int) -> bool:
        return abs(cell.g - goal) > self.geometry.margin


class StochasticProgrammer(Programmer[Cell]):
    """Programs cells of one device, or of a pair."""

    def write(self, cell: Cell, state: int) -> int:
        goal = self.device.nominal(state)
        return self._rewrite(cell, goal, state) if self._misses(cell, goal) else 0

    def _move(self, cell: Cell, state: int, target: int) -> None:
        self.pulse(cell, target, abs(target - state), up=target > state)
        if self.device.worn(cell):
            self._rewrite(cell, cell.g, target)

    def pulse(self, cell: Cell, target: int, distance: int, *, up: bool) -> None:
        """Give ``cell`` one write pulse toward the state ``target`` if the device lands at states, else ``distance``
        pulses up or down."""
        for attempt in range(1 if self._lands else distance):
            self._pulse(cell, target, up, self.device.nominal(target), attempt + 1)

    def _rewrite(self, cell: Cell, goal: int, state: int) -> int:
        """Write ``cell`` to the conductance ``goal``, or toward ``state`` if the device lands at states, until it is
        within the margin or the attempts are used up; returns the write pulses. A pair is reset first."""
        if self.geometry.device.pair:
            self.device.reset(cell)
            self.counters.count(refreshes=1)
        tries = 0
        while self._misses(cell, goal) and tries < self.geometry.max_attempts:
            tries += 1
            self._pulse(cell, state, cell.g < goal, goal, tries, verify=True)
        self.counters.count(verify_attempts=tries, failures=self._misses(cell, goal))
        return tries

    def _pulse(self, cell: Cell, toward: int, up: bool, asked: int, attempt: int, verify: bool = False) -> None:
        """A write pulse, with the arguments of `Device.pulse` and, for a trace, those of `Pulse`."""
        before = cell.g
        self.device.pulse(cell, self.lfsr.word(), toward=toward, up=up)
        cell.pulses += 1
        self.counters.count(attempts=1)
        if self.recorder is not None:
            up = asked > before if self._lands else up
            self.recorder.add(Pulse(cell.number, before, asked, cell.g, attempt, up, verify))
