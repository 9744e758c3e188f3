"""The controller of a crossbar: turns operations into slots of the arrays, at most one a clock cycle."""

from abc import abstractmethod
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, ValueLike, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...contract import lfsr
from ...contract.geometry import CrossbarGeometry
from ...contract.widths import index_bits
from .counters import Counters
from .hazards import Hazards
from .layouts import (
    boost_bits,
    cell_layout,
    command_layout,
    drive_layout,
    position_layout,
    replacement_layout,
    request_layout,
    slot_layout,
    state_bits,
    visit_layout,
)
from .operations import Operation
from .parameters import parameter_layout
from .scan_position import ScanPosition
from .state_port import StatePort

SAMPLES = (Operation.FORWARD, Operation.SELECT)
"""Operations that take a sample. They begin while the operation before is still under way."""
SECOND_PASSES = (Operation.BACKWARD, Operation.UPDATE, Operation.ACCUMULATE)
"""Operations that take the deltas of the sample before."""
PROGRAMMING = (Operation.UPDATE, Operation.PROGRAM, Operation.APPLY)
"""Operations that program the cells that they visit."""


class CrossbarController(wiring.Component):
    """Carries out one operation after the other (see ``Operation``), each as a scan over the words of the arrays. A
    scan takes one slot a clock cycle.

    Those of samples (``FORWARD``, ``SELECT``, ``BACKWARD``, ``UPDATE``, ``ACCUMULATE``) are what a subclass adds: a
    `RowController` for plain geometries, a `WindowController` for others. `StatePort` carries out the operations that
    move words.

    `Hazards` says when a slot may be issued. Slots are also withheld while the queue of programming requests or that of
    the row sums has no room, and given up to the programmer. An operation starts when all effects of the one before
    have reached the arrays; a forward pass starts earlier, with the rows that are not changed any more.

    Where cells relax, a tick of their clock follows on each of `PROGRAMMING`, before the next operation begins.

    Clock cycles: ``rows * folds`` for ``PROGRAM``; those of `StatePort`; 2 for each programmed cell; and the latency of
    the arrays.
    """

    def __init__(self, *, geometry: CrossbarGeometry, ports: dict[str, wiring.Member]) -> None:
        self.geometry = geometry
        generators = len(geometry.lfsrs)
        super().__init__(ports | {
            "command": In(stream.Signature(command_layout(geometry))),
            "x": In(stream.Signature(drive_layout(geometry))),
            "state_in": In(stream.Signature(unsigned(state_bits(geometry)))),
            #: What the arrays do in this clock cycle.
            "slot": Out(slot_layout(geometry)),
            #: What is done with the residuals in it: that of the slot, unless `visit_layout` says otherwise.
            "visit": Out(visit_layout(geometry)),
            #: Selects the learning rate of the update under way.
            "boost": Out(boost_bits(geometry)),
            #: Column sums may be loaded into the ADC.
            "adc_ready": In(1),
            #: All of them have been converted.
            "adc_idle": In(1),
            #: Empties the delta store, which then fills.
            "deltas_start": Out(1),
            #: All deltas of the sample can be asked for in the next clock cycle; they are all zero.
            "deltas_complete": In(1),
            "deltas_zero": In(1),
            #: Room behind the pipeline for what a slot of an update leads to: programming requests and row sums.
            "room": In(1),
            #: No programming request is waiting or being served, and all random numbers are at hand.
            "programmed": In(1),
            #: Cells that the programmer asks for, and those that it has programmed.
            "fetch": In(stream.Signature(position_layout(geometry))),
            "replace": In(stream.Signature(replacement_layout(geometry))),
            #: Program-and-verify, cell by cell.
            "request": Out(stream.Signature(request_layout(geometry))),
            "state_out": Out(stream.Signature(unsigned(state_bits(geometry)))),
            #: The cell at the address and lane of the slot of `fetch_latency` clock cycles before.
            "cell": In(cell_layout(geometry)),
            #: States of the LFSRs in their order in the state, and their replacement by the word at `state_in`.
            "lfsr": In(data.ArrayLayout(lfsr.WIDTH, generators)),
            "lfsr_load": Out(generators),
            #: Replacements of run-time parameters.
            "parameters": Out(parameter_layout(geometry)),
            #: Pulses to count.
            "attempt": In(1),
            "verify_attempt": In(1),
            "failure": In(1),
            "refresh": In(1),
            #: No operation is under way or about to start, and its effects have reached the arrays.
            "idle": Out(1),
        })
        never = {"backward_rows": not geometry.backward, "refreshes": not geometry.device.pair}
        self._scan = ScanPosition(geometry=geometry)
        self._hazards = Hazards(geometry=geometry)
        self._words = StatePort(geometry=geometry)
        self._counters = Counters(names=geometry.counters, counted={
            name: most_counted(geometry, name) for name in geometry.counters if not never.get(name)})
        # One signal a field: a field that is constant in this geometry must not share a signal with one that is not, as
        # an event-driven simulator never evaluates a process without inputs.
        self._slot = SimpleNamespace(**{name: Signal(field.shape, name=f"slot_{name}")
                                        for name, field in slot_layout(geometry)})
        self._operation = Signal(Operation)  # under way
        self._row = Signal(index_bits(geometry.rows))  # that the scan is at
        self._resting = Signal()  # a command may be taken
        self._programs = Signal()  # the operation programs the cells that it visits
        self._may_update = Signal()
        self._ticks = Signal()  # a tick of the cells' clock follows on the operation
        self._relaxes = Signal()  # the cell of the scan, in the row that has been drawn
        self._drawn = Signal.like(self._row)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.scan = self._scan
        m.submodules.hazards = self._hazards
        m.submodules.words = self._words
        m.submodules.counters = self._counters
        self._connect(m)
        with m.FSM() as fsm:
            self._idle(m)
            self._samples(m)
            self._visit_rows(m)
            self._move_words(m)
            if self.geometry.relaxation:
                self._relax(m)
        self._serve_programmer(m)
        m.d.comb += self.idle.eq(fsm.ongoing("idle") & self._hazards.drained & self.adc_idle & ~self.command.valid
                                & ~self._ticks)
        return m

    def _connect(self, m: Module) -> None:
        """What holds in every state, unless the state says otherwise."""
        slot, scan, hazards, words, count = self._slot, self._scan, self._hazards, self._words, self._counters.count
        wiring.connect(m, wiring.flipped(self.state_in), words.state_in)
        wiring.connect(m, words.state_out, wiring.flipped(self.state_out))
        self._request(m)
        wiring.connect(m, words.counters, self._counters.access)
        address = Signal.like(slot.address)
        place = {"address": address, "row": self._row, "fold": scan.fold, "lane": scan.lane}
        cell = cell_layout(self.geometry)
        m.d.comb += [
            self._row.eq(scan.row),
            address.eq(scan.base + self._row),
            slot.address.eq(address),
            slot.row.eq(self._row),
            slot.fold.eq(scan.fold),
            slot.final.eq(scan.last_fold),
            slot.lane.eq(scan.lane),
            slot.cell.eq(data.View(cell, self.state_in.payload[:cell.size])),
            *(self.slot[name].eq(field) for name, field in vars(slot).items()),
            *(words.position[name].eq(place[name]) for name in position_layout(self.geometry).members),
            *(self.visit[name].eq(getattr(slot, name, 0)) for name, _ in self.visit.shape()),
            hazards.slot.eq(self.slot),
            hazards.visit.eq(self.visit),
            hazards.programmed.eq(self.programmed),
            hazards.adc_ready.eq(self.adc_ready),
            words.operation.eq(self._operation),
            words.last_lane.eq(scan.last_lane),
            words.last_word.eq(scan.last_fold & (scan.row == self.geometry.rows - 1)),
            words.may_override.eq(hazards.may_override),
            words.drained.eq(hazards.drained),
            words.cell.eq(self.cell),
            words.lfsr.eq(self.lfsr),
            self.lfsr_load.eq(words.lfsr_load),
            self.parameters.eq(words.parameters),
            count.attempts.eq(self.attempt),
            count.verify_attempts.eq(self.verify_attempt),
            count.failures.eq(self.failure),
            self._programs.eq(one_of(self._operation, PROGRAMMING)),
            self._may_update.eq(hazards.may_update & self.room),
        ]
        if self.geometry.device.pair:
            m.d.comb += count.refreshes.eq(self.refresh)

    @abstractmethod
    def _samples(self, m: Module) -> None:
        """The states of the operations of a sample: `SAMPLES` begin in ``listen``, the others in ``update``."""

    @abstractmethod
    def _begin(self, m: Module) -> None:
        """What happens in the clock cycle in which one of `SAMPLES` is taken."""

    def _idle(self, m: Module) -> None:
        """Takes a command. A sample may be taken early: its first slot waits in ``listen``."""
        command = self.command.payload
        taken, early = Signal(), Signal()
        with m.State("idle"):
            m.d.comb += [
                early.eq(one_of(command.operation, SAMPLES)),
                self.command.ready.eq((self._hazards.drained & self.adc_idle | early) & ~self._ticks),
                taken.eq(self.command.valid & self.command.ready),
                self._scan.rewind.eq(1),
                self._resting.eq(1),
                self._hazards.start.eq(taken & ~early),
            ]
            if self.geometry.relaxation:
                self._tick(m)
            with m.If(taken):
                m.d.sync += Cat(self._operation, self.boost).eq(command)
                if self.geometry.relaxation:
                    m.d.sync += self._ticks.eq(one_of(command.operation, PROGRAMMING))
                with m.Switch(command.operation):
                    with m.Case(*SAMPLES):  # Deltas may come before the last fold has gone forward.
                        m.d.comb += self.deltas_start.eq(1)
                        self._begin(m)
                        m.next = "listen"
                    with m.Case(*SECOND_PASSES):
                        m.next = "update"
                    with m.Case(Operation.PROGRAM):
                        m.next = "rows"
                    with m.Default():
                        m.d.comb += self._words.start.eq(1)
                        m.next = "words"

    def _request(self, m: Module) -> None:
        """Asks the programmer for the cells of `StatePort`, and for those that relax."""
        words, request = self._words.request, self.request.payload
        m.d.comb += [
            self.request.valid.eq(words.valid | self._relaxes),
            words.ready.eq(self.request.ready),
            *(request[name].eq(words.payload[name]) for name in ("position", "write", "state")),
        ]
        if self.geometry.relaxation:
            m.d.comb += request.relax.eq(self._relaxes)

    def _tick(self, m: Module) -> None:
        """When all effects of an operation that programs have reached the arrays, a row is drawn, whose cells relax."""
        drawn = self.lfsr[0][:lfsr.LEAP] * self.geometry.rows >> lfsr.LEAP
        with m.If(self._ticks & self._hazards.drained & self.adc_idle):
            m.d.comb += self._hazards.start.eq(1)
            m.d.sync += [self._ticks.eq(0), self._drawn.eq(drawn)]
            m.next = "relax"

    def _relax(self, m: Module) -> None:
        """Goes through the cells of the row that has been drawn."""
        scan = self._scan
        with m.State("relax"):
            m.d.comb += [
                self._relaxes.eq(1),
                self._row.eq(self._drawn),
                scan.next_lane.eq(self.request.ready),
                scan.next_fold.eq(scan.next_lane & scan.last_lane),
            ]
            with m.If(scan.next_fold & scan.last_fold):
                m.next = "idle"

    def _visit_rows(self, m: Module) -> None:
        """Goes through all rows, for ``PROGRAM``."""
        slot, scan = self._slot, self._scan
        with m.State("rows"):
            with m.If(self._may_update):
                m.d.comb += [
                    slot.write.eq(1),
                    slot.fire.eq(1),
                    scan.next_fold.eq(1),
                    scan.next_row.eq(scan.last_fold),
                ]
                with m.If(scan.last_fold):
                    self._count(m, "visited_rows")
                    with m.If(scan.row == self.geometry.rows - 1):
                        m.next = "idle"

    def _move_words(self, m: Module) -> None:
        """Issues what `StatePort` says."""
        slot, scan, words = self._slot, self._scan, self._words
        with m.State("words"):
            m.d.comb += [
                slot.override.eq(words.assemble),
                slot.assemble.eq(words.assemble),
                slot.write.eq(words.write | words.apply),
                slot.apply.eq(words.apply),
                slot.fire.eq(words.apply),
                scan.next_lane.eq(words.next_lane),
                scan.next_fold.eq(words.next_word),
                scan.next_row.eq(words.next_word & scan.last_fold),
            ]
            with m.If(words.apply & scan.last_fold):
                self._count_update(m)
            with m.If(words.done):
                m.next = "idle"

    def _serve_programmer(self, m: Module) -> None:
        """The programmer displaces whatever the scan would have issued."""
        slot, hazards = self._slot, self._hazards
        m.d.comb += [
            hazards.replace_waits.eq(self.replace.valid),
            hazards.fetch_waits.eq(self.fetch.valid),
            self.replace.ready.eq(hazards.may_replace),
            self.fetch.ready.eq(hazards.may_fetch),
        ]
        with m.If(self.replace.valid & self.replace.ready):
            m.d.comb += [
                slot.address.eq(self.replace.payload.position.address),
                slot.lane.eq(self.replace.payload.position.lane),
                slot.cell.eq(self.replace.payload.cell),
                slot.write.eq(1),
                slot.override.eq(1),
            ]
        with m.Elif(self.fetch.valid & self.fetch.ready):
            m.d.comb += [
                slot.address.eq(self.fetch.payload.address),
                slot.lane.eq(self.fetch.payload.lane),
                slot.fetch.eq(1),
            ]

    def _count(self, m: Module, name: str, number: ValueLike = 1) -> None:
        m.d.comb += self._counters.count[name].eq(number)

    def _count_update(self, m: Module, number: ValueLike = 1) -> None:
        """Counts rows of an update, which are visits if the operation programs."""
        self._count(m, "update_rows", number)
        self._count(m, "visited_rows", Mux(self._programs, number, 0))


def most_counted(geometry: CrossbarGeometry, name: str) -> int:
    """The most that the counter ``name`` counts in a clock cycle."""
    return {"forward_rows": geometry.forward_reads, "backward_rows": geometry.second_reads,
            "update_rows": geometry.second_reads, "visited_rows": geometry.second_reads,
            "product_rows": geometry.second_reads}.get(name, 1)


def one_of(operation: Any, several: Iterable[Any]) -> Any:
    """Whether ``operation`` is one of ``several``."""
    return Cat(operation == one for one in several).any()
