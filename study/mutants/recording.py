"""A plugin of pytest that records, clock cycle by clock cycle, the ports of the designs that tests simulate in
Amaranth's simulator. What a test has driven and accepted can then be replayed elsewhere, thousands of times as fast.

``pytest -p spinloom.study.mutants.recording`` writes into the folder that ``SPINLOOM_RECORDINGS`` names: for every
distinct design ``NAME.il``, its RTLIL, and for every run of it ``NAME-NUMBER.npz``.
"""

import hashlib
import os
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.back import rtlil
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from amaranth.sim import Simulator

from ...system.files import replace

FOLDER = "SPINLOOM_RECORDINGS"
"""Environment variable that names the folder for recordings."""
MOST_CYCLES = 20_000
"""Clock cycles of a run that are recorded, from its start on."""
MOST_RUNS = 16
"""Runs of one design that are recorded."""
TOP = "top"
WORD = 64

_init, _run, _add_clock = Simulator.__init__, Simulator.run, Simulator.add_clock
Port = tuple[str, bool, int]
"""Name in Verilog, whether it is an input, width."""


def ports(component: wiring.Component) -> dict[Port, Value]:
    """The ports of ``component`` that have bits."""
    found = {("__".join(map(str, path)), member.flow is In, len(Value.cast(port))): Value.cast(port)
             for path, member, port in component.signature.flatten(component)}
    return {port: value for port, value in found.items() if port[2]}


class _Recording:
    """The ports of ``component`` in each clock cycle of one run."""

    def __init__(self, component: wiring.Component) -> None:
        self.component, self.ports = component, ports(component)
        self.rows: list[tuple[int, ...]] = []

    async def sample(self, context: Any) -> None:
        async for _, _, *values in context.tick().sample(*self.ports.values()):
            if len(self.rows) < MOST_CYCLES:
                self.rows.append(tuple(values))

    def save(self, folder: Path) -> None:
        """Write the design, and the run, if there is one and there are not enough."""
        if not self.rows:
            return
        text = _portable(rtlil.convert(self.component, name=TOP, emit_src=True))
        name = f"{type(self.component).__name__}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        number = len(list(folder.glob(f"{name}-*.npz")))
        if number >= MOST_RUNS:
            return
        replace(folder / f"{name}.il", lambda stream: stream.write(text.encode()))
        columns = {f"{'i' if inner else 'o'}{width}:{name}": _words([row[place] for row in self.rows], width)
                   for place, (name, inner, width) in enumerate(self.ports)}
        replace(folder / f"{name}-{number}.npz", partial(np.savez_compressed, **columns))  # type: ignore[arg-type]


def _portable(text: str) -> str:
    """``text`` with paths of this package relative to it, and of other files their names only, so that a design has
    one name on every machine."""
    package = Path(__file__).parents[2].resolve()

    def shorter(found: re.Match[str]) -> str:
        path = Path(found[0]).resolve()
        inside = path.is_relative_to(package) and "site-packages" not in path.parts
        return str(path.relative_to(package)) if inside else path.name

    return re.sub(r'(?<=["|])/[^"|:]*', shorter, text)


def _words(values: list[int], width: int) -> np.ndarray:
    """``values`` of ``width`` bits as words uint64 (cycles, words), the lowest first."""
    count, mask = -(-width // WORD), (1 << WORD) - 1
    return np.array([[(value & (1 << width) - 1) >> WORD * word & mask for word in range(count)] for value in values],
                    dtype=np.uint64)


def pytest_configure() -> None:
    """Let every simulator of a component record."""
    folder = Path(os.environ[FOLDER])
    recordings: dict[Simulator, _Recording] = {}

    def init(self: Simulator, toplevel: Any) -> None:
        if isinstance(toplevel, wiring.Component):
            recordings[self] = _Recording(toplevel)
        _init(self, toplevel)

    def add_clock(self: Simulator, *arguments: Any, **options: Any) -> None:
        _add_clock(self, *arguments, **options)
        if self in recordings:
            self.add_testbench(recordings[self].sample, background=True)

    def run(self: Simulator) -> None:
        _run(self)
        if self in recordings:  # a run that failed is none
            recordings.pop(self).save(folder)

    Simulator.__init__, Simulator.add_clock, Simulator.run = init, add_clock, run


def pytest_unconfigure() -> None:
    """Leave the simulator as it was."""
    Simulator.__init__, Simulator.add_clock, Simulator.run = _init, _add_clock, _run
