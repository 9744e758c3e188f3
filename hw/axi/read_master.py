"""A memory of samples behind AXI4: reads of the memory of a system on chip."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ...contract.widths import index_bits
from ..basics.queue import Queue
from ..store.memory import WORD_BITS, MemoryInterface
from .lite import Response
from .stream import DEPTH

PAGE_BITS = 12
"""No burst of AXI crosses an address that is a multiple of 4 KiB."""
INCREMENTING = 1
"""ARBURST of a burst whose addresses ascend."""
BUFFERABLE = 0b0011
"""ARCACHE of memory that is not cached on the way."""


class AxiReadSignature(wiring.Signature):
    """The read channels of AXI4, as their manager sees them. All reads have the same ID, so their answers come in
    order. Nothing reads ``rid``."""

    def __init__(self, *, address_bits: int, data_bits: int) -> None:
        super().__init__({
            "arid": Out(1), "araddr": Out(address_bits), "arlen": Out(8), "arsize": Out(3), "arburst": Out(2),
            "arcache": Out(4), "arprot": Out(3), "arvalid": Out(1), "arready": In(1),
            "rid": In(1), "rdata": In(data_bits), "rresp": In(Response), "rlast": In(1), "rvalid": In(1),
            "rready": Out(1),
        })


class AxiReadMemory(wiring.Component):
    """What lies from ``base`` on behind the AXI4 port ``axi``, as a memory of words that is only read: a write command
    is taken and does nothing, and words to be written are taken to nowhere.

    A command is one burst, or two where it crosses a multiple of 4 KiB. Up to ``outstanding`` bursts are asked for
    ahead of their words. Beats have ``data_bits``, and any of their words may be the first or the last of a command.

    A beat that is not answered with OKAY still gives its words, whatever they are, so that nothing waits for ever. The
    first such answer stays in ``response`` until ``clear``.

    No output of ``axi`` depends on an input within a clock cycle. Latency: a burst is offered 2 clock cycles after its
    command is taken, and a word 1 clock cycle after its beat. Throughput: a word a clock cycle; a command every other
    clock cycle. Cost: a queue of `DEPTH` beats, a queue of ``outstanding`` bursts, an adder of addresses. It may be
    reset only together with what is behind ``axi``, or while it is ``idle``.

    Raises ``ValueError`` unless ``data_bits`` is 32, 64, 128, ... 1024, ``axi_address_bits`` is 13 to 64, and
    ``outstanding`` is at least 1.
    """

    def __init__(self, *, address_bits: int, data_bits: int = 64, axi_address_bits: int = 32,
                 outstanding: int = 8) -> None:
        if data_bits not in (WORD_BITS << doubled for doubled in range(6)):
            raise ValueError(f"data_bits={data_bits}: must be 32, 64, 128, 256, 512 or 1024")
        if not PAGE_BITS < axi_address_bits <= 64:
            raise ValueError(f"axi_address_bits={axi_address_bits}: must be {PAGE_BITS + 1} to 64")
        if outstanding < 1:
            raise ValueError(f"outstanding={outstanding}: must be at least 1")
        self.words = data_bits // WORD_BITS
        """Words of a beat."""
        self.outstanding = outstanding
        super().__init__({
            #: The user's end is this, flipped.
            "port": In(MemoryInterface(address_bits)),
            "axi": Out(AxiReadSignature(address_bits=axi_address_bits, data_bits=data_bits)),
            #: Address in bytes of the word 0: a multiple of 4 KiB, so the bits below are ignored. It must not change
            #: while there are commands.
            "base": In(axi_address_bits),
            #: The first answer since `clear` that was not OKAY.
            "response": Out(Response),
            "clear": In(1),
            #: Every command that was taken has been answered.
            "idle": Out(1),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        lane = index_bits(self.words)
        # The lanes in the beats of a burst that its first and its last word have.
        m.submodules.bursts = bursts = Queue(depth=self.outstanding,
                                             shape=data.StructLayout({"first": lane, "last": lane}))
        m.submodules.answers = beats = Queue(depth=DEPTH, shape=data.StructLayout(
            {"words": data.ArrayLayout(WORD_BITS, self.words), "last": 1}))
        self._ask(m, bursts)
        self._receive(m, beats)
        self._answer(m, bursts, beats)
        return m

    def _ask(self, m: Module, bursts: Queue) -> None:
        """Commands, as bursts."""
        commands, axi, skip = self.port.commands, self.axi, exact_log2(self.words)
        word_bits = PAGE_BITS - exact_log2(WORD_BITS // 8)  # of the place of a word in its page
        address = Signal(max(len(commands.payload.address), word_bits), reset_less=True)
        length = Signal.like(commands.payload.length, reset_less=True)
        waiting, free = Signal(), Signal()  # a command waits; a burst can be asked for
        first, past = address[:word_bits], Signal(word_bits + 1)
        last, crosses = Signal(word_bits), past[-1]
        m.d.comb += [
            past.eq(first + length),
            last.eq(Mux(crosses, ~0, past)),
            free.eq((~axi.arvalid | axi.arready) & bursts.i.ready),
            bursts.i.valid.eq(waiting & free),
            bursts.i.payload.first.eq(first[:skip]),
            bursts.i.payload.last.eq(last[:skip]),
            commands.ready.eq(~waiting),
            self.port.writes.ready.eq(1),
            self.idle.eq(~waiting & ~bursts.o.valid),
            axi.arsize.eq(exact_log2(WORD_BITS // 8 * self.words)),
            axi.arburst.eq(INCREMENTING),
            axi.arcache.eq(BUFFERABLE),
        ]
        with m.If(axi.arready):
            m.d.sync += axi.arvalid.eq(0)
        with m.If(waiting & free):
            m.d.sync += [
                axi.arvalid.eq(1),
                axi.araddr.eq(Cat(Const(0, PAGE_BITS - word_bits + skip), first[skip:],
                                  self.base[PAGE_BITS:] + address[word_bits:])),
                axi.arlen.eq(last[skip:] - first[skip:]),
                address.eq(Cat(Const(0, word_bits), address[word_bits:] + 1)),
                length.eq(past),
                waiting.eq(crosses),
            ]
        with m.If(commands.valid & commands.ready):
            m.d.sync += [address.eq(commands.payload.address), length.eq(commands.payload.length),
                         waiting.eq(~commands.payload.write)]

    def _receive(self, m: Module, beats: Queue) -> None:
        """Beats, and how they were answered."""
        axi = self.axi
        m.d.comb += [
            beats.i.valid.eq(axi.rvalid),
            axi.rready.eq(beats.i.ready),
            beats.i.payload.words.eq(axi.rdata),
            beats.i.payload.last.eq(axi.rlast),
        ]
        with m.If(axi.rvalid & axi.rready & (self.clear | (self.response == Response.OKAY))):
            m.d.sync += self.response.eq(axi.rresp)
        with m.Elif(self.clear):
            m.d.sync += self.response.eq(Response.OKAY)

    def _answer(self, m: Module, bursts: Queue, beats: Queue) -> None:
        """Words, out of beats."""
        reads, beat, burst = self.port.reads, beats.o.payload, bursts.o.payload
        lane, begun = Signal.like(burst.first), Signal()  # of the next word of a burst that has begun
        place, ends = Signal.like(lane), Signal()
        m.d.comb += [
            place.eq(Mux(begun, lane, burst.first)),
            ends.eq(place == Mux(beat.last, burst.last, self.words - 1)),
            reads.payload.eq(beat.words[place]),
            reads.valid.eq(beats.o.valid),
            beats.o.ready.eq(reads.ready & ends),
            bursts.o.ready.eq(beats.o.valid & beats.o.ready & beat.last),
        ]
        with m.If(reads.valid & reads.ready):
            m.d.sync += [lane.eq(Mux(ends, 0, place + 1)), begun.eq(~(ends & beat.last))]
