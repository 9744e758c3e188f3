"""Mutants of a design: small faults in its netlist, by Yosys's command `mutate`, all of them in one netlist, of which
an input chooses one."""

import hashlib
import random
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from ...hw.export.tool import yosys
from ...system.temporary import temporary_folder
from .recording import TOP
from .replay import SELECT

PREPARE = "read_rtlil design.il; proc; memory_collect; chformal -remove; delete */t:$print */t:$check; opt_clean"
"""Assertions in the RTL are left out: what notices a mutant is a test."""
WIDTH = 16
"""Bits of the input that chooses a mutant."""
ALL = 1_000_000
"""More mutants than a design has: Yosys lists all of them. (Where it draws nearly all, it takes minutes.)"""
CANDIDATES = 200
"""Mutants of each block of a design, spread evenly over its lines, from which those that run are drawn."""
_OPTION = re.compile(r"-(\w+) (\S+)")
_SOURCE = re.compile(r"(?<!tests/)(hw/[\w/]+\.py):(\d+)")


class Planted(Protocol):
    """What every mutant has, of the RTL or of Python."""

    @property
    def file(self) -> str: ...

    @property
    def line(self) -> int: ...

    @property
    def key(self) -> str: ...


P = TypeVar("P", bound=Planted)


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A fault in the netlist of a design, which stays the same as long as the design and Yosys do."""

    design: str
    file: str
    """The block: the file of the RTL, from the package on, that the cell comes from."""
    line: int
    """The line there."""
    module: str
    cell: str
    port: str
    bit: int
    mode: str
    """``inv``, ``const0``, ``const1``; or ``cnot0`` and ``cnot1``, inverted where another bit of the port is 0 or 1."""
    other: int | None = None
    """That other bit."""

    @property
    def key(self) -> str:
        """The mutant in a word that tells it from all others."""
        control = "" if self.other is None else f"^{self.other}"
        return f"{self.design} {self.file}:{self.line} {self.module} {self.cell}.{self.port}[{self.bit}] " \
               f"{self.mode}{control}"

    @property
    def where(self) -> str:
        """Its place, for the table."""
        return f"{self.module} {self.cell}.{self.port}[{self.bit}]"

    @property
    def name(self) -> str:
        """A short name in its block, which stays the same while the netlist around it does: line, mode, signature."""
        rest = f"{self.design.partition('-')[0]} {self.module} {self.cell} {self.port} {self.bit} {self.other}"
        return f"{self.line} {self.mode} {hashlib.sha256(rest.encode()).hexdigest()[:6]}"

    def command(self, number: int) -> str:
        """Yosys's command that plants it, as the mutant ``number``."""
        control = "" if self.other is None else f" -ctrlbit {self.other}"
        return (f"mutate -ctrl {SELECT} {WIDTH} {number} -mode {self.mode} -module {self.module} -cell {self.cell} "
                f"-port {self.port} -portbit {self.bit}{control}")


def _key(mutant: Planted) -> str:
    return mutant.key


def candidates(design: str, rtlil: str, seed: int) -> list[Mutant]:
    """Mutants of ``rtlil``: of each block at most ``CANDIDATES``, spread evenly over its lines."""
    with temporary_folder("spinloom-mutants-") as folder:
        (folder / "design.il").write_text(rtlil, encoding="utf-8")
        yosys(f"{PREPARE}; mutate -list {ALL} -o list.txt", folder)
        lines = (folder / "list.txt").read_text(encoding="utf-8").splitlines()
    found: dict[str, set[Mutant]] = {}
    for line in lines:
        options = dict(_OPTION.findall(line))
        source = _SOURCE.search(line)
        # A mutated output of a register would lose its initial value; a clock that is no clock is no fault of the RTL.
        if source is None or options["port"] in ("Q", "CLK", "clk"):
            continue
        found.setdefault(source[1], set()).add(Mutant(
            design=design, file=source[1], line=int(source[2]), module=options["module"], cell=options["cell"],
            port=options["port"], bit=int(options["portbit"]), mode=options["mode"],
            other=int(options["ctrlbit"]) if "ctrlbit" in options else None))
    dice = random.Random(f"{design} {seed}")
    return [mutant for _, block in sorted(found.items())
            for mutant in spread(sorted(block, key=_key), dice)[-CANDIDATES:]]


def plant(rtlil: str, mutants: Iterable[Mutant]) -> str:
    """The Verilog of ``rtlil`` with ``mutants`` in it: its input ``mutant`` chooses the first by 1, the second by 2,
    and none by 0."""
    with temporary_folder("spinloom-mutants-") as folder:
        yosys(f"script {plant_in(folder, rtlil, mutants)}; hierarchy -top {TOP}; write_verilog -noattr planted.v",
              folder)
        return (folder / "planted.v").read_text(encoding="utf-8")


def plant_in(folder: Path, rtlil: str, mutants: Iterable[Mutant]) -> str:
    """Write a script of Yosys into ``folder`` that leaves the planted design of ``plant``. The script's name."""
    (folder / "design.il").write_text(rtlil, encoding="utf-8")
    commands = [mutant.command(number) for number, mutant in enumerate(mutants, start=1)]
    (folder / "plant.ys").write_text("\n".join([*PREPARE.split("; "), *commands, ""]), encoding="utf-8")
    return "plant.ys"


def draw(pool: dict[str, list[P]], count: int, seed: int) -> list[P]:
    """``count`` mutants of all designs' candidates, by design, spread evenly over blocks, and in each block over lines
    and designs."""
    dice = random.Random(seed)
    blocks: dict[str, list[P]] = {}
    for mutants in pool.values():
        for mutant in mutants:
            blocks.setdefault(mutant.file, []).append(mutant)
    queues = {file: spread(mutants, dice) for file, mutants in sorted(blocks.items())}
    drawn: list[P] = []
    while len(drawn) < count and queues:
        for file in list(queues):
            if len(drawn) == count:
                break
            drawn.append(queues[file].pop())
            if not queues[file]:
                del queues[file]
    return sorted(drawn, key=_key)


def spread(mutants: list[P], dice: random.Random) -> list[P]:
    """``mutants`` of a block, to be taken from the end: one of each line, then a second of each, and so on."""
    lines: dict[int, list[P]] = {}
    for mutant in dice.sample(mutants, len(mutants)):
        lines.setdefault(mutant.line, []).append(mutant)
    ranked = [(place, dice.random(), mutant) for group in lines.values() for place, mutant in enumerate(group)]
    return [mutant for _, _, mutant in sorted(ranked, reverse=True)]

