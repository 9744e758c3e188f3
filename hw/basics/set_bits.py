"""The set bits of a word, one after the other."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out


class SetBits(wiring.Component):
    """Turns words of ``width`` flags, of which at least one is set, into beats for their set bits, ascending. ``tag``,
    of any shape, goes along with a word.

    Latency: a clock cycle. Throughput: a beat a clock cycle, also from word to word. ``i.ready`` depends on
    ``o.ready``. Cost: a register for a word and its tag, a decrementer of ``width`` bits.
    """

    def __init__(self, *, width: int, tag: Any) -> None:
        super().__init__({
            "i": In(stream.Signature(data.StructLayout({"flags": width, "tag": tag}))),
            #: The bit alone, and whether it is the first, the last of its word.
            "o": Out(stream.Signature(data.StructLayout({"one": width, "first": 1, "last": 1, "tag": tag}))),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        word, rest = Signal(self.i.payload.shape(), reset_less=True), Signal.like(self.i.payload.flags)
        full, begun, taken = Signal(), Signal(), Signal()
        m.d.comb += [
            rest.eq(word.flags & (word.flags - 1)),
            self.o.valid.eq(full),
            self.o.payload.one.eq(word.flags & ~rest),
            self.o.payload.first.eq(~begun),
            self.o.payload.last.eq(rest == 0),
            self.o.payload.tag.eq(word.tag),
            taken.eq(self.o.valid & self.o.ready),
            self.i.ready.eq(~full | self.o.ready & self.o.payload.last),
        ]
        with m.If(taken):
            m.d.sync += [word.flags.eq(rest), begun.eq(1)]
        with m.If(self.i.ready):
            m.d.sync += [word.eq(self.i.payload), full.eq(self.i.valid), begun.eq(0)]
        return m
