"""The controller of a crossbar: turns operations into slots of the arrays, one a clock."""

from types import SimpleNamespace

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ...contract import lfsr
from ...contract.geometry import COUNTERS, CrossbarGeometry
from ...contract.parameters import parameters
from ...contract.widths import index_bits
from ..basics.delay import delay
from .counters import Counters
from .layouts import (
    boost_bits,
    cell_layout,
    command_layout,
    drive_layout,
    event_layout,
    position_layout,
    replacement_layout,
    slot_layout,
    state_bits,
    x_shape,
)
from .operations import Operation
from .parameters import parameter_layout
from .timing import ADDRESS, HOLD, SUM, fetch_latency, write_back


class CrossbarController(wiring.Component):
    """Carries out one operation after the other (see ``Operation``), each as a scan over the words of the arrays.

    A scan takes one slot a clock, and only for rows that matter: the rows driven in the sample, kept in a list, and the
    bias row; an update whose errors are all zero reads none. A forward pass goes fold by fold (the first while the
    drive arrives), an update row by row. Slots are withheld while the queue of events or the row sums have no room, and
    given up to the programmer. An operation starts when all effects of the one before have reached the arrays, so no
    read overtakes a write; but while the last rows of an update are still on their way, or have cells that wait to be
    programmed, a forward pass already reads the rows before them.

    Clocks, with ``n`` active rows (bias included): ``n * folds`` a forward pass or update, plus 1 for the first fold
    that is replayed from the list, plus 2 for each programmed cell; ``rows * folds`` for ``PROGRAM``; ``HOLD + 1`` for
    each cell to load and each increment to apply, ``fetch_latency + 1`` for each cell to dump, a clock for each other
    word, and the latency of the arrays, in ``APPLY`` once every ``lanes`` increments.
    """

    def __init__(self, *, geometry: CrossbarGeometry, backward: bool) -> None:
        self.geometry = geometry
        self.backward = backward
        generators = len(geometry.lfsrs)
        super().__init__({
            "command": In(stream.Signature(command_layout(geometry))),
            "x": In(stream.Signature(drive_layout(geometry))),
            "state_in": In(stream.Signature(unsigned(state_bits(geometry)))),
            #: What the arrays do in this clock.
            "slot": Out(slot_layout(geometry)),
            #: Selects the learning rate of the update under way.
            "boost": Out(boost_bits(geometry)),
            #: A row sum to be answered leaves with this slot.
            "answer": Out(1),
            #: Column sums may be loaded into the ADC.
            "adc_ready": In(1),
            #: All of them have been converted.
            "adc_idle": In(1),
            #: Empties the error store, which then fills.
            "errors_start": Out(1),
            "errors_complete": In(1),
            "errors_zero": In(1),
            #: Room behind the pipeline for row sums and for programming events.
            "error_room": In(1),
            "event_room": In(1),
            #: No programming event is waiting or being served, and all random numbers are at hand.
            "programmed": In(1),
            "fetch": In(stream.Signature(position_layout(geometry))),
            "replace": In(stream.Signature(replacement_layout(geometry))),
            #: Program-and-verify, cell by cell.
            "event": Out(stream.Signature(event_layout(geometry))),
            "state_out": Out(stream.Signature(unsigned(state_bits(geometry)))),
            #: The cell at the address and lane of the slot of `fetch_latency` clocks before.
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

    def elaborate(self, platform) -> Module:
        m = Module()
        geometry = self.geometry
        rows, inputs, folds, lanes = geometry.rows, geometry.inputs, geometry.folds, geometry.lanes
        drive = self.x.payload

        # One signal a field: a field that is constant in this geometry must not share a signal with one that is not, as
        # an event-driven simulator never evaluates a process without inputs.
        slot = SimpleNamespace(**{name: Signal(field.shape, name=f"slot_{name}") for name, field in self.slot.shape()})
        m.d.comb += [self.slot[name].eq(field) for name, field in vars(slot).items()]

        operation = Signal(Operation)
        forward, fires = Signal(), Signal()
        m.d.comb += [
            forward.eq(operation == Operation.FORWARD),
            fires.eq((operation == Operation.UPDATE) | (operation == Operation.PROGRAM)
                     | (operation == Operation.APPLY)),
        ]
        dumping = Signal()
        m.d.comb += dumping.eq(operation == Operation.DUMP)

        # The rows of the sample, read one ahead of `cursor` so that `entry` is always the current one.
        entry_layout = {"row": unsigned(index_bits(inputs)), "x": x_shape(geometry)}
        if geometry.derivative_bits:
            entry_layout["derivative"] = unsigned(geometry.derivative_bits)
        m.submodules.active = active = Memory(shape=data.StructLayout(entry_layout), depth=max(2, inputs), init=[],
                                            attrs={"no_rw_check": 1})
        keep, recall = active.write_port(), active.read_port()
        entry = recall.data
        count = Signal(range(inputs + 1))
        cursor, following = Signal(range(max(2, inputs))), Signal(range(max(2, inputs)))
        errors = Signal(range(inputs + 1))  # rows up to and including the last with a derivative
        last_entry = Signal()
        m.d.comb += [
            following.eq(cursor),
            recall.addr.eq(following),
            keep.addr.eq(count),
            keep.data.row.eq(drive.row),
            keep.data.x.eq(drive.x),
            last_entry.eq(cursor + 1 == count),
        ]
        m.d.sync += cursor.eq(following)
        drive_derivative, entry_derivative = 0, 0
        if geometry.derivative_bits:
            m.d.comb += keep.data.derivative.eq(drive.derivative)
            drive_derivative, entry_derivative = drive.derivative, entry.derivative

        # Place in the scan.
        row = Signal(range(max(2, rows)))
        fold, base = Signal(range(max(2, folds))), Signal(range(max(2, rows * folds)))
        lane = Signal(range(max(2, lanes)))
        last_fold, last_lane = Signal(), Signal()
        fresh = Signal()  # the column sums of this fold start
        m.d.comb += [last_fold.eq(fold == folds - 1), last_lane.eq(lane == lanes - 1)]

        def rewind():
            return [fold.eq(0), base.eq(0), row.eq(0), lane.eq(0)]

        def next_fold():
            return [fold.eq(fold + 1), base.eq(base + rows)]

        here, address = Signal(index_bits(rows)), Signal.like(slot.address)  # of what is scanned
        m.d.comb += [
            address.eq(base + here),
            slot.address.eq(address),
            slot.row.eq(here),
            slot.fold.eq(fold),
            slot.final.eq(last_fold),
        ]

        # What the slots of the last clocks were.
        last_clock = write_back(geometry)
        used, changed = Signal(last_clock + 1), Signal(last_clock + 1)
        patched, closed = Signal(last_clock - ADDRESS), Signal(SUM)
        adc_free, drained, settled = Signal(), Signal(), Signal()
        m.d.sync += [
            used.eq(Cat(slot.forward | slot.write | slot.fetch, used)),
            changed.eq(Cat(slot.fire | slot.override, changed)),  # conductances, now or by an event to come
            patched.eq(Cat(slot.override, patched)),
            closed.eq(Cat(slot.forward & slot.last, closed)),
        ]
        m.d.comb += [
            adc_free.eq(self.adc_ready & ~closed.any()),
            drained.eq(~used.any() & self.programmed),
            settled.eq(~changed.any() & self.programmed),
        ]
        # What a forward pass may read after a scan: rows ascend, so all before that of the slot which was through last,
        # or, while cells are programmed, was through last when that began. Events are known a clock later.
        reached, oldest = Signal(index_bits(rows)), Signal(index_bits(rows))
        programming, passed = Signal(), Signal()
        m.d.comb += [
            programming.eq(~self.programmed | patched.any()),
            passed.eq(drive.row < Mux(programming, oldest, reached)),
        ]
        visited, visited_row = (delay(m, field, last_clock + 1) for field in (slot.fire, slot.row))
        with m.If(visited):
            m.d.sync += reached.eq(visited_row)
        with m.If(~programming):
            m.d.sync += oldest.eq(reached)

        position = Signal(range(len(parameters(geometry))))
        never = {"backward_rows": not self.backward, "refreshes": not geometry.device.pair}
        m.submodules.counters = counters = Counters(
            counted=tuple(name for name in COUNTERS if not never.get(name)))
        m.d.comb += [
            counters.word.eq(self.state_in.payload),
            counters.count.attempts.eq(self.attempt),
            counters.count.verify_attempts.eq(self.verify_attempt),
            counters.count.failures.eq(self.failure),
        ]
        if geometry.device.pair:
            m.d.comb += counters.count.refreshes.eq(self.refresh)

        def count_one(name: str):
            return counters.count[name].eq(1)

        def count_visit():
            return counters.count.visited_rows.eq(fires)

        # An array with one port cannot be read where a slot before writes back; forward, only `g` is.
        port_free, levels_free = 1, 1
        if geometry.ports == 1:
            port_free, levels_free = ~delay(m, slot.write, last_clock - ADDRESS), ~patched[-1]

        # The programmer goes first. A word is not read to be replaced before the last replacement is in the array.
        replaces, fetches, serves = Signal(), Signal(), Signal()
        go = Signal()  # a slot of an update may be issued
        m.d.comb += [
            self.replace.ready.eq(~patched.any() & port_free),
            replaces.eq(self.replace.valid & self.replace.ready),
            self.fetch.ready.eq(~replaces & ~patched[-1] & port_free),  # never while a replacement is written
            fetches.eq(self.fetch.valid & self.fetch.ready),
            serves.eq(replaces | fetches),
            go.eq(~serves & port_free & self.event_room & self.error_room),
        ]

        m.d.comb += [self.parameters.index.eq(position), self.parameters.word.eq(self.state_in.payload)]
        m.d.comb += here.eq(row)  # unless a sample is scanned
        with m.FSM() as fsm:
            with m.State("idle"):
                m.d.comb += following.eq(0)
                m.d.sync += [rewind(), position.eq(0)]
                # A sample may be taken up early: its first slot waits in "listen".
                early = ((self.command.payload.operation == Operation.FORWARD)
                         | (self.command.payload.operation == Operation.SELECT))
                m.d.comb += self.command.ready.eq(drained & self.adc_idle | early)
                with m.If(self.command.valid & self.command.ready):
                    with m.If(~early):
                        m.d.sync += [reached.eq(0), oldest.eq(0)]
                    m.d.sync += Cat(operation, self.boost).eq(self.command.payload)
                    with m.Switch(self.command.payload.operation):
                        # Errors may come before the last fold has gone forward, so they are taken from then on.
                        with m.Case(Operation.FORWARD):
                            m.d.comb += self.errors_start.eq(1)
                            m.d.comb += count_one("forwards")
                            m.d.sync += [count.eq(0), errors.eq(0), fresh.eq(1)]
                            m.next = "listen"
                        with m.Case(Operation.SELECT):
                            m.d.comb += self.errors_start.eq(1)
                            m.d.sync += [count.eq(0), errors.eq(0)]
                            m.next = "listen"
                        with m.Case(Operation.BACKWARD):
                            m.d.comb += self.errors_start.eq(1)
                            m.next = "update"
                        with m.Case(Operation.UPDATE, Operation.ACCUMULATE):
                            m.next = "update"
                        with m.Case(Operation.PROGRAM):
                            m.next = "rows"
                        with m.Case(Operation.APPLY):
                            m.next = "assemble"
                        with m.Case(Operation.CONFIGURE):
                            m.next = "parameters"
                        with m.Default():
                            m.next = "cells"

            with m.State("listen"):
                closing = drive.last & (not geometry.bias)
                m.d.comb += [
                    self.x.ready.eq(~forward | (settled | passed & ~serves & levels_free) & (~closing | adc_free)),
                    here.eq(drive.row),
                    slot.x.eq(drive.x),
                    slot.first.eq(fresh),
                    slot.last.eq(closing),
                    slot.forward.eq(forward & self.x.valid & self.x.ready),
                    following.eq(0),
                ]
                with m.If(self.x.valid & self.x.ready):
                    m.d.sync += fresh.eq(0)
                    with m.If((drive.x != 0) | (drive_derivative != 0)):
                        m.d.comb += keep.en.eq(1)
                        m.d.sync += count.eq(count + 1)
                        with m.If(drive_derivative != 0):
                            m.d.sync += errors.eq(count + 1)
                    with m.If(forward & (drive.x != 0)):
                        m.d.comb += count_one("forward_rows")
                    with m.If(drive.last):
                        m.next = "idle"
                        with m.If(forward):
                            if geometry.bias:
                                m.next = "bias"
                            elif folds > 1:
                                m.d.sync += [next_fold(), fresh.eq(1)]
                                m.next = "prime"

            if folds > 1:
                with m.State("prime"):  # the entry written last is readable from here on
                    m.d.comb += following.eq(0)
                    m.next = "replay"
                with m.State("replay"):
                    closing = (last_entry | (count == 0)) & (not geometry.bias)
                    m.d.comb += [
                        here.eq(entry.row),
                        slot.x.eq(entry.x),
                        slot.first.eq(fresh),
                        slot.last.eq(closing),
                        slot.forward.eq((~closing | adc_free) & ~serves & levels_free),
                    ]
                    with m.If(count == 0):
                        m.d.comb += slot.x.eq(0)
                    with m.If(slot.forward):
                        m.d.comb += following.eq(cursor + 1)
                        m.d.sync += fresh.eq(0)
                        with m.If(last_entry | (count == 0)):
                            m.d.comb += following.eq(0)
                            if geometry.bias:
                                m.next = "bias"
                            else:
                                m.d.sync += [next_fold(), fresh.eq(1)]
                                with m.If(last_fold):
                                    m.next = "idle"

            if geometry.bias:
                with m.State("bias"):
                    m.d.comb += [
                        following.eq(0),
                        here.eq(inputs),
                        slot.x.eq(geometry.bias_value),
                        slot.first.eq(fresh),
                        slot.last.eq(1),
                        slot.forward.eq(adc_free & settled),
                    ]
                    with m.If(slot.forward):
                        with m.If(fold == 0):
                            m.d.comb += count_one("forward_rows")
                        m.d.sync += [next_fold(), fresh.eq(1)]
                        m.next = "idle"
                        if folds > 1:
                            with m.If(~last_fold):
                                m.next = "replay"

            with m.State("update"):
                updates = entry.x != 0
                m.d.comb += [
                    here.eq(entry.row),
                    slot.x.eq(entry.x),
                    slot.derivative.eq(entry_derivative),
                    slot.error_last.eq(cursor + 1 == errors),
                ]
                with m.If(~self.errors_complete):
                    m.d.comb += following.eq(0)
                with m.Elif(operation == Operation.BACKWARD):
                    m.next = "rows"
                with m.Elif(self.errors_zero):
                    m.next = "silent" if self.backward else "idle"
                with m.Elif(count == 0):
                    m.next = "silent" if self.backward else "update bias"
                with m.Elif(go):
                    m.d.comb += [
                        slot.update.eq(updates),
                        slot.write.eq(updates),
                        slot.fire.eq(updates & fires),
                    ]
                    m.d.sync += next_fold()
                    if self.backward:
                        m.d.comb += [
                            slot.backward.eq(entry_derivative != 0),
                            self.answer.eq(slot.backward & last_fold),
                        ]
                    with m.If(last_fold):
                        m.d.comb += following.eq(cursor + 1)
                        m.d.sync += [fold.eq(0), base.eq(0)]
                        with m.If(updates):
                            m.d.comb += [count_one("update_rows"), count_visit()]
                        if self.backward:
                            with m.If(slot.backward):
                                m.d.comb += count_one("backward_rows")
                        with m.If(last_entry):
                            m.next = "update bias"
                            if self.backward:
                                with m.If(errors == 0):
                                    m.next = "silent"

            if self.backward:
                with m.State("silent"):  # no row passes an error on: one that is multiplied by 0 carries `last`
                    m.d.comb += [
                        slot.fold.eq(folds - 1),
                        slot.error_last.eq(1),
                        slot.backward.eq(go),
                        self.answer.eq(go),
                    ]
                    with m.If(go):
                        m.next = "update bias"
                        with m.If(self.errors_zero):
                            m.next = "idle"

            with m.State("update bias"):
                if geometry.bias:
                    m.d.comb += [
                        here.eq(inputs),
                        slot.x.eq(geometry.bias_value),
                    ]
                    with m.If(go):
                        m.d.comb += [slot.update.eq(1), slot.write.eq(1), slot.fire.eq(fires)]
                        m.d.sync += next_fold()
                        with m.If(last_fold):
                            m.d.comb += [count_one("update_rows"), count_visit()]
                            m.next = "idle"
                else:
                    m.next = "idle"

            with m.State("rows"):
                m.d.comb += [
                    slot.error_last.eq(row == inputs - 1),
                ]
                with m.If(go):
                    m.d.sync += next_fold()
                    with m.If(fires):
                        m.d.comb += [slot.write.eq(1), slot.fire.eq(1)]
                    if self.backward:
                        with m.Else():
                            m.d.comb += [slot.backward.eq(1), self.answer.eq(last_fold)]
                    with m.If(last_fold):
                        m.d.comb += count_visit()
                        m.d.sync += [fold.eq(0), base.eq(0), row.eq(row + 1)]
                        if self.backward:
                            with m.If(~fires):
                                m.d.comb += count_one("backward_rows")
                        with m.If(row == Mux(fires, rows - 1, inputs - 1)):
                            m.next = "idle"

            # A word of increments is assembled in the accumulator, which the programmer must not use meanwhile.
            with m.State("assemble"):
                taken = self.state_in.valid & self.state_in.ready
                m.d.comb += [
                    slot.lane.eq(lane),
                    slot.cell.chi.eq(self.state_in.payload),
                    slot.override.eq(taken),
                    slot.assemble.eq(taken),
                    self.state_in.ready.eq(drained & ~patched[:HOLD].any()),
                ]
                with m.If(taken):
                    m.d.sync += lane.eq(lane + 1)
                    with m.If(last_lane):
                        m.d.sync += lane.eq(0)
                        m.next = "apply"
            with m.State("apply"):
                m.d.comb += [
                    slot.apply.eq(1),
                    slot.fire.eq(1),
                    slot.write.eq(1),
                ]
                m.d.sync += next_fold()
                m.next = "assemble"
                with m.If(last_fold):
                    m.d.comb += [count_one("update_rows"), count_visit()]
                    m.d.sync += [fold.eq(0), base.eq(0), row.eq(row + 1)]
                    with m.If(row == rows - 1):
                        m.next = "idle"

            with m.State("cells"):
                word = data.View(cell_layout(geometry), self.state_in.payload[:cell_layout(geometry).size])
                step, fetched = Signal(), Signal()
                clocks = Signal(range(fetch_latency(geometry) + 1))  # that a cell has been addressed
                m.d.comb += fetched.eq(clocks == fetch_latency(geometry))
                m.d.comb += [
                    slot.lane.eq(lane),
                    slot.cell.eq(word),
                    self.event.payload.position.address.eq(address),
                    self.event.payload.position.lane.eq(lane),
                    *(self.event.payload.position[name].eq(place) for name, place in (("row", row), ("fold", fold))
                      if name in position_layout(geometry).members),
                    self.event.payload.state.eq(self.state_in.payload),
                    self.event.payload.write.eq(1),
                ]
                with m.Switch(operation):
                    with m.Case(Operation.LOAD):
                        m.d.comb += [
                            self.state_in.ready.eq(~patched[:HOLD].any()),
                            step.eq(self.state_in.valid & self.state_in.ready),
                            slot.write.eq(step),
                            slot.override.eq(step),
                            slot.assemble.eq(step),
                        ]
                    with m.Case(Operation.DUMP):  # a cell stays addressed until it is there and taken
                        m.d.comb += [
                            self.state_out.valid.eq(fetched),
                            self.state_out.payload.eq(self.cell),
                            step.eq(fetched & self.state_out.ready),
                        ]
                        m.d.sync += clocks.eq(Mux(step, 0, clocks + ~fetched))
                    with m.Default():
                        m.d.comb += [
                            self.event.valid.eq(self.state_in.valid),
                            self.state_in.ready.eq(self.event.ready),
                            step.eq(self.event.valid & self.event.ready),
                        ]
                with m.If(step):
                    m.d.sync += lane.eq(lane + 1)
                    with m.If(last_lane):
                        m.d.sync += [lane.eq(0), next_fold()]
                        with m.If(last_fold):
                            m.d.sync += [fold.eq(0), base.eq(0), row.eq(row + 1)]
                            with m.If(row == rows - 1):
                                with m.If(operation == Operation.WRITE):
                                    m.next = "idle"
                                with m.Else():
                                    m.next = "lfsr_0"

            generators = len(self.lfsr_load)
            for index in range(generators):
                afterwards = f"lfsr_{index + 1}" if index < generators - 1 else "counters"
                with m.State(f"lfsr_{index}"):
                    m.d.comb += self.state_out.payload.eq(self.lfsr[index])
                    with m.If(dumping):
                        m.d.comb += self.state_out.valid.eq(1)
                        with m.If(self.state_out.ready):
                            m.next = afterwards
                    with m.Else():
                        m.d.comb += [self.state_in.ready.eq(1), self.lfsr_load[index].eq(self.state_in.valid)]
                        with m.If(self.state_in.valid):
                            m.next = afterwards

            with m.State("counters"):
                m.d.comb += [self.state_out.payload.eq(counters.value), counters.show.eq(1)]
                with m.If(dumping):
                    m.d.comb += [
                        self.state_out.valid.eq(counters.shown),
                        counters.step.eq(counters.shown & self.state_out.ready),
                    ]
                with m.Else():
                    m.d.comb += [
                        self.state_in.ready.eq(counters.shown),
                        counters.step.eq(counters.shown & self.state_in.valid),
                        counters.load.eq(counters.step),
                    ]
                with m.If(counters.step & counters.last):
                    m.next = "idle"

            with m.State("parameters"):
                m.d.comb += self.state_in.ready.eq(1)
                m.d.comb += self.parameters.enable.eq(self.state_in.valid)
                with m.If(self.state_in.valid):
                    m.d.sync += position.eq(position + 1)
                    with m.If(position == len(parameters(geometry)) - 1):
                        m.next = "idle"

        # The programmer displaces whatever the scan would have issued.
        with m.If(replaces):
            m.d.comb += [
                slot.address.eq(self.replace.payload.position.address),
                slot.lane.eq(self.replace.payload.position.lane),
                slot.cell.eq(self.replace.payload.cell),
                slot.write.eq(1),
                slot.override.eq(1),
            ]
        with m.Elif(fetches):
            m.d.comb += [
                slot.address.eq(self.fetch.payload.address),
                slot.lane.eq(self.fetch.payload.lane),
                slot.fetch.eq(1),
            ]
        m.d.comb += self.idle.eq(fsm.ongoing("idle") & drained & self.adc_idle & ~self.command.valid)
        return m
