"""The controller of an SDRAM chip."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..basics.delay import delay, delays
from ..basics.queue import Queue
from .memory import WORD_BITS, MemoryInterface, memory_command_layout
from .sdram_chip import (
    BANK_BITS,
    PRECHARGE_ALL,
    START_UP_REFRESHES,
    SdramChip,
    SdramCommand,
    SdramPins,
    SdramTiming,
    mode_word,
)

DEPTH = 16
"""Words that have been read and not yet taken. There are fewer on their way from the chip, so reads need not wait."""
PIPELINE = 3
"""Registers on the way of a command to the chip and of its data back: the controller's, the pads', the data's."""
MARGIN = 64
"""Clock cycles by which a refresh may be late: more than it takes to close a row."""


class Countdown:
    """Waits for up to ``limit`` clock cycles; for the first ``init`` after power-up. A reset does not change what the
    chip demands, so it does not change this."""

    def __init__(self, m: Module, name: str, *, limit: int, init: int = 1) -> None:
        self._left = Signal(range(max(2, limit)), name=name, init=init - 1, reset_less=True)
        self.over: Value = self._left == 0
        with m.If(~self.over):
            m.d.sync += self._left.eq(self._left - 1)

    def start(self, cycles: int) -> Any:
        """The statement that makes it over again ``cycles`` clock cycles from now, and not before."""
        return self._left.eq(max(1, cycles) - 1)


