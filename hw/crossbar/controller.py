"""The controller of a crossbar: turns operations into slots of the arrays, at most one a clock cycle."""

from types import SimpleNamespace
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...contract import lfsr
from ...contract.geometry import COUNTERS, CrossbarGeometry
from ...contract.widths import index_bits
from .active_rows import ActiveRows
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
)
from .operations import Operation
from .parameters import parameter_layout
from .scan_position import ScanPosition
from .state_port import StatePort

SAMPLES = (Operation.FORWARD, Operation.SELECT)
"""Operations that take a sample. They begin while the operation before is still under way."""
PROGRAMMING = (Operation.UPDATE, Operation.PROGRAM, Operation.APPLY)
"""Operations that program the cells that they visit."""


class CrossbarController(wiring.Component):
    """Carries out one operation after the other (see ``Operation``), each as a scan over the words of the arrays.

    A scan takes one slot a clock cycle, and only for rows that matter: the active rows of the sample (`ActiveRows`) and
    the bias row. An update whose deltas are all zero reads no row. A forward pass goes fold by fold: the first fold
    while the drive arrives, the others from the list. An update goes row by row. `StatePort` carries out the operations
    that move words.

    `Hazards` says when a slot may be issued. Slots are also withheld while the queue of programming requests or that of
    the row sums has no room, and given up to the programmer. An operation starts when all effects of the one before
    have reached the arrays; a forward pass starts earlier, with the rows that are not changed any more.

    Clock cycles, with ``n`` active rows (bias included): ``n * folds`` a forward pass or update, plus 1 for the first
    fold that is replayed from the list, plus 2 for each programmed cell; ``rows * folds`` for ``PROGRAM``; those of
    `StatePort`; and the latency of the arrays.
    """

    def __init__(self, *, geometry: CrossbarGeometry, backward: bool) -> None:
        self.geometry = geometry
        self.backward = backward
        generators = len(geometry.lfsrs)
        super().__init__({
            "command": In(stream.Signature(command_layout(geometry))),
            "x": In(stream.Signature(drive_layout(geometry))),
            "state_in": In(stream.Signature(unsigned(state_bits(geometry)))),
            #: What the arrays do in this clock cycle.
            "slot": Out(slot_layout(geometry)),
            #: Selects the learning rate of the update under way.
            "boost": Out(boost_bits(geometry)),
            #: A row sum to be answered leaves with this slot.
            "answer": Out(1),
            #: Column sums may be loaded into the ADC.
            "adc_ready": In(1),
            #: All of them have been converted.
            "adc_idle": In(1),
            #: Empties the delta store, which then fills.
            "deltas_start": Out(1),
            #: All deltas of the sample can be asked for in the next clock cycle; they are all zero.
            "deltas_complete": In(1),
            "deltas_zero": In(1),
            #: Room behind the pipeline for row sums and for programming requests.
            "row_sum_room": In(1),
            "request_room": In(1),
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
        never = {"backward_rows": not backward, "refreshes": not geometry.device.pair}
        self._rows = ActiveRows(geometry=geometry)
        self._scan = ScanPosition(geometry=geometry)
        self._hazards = Hazards(geometry=geometry)
        self._words = StatePort(geometry=geometry)
        self._counters = Counters(counted=tuple(name for name in COUNTERS if not never.get(name)))
        # One signal a field: a field that is constant in this geometry must not share a signal with one that is not, as
        # an event-driven simulator never evaluates a process without inputs.
        self._slot = SimpleNamespace(**{name: Signal(field.shape, name=f"slot_{name}")
                                        for name, field in slot_layout(geometry)})
        self._operation = Signal(Operation)  # under way
        self._row = Signal(index_bits(geometry.rows))  # that the scan is at
        self._fresh = Signal()  # the column sums of this fold start
        self._programs = Signal()  # the operation programs the cells that it visits
        self._may_update = Signal()

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.active = self._rows
        m.submodules.scan = self._scan
        m.submodules.hazards = self._hazards
        m.submodules.words = self._words
        m.submodules.counters = self._counters
        self._connect(m)
        with m.FSM() as fsm:
            self._idle(m)
            self._listen(m)
            if self.geometry.folds > 1:
                self._replay(m)
            if self.geometry.bias:
                self._forward_bias(m)
            self._update(m)
            if self.backward:
                self._silent(m)
            self._update_bias(m)
            self._visit_rows(m)
            self._move_words(m)
        self._serve_programmer(m)
        m.d.comb += self.idle.eq(fsm.ongoing("idle") & self._hazards.drained & self.adc_idle & ~self.command.valid)
        return m

    def _connect(self, m: Module) -> None:
        """What holds in every state, unless the state says otherwise."""
        slot, scan, hazards, words, count = self._slot, self._scan, self._hazards, self._words, self._counters.count
        wiring.connect(m, wiring.flipped(self.state_in), words.state_in)
        wiring.connect(m, words.state_out, wiring.flipped(self.state_out))
        wiring.connect(m, words.request, wiring.flipped(self.request))
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
            self._rows.drive.eq(self.x.payload),
            hazards.slot.eq(self.slot),
            hazards.programmed.eq(self.programmed),
            hazards.adc_ready.eq(self.adc_ready),
            hazards.row.eq(self.x.payload.row),
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
            self._programs.eq(_one_of(self._operation, PROGRAMMING)),
            self._may_update.eq(hazards.may_update & self.request_room & self.row_sum_room),
        ]
        if self.geometry.device.pair:
            m.d.comb += count.refreshes.eq(self.refresh)

    def _idle(self, m: Module) -> None:
        """Takes a command. A sample may be taken early: its first slot waits in ``listen``."""
        command = self.command.payload
        taken, early = Signal(), Signal()
        with m.State("idle"):
            m.d.comb += [
                early.eq(_one_of(command.operation, SAMPLES)),
                self.command.ready.eq(self._hazards.drained & self.adc_idle | early),
                taken.eq(self.command.valid & self.command.ready),
                self._scan.rewind.eq(1),
                self._rows.rewind.eq(1),
                self._rows.clear.eq(taken & early),
                self._hazards.start.eq(taken & ~early),
            ]
            with m.If(taken):
                m.d.sync += Cat(self._operation, self.boost).eq(command)
                with m.Switch(command.operation):
                    with m.Case(*SAMPLES):  # Deltas may come before the last fold has gone forward.
                        m.d.comb += self.deltas_start.eq(1)
                        m.d.sync += self._fresh.eq(1)
                        m.next = "listen"
                    with m.Case(Operation.BACKWARD):
                        m.d.comb += self.deltas_start.eq(1)
                        m.next = "update"
                    with m.Case(Operation.UPDATE, Operation.ACCUMULATE):
                        m.next = "update"
                    with m.Case(Operation.PROGRAM):
                        m.next = "rows"
                    with m.Default():
                        m.d.comb += self._words.start.eq(1)
                        m.next = "words"
                with m.If(command.operation == Operation.FORWARD):
                    self._count(m, "forwards")

    def _listen(self, m: Module) -> None:
        """Takes the drive of a sample, puts it on the list, and, going forward, reads the first fold of its rows."""
        slot, hazards, drive = self._slot, self._hazards, self.x.payload
        forward, taken, closing = Signal(), Signal(), drive.last & (not self.geometry.bias)
        may_forward = hazards.may_forward_row & (~closing | hazards.may_convert)
        with m.State("listen"):
            m.d.comb += [
                forward.eq(self._operation == Operation.FORWARD),
                self.x.ready.eq(~forward | may_forward),
                taken.eq(self.x.valid & self.x.ready),
                self._rows.put.eq(taken),
                self._row.eq(drive.row),
                slot.x.eq(drive.x),
                slot.first.eq(self._fresh),
                slot.last.eq(closing),
                slot.forward.eq(forward & taken),
            ]
            with m.If(taken):
                m.d.sync += self._fresh.eq(0)
                with m.If(forward & (drive.x != 0)):
                    self._count(m, "forward_rows")
                with m.If(drive.last):
                    m.next = "idle"
                    with m.If(forward):
                        if self.geometry.bias:
                            m.next = "forward bias"
                        elif self.geometry.folds > 1:
                            self._next_forward_fold(m)
                            m.next = "prime"

    def _replay(self, m: Module) -> None:
        """Reads another fold of the rows on the list."""
        slot, rows, hazards = self._slot, self._rows, self._hazards
        closes = rows.last | rows.empty
        with m.State("prime"):  # the row that was put last can be read from the next clock cycle on
            m.next = "replay"
        with m.State("replay"):
            last = closes & (not self.geometry.bias)
            m.d.comb += [
                self._row.eq(rows.entry.row),
                slot.x.eq(Mux(rows.empty, 0, rows.entry.x)),
                slot.first.eq(self._fresh),
                slot.last.eq(last),
                slot.forward.eq((~last | hazards.may_convert) & hazards.may_forward),
            ]
            with m.If(slot.forward):
                m.d.comb += rows.advance.eq(1)
                m.d.sync += self._fresh.eq(0)
                with m.If(closes):
                    m.d.comb += rows.rewind.eq(1)
                    if self.geometry.bias:
                        m.next = "forward bias"
                    else:
                        self._next_forward_fold(m)
                        with m.If(self._scan.last_fold):
                            m.next = "idle"

    def _forward_bias(self, m: Module) -> None:
        """Reads the bias row, the last of its fold."""
        slot, scan, hazards = self._slot, self._scan, self._hazards
        with m.State("forward bias"):
            m.d.comb += [
                self._row.eq(self.geometry.inputs),
                slot.x.eq(self.geometry.bias_value),
                slot.first.eq(self._fresh),
                slot.last.eq(1),
                slot.forward.eq(hazards.may_convert & hazards.settled),
            ]
            with m.If(slot.forward):
                with m.If(scan.fold == 0):
                    self._count(m, "forward_rows")
                self._next_forward_fold(m)
                m.next = "idle"
                if self.geometry.folds > 1:
                    with m.If(~scan.last_fold):
                        m.next = "replay"

    def _next_forward_fold(self, m: Module) -> None:
        m.d.comb += self._scan.next_fold.eq(1)
        m.d.sync += self._fresh.eq(1)

    def _update(self, m: Module) -> None:
        """Waits for the deltas, then goes through the rows on the list: each passes an error back and is updated."""
        slot, scan, rows = self._slot, self._scan, self._rows
        derivative = rows.entry.derivative if self.geometry.derivative_bits else 0
        updates, ends = Signal(), Signal()
        after_list = "silent" if self.backward else "update bias"
        with m.State("update"):
            m.d.comb += [
                updates.eq(rows.entry.x != 0),
                self._row.eq(rows.entry.row),
                slot.x.eq(rows.entry.x),
                slot.derivative.eq(derivative),
                slot.row_sum_last.eq(rows.last_passing),
            ]
            with m.If(self.deltas_complete):
                with m.If(self._operation == Operation.BACKWARD):
                    m.next = "rows"
                with m.Elif(self.deltas_zero):
                    m.next = "silent" if self.backward else "idle"
                with m.Elif(rows.empty):
                    m.next = after_list
                with m.Elif(self._may_update):
                    m.d.comb += [
                        slot.update.eq(updates),
                        slot.write.eq(updates),
                        slot.fire.eq(updates & self._programs),
                        scan.next_fold.eq(1),
                        ends.eq(scan.last_fold),
                        rows.advance.eq(ends),
                    ]
                    if self.backward:
                        m.d.comb += [slot.backward.eq(derivative != 0), self.answer.eq(slot.backward & ends)]
                        with m.If(slot.backward & ends):
                            self._count(m, "backward_rows")
                    with m.If(updates & ends):
                        self._count_update(m)
                    with m.If(rows.last & ends):
                        m.next = "update bias"
                        if self.backward:
                            with m.If(~rows.passing):
                                m.next = after_list

    def _silent(self, m: Module) -> None:
        """No row passes an error back: one whose delta is multiplied by 0 carries ``last``."""
        slot = self._slot
        with m.State("silent"):
            m.d.comb += [
                slot.fold.eq(self.geometry.folds - 1),
                slot.row_sum_last.eq(1),
                slot.backward.eq(self._may_update),
                self.answer.eq(self._may_update),
            ]
            with m.If(self._may_update):
                m.next = "update bias"
                with m.If(self.deltas_zero):
                    m.next = "idle"

    def _update_bias(self, m: Module) -> None:
        """Updates the bias row, if there is one."""
        slot, scan = self._slot, self._scan
        with m.State("update bias"):
            if not self.geometry.bias:
                m.next = "idle"
                return
            m.d.comb += [self._row.eq(self.geometry.inputs), slot.x.eq(self.geometry.bias_value)]
            with m.If(self._may_update):
                m.d.comb += [
                    slot.update.eq(1),
                    slot.write.eq(1),
                    slot.fire.eq(self._programs),
                    scan.next_fold.eq(1),
                ]
                with m.If(scan.last_fold):
                    self._count_update(m)
                    m.next = "idle"

    def _visit_rows(self, m: Module) -> None:
        """Goes through all rows, for ``PROGRAM``, or all but the bias row, for ``BACKWARD``."""
        slot, scan, geometry = self._slot, self._scan, self.geometry
        with m.State("rows"):
            m.d.comb += slot.row_sum_last.eq(scan.row == geometry.inputs - 1)
            with m.If(self._may_update):
                m.d.comb += [
                    slot.write.eq(self._programs),
                    slot.fire.eq(self._programs),
                    scan.next_fold.eq(1),
                    scan.next_row.eq(scan.last_fold),
                ]
                if self.backward:
                    m.d.comb += [slot.backward.eq(~self._programs), self.answer.eq(slot.backward & scan.last_fold)]
                    with m.If(slot.backward & scan.last_fold):
                        self._count(m, "backward_rows")
                with m.If(scan.last_fold):
                    m.d.comb += self._counters.count.visited_rows.eq(self._programs)
                    with m.If(scan.row == Mux(self._programs, geometry.rows - 1, geometry.inputs - 1)):
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

    def _count(self, m: Module, name: str) -> None:
        m.d.comb += self._counters.count[name].eq(1)

    def _count_update(self, m: Module) -> None:
        """Counts a row of an update, which is a visit if the operation programs."""
        m.d.comb += [self._counters.count.update_rows.eq(1), self._counters.count.visited_rows.eq(self._programs)]


def _one_of(operation: Any, several: tuple[Any, ...]) -> Any:
    return Cat(operation == one for one in several).any()
