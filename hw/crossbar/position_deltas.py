"""The deltas of a crossbar at its positions, gathered for the scan of its rows."""

from collections.abc import Callable
from math import prod
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ...contract.geometry import CrossbarGeometry
from ...contract.widths import index_bits
from ..basics.delay import delay, delays
from ..basics.fixed import divided, saturate
from ..basics.table import table
from .feature_map import Blocks, lookups
from .layouts import position_delta_layout
from .timing import READ

FLAGS = 32
"""Positions of a word of flags; a power of two."""


def origin_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """The first cell of a window, modulo its number of bits, as it may be in the padding. With padding, also the line
    and the place in it, likewise."""
    window = Blocks.of(geometry).window
    layout = {"cell": unsigned(index_bits(window.cells))}
    if any(window.padding):
        layout |= {"line": unsigned(index_bits(window.map[0] + 2 * window.padding[0]) + 1),
                   "place": unsigned(index_bits(window.map[1] + 2 * window.padding[1]) + 1)}
    return data.StructLayout(layout)


def origins(geometry: CrossbarGeometry) -> list[dict[str, int]]:
    """The origin of each position."""
    window = Blocks.of(geometry).window
    (_, width, channels), (rows, cols, _) = window.map, window.outputs
    starts = ((a * window.stride[0] - window.padding[0], b * window.stride[1] - window.padding[1])
              for a in range(rows) for b in range(cols))
    return [{"cell": (line * width + place) * channels, "line": line, "place": place} for line, place in starts]


