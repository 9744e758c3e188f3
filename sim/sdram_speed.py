"""``python -m spinloom.sim.sdram_speed``: words a clock cycle of the boards' SDRAM, as docs/store.md shows them.

Verilator runs the controller with the model of the chip, which checks its rules, altogether for longer than a refresh
period. Every word that is read is compared.
"""

from dataclasses import dataclass
from typing import Any

import click
import numpy as np
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from ..hw.store.memory import WORD_BITS, MemoryInterface, memory_command_layout
from ..hw.store.sdram_chip import TANG_NANO_20K_SDRAM, ULX3S_SDRAM, SdramChip
from ..render import markdown
from .bench import complete
from .benches.compiled import CompiledBench
from .sdram import CellArray, SdramError, SdramMemory, SdramRule

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

    def addresses(self, words: int, size: int) -> np.ndarray:
        """Of the first words of its bursts, for ``words`` words altogether, in a memory of ``size`` words."""
        count = words // self.length
        if self.sequential:
            return np.arange(count) * self.length
        return np.random.default_rng(1).integers(size - self.length, size=count)


PATTERNS = (
    Pattern(name="reads in order", length=256, sequential=True),
    Pattern(name="writes in order", length=256, sequential=True, write=True),
    Pattern(name="reads of 256 words anywhere", length=256),
    Pattern(name="reads of 64 words anywhere", length=64),
    Pattern(name="reads of 8 words anywhere", length=8),
    Pattern(name="reads of a word anywhere", length=1),
)


class MeasuredMemory(wiring.Component):
    """``memory`` with the streams of its port, and ``idle`` while all words of its commands have been moved."""

    def __init__(self, memory: SdramMemory) -> None:
        self.memory = memory
        chip = memory.model.chip
        super().__init__({
            **MemoryInterface(chip.address_bits).flip().members,
            "cells": Out(CellArray(chip)),
            "broken": Out(SdramRule),
            "idle": Out(1),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.memory = memory = self.memory
        port, left = memory.port, Signal(WORD_BITS)
        for name in ("commands", "writes"):
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(port, name))
        wiring.connect(m, port.reads, wiring.flipped(self.reads))
        wiring.connect(m, memory.cells, wiring.flipped(self.cells))
        taken, written, read = (port.commands.valid & port.commands.ready, port.writes.valid & port.writes.ready,
                                port.reads.valid & port.reads.ready)
        with m.If(taken):
            m.d.sync += left.eq(left + port.commands.payload.length + 1 - written - read)
        with m.Else():
            m.d.sync += left.eq(left - written - read)
        m.d.comb += [self.broken.eq(memory.broken), self.idle.eq(left == 0)]
        return m


def content(addresses: np.ndarray) -> np.ndarray:
    """The word at each of ``addresses``, always."""
    return ((addresses ^ addresses >> 15) * 0x9E3779B1).astype(np.uint32)


class SpeedBench:
    """Moves words through ``memory``, compiled. Raises ``SimulatorError`` if Verilator cannot be used."""

    def __init__(self, memory: SdramMemory) -> None:
        self._chip = chip = memory.model.chip
        self.bench = bench = CompiledBench(MeasuredMemory(memory))
        bench.columns[:] = content(np.arange(chip.words)).view(f"<u{chip.data_bits // 8}")
        self._commands = bench.source("commands", memory_command_layout(chip.address_bits))
        self._writes, self._reads = bench.source("writes", WORD_BITS), bench.sink("reads", WORD_BITS)

    def move(self, pattern: Pattern, words: int) -> int:
        """The clock cycles that ``words`` words take. ``SdramError`` for a broken rule or a wrong word."""
        first = pattern.addresses(words, self._chip.words)
        moved = content((first[:, None] + np.arange(pattern.length)).ravel())
        length = (pattern.length - 1) << (1 + self._chip.address_bits)
        begin = self.bench.cycle
        self._commands.put_words((pattern.write | first << 1 | length).tolist())
        self._writes.put_words(moved.tolist() if pattern.write else [])
        count = 0 if pattern.write else words
        complete(self.bench.until(lambda: len(self._reads) == count and self._writes.idle and self.bench.idle))
        cycles = self.bench.cycle - begin
        if not np.array_equal(self._reads.take_words(count), moved[:count]):
            raise SdramError("a word was read that is not in the memory")
        return cycles


def speeds(chip: SdramChip, clock_mhz: float) -> list[float]:
    """Words a clock cycle of each of `PATTERNS`."""
    bench = SpeedBench(SdramMemory(chip=chip, timing=chip.timing(clock_mhz)))
    bench.move(PATTERNS[-1], 1)  # which waits for the start-up
    return [WORDS / bench.move(pattern, WORDS) for pattern in PATTERNS]


def table() -> str:
    """In Markdown."""
    columns = [[f"{speed:.3f} ({4 * speed * clock_mhz:.0f} MB/s)" for speed in speeds(chip, clock_mhz)]
               for chip, clock_mhz in MEMORIES.values()]
    return markdown.table(("words a clock cycle", *MEMORIES),
                          [(pattern.name, *row) for pattern, *row in zip(PATTERNS, *columns, strict=True)],
                          right=range(1, 1 + len(MEMORIES)))


@click.command(help=__doc__)
def main() -> None:
    click.echo(table())


if __name__ == "__main__":
    main()
