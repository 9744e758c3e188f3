"""From numbers of samples to the words that hold them."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...contract.store import HEADER_WORDS
from ...contract.widths import index_bits
from ..basics.queue import Queue
from .memory import LENGTH_BITS, WORD_BITS, MemoryInterface

AHEAD = 2
"""Samples whose places are looked up before their words are asked for."""
TAGS = 4
"""Commands that the memory may have taken and not answered."""
MOST_BURST = 1 << LENGTH_BITS


def word_layout() -> data.StructLayout:
    """A word of a sample; ``last`` is the last one."""
    return data.StructLayout({"word": WORD_BITS, "last": 1})


class Fetcher(wiring.Component):
    """The words of each of ``samples``, in order, from the stored set (docs/store.md) that begins at the word ``base``.
    In front of the words of a sample comes its number, as a word.

    It looks up where a sample is while the words of the samples before are still on their way, so the memory need not
    pause from sample to sample. A sample whose words are none, or more than ``longest``, is ``damaged``: one word is
    read in its place.

    Throughput: a word a clock cycle, and two clock cycles more for a sample. Cost: two queues in LUTs, adders of an
    address.
    """

    def __init__(self, *, address_bits: int, most: int, longest: int) -> None:
        self.most = most
        self.longest = longest
        super().__init__({
            #: Where the set begins. It must not change while samples are fetched.
            "base": In(address_bits),
            #: Numbers of samples, less than `most`.
            "samples": In(stream.Signature(unsigned(index_bits(most)))),
            "memory": Out(MemoryInterface(address_bits)),
            "words": Out(stream.Signature(word_layout())),
            #: Where this sample is cannot be right.
            "damaged": Out(1),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        size = range(self.longest + 1)
        address = self.memory.commands.payload.address
        # What the answers to the commands are: entries of the index, or words of a sample.
        m.submodules.tags = tags = Queue(depth=TAGS, shape=data.StructLayout({
            "index": 1, "first": 1, "last": 1, "length": LENGTH_BITS, "number": self.samples.payload.shape()}))
        m.submodules.found = found = Queue(depth=AHEAD, shape=data.StructLayout({
            "address": address.shape(), "words": size, "number": self.samples.payload.shape()}))
        self._ask(m, tags, found)
        self._answer(m, tags, found)
        return m

    def _ask(self, m: Module, tags: Queue, found: Queue) -> None:
        """Commands: to look up the next sample, or for the next words of a sample that was found."""
        commands, tag = self.memory.commands, tags.i.payload
        looked_up = Signal(range(AHEAD + 1))  # samples whose words have not all been asked for
        first, done = Signal(init=1), Signal()
        sample = Signal.like(found.o.payload)
        index = Signal(len(self.base))
        m.d.comb += [
            tags.i.valid.eq(commands.valid & commands.ready),
            tag.length.eq(commands.payload.length),
            tag.first.eq(first),
        ]
        with m.FSM():
            with m.State("choose"):
                m.d.sync += [index.eq(self.base + HEADER_WORDS + self.samples.payload), sample.eq(found.o.payload),
                             first.eq(1)]
                with m.If(self.samples.valid & (looked_up != AHEAD)):
                    m.next = "look up"
                with m.Elif(found.o.valid):
                    m.d.comb += found.o.ready.eq(1)
                    m.next = "fetch"
            with m.State("look up"):
                m.d.comb += [
                    commands.valid.eq(tags.i.ready), commands.payload.address.eq(index), commands.payload.length.eq(1),
                    tag.index.eq(1), tag.number.eq(self.samples.payload),
                    self.samples.ready.eq(commands.valid & commands.ready),
                ]
                with m.If(self.samples.ready):
                    m.next = "choose"
            with m.State("fetch"):
                more = sample.words > MOST_BURST
                m.d.comb += [
                    commands.valid.eq(tags.i.ready), commands.payload.address.eq(sample.address),
                    commands.payload.length.eq(Mux(more, MOST_BURST - 1, sample.words - 1)),
                    tag.last.eq(~more), tag.number.eq(sample.number),
                ]
                with m.If(tags.i.valid):
                    m.d.sync += [sample.address.eq(sample.address + MOST_BURST), first.eq(0),
                                 sample.words.eq(sample.words - MOST_BURST)]
                    with m.If(~more):
                        m.d.comb += done.eq(1)
                        m.next = "choose"
        m.d.sync += looked_up.eq(looked_up + self.samples.ready - done)

    def _answer(self, m: Module, tags: Queue, found: Queue) -> None:
        """Words that were read."""
        reads, words, tag = self.memory.reads, self.words, tags.o.payload
        place, start = Signal(LENGTH_BITS), Signal(WORD_BITS)
        numbered, taken = Signal(), Signal()  # the sample's number has been sent
        size = reads.payload - start
        wrong = (size <= 0) | (size > self.longest)
        m.d.comb += [
            found.i.payload.address.eq(self.base + start),
            found.i.payload.words.eq(Mux(wrong, 1, size)),
            found.i.payload.number.eq(tag.number),
            taken.eq(reads.valid & reads.ready),
            tags.o.ready.eq(taken & (place == tag.length)),
        ]
        with m.If(tags.o.valid):
            with m.If(tag.index):
                m.d.comb += [reads.ready.eq(1), found.i.valid.eq(tags.o.ready), self.damaged.eq(tags.o.ready & wrong)]
            with m.Elif(tag.first & ~numbered):
                m.d.comb += [words.valid.eq(1), words.payload.word.eq(tag.number)]
                with m.If(words.ready):
                    m.d.sync += numbered.eq(1)
            with m.Else():
                m.d.comb += [words.valid.eq(reads.valid), reads.ready.eq(words.ready),
                             words.payload.word.eq(reads.payload),
                             words.payload.last.eq(tag.last & (place == tag.length))]
        with m.If(taken):
            m.d.sync += [place.eq(place + 1), start.eq(reads.payload)]
            with m.If(tags.o.ready):
                m.d.sync += [place.eq(0), numbered.eq(0)]
