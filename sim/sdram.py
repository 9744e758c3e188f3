"""A model of an SDRAM chip that checks the rules of its data sheet.

The rules are an Amaranth component, so they hold alike in Amaranth's simulator, in Verilator and in Icarus. The cells
are not: a chip has too many for a memory of Verilog that Amaranth initialises. Whatever simulates the model keeps them:
`SdramCells` in Amaranth's simulator.
"""

from importlib import resources
from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import enum, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from ..contract.errors import SpinloomError
from ..hw.basics.delay import delay, delays
from ..hw.store.memory import MemoryInterface
from ..hw.store.sdram import SdramController
from ..hw.store.sdram_chip import (
    BANK_BITS,
    PRECHARGE_ALL,
    START_UP_REFRESHES,
    SdramChip,
    SdramCommand,
    SdramPins,
    SdramTiming,
    mode_word,
)

BANKS = 1 << BANK_BITS
NOBODY = 0x5A
"""What is read on each byte of data pins that nobody drives."""
DQM_LATENCY = 2
"""Clock cycles from `dqm` to the byte that it masks after a read."""
CLOCK_BITS = 32
"""Width of the model's clock, which tells the age of refreshes."""


class SdramRule(enum.Enum, shape=5):  # type: ignore[call-arg]  # Amaranth's enumerations have one
    """The rules that a controller can break."""

    NONE = 0
    POWER_UP = 1
    START_UP = 2
    MODE = 3
    UNKNOWN = 4
    RCD = 5
    RP = 6
    RAS = 7
    RC = 8
    RFC = 9
    RRD = 10
    WR = 11
    MRD = 12
    READ_CUT = 13
    CLOSED = 14
    OPEN = 15
    REFRESH = 16
    CONTENTION = 17
    UNDRIVEN = 18


MEANING: dict[Any, str] = {
    SdramRule.POWER_UP: "a command before the chip had time to power up",
    SdramRule.START_UP: "a row is opened before the start-up: PRECHARGE of all banks, "
                        f"{START_UP_REFRESHES} times REFRESH, MODE",
    SdramRule.MODE: "a mode that the model does not know: it knows single columns and the CAS latency of its timing",
    SdramRule.UNKNOWN: "a command that the model does not know: BURST_STOP, or a column with automatic precharge",
    SdramRule.RCD: "tRCD: READ or WRITE too soon after ACTIVE",
    SdramRule.RP: "tRP: ACTIVE, REFRESH or MODE too soon after PRECHARGE",
    SdramRule.RAS: "tRAS: PRECHARGE too soon after ACTIVE",
    SdramRule.RC: "tRC: ACTIVE or REFRESH too soon after ACTIVE of the same bank",
    SdramRule.RFC: "tRFC: a command too soon after REFRESH",
    SdramRule.RRD: "tRRD: ACTIVE too soon after ACTIVE of another bank",
    SdramRule.WR: "tWR: PRECHARGE too soon after WRITE",
    SdramRule.MRD: "tMRD: a command too soon after MODE",
    SdramRule.READ_CUT: "PRECHARGE cuts off the data of a READ",
    SdramRule.CLOSED: "READ or WRITE in a bank with no open row",
    SdramRule.OPEN: "ACTIVE of a bank with an open row, or REFRESH or MODE while a bank has one",
    SdramRule.REFRESH: "a row has not been refreshed in time",
    SdramRule.CONTENTION: "controller and chip drive the data pins at once",
    SdramRule.UNDRIVEN: "WRITE while the controller does not drive the data pins",
}


class SdramError(SpinloomError, AssertionError):
    """A controller broke a rule of its SDRAM chip."""


def check(broken: Any, cycle: int) -> None:
    """``SdramError`` if ``broken``, the `SdramRule` or its number that the model gives before ``cycle``, is a rule."""
    if (rule := SdramRule(broken)) != SdramRule.NONE:
        raise SdramError(f"before clock cycle {cycle}: {MEANING[rule]}")


