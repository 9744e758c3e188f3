"""``python -m spinloom.sim.sdram_speed``: words a clock cycle of the boards' SDRAM, as docs/store.md shows them.

Verilator runs the controller with the model of the chip, which checks its rules, altogether for longer than a refresh
period. Every word that is read is compared.
"""

import ctypes
from dataclasses import dataclass
from importlib import resources

import click

from ..hw.export.verilog import to_verilog
from ..hw.store.sdram_chip import TANG_NANO_20K_SDRAM, ULX3S_SDRAM, SdramChip
from ..render import markdown
from .sdram import MEANING, SdramError, SdramMemory, SdramRule
from .simulators.library import build, declare
from .simulators.toolchain import TOP

MEMORIES = {
    "ULX3S at 50 MHz": (ULX3S_SDRAM, 50),
    "ULX3S at 100 MHz": (ULX3S_SDRAM, 100),
    "Tang Nano 20K at 27 MHz": (TANG_NANO_20K_SDRAM, 27),
}
"""A chip, and the clock of the design in MHz."""
WORDS = 1 << 19
"""That are moved in each pattern."""


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """Bursts of ``length`` words that follow one another in memory, or lie anywhere."""

    name: str
    length: int
    write: bool = False
    sequential: bool = False


PATTERNS = (
    Pattern(name="reads in order", length=256, sequential=True),
    Pattern(name="writes in order", length=256, sequential=True, write=True),
    Pattern(name="reads of 256 words anywhere", length=256),
    Pattern(name="reads of 64 words anywhere", length=64),
    Pattern(name="reads of 8 words anywhere", length=8),
    Pattern(name="reads of a word anywhere", length=1),
)


class CompiledMemory:
    """``memory``, compiled, until the end of a ``with``. ``SimulatorError`` if Verilator cannot be used."""

    def __init__(self, memory: SdramMemory) -> None:
        files = resources.files(__package__)
        driver = "".join(files.joinpath(name).read_text(encoding="utf-8") for name in ("sdram.h", "sdram_speed.cpp"))
        handle, chip = ctypes.c_void_p, memory.model.chip
        self._library = declare(build(to_verilog(memory, TOP), driver), (
            ("memory_new", handle, [ctypes.c_uint, ctypes.c_uint]),
            ("memory_delete", None, [handle]),
            ("memory_broken", ctypes.c_uint, [handle]),
            ("memory_move", ctypes.c_uint64, [handle, ctypes.c_bool, ctypes.c_bool, ctypes.c_uint, ctypes.c_size_t]),
        ))
        self._handle = self._library.memory_new(chip.address_bits, chip.data_bits)

    def __enter__(self) -> "CompiledMemory":
        return self

    def __exit__(self, *error: object) -> None:
        self._library.memory_delete(self._handle)

    def move(self, pattern: Pattern, words: int) -> int:
        """The clock cycles that ``words`` words take. ``SdramError`` for a broken rule or a wrong word."""
        cycles = self._library.memory_move(self._handle, pattern.write, pattern.sequential, pattern.length,
                                           words // pattern.length)
        if not cycles:
            broken = SdramRule(self._library.memory_broken(self._handle))
            raise SdramError(MEANING.get(broken, "a word was read that was not written"))
        return cycles


def speeds(chip: SdramChip, clock_mhz: float) -> list[float]:
    """Words a clock cycle of each of `PATTERNS`."""
    with CompiledMemory(SdramMemory(chip=chip, timing=chip.timing(clock_mhz))) as memory:
        memory.move(PATTERNS[-1], 1)  # which waits for the start-up
        return [WORDS / memory.move(pattern, WORDS) for pattern in PATTERNS]


@click.command(help=__doc__)
def main() -> None:
    click.echo(table())


def table() -> str:
    """In Markdown."""
    columns = [[f"{speed:.3f} ({4 * speed * clock_mhz:.0f} MB/s)" for speed in speeds(chip, clock_mhz)]
               for chip, clock_mhz in MEMORIES.values()]
    return markdown.table(("words a clock cycle", *MEMORIES),
                          [(pattern.name, *row) for pattern, *row in zip(PATTERNS, *columns, strict=True)],
                          right=range(1, 1 + len(MEMORIES)))


if __name__ == "__main__":
    main()