def positions_signature(geometry: CrossbarGeometry) -> wiring.Signature:
    """The list of the positions that have an error, as `RowScan` reads it; the outputs are those of the scan. Memories
    answer a clock cycle after they have been asked, and then keep their answer."""
    count, several = geometry.positions, lookups(geometry)
    return wiring.Signature({
        #: Entries of the list.
        "count": In(range(count + 1)),
        #: Asks for the origins of so many entries from `group` times as many on.
        "read_group": Out(1),
        "group": Out(index_bits(-(-count // several))),
        "origins": In(data.ArrayLayout(origin_layout(geometry), several)),
        #: Asks for an entry: its origin's cell, and the address of its deltas.
        "read_entry": Out(1),
        "entry": Out(index_bits(count)),
        "cell": In(index_bits(geometry.window.cells)),
        "delta": In(index_bits(count * geometry.folds)),
    })


class PositionDeltas(wiring.Component):
    """Gathers the deltas of a sample into words of ``lanes``, one for each fold of each position, and lists the
    positions that have an error: those where some delta is not zero. Deltas may come in any order; those that do not
    come are zero. Where pooling windows overlap, those of one column at one position add up, and the sum saturates.

    ``start`` empties the store. It then takes beats up to one with ``last``. ``complete`` rises when everything is
    there, and falls with the next ``start``. ``word`` answers to the ``address`` of ``READ`` clock cycles before, also
    if that was before ``start``. ``positions`` may be read while it is complete; it has no particular order.

    Latency: 2 clock cycles from the last beat to ``complete``. Throughput: a beat a clock cycle. Where pooling windows
    overlap, a beat in 4, and 3 more for each fold of each listed position before the store is complete. The first beat
    after ``start`` waits for one clock cycle for each fold of each listed position, after a reset of every position.

    Cost: in memory, a word for each fold of each position, the list of origins twice, tables of positions; a word in
    registers.
    """

    latency = 2
    """Clock cycles from the last beat to ``complete``."""

    def __init__(self, *, geometry: CrossbarGeometry) -> None:
        self.geometry = geometry
        super().__init__({
            #: Empties the store.
            "start": In(1),
            #: All deltas of the sample are here, or will be in the next clock cycle.
            "complete": Out(1),
            #: They are all zero.
            "zero": Out(1),
            #: The deltas.
            "d": In(stream.Signature(position_delta_layout(geometry))),
            #: The word to be read: position times folds, plus fold.
            "address": In(index_bits(geometry.positions * geometry.folds)),
            #: Its deltas, `READ` clock cycles later.
            "word": Out(data.ArrayLayout(signed(geometry.delta_bits), geometry.lanes)),
            "positions": In(positions_signature(geometry)),
        })
        window = geometry.window
        overlap = prod(-(-pool // step) for pool, step in zip(window.pool, window.pool_stride, strict=True))
        self._overlap = overlap > 1  # so many deltas add up
        self._entry = data.StructLayout({"delta": self.address.shape(), "origin": origin_layout(geometry)})
        # What is written: one delta of a word, or a word of zeros; an entry of the list.
        self._put, self._clear, self._append = Signal(), Signal(), Signal()
        self._write_address = Signal.like(self.address)
        self._sum = signed(geometry.delta_bits + ceil_log2(overlap))
        self._lane, self._delta = Signal(index_bits(geometry.lanes)), Signal(self._sum)
        self._stored = Signal(data.ArrayLayout(self._sum, geometry.lanes))
        self._place, self._written = Signal(index_bits(geometry.positions)), Signal(self._entry)
        # What is read here, a clock cycle before it is at hand, unless the store is left to its reader.
        self._left = Signal()
        self._read_place, self._listed = Signal.like(self._place), Signal(self._entry)
        self._read_address = Signal.like(self.address)
        # Beats are taken, in this clock cycle; some are on their way.
        self._taking, self._proceed, self._busy = Signal(), Signal(), Signal()
        # The flags of listed positions are cleared; they are clear.
        self._wiping, self._wiped = Signal(), Signal()

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        self._keep_words(m)
        self._keep_list(m)
        self._take(m)
        self._control(m)
        return m

    def _keep_words(self, m: Module) -> None:
        """The memory of deltas."""
        lanes, depth = self.geometry.lanes, self.geometry.positions * self.geometry.folds
        m.submodules.words = words = Memory(shape=self._stored.shape(), depth=max(2, depth), init=[],
                                            attrs={"no_rw_check": 1})
        write, read = words.write_port(granularity=1), words.read_port()
        address = delay(m, self.address, READ - 2)
        word = Signal.like(self.word, reset_less=True)  # block RAMs are slow to answer
        m.d.sync += [word[lane].eq(saturate(self._stored[lane], self.geometry.delta_bits)) for lane in range(lanes)]
        m.d.comb += [
            write.addr.eq(self._write_address),
            write.en.eq(Mux(self._clear, (1 << lanes) - 1, self._put << self._lane)),
            *(write.data[lane].eq(Mux(self._clear, 0, self._delta)) for lane in range(lanes)),
            read.addr.eq(Mux(self._left, address, self._read_address) if self._overlap else address),
            self._stored.eq(read.data),
            self.word.eq(word),
        ]

    def _keep_list(self, m: Module) -> None:
        """The list, once with several origins in a word and once entry by entry."""
        listed, several = self.positions, lookups(self.geometry)
        shift = several.bit_length() - 1
        m.submodules.groups = groups = Memory(shape=listed.origins.shape(), depth=max(2, 1 << len(listed.group)),
                                              init=[], attrs={"no_rw_check": 1})
        m.submodules.entries = entries = Memory(shape=self._entry, depth=max(2, self.geometry.positions), init=[],
                                                attrs={"no_rw_check": 1})
        to_group, of_group = groups.write_port(granularity=1), groups.read_port()
        to_entry, of_entry = entries.write_port(), entries.read_port()
        m.d.comb += [
            to_group.addr.eq(self._place >> shift),
            to_group.en.eq(self._append << self._place[:shift]),
            *(to_group.data[index].eq(self._written.origin) for index in range(several)),
            of_group.addr.eq(listed.group),
            of_group.en.eq(listed.read_group),
            listed.origins.eq(of_group.data),
            to_entry.addr.eq(self._place),
            to_entry.data.eq(self._written),
            to_entry.en.eq(self._append),
            of_entry.addr.eq(Mux(self._left, listed.entry, self._read_place)),
            of_entry.en.eq(~self._left | listed.read_entry),
            self._listed.eq(of_entry.data),
            listed.delta.eq(self._listed.delta),
            listed.cell.eq(self._listed.origin.cell),
        ]

    def _take(self, m: Module) -> None:
        """Takes beats. Their positions are listed unless they already are."""
        geometry, accepted = self.geometry, Signal()
        steps = delays(m, accepted, 3 if self._overlap else 1)[1:]
        position, delta = Signal.like(self._place), Signal.like(self.d.payload.delta)
        m.d.comb += [
            self._busy.eq(Cat(steps).any()),
            self._proceed.eq(~self._busy if self._overlap else 1),
            self.d.ready.eq(self._taking & self._proceed),
            accepted.eq(self.d.valid & self.d.ready),
        ]
        with m.If(accepted):
            m.d.sync += [position.eq(self.d.payload.position), delta.eq(self.d.payload.delta)]
        entries = [{"delta": number * geometry.folds, "origin": origin}
                   for number, origin in enumerate(origins(geometry))]
        entry = table(m, "places", entries, self._entry, self.d.payload.position, accepted)
        fold, lane = self._divide(m, accepted)
        total = delta
        if self._overlap:
            total = Signal.like(self._delta)
            m.d.sync += total.eq(self._stored[lane] + delta)
        listed, new = self._flagged(m, position), Signal()
        m.d.comb += [
            self._read_address.eq(entry.delta + fold),
            self._write_address.eq(entry.delta + fold),
            self._put.eq(steps[-1] & (delta != 0)),
            self._lane.eq(lane),
            self._delta.eq(total),
            new.eq(self._put & ~listed),
            self._append.eq(new),
            self._place.eq(self.positions.count),
            self._written.eq(entry),
        ]
        with m.If(new):
            m.d.sync += self.positions.count.eq(self.positions.count + 1)
        with m.If(self._put):
            m.d.sync += self.zero.eq(0)

    def _divide(self, m: Module, accepted: Signal) -> tuple[Value, Value]:
        """Fold and lane of a beat, one clock cycle after it has been accepted."""
        folds, lanes, col = self.geometry.folds, self.geometry.lanes, self.d.payload.col
        later = Signal.like(col)
        with m.If(accepted):
            m.d.sync += later.eq(col)
        return (Const(0), later) if folds == 1 else divided(later, self.geometry.cols, lanes)

    def _flagged(self, m: Module, position: Signal) -> Value:
        """Whether ``position`` is on the list."""
        count, shift = -(-self.geometry.positions // FLAGS), FLAGS.bit_length() - 1
        m.submodules.flags = flags = Memory(shape=unsigned(FLAGS), depth=max(2, count), init=[])
        write, read = flags.write_port(), flags.read_port(domain="comb")
        wiped = Signal(range(count + 1))
        m.d.comb += [
            read.addr.eq(position >> shift),
            write.addr.eq(Mux(self._wiping, wiped, position >> shift)),
            write.data.eq(Mux(self._wiping, 0, read.data | (1 << position[:shift]))),
            write.en.eq(self._wiping | self._append),
            self._wiped.eq(wiped == count),
        ]
        m.d.sync += wiped.eq(Mux(self._wiping, wiped + ~self._wiped, 0))
        return read.data.bit_select(position[:shift], 1)

    def _control(self, m: Module) -> None:
        """Empties the store, takes deltas, and then leaves it to its reader."""
        geometry, listed = self.geometry, self.positions
        begun, due = Signal(), Signal()
        step, fold = Signal(range(geometry.positions * geometry.folds + 1)), Signal(index_bits(geometry.folds))
        asked, asked_fold, ended = Signal(), Signal.like(fold), Signal()
        last_fold = fold == geometry.folds - 1
        m.d.comb += self._read_place.eq(step)
        with m.If(self.start):
            m.d.sync += begun.eq(1)
        with m.If(delay(m, self.start, READ)):
            m.d.sync += due.eq(1)

        def next_fold() -> None:
            m.d.sync += [fold.eq(Mux(last_fold, 0, fold + 1)), step.eq(step + last_fold)]

        with m.FSM(init="reset"):
            with m.State("reset"):  # words may hold anything
                m.d.comb += [
                    self._wiping.eq(1),
                    self._clear.eq(1),
                    self._write_address.eq(step),
                    ended.eq(step == geometry.positions * geometry.folds - 1),
                ]
                m.d.sync += step.eq(Mux(ended, 0, step + 1))
                with m.If(ended):
                    m.next = "rest"
            with m.State("rest"):
                m.d.comb += [self._left.eq(1), self.complete.eq(~begun)]
                with m.If(due):
                    m.next = "clear"
            with m.State("clear"):  # the words of listed positions
                m.d.comb += [
                    self._wiping.eq(1),
                    self._clear.eq(asked),
                    self._write_address.eq(self._listed.delta + asked_fold),
                    ended.eq(step == listed.count),
                ]
                m.d.sync += [asked.eq(~ended), asked_fold.eq(fold)]
                with m.If(~ended):
                    next_fold()
                with m.Elif(~asked & self._wiped):
                    m.d.sync += [step.eq(0), listed.count.eq(0), self.zero.eq(1), begun.eq(0), due.eq(0)]
                    m.next = "take"
            with m.State("take"):
                m.d.comb += self._taking.eq(~begun)
                with m.If(due):
                    m.next = "clear"
                with m.Elif(self.d.valid & self.d.ready & self.d.payload.last):
                    m.next = "taken"
            with m.State("taken"):
                with m.If(~self._busy):
                    m.next = "prune" if self._overlap else "rest"
            if self._overlap:
                self._prune(m, step, fold, next_fold)

    def _prune(self, m: Module, step: Signal, fold: Signal, next_fold: Callable[[], None]) -> None:
        """Sums may have become zero: keeps the positions with an error only."""
        kept, error, listed = Signal.like(step), Signal(), self.positions
        here = error | self._stored.as_value().any()
        with m.State("prune"):
            m.next = "prune word"
            with m.If(step == listed.count):
                m.d.sync += [step.eq(0), kept.eq(0), listed.count.eq(kept), self.zero.eq(kept == 0)]
                m.next = "rest"
        with m.State("prune word"):
            m.d.comb += self._read_address.eq(self._listed.delta + fold)
            m.next = "prune test"
        with m.State("prune test"):
            next_fold()
            m.d.sync += error.eq(here)
            with m.If(fold == self.geometry.folds - 1):
                m.d.comb += [self._append.eq(here), self._place.eq(kept), self._written.eq(self._listed)]
                m.d.sync += [error.eq(0), kept.eq(kept + here)]
            m.next = "prune"
