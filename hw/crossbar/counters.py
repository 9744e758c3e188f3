"""The counters of a crossbar, in a memory."""

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ...contract.geometry import COUNTER_BITS, COUNTERS


class CounterAccess(wiring.Signature):
    """How the counters are read or replaced one after the other, as their reader sees it."""

    def __init__(self) -> None:
        super().__init__({
            #: Stops before the first counter as soon as every pulse is in its counter.
            "show": Out(1),
            #: `value` is the counter whose turn it is; it is the last one.
            "shown": In(1),
            "last": In(1),
            "value": In(COUNTER_BITS),
            #: Goes on to the next counter; with `load`, after replacing this one by `word`.
            "step": Out(1),
            "load": Out(1),
            "word": Out(COUNTER_BITS),
        })


class Counters(wiring.Component):
    """Counters of ``names``. ``count`` has a number for some of them, 0 to what ``counted`` says of each; any number of
    them may come at once, in every clock cycle.

    Numbers are held in a few bits each and added to the counters, which have their turns one after the other, a clock
    cycle each. ``access`` stops the turns at each counter. Nothing may be counted meanwhile.

    Latency: with ``show``, at most two rounds of a clock cycle a counter until the first counter is ``shown``; the next
    one is shown a clock cycle after its ``step``.

    Cost: a memory of a word a counter, one adder, a few flip-flops for each counter of ``counted``. The others are kept
    in the memory, and never counted.
    """

    def __init__(self, *, names: tuple[str, ...] = COUNTERS, counted: dict[str, int] | None = None) -> None:
        self.names = names
        self.counted = dict.fromkeys(names, 1) if counted is None else counted
        super().__init__({
            #: What to count.
            "count": In(data.StructLayout({name: most.bit_length() for name, most in self.counted.items()})),
            "access": In(CounterAccess()),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        names, access = self.names, self.access
        m.submodules.memory = memory = Memory(shape=COUNTER_BITS, depth=len(names), init=[],
                                              attrs={"no_rw_check": 1})
        write, read = memory.write_port(), memory.read_port()

        widths = {name: (len(names) * most).bit_length() for name, most in self.counted.items()}
        pending = Signal(data.StructLayout(widths))
        turn, following = Signal(range(len(names))), Signal(range(len(names)))
        here = Signal(max(widths.values()))  # pending for the counter whose turn it is
        advance = Signal()
        m.d.comb += [
            here.eq(Array(pending[name] if name in self.counted else 0 for name in names)[turn]),
            access.last.eq(turn == len(names) - 1),
            advance.eq(~access.shown | access.step),
            following.eq(Mux(advance, Mux(access.last, 0, turn + 1), turn)),
            read.addr.eq(following),
            access.value.eq(read.data),
            write.addr.eq(turn),
            write.en.eq(access.load | (here != 0)),
            # What is added above the pending bits does not matter when loading: one LUT a bit chooses and adds.
            write.data.eq(Mux(access.load, access.word,
                              read.data + Cat(here, access.load.replicate(COUNTER_BITS - len(here))))),
        ]
        m.d.sync += turn.eq(following)
        with m.If(advance & access.last):
            m.d.sync += access.shown.eq(access.show & ~access.shown & ~pending.as_value().any())
        for name in self.counted:
            held = Mux(turn == names.index(name), 0, pending[name])
            m.d.sync += pending[name].eq(held + self.count[name])
        return m
