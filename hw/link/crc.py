"""The checksum of frames."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...contract.link import CRC_POLYNOMIAL


class Crc32(wiring.Component):
    """CRC-32 of the bytes that were put in since ``clear``. `zlib.crc32` is the inverse of ``value``.

    ``put`` takes ``data`` unless ``busy``, which lasts 8 clock cycles: one for each bit. ``clear`` wins over ``put``.
    Cost: 44 flip-flops.
    """

    #: Starts over.
    clear: In(1)
    #: Takes ``data``.
    put: In(1)
    data: In(8)
    #: A byte is under way.
    busy: Out(1)
    #: The register, once not ``busy``.
    value: Out(32, init=0xFFFFFFFF)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        byte, remaining = Signal(8), Signal(range(9))
        shifted = Cat(self.value[1:], Const(0, 1))
        m.d.comb += self.busy.eq(remaining != 0)
        with m.If(self.clear):
            m.d.sync += [self.value.eq(self.value.init), remaining.eq(0)]
        with m.Elif(self.busy):
            m.d.sync += [
                remaining.eq(remaining - 1),
                byte.eq(byte[1:]),
                self.value.eq(shifted ^ Mux(self.value[0] ^ byte[0], CRC_POLYNOMIAL, 0)),
            ]
        with m.Elif(self.put):
            m.d.sync += [byte.eq(self.data), remaining.eq(8)]
        return m
