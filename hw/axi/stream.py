"""AXI4-Stream ports of streams."""

from typing import Any

from amaranth.hdl import Cat, Module, Shape, ShapeLike, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..basics.queue import Queue

DEPTH = 2
"""Beats that can wait at a port. With two, a beat can move in every clock cycle, though no output depends on an input
within a clock cycle."""


def tdata_bits(width: int) -> int:
    """Width of the TDATA that carries payloads of ``width`` bits: the next of 8, 16, 32, ... So beats in memory are an
    array of C integers."""
    return max(8, 1 << ceil_log2(width))


class AxiStreamSignature(wiring.Signature):
    """AXI4-Stream for payloads of ``width`` bits in the low bits of TDATA, as its transmitter sees it. With TLAST if
    ``last``."""

    def __init__(self, width: int, *, last: bool) -> None:
        members = {"tdata": Out(tdata_bits(width)), "tvalid": Out(1), "tready": In(1)}
        super().__init__(members | ({"tlast": Out(1)} if last else {}))


class StreamInput(wiring.Component):
    """Passes the beats of ``register`` and ``axis`` on to ``o``; if both offer one, that of ``register`` goes first.
    Bits of TDATA above the payload are ignored. If ``last``, TLAST also sets the payload's field of that name.

    ``tready`` depends on ``register.valid``, which must come from a flip-flop.

    Latency: 1 clock cycle. Throughput: a beat a clock cycle. Cost: a `Queue` of `DEPTH` beats.
    """

    def __init__(self, shape: ShapeLike, *, last: bool = False) -> None:
        self.shape = shape
        self.last = last
        super().__init__({
            #: From the system.
            "axis": In(AxiStreamSignature(Shape.cast(shape).width, last=last)),
            #: From a register that takes such beats.
            "register": In(stream.Signature(shape)),
            #: To the network.
            "o": Out(stream.Signature(shape)),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        width = Shape.cast(self.shape).width
        m.submodules.queue = queue = Queue(shape=self.shape, depth=DEPTH)
        wiring.connect(m, queue.o, wiring.flipped(self.o))
        m.d.comb += [
            Value.cast(queue.i.payload).eq(self.axis.tdata[:width]),
            queue.i.valid.eq(self.axis.tvalid | self.register.valid),
            self.axis.tready.eq(queue.i.ready & ~self.register.valid),
            self.register.ready.eq(queue.i.ready),
        ]
        if self.last:
            place = self.shape["last"].offset
            m.d.comb += queue.i.payload.last.eq(self.axis.tdata[place] | self.axis.tlast)
        with m.If(self.register.valid):
            m.d.comb += queue.i.payload.eq(self.register.payload)
        return m


class StreamOutput(wiring.Component):
    """Passes the beats of ``i`` on to ``axis``, with zeros above the payload.

    Latency: 1 clock cycle. Throughput: a beat a clock cycle. Cost: a `Queue` of `DEPTH` beats.
    """

    def __init__(self, shape: ShapeLike) -> None:
        self.packet = packet_layout(shape)
        super().__init__({
            #: From the network.
            "i": In(stream.Signature(self.packet)),
            #: To the system.
            "axis": Out(AxiStreamSignature(Shape.cast(shape).width, last=True)),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.queue = queue = Queue(shape=self.packet, depth=DEPTH)
        wiring.connect(m, wiring.flipped(self.i), queue.i)
        m.d.comb += [
            self.axis.tdata.eq(Cat(queue.o.payload.payload)),
            self.axis.tlast.eq(queue.o.payload.last),
            self.axis.tvalid.eq(queue.o.valid),
            queue.o.ready.eq(self.axis.tready),
        ]
        return m


def packet_layout(shape: ShapeLike) -> data.StructLayout:
    """A beat, and whether it is the last of its packet."""
    return data.StructLayout({"payload": shape, "last": 1})
