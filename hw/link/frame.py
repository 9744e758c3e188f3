"""Frames on a line of bytes: content, CRC and a flag. Flags in the content are escaped."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...contract.link import CRC_BYTES, CRC_RESIDUE, ESCAPE, FLAG, TOGGLE
from .crc import Crc32


class Deframer(wiring.Component):
    """Undoes what ``Framer`` does: content and CRC come out byte by byte, and at the end of the frame whether it was
    sound.

    Latency: none. Throughput: a byte in 9 clock cycles; none is refused, so bytes must not come more often. Cost: a
    ``Crc32``.
    """

    #: A byte of the line, for one clock cycle.
    data: In(8)
    valid: In(1)
    #: A byte of content or CRC.
    byte: Out(8)
    byte_valid: Out(1)
    #: The frame is complete, and whether its CRC is right.
    end: Out(1)
    sound: Out(1)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.crc = crc = Crc32()
        escaped = Signal()
        m.d.comb += [
            self.byte.eq(Mux(escaped, self.data ^ TOGGLE, self.data)),
            self.byte_valid.eq(self.valid & (self.data != FLAG) & (self.data != ESCAPE)),
            self.end.eq(self.valid & (self.data == FLAG)),
            self.sound.eq(crc.value == CRC_RESIDUE),
            crc.put.eq(self.byte_valid),
            crc.data.eq(self.byte),
            crc.clear.eq(self.end),
        ]
        with m.If(self.valid):
            m.d.sync += escaped.eq(self.data == ESCAPE)
        return m


class Framer(wiring.Component):
    """Sends content as a frame: its bytes, of which those that are flags or escapes are escaped, its CRC, and a flag.
    The final byte of the content comes with ``last``.

    Throughput: a byte in 9 clock cycles. Cost: a ``Crc32``.
    """

    #: Content.
    i: In(stream.Signature(data.StructLayout({"byte": 8, "last": 1})))
    #: Bytes of the line.
    o: Out(stream.Signature(unsigned(8)))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.crc = crc = Crc32()
        current, available, advance = Signal(8), Signal(), Signal()
        escaped = Signal()
        special = (current == FLAG) | (current == ESCAPE)
        m.d.comb += [
            self.o.valid.eq(available),
            self.o.payload.eq(Mux(escaped, current ^ TOGGLE, Mux(special, ESCAPE, current))),
            advance.eq(available & self.o.ready & (escaped | ~special)),
            crc.data.eq(current),
        ]
        with m.If(available & self.o.ready):
            m.d.sync += escaped.eq(special & ~escaped)
        place = Signal(range(CRC_BYTES))
        with m.FSM():
            with m.State("content"):
                m.d.comb += [
                    current.eq(self.i.payload.byte),
                    available.eq(self.i.valid & ~crc.busy),
                    self.i.ready.eq(advance),
                    crc.put.eq(advance),
                ]
                with m.If(advance & self.i.payload.last):
                    m.next = "check"
            with m.State("check"):
                m.d.comb += [current.eq(~crc.value.word_select(place, 8)), available.eq(~crc.busy)]
                with m.If(advance):
                    m.d.sync += place.eq(place + 1)
                    with m.If(place == CRC_BYTES - 1):
                        m.next = "flag"
            with m.State("flag"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(FLAG)]
                with m.If(self.o.ready):
                    m.d.comb += crc.clear.eq(1)
                    m.next = "content"
        return m
