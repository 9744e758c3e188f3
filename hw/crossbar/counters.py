"""The event counters of a crossbar, in a memory."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ...contract.geometry import COUNTER_BITS, COUNTERS

PENDING_BITS = len(COUNTERS).bit_length()
"""A counter has its turn when every other had one, a clock each."""


class Counters(wiring.Component):
    """One of ``COUNTERS`` for each pulse of ``count``; any number of them may come at once, in every clock.

    Pulses are held in a few bits each and added to the counters, which have their turns one after the other. With
    ``show`` that stops before the first counter as soon as every pulse is in its counter: ``value`` is then ``shown``,
    the counter whose turn it is, and ``step`` goes on to the next one, up to the ``last``. With ``load``, a ``step``
    replaces the counter by ``word``. Nothing may be counted meanwhile.

    It takes at most two rounds of a clock a counter until the first one is ``shown``.

    Cost: a memory of a word a counter, one adder, a few flip-flops for each counter of ``counted``; the others are kept
    in the memory, and never counted.
    """

    def __init__(self, *, counted: tuple[str, ...] = COUNTERS) -> None:
        self.counted = counted
        super().__init__({
            "count": In(data.StructLayout(dict.fromkeys(counted, 1))),
            "show": In(1),
            "shown": Out(1),
            "last": Out(1),
            "step": In(1),
            "value": Out(COUNTER_BITS),
            "load": In(1),
            "word": In(COUNTER_BITS),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=COUNTER_BITS, depth=len(COUNTERS), init=[],
                                              attrs={"no_rw_check": 1})
        write, read = memory.write_port(), memory.read_port()

        pending = Signal(data.StructLayout(dict.fromkeys(self.counted, PENDING_BITS)))
        turn, following = Signal(range(len(COUNTERS))), Signal(range(len(COUNTERS)))
        here = Signal(PENDING_BITS)  # pending for the counter whose turn it is
        advance = Signal()
        m.d.comb += [
            here.eq(Array(pending[name] if name in self.counted else 0 for name in COUNTERS)[turn]),
            self.last.eq(turn == len(COUNTERS) - 1),
            advance.eq(~self.shown | self.step),
            following.eq(Mux(advance, Mux(self.last, 0, turn + 1), turn)),
            read.addr.eq(following),
            self.value.eq(read.data),
            write.addr.eq(turn),
            write.en.eq(self.load | (here != 0)),
            # What is added above the pending bits does not matter when loading: one LUT a bit chooses and adds.
            write.data.eq(Mux(self.load, self.word,
                              read.data + Cat(here, self.load.replicate(COUNTER_BITS - PENDING_BITS)))),
        ]
        m.d.sync += turn.eq(following)
        with m.If(advance & self.last):
            m.d.sync += self.shown.eq(self.show & ~self.shown & ~pending.as_value().any())
        for name in self.counted:
            held = Mux(turn == COUNTERS.index(name), 0, pending[name])
            m.d.sync += pending[name].eq(held + self.count[name])
        return m
