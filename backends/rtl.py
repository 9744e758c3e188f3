"""Crossbars in RTL, compiled and run in this process."""

from ..contract.bank import banked
from ..contract.geometry import CrossbarGeometry
from ..hw.bank import Bank
from ..sim.benches.compiled import CompiledBench
from .driven import DrivenCrossbar, drive
from .protocol import State


def rtl_crossbars(geometries: tuple[CrossbarGeometry, ...], states: list[State]) -> list[DrivenCrossbar]:
    """The crossbars of a `hw.bank.Bank`, compiled by Verilator: one of each of ``geometries``, in its one of
    ``states``.

    Making them takes Verilator half a minute or more the first time; the build is kept. The clock cycles of an
    operation pass in one call, without Python.

    Raises ``SimulatorError`` if Verilator cannot be used, ``SimulationError`` if the design cannot be built.
    """
    bench = CompiledBench(Bank(geometries=tuple(map(banked, geometries))))
    return drive(bench, geometries, states, bench)