def cells_driver(component: wiring.Component) -> str:
    """The C++ text with which a driver of ``component`` keeps the cells of its SDRAM: ``Cells``, made from
    ``CELL_ADDRESS_BITS``. ``component`` has the ports ``cells`` and ``broken`` of the model, if it has an SDRAM."""
    text = resources.files(__package__).joinpath("sdram.h").read_text(encoding="utf-8")
    kind, bits = ("SdramCells", len(component.cells.address)) if has_sdram(component) else ("NoCells", 0)
    return f"{text}\nusing Cells = {kind};\nenum {{ CELL_ADDRESS_BITS = {bits} }};\n\n"


def has_sdram(component: wiring.Component) -> bool:
    """Whether ``component`` has the ports of an SDRAM's model."""
    return "cells" in component.signature.members


Broken = tuple[Any, Value]
"""An `SdramRule`, and when it is broken."""


class CellArray(wiring.Signature):
    """The cells of ``chip``, as the model sees them: a column a clock cycle is read, or written byte by byte."""

    def __init__(self, chip: SdramChip) -> None:
        super().__init__({
            #: Column in the low bits, then bank, then row.
            "address": Out(chip.column_bits + BANK_BITS + chip.row_bits),
            #: The bytes to be written.
            "write": Out(chip.data_bits // 8),
            "write_data": Out(chip.data_bits),
            #: The column at ``address`` of the clock cycle before.
            "read_data": In(chip.data_bits),
        })


class SdramModel(wiring.Component):
    """A ``chip`` behind the registers of its pads, with its times at the clock (`SdramTiming`).

    ``broken`` is the first rule that was broken. Data that nobody drives are `NOBODY`. The model is stricter than a
    chip: it knows only bursts of one column, takes data pins for driven in every clock cycle in which the chip may
    drive them, whatever ``dqm`` says, and does not count an opened row as refreshed. It lets rows stay open for any
    time. A reset of the design does not reset it: it powers up when the simulation begins.
    """

    def __init__(self, *, chip: SdramChip, timing: SdramTiming) -> None:
        self.chip = chip
        self.timing = timing
        super().__init__({
            "pins": In(SdramPins(chip)),
            "cells": Out(CellArray(chip)),
            "broken": Out(SdramRule),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pins, cells, told = self.pins, self.cells, self._told
        rows = Array(Signal(self.chip.row_bits, name=f"row_{bank}", reset_less=True) for bank in range(BANKS))
        with m.If(told(SdramCommand.ACTIVE)):
            m.d.sync += rows[pins.ba].eq(pins.a)
        m.d.comb += [
            cells.address.eq(Cat(pins.a[:self.chip.column_bits], pins.ba, rows[pins.ba])),
            cells.write.eq(Mux(told(SdramCommand.WRITE), ~pins.dqm, 0)),
            cells.write_data.eq(pins.dq_o),
        ]
        self._drive(m, told(SdramCommand.READ))
        self._check(m, [*self._start_up(m), *self._banks(m), *self._refreshes(m), *self._data(m)])
        return m

    def _told(self, command: Any) -> Value:
        """Whether the chip is told ``command`` in this clock cycle."""
        return self.pins.command == command

    def _drive(self, m: Module, read: Signal) -> None:
        """The data pins, seen by the controller."""
        pins, cas = self.pins, self.timing.cas
        driven, masked = delay(m, read, cas + 1), delay(m, pins.dqm, DQM_LATENCY + 1)
        column = delay(m, self.cells.read_data, cas)
        m.d.comb += pins.dq_i.eq(Cat(Mux(driven & ~masked[byte], column.word_select(byte, 8), NOBODY)
                                     for byte in range(len(pins.dqm))))

    def _check(self, m: Module, broken: list[Broken]) -> None:
        """Keep the first rule of which one of the conditions holds."""
        first = Signal(SdramRule, reset_less=True)
        m.d.comb += self.broken.eq(first)
        with m.If(first == SdramRule.NONE):
            for rule, condition in broken:
                with m.If(condition):
                    m.d.sync += first.eq(rule)

    def _start_up(self, m: Module) -> list[Broken]:
        pins, timing, told = self.pins, self.timing, self._told
        command = ~told(SdramCommand.NOP)
        uptime = _age(m, Const(0), timing.power_up, init=0)
        closed, moded = Signal(reset_less=True), Signal(reset_less=True)
        refreshed = Signal(range(START_UP_REFRESHES + 1), reset_less=True)
        with m.If(told(SdramCommand.PRECHARGE) & self._all_banks):
            m.d.sync += closed.eq(1)
        with m.If(told(SdramCommand.REFRESH) & (refreshed != START_UP_REFRESHES)):
            m.d.sync += refreshed.eq(refreshed + 1)
        with m.If(told(SdramCommand.MODE)):
            m.d.sync += moded.eq(1)
        column = told(SdramCommand.READ) | told(SdramCommand.WRITE)
        return [
            (SdramRule.POWER_UP, command & (uptime < timing.power_up)),
            (SdramRule.START_UP, ~closed & (told(SdramCommand.REFRESH) | told(SdramCommand.MODE))),
            (SdramRule.START_UP, told(SdramCommand.ACTIVE) & ~(closed & moded & (refreshed == START_UP_REFRESHES))),
            (SdramRule.MODE, told(SdramCommand.MODE) & (Cat(pins.a, pins.ba) != mode_word(timing.cas))),
            (SdramRule.MRD, command & (_age(m, told(SdramCommand.MODE), timing.mrd) < timing.mrd)),
            (SdramRule.UNKNOWN, told(SdramCommand.BURST_STOP) | column & self._all_banks),
        ]

    def _banks(self, m: Module) -> list[Broken]:
        opened, rrd = self._told(SdramCommand.ACTIVE), self.timing.rrd
        return [(SdramRule.RRD, opened & (_age(m, opened, rrd) < rrd)),
                *(broken for bank in range(BANKS) for broken in self._bank(m, bank))]

    def _bank(self, m: Module, bank: int) -> list[Broken]:
        timing, told, here = self.timing, self._told, self.pins.ba == bank
        read, written = told(SdramCommand.READ) & here, told(SdramCommand.WRITE) & here
        opened = told(SdramCommand.ACTIVE) & here
        closed = told(SdramCommand.PRECHARGE) & (here | self._all_banks)
        wants_idle = opened | told(SdramCommand.REFRESH) | told(SdramCommand.MODE)
        is_open = Signal(name=f"is_open_{bank}", reset_less=True)
        with m.If(opened):
            m.d.sync += is_open.eq(1)
        with m.If(closed):
            m.d.sync += is_open.eq(0)
        since_opened = _age(m, opened, max(timing.rcd, timing.ras, timing.rc))
        return [
            (SdramRule.RCD, (read | written) & (since_opened < timing.rcd)),
            (SdramRule.RP, wants_idle & (_age(m, closed, timing.rp) < timing.rp)),
            (SdramRule.RAS, closed & (since_opened < timing.ras)),
            (SdramRule.RC, (opened | told(SdramCommand.REFRESH)) & (since_opened < timing.rc)),
            (SdramRule.WR, closed & (_age(m, written, timing.wr) < timing.wr)),
            (SdramRule.READ_CUT, closed & (_age(m, read, timing.read_to_precharge) < timing.read_to_precharge)),
            (SdramRule.CLOSED, (read | written) & ~is_open),
            (SdramRule.OPEN, wants_idle & is_open),
        ]

    def _refreshes(self, m: Module) -> list[Broken]:
        """Rows are refreshed in turn, so the next one is always that which has waited longest."""
        timing, refresh = self.timing, self._told(SdramCommand.REFRESH)
        now, next_ = Signal(CLOCK_BITS, reset_less=True), Signal(range(self.chip.refreshes), reset_less=True)
        m.submodules.refreshed = refreshed = Memory(shape=unsigned(CLOCK_BITS), depth=self.chip.refreshes, init=[])
        at, last = refreshed.write_port(), refreshed.read_port(domain="comb")
        m.d.comb += [at.addr.eq(next_), at.data.eq(now), at.en.eq(refresh), last.addr.eq(next_)]
        m.d.sync += now.eq(now + 1)
        with m.If(refresh):
            m.d.sync += next_.eq(Mux(next_ == self.chip.refreshes - 1, 0, next_ + 1))
        return [
            (SdramRule.RFC, ~self._told(SdramCommand.NOP) & (_age(m, refresh, timing.rfc) < timing.rfc)),
            (SdramRule.REFRESH, (now - last.data)[:CLOCK_BITS] > timing.refresh_period),
        ]

    def _data(self, m: Module) -> list[Broken]:
        driven_by_chip = delays(m, self._told(SdramCommand.READ), self.timing.cas)[-2:]
        return [
            (SdramRule.CONTENTION, self.pins.dq_oe & Cat(driven_by_chip).any()),
            (SdramRule.UNDRIVEN, self._told(SdramCommand.WRITE) & ~self.pins.dq_oe),
        ]

    @property
    def _all_banks(self) -> Value:
        """The address bit that means all banks to ``PRECHARGE``, and automatic precharge to a column."""
        return (self.pins.a & PRECHARGE_ALL).any()


def _age(m: Module, event: Value, limit: int, init: int | None = None) -> Signal:
    """Clock cycles since ``event``, but at most ``limit``; that or ``init`` before the first."""
    age = Signal(range(limit + 1), name="age", init=limit if init is None else init, reset_less=True)
    with m.If(event):
        m.d.sync += age.eq(1)
    with m.Elif(age != limit):
        m.d.sync += age.eq(age + 1)
    return age


class SdramMemory(wiring.Component):
    """A memory for simulations: a controller with the model of its ``chip``.

    ``timing`` is what the chip demands, ``assumed`` what the controller goes by, if that is something else.
    """

    def __init__(self, *, chip: SdramChip, timing: SdramTiming, assumed: SdramTiming | None = None) -> None:
        self.controller = SdramController(chip=chip, timing=assumed or timing)
        self.model = SdramModel(chip=chip, timing=timing)
        super().__init__({
            "port": In(MemoryInterface(chip.address_bits)),
            "cells": Out(CellArray(chip)),
            "broken": Out(SdramRule),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.controller, m.submodules.model = self.controller, self.model
        wiring.connect(m, wiring.flipped(self.port), self.controller.port)
        wiring.connect(m, self.controller.pins, self.model.pins)
        wiring.connect(m, self.model.cells, wiring.flipped(self.cells))
        m.d.comb += self.broken.eq(self.model.broken)
        return m


class SdramCells:
    """The cells of ``chip``, the top of a simulation in Amaranth's ``simulator``: ``columns`` holds those that were
    written, by address; others are 0.

    The simulation ends in an `SdramError` when a rule is broken.
    """

    def __init__(self, simulator: Simulator, chip: SdramModel | SdramMemory) -> None:
        self.columns: dict[int, int] = {}
        self._chip = chip
        simulator.add_process(self._run)

    async def _run(self, context: Any) -> None:
        cells, cycle = self._chip.cells, 0
        sampled = context.tick().sample(cells.address, cells.write, cells.write_data, self._chip.broken)
        async for _, _, address, write, data, broken in sampled:
            check(broken, cycle)
            context.set(cells.read_data, self.columns.get(address, 0))
            if write:
                mask = sum(0xFF << 8 * byte for byte in range(len(cells.write)) if write >> byte & 1)
                self.columns[address] = self.columns.get(address, 0) & ~mask | data & mask
            cycle += 1
