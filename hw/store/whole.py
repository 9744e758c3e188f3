"""Samples that are given only when all of their words are there."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...contract.store import HALFWORD_BITS
from ..basics.queue import Queue
from .fetcher import word_layout


class WholeSamples(wiring.Component):
    """A queue of up to ``depth`` words of samples, as `Fetcher` gives them. It gives a sample when its last word has
    come, and not before.

    A sample whose checksum is wrong is ``damaged``, in the clock cycle in which its last word is taken: before it is
    given.

    No sample may have more than ``depth`` words, its number included. ``depth`` must be a power of two, and at least 2.

    Latency: 2 clock cycles from the last word of a sample to its first. Throughput: a word a clock cycle. Cost: a block
    RAM for each 512 words, an adder of 16 bits, a counter.
    """

    def __init__(self, *, depth: int) -> None:
        self.depth = depth
        super().__init__({
            "i": In(stream.Signature(word_layout())),
            "o": Out(stream.Signature(word_layout())),
            "damaged": Out(1),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.queue = queue = Queue(shape=word_layout(), depth=self.depth, storage="block")
        came, left, whole = Signal(), Signal(), Signal(range(self.depth + 1))  # samples that are there
        wiring.connect(m, wiring.flipped(self.i), queue.i)
        m.d.comb += [
            self.o.payload.eq(queue.o.payload),
            self.o.valid.eq(queue.o.valid & (whole != 0)),
            queue.o.ready.eq(self.o.ready & (whole != 0)),
            came.eq(self.i.valid & self.i.ready & self.i.payload.last),
            left.eq(self.o.valid & self.o.ready & self.o.payload.last),
        ]
        m.d.sync += whole.eq(whole + came - left)
        self._check(m)
        return m

    def _check(self, m: Module) -> None:
        """The sum of a sample's number and halfwords."""
        low, high = (self.i.payload.word.word_select(half, HALFWORD_BITS) for half in (0, 1))
        total, following, numbered = Signal(HALFWORD_BITS), Signal(HALFWORD_BITS), Signal()
        m.d.comb += following.eq(total + low + high)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [numbered.eq(1), total.eq(following)]
            with m.If(~numbered):
                m.d.sync += total.eq(low)
            with m.If(self.i.payload.last):
                m.d.sync += numbered.eq(0)
                m.d.comb += self.damaged.eq(following != 0)