class Columns(wiring.Component):
    """Turns commands into the columns of ``chip`` that they need, ascending.

    Latency: a clock cycle. Throughput: a column a clock cycle, also from command to command. ``i.ready`` depends on
    ``o.ready``. Cost: a register for a command, two counters.
    """

    def __init__(self, chip: SdramChip) -> None:
        self.chip = chip
        super().__init__({
            "i": In(stream.Signature(memory_command_layout(chip.address_bits))),
            "o": Out(stream.Signature(data.StructLayout({
                "write": 1,
                "column": chip.column_bits,
                "bank": BANK_BITS,
                "row": chip.row_bits,
                "last": 1,  # of its word
            }))),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        command, active = Signal.like(self.i.payload, reset_less=True), Signal()
        part = Signal(self.chip.columns_per_word - 1)  # of the word
        column = self.o.payload
        m.d.comb += [
            Cat(column.column, column.bank, column.row).eq(Cat(part, command.address)),
            column.write.eq(command.write),
            column.last.eq(part == self.chip.columns_per_word - 1),
            self.o.valid.eq(active),
            self.i.ready.eq(~active | self.o.ready & column.last & (command.length == 0)),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += part.eq(part + 1)
            with m.If(column.last):
                m.d.sync += [command.address.eq(command.address + 1), command.length.eq(command.length - 1)]
        with m.If(self.i.ready):
            m.d.sync += [command.eq(self.i.payload), active.eq(self.i.valid)]
        return m


class SdramController(wiring.Component):
    """A memory of ``chip.words`` words behind a `MemoryInterface`, in a ``chip`` with the times that
    ``chip.timing(clock_mhz)`` says.

    A word is a column of a chip of 32 bits, or two of a chip of 16, the low half first. Words that follow one another
    fill a row, then the same row of the next bank, after the last bank the next row. One row is open at a time, until
    a column of another row, or a refresh, is wanted. Each column has a command of its own, so bursts of any length and
    place follow one another without a pause within a row.

    Refreshes go before everything else, in the midst of bursts too. What is in the chip outlives resets of the
    controller: the start-up that follows does not wait for power, and refreshes more rows than become due meanwhile.

    Latency: with its row open, the first word of a read is offered ``columns_per_word + cas + PIPELINE + 1`` clock
    cycles after its command is taken; ``rcd`` more with no row open; ``rp`` more again with another one open, and what
    is left of its ``ras`` and ``wr``. Throughput: a column a clock cycle, less ``rp + rcd`` for each row, and
    ``rp + rfc + rcd`` for each refresh. A column that is written waits for ``cas`` clock cycles after one that is read.
    ``commands.ready`` depends on ``writes.valid``. Cost: a queue of `DEPTH` words. Raises ``ValueError`` if the clock
    is too slow for the chip's refreshes.
    """

    def __init__(self, *, chip: SdramChip, timing: SdramTiming) -> None:
        self.chip = chip
        self.timing = timing
        if self.refresh_interval <= MARGIN:
            raise ValueError(f"refresh_period={timing.refresh_period}: too few clock cycles for "
                             f"{chip.refreshes} refreshes")
        super().__init__({
            #: The user's end is `port`, flipped.
            "port": In(MemoryInterface(chip.address_bits)),
            "pins": Out(SdramPins(chip)),
        })

    @property
    def refresh_interval(self) -> int:
        """Clock cycles from refresh to refresh."""
        return (self.timing.refresh_period - self.timing.power_up - MARGIN) // self.chip.refreshes

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        timing, pins = self.timing, self.pins
        m.submodules.columns = columns = Columns(self.chip)
        wiring.connect(m, wiring.flipped(self.port.commands), columns.i)
        wanted, place = columns.o.payload, Cat(columns.o.payload.bank, columns.o.payload.row)

        issued = Signal(SdramCommand)
        m.d.comb += columns.o.ready.eq((issued == SdramCommand.READ) | (issued == SdramCommand.WRITE))
        m.d.sync += [pins.command.eq(issued), pins.ba.eq(wanted.bank)]
        room, due = self._reads(m, issued, wanted.last), self._due(m, issued)
        self._writes(m, issued, wanted.last)

        longest = max(timing.power_up, timing.rfc, timing.mrd, timing.rp, timing.rcd)
        wait = Countdown(m, "wait", limit=longest, init=timing.power_up)  # before any command
        open_time = max(timing.ras, timing.rc - timing.rp)
        active = Countdown(m, "active", limit=open_time)  # these three before the row is closed
        written = Countdown(m, "written", limit=timing.wr)
        fetched = Countdown(m, "fetched", limit=timing.read_to_precharge)
        closes = active.over & written.over & fetched.over
        ready = self._start_up(m, issued, wait, closes)
        turn = Countdown(m, "turn", limit=timing.read_to_write)  # before a column is written
        is_open, opened = Signal(), Signal.like(place, reset_less=True)
        hit = is_open & (opened == place)

        with m.If(~ready | ~wait.over):
            pass
        with m.Elif(is_open & (due | columns.o.valid & ~hit)):
            with m.If(closes):
                m.d.comb += issued.eq(SdramCommand.PRECHARGE)
                m.d.sync += [pins.a.eq(PRECHARGE_ALL), is_open.eq(0), wait.start(timing.rp)]
        with m.Elif(due):
            m.d.comb += issued.eq(SdramCommand.REFRESH)
            m.d.sync += wait.start(timing.rfc)
        with m.Elif(columns.o.valid & ~is_open):
            m.d.comb += issued.eq(SdramCommand.ACTIVE)
            m.d.sync += [pins.a.eq(wanted.row), is_open.eq(1), opened.eq(place), wait.start(timing.rcd),
                         active.start(open_time)]
        with m.Elif(columns.o.valid & wanted.write):
            with m.If(self.port.writes.valid & turn.over):
                m.d.comb += issued.eq(SdramCommand.WRITE)
                m.d.sync += [pins.a.eq(wanted.column), written.start(timing.wr)]
        with m.Elif(columns.o.valid & room):
            m.d.comb += issued.eq(SdramCommand.READ)
            m.d.sync += [pins.a.eq(wanted.column), fetched.start(timing.read_to_precharge),
                         turn.start(timing.read_to_write)]
        return m

    def _start_up(self, m: Module, issued: Signal, wait: Countdown, closes: Value) -> Value:
        """Issues the commands of the start-up. It begins when a row that is open may be closed. Returns whether it is
        done; until then, data are masked."""
        step = Signal(range(START_UP_REFRESHES + 3))
        ready = step == START_UP_REFRESHES + 2
        m.d.sync += self.pins.dqm.eq((~ready).replicate(len(self.pins.dqm)))
        with m.If(~ready & wait.over & closes):
            m.d.sync += step.eq(step + 1)
            with m.Switch(step):
                with m.Case(0):
                    m.d.comb += issued.eq(SdramCommand.PRECHARGE)
                    m.d.sync += [self.pins.a.eq(PRECHARGE_ALL), wait.start(self.timing.rp)]
                with m.Case(START_UP_REFRESHES + 1):
                    m.d.comb += issued.eq(SdramCommand.MODE)
                    m.d.sync += [self.pins.a.eq(mode_word(self.timing.cas)), self.pins.ba.eq(0),
                                 wait.start(self.timing.mrd)]
                with m.Default():
                    m.d.comb += issued.eq(SdramCommand.REFRESH)
                    m.d.sync += wait.start(self.timing.rfc)
        return ready

    def _due(self, m: Module, issued: Signal) -> Value:
        """Whether it is time to refresh."""
        due, left = Signal(), Signal(range(self.refresh_interval))
        m.d.sync += left.eq(Mux(left == 0, self.refresh_interval - 1, left - 1))
        with m.If(left == 0):
            m.d.sync += due.eq(1)
        with m.Elif(issued == SdramCommand.REFRESH):
            m.d.sync += due.eq(0)
        return due

    def _writes(self, m: Module, issued: Signal, last: Value) -> None:
        """Sends columns of words that are written; ``last`` says whether the column ends its word."""
        word, bits = self.port.writes.payload, self.chip.data_bits
        m.d.comb += self.port.writes.ready.eq((issued == SdramCommand.WRITE) & last)
        m.d.sync += [
            self.pins.dq_oe.eq(issued == SdramCommand.WRITE),
            self.pins.dq_o.eq(Mux(last, word[-bits:], word[:bits])),
        ]

    def _reads(self, m: Module, issued: Signal, last: Value) -> Value:
        """Assembles words of the columns that come back. Returns whether there is room for the word of another one."""
        m.submodules.words = words = Queue(shape=WORD_BITS, depth=DEPTH)
        wiring.connect(m, words.o, wiring.flipped(self.port.reads))
        read, ends = Signal(), Signal()
        m.d.comb += [read.eq(issued == SdramCommand.READ), ends.eq(read & last)]
        arrives = delay(m, read, self.timing.cas + PIPELINE - 1)
        _, *newest = delays(m, self.pins.dq_i, self.chip.columns_per_word, arrives)
        m.d.comb += [
            words.i.payload.eq(Cat(reversed(newest))),
            words.i.valid.eq(delay(m, ends, self.timing.cas + PIPELINE)),
        ]
        room = Signal(range(DEPTH + 1), init=DEPTH)
        m.d.sync += room.eq(room - ends + (words.o.valid & words.o.ready))
        return room != 0
