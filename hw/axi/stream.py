"""AXI4-Stream ports of streams."""

from amaranth.hdl import Cat, Module, Shape, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..basics.queue import Queue

DEPTH = 2
"""Beats that wait at a port: with two, a beat moves every clock though no output depends on an input within it."""


def tdata_bits(width: int) -> int:
    """Width of the TDATA that carries payloads of ``width`` bits: the next of 8, 16, 32, ..., so that beats in memory
    are an array of C integers."""
    return max(8, 1 << ceil_log2(width))


class AxiStreamSignature(wiring.Signature):
    """AXI4-Stream for payloads of ``width`` bits, in the low bits of TDATA, as its transmitter sees it; with TLAST if
    ``last``."""

    def __init__(self, width: int, *, last: bool) -> None:
        members = {"tdata": Out(tdata_bits(width)), "tvalid": Out(1), "tready": In(1)}
        super().__init__(members | ({"tlast": Out(1)} if last else {}))


class StreamInput(wiring.Component):
    """Passes the beats of ``axis`` on to ``o``. Bits of TDATA above the payload are ignored. If ``last``, the payload's
    field of that name is set by TLAST too. Latency: 1 clock; throughput: a beat a clock."""

    def __init__(self, shape, *, last: bool = False) -> None:
        self.shape = shape
        self.last = last
        super().__init__({"axis": In(AxiStreamSignature(Shape.cast(shape).width, last=last)),
                          "o": Out(stream.Signature(shape))})

    def elaborate(self, platform) -> Module:
        m = Module()
        width = Shape.cast(self.shape).width
        m.submodules.queue = queue = Queue(shape=self.shape, depth=DEPTH)
        wiring.connect(m, queue.o, wiring.flipped(self.o))
        m.d.comb += [
            Value.cast(queue.i.payload).eq(self.axis.tdata[:width]),
            queue.i.valid.eq(self.axis.tvalid),
            self.axis.tready.eq(queue.i.ready),
        ]
        if self.last:
            place = self.shape["last"].offset
            m.d.comb += queue.i.payload.last.eq(self.axis.tdata[place] | self.axis.tlast)
        return m


class StreamOutput(wiring.Component):
    """Passes the beats of ``i``, a ``payload`` and whether it is the ``last`` of its packet, on to ``axis``, with zeros
    above the payload. Latency: 1 clock; throughput: a beat a clock."""

    def __init__(self, shape) -> None:
        self.packet = packet_layout(shape)
        super().__init__({"i": In(stream.Signature(self.packet)),
                          "axis": Out(AxiStreamSignature(Shape.cast(shape).width, last=True))})

    def elaborate(self, platform) -> Module:
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


def packet_layout(shape) -> data.StructLayout:
    """A beat, and whether it is the last of its packet."""
    return data.StructLayout({"payload": shape, "last": 1})
