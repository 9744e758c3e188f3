"""The deltas of a crossbar, gathered for the scan of its rows."""

from typing import Any

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ...contract.geometry import CrossbarGeometry
from ...contract.widths import index_bits
from ..basics.delay import delay, delays
from ..basics.spread import spread
from .layouts import delta_layout
from .timing import READ


def store_latency(geometry: CrossbarGeometry) -> int:
    """Clock cycles from the transfer of the last beat, if it is of the last fold, to ``complete``."""
    return 0 if geometry.folds == 1 else 1


class DeltaStore(wiring.Component):
    """Gathers the sparse, ascending stream ``d`` into words of ``lanes`` deltas, one for each fold. A beat has
    ``deltas`` of them, a divisor of ``lanes``.

    ``start`` empties the store: all deltas are zero. It then takes beats up to one with ``last``. ``complete`` rises
    one clock cycle before the deltas are readable, and falls with the next ``start``. ``word`` answers to the ``fold``
    of ``READ`` clock cycles before, also if that was before ``start``.

    Latency: ``latency`` clock cycles from the last beat, if it is of the last fold, to ``complete``. Throughput: a beat
    a clock cycle; where there are several folds, one clock cycle more for each.

    Cost: ``cols`` deltas in registers for one fold; for several, ``lanes`` deltas in registers and ``cols`` in memory.
    """

    def __init__(self, *, geometry: CrossbarGeometry, deltas: int = 1) -> None:
        self.geometry = geometry
        self.deltas = deltas
        super().__init__({
            #: Empties the store.
            "start": In(1),
            #: All deltas of the sample are here, or will be in the next clock cycle.
            "complete": Out(1),
            #: They are all zero.
            "zero": Out(1),
            #: The deltas.
            "d": In(stream.Signature(delta_layout(geometry, deltas))),
            #: The fold to be read.
            "fold": In(index_bits(geometry.folds)),
            #: Its deltas, `READ` clock cycles later.
            "word": Out(data.ArrayLayout(signed(geometry.delta_bits), geometry.lanes)),
        })

    @property
    def latency(self) -> int:
        """Clock cycles from the last beat to ``complete``."""
        return store_latency(self.geometry)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        geometry = self.geometry
        gathered = Signal.like(self.word, reset_less=True)
        taking, clear = Signal(), Signal()
        lane = Signal(index_bits(geometry.lanes))
        here = Signal()  # the beat belongs to the word being gathered
        ended = Signal()  # the last beat was taken, the rest of the folds is zero
        store, finish = Signal(), Signal()
        empty = Signal()  # begin the next word

        taken = Signal()
        m.d.comb += [
            self.d.ready.eq(taking & here & ~ended),
            taken.eq(self.d.valid & self.d.ready),
            self.complete.eq(~taking | finish),
            self.zero.eq(clear & ~(taken & (self.d.payload.delta.as_value() != 0))),
        ]
        # Lanes are told a clock cycle later. There is time: deltas are needed `READ` clock cycles after their fold.
        told = Signal(data.StructLayout({"taken": 1, "empty": 1, "lane": lane.shape(),
                                         "delta": self.d.payload.delta.shape()}))
        m.d.comb += [told.taken.eq(taken), told.empty.eq(empty), told.lane.eq(lane),
                     told.delta.eq(self.d.payload.delta)]
        for index, beat in enumerate(spread(m, told, geometry.lanes)):
            place = index % self.deltas
            with m.If(beat.taken & (beat.lane == index - place)):
                m.d.sync += gathered[index].eq(beat.delta[place])
            with m.If(beat.empty):
                m.d.sync += gathered[index].eq(0)

        if geometry.folds == 1:
            # Deltas are read where they are gathered: the store is emptied when those before are not needed any more.
            started = delays(m, self.start, READ - 2)
            m.d.comb += [
                empty.eq(started[-1]),
                here.eq(~Cat(started[1:]).any()),
                lane.eq(self.d.payload.col),
                finish.eq(taken & self.d.payload.last),
                self.word.eq(gathered),
            ]
        else:
            m.submodules.memory = memory = Memory(shape=self.word.shape(), depth=geometry.folds, init=[],
                                                  attrs={"no_rw_check": 1})
            write, read = memory.write_port(), memory.read_port()
            fold = Signal(range(geometry.folds))
            base = Signal(range(geometry.cols))
            beyond = Signal()
            m.d.comb += [
                beyond.eq(self.d.payload.col >= base + geometry.lanes),
                here.eq(~beyond),
                lane.eq(self.d.payload.col - base),
                finish.eq(store & (fold == geometry.folds - 1)),
                store.eq(taking & (ended | self.d.valid & beyond)),
                empty.eq(store | self.start),
                write.addr.eq(delay(m, fold, 1)),
                write.data.eq(gathered),
                write.en.eq(delay(m, store, 1)),
                read.addr.eq(delay(m, self.fold, READ - 1)),
                self.word.eq(read.data),
            ]
            with m.If(taken & self.d.payload.last):
                m.d.sync += ended.eq(1)
            with m.If(store):
                m.d.sync += [fold.eq(fold + 1), base.eq(base + geometry.lanes)]
            with m.If(self.start):
                m.d.sync += [fold.eq(0), base.eq(0), ended.eq(0)]

        with m.If(finish):
            m.d.sync += taking.eq(0)
        with m.If(~self.zero):
            m.d.sync += clear.eq(0)
        with m.If(self.start):
            m.d.sync += [taking.eq(1), clear.eq(1)]
        return m
