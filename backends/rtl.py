"""Crossbars in RTL, compiled and run in this process."""

from ..contract.geometry import CrossbarGeometry
from ..hw.bank import Bank, banked
from ..sim.bank import BankBench
from ..sim.benches.compiled import CompiledBench
from ..sim.driver import CrossbarDriver
from .driven import DrivenCrossbar
from .protocol import State


class RtlBank:
    """A `hw.bank.Bank`, compiled by Verilator: a crossbar of each of ``geometries``, in its one of ``states``.

    Making one takes Verilator half a minute or more the first time; the build is kept. The clock cycles of an operation
    pass in one call, without Python. What nothing refers to any more is freed.

    Raises ``SimulatorError`` if Verilator cannot be used, ``SimulationError`` if the design cannot be built.
    """

    def __init__(self, geometries: tuple[CrossbarGeometry, ...], states: list[State]) -> None:
        design = Bank(geometries=tuple(map(banked, geometries)))
        self._bench = CompiledBench(design)
        bench = BankBench(self._bench, design)
        self.crossbars = [DrivenCrossbar(geometry, CrossbarDriver(bench.crossbar(index), inner, inner.adcs))
                          for index, (geometry, inner) in enumerate(zip(geometries, design.geometries, strict=True))]
        """One for each geometry."""
        for crossbar, state in zip(self.crossbars, states, strict=True):
            crossbar.load(state)

    @property
    def cycle(self) -> int:
        """Clock cycles passed."""
        return self._bench.cycle
