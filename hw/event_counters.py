"""The event counters of a crossbar, in a memory."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..contract.geometry import COUNTER_BITS, COUNTERS
from .signatures import index_bits

PENDING_BITS = (2 * len(COUNTERS)).bit_length()
"""A counter has its turn every second clock, all others before it has another."""


class EventCounters(wiring.Component):
    """One of ``COUNTERS`` for each pulse of ``count``; any number of them may come at once, in every clock.

    Pulses are held in a few bits each and added to the counters in turn, which is done when ``settled``. Then
    ``value`` is the counter ``index`` as of one clock before, and ``load`` replaces it by ``word``; nothing may
    be counted meanwhile.

    Cost: a memory of a word a counter, one adder, a few flip-flops a counter.
    """

    def __init__(self):
        super().__init__({
            "count": In(data.StructLayout(dict.fromkeys(COUNTERS, 1))),
            #: Every pulse is in its counter.
            "settled": Out(1),
            "index": In(index_bits(len(COUNTERS))),
            "value": Out(COUNTER_BITS),
            "load": In(1),
            "word": In(COUNTER_BITS),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=COUNTER_BITS, depth=len(COUNTERS), init=[],
                                              attrs={"no_rw_check": 1})
        write, read = memory.write_port(), memory.read_port()

        pending = Signal(data.ArrayLayout(PENDING_BITS, len(COUNTERS)))
        turn = Signal(range(len(COUNTERS)))
        adding = Signal()  # the counter whose turn it is has been read
        waiting = Signal()
        m.d.comb += [
            waiting.eq(pending.as_value().any()),
            self.settled.eq(~waiting & ~adding),
            read.addr.eq(Mux(waiting, turn, self.index)),
            self.value.eq(read.data),
            write.en.eq(adding | self.load),
            write.addr.eq(Mux(adding, turn, self.index)),
            write.data.eq(Mux(adding, read.data + pending[turn], self.word)),
        ]
        m.d.sync += adding.eq(waiting & ~adding)
        with m.If(adding):
            m.d.sync += turn.eq(Mux(turn == len(COUNTERS) - 1, 0, turn + 1))
        for index, name in enumerate(COUNTERS):
            held = Mux(adding & (turn == index), 0, pending[index])
            m.d.sync += pending[index].eq(held + self.count[name])
        return m
