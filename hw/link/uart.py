"""Bytes on a serial line: 8 data bits, least significant first, no parity, one stop bit."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

_BROKEN = 11
"""A number of remaining bits that means: there was no stop bit, and the line has to be high before the next start
bit."""


def _check(divisor: int) -> None:
    if divisor < 2:
        raise ValueError(f"divisor={divisor}: a bit must last at least 2 clock cycles")


class UartReceiver(wiring.Component):
    """Takes bytes from ``rx``, whose bits last ``divisor`` clock cycles.

    The line passes two flip-flops. Each bit is sampled in its middle, counted from the edge of the start bit. So the
    rates of both ends may differ by half a bit in nine and a half, less a clock cycle or two: by 4 % with 16 clock
    cycles a bit, by 2 % with 4. A start bit shorter than half a bit is noise. A byte without a stop bit is dropped.

    ``valid`` is high for one clock cycle, about half a bit after the stop bit began. Nothing can hold it back. Cost:
    about 20 flip-flops. Raises ``ValueError`` if ``divisor`` is less than 2.
    """

    #: The line; high when nothing is sent.
    rx: In(1)
    #: A byte, when ``valid``.
    data: Out(8)
    valid: Out(1)

    def __init__(self, *, divisor: int) -> None:
        _check(divisor)
        self.divisor = divisor
        super().__init__()

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        line, previous = Signal(init=1), Signal(init=1)
        remaining = Signal(range(12))  # bits to be sampled, with the start bit; or _BROKEN
        timer = Signal(range(self.divisor))
        m.d.sync += [previous.eq(self.rx), line.eq(previous), self.valid.eq(0)]
        with m.If(remaining == 0):
            m.d.sync += timer.eq(self.divisor // 2 - 1)
            with m.If(~line):
                m.d.sync += remaining.eq(10)
        with m.Elif(remaining == _BROKEN):
            with m.If(line):
                m.d.sync += remaining.eq(0)
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [timer.eq(self.divisor - 1), remaining.eq(remaining - 1)]
            with m.If(remaining == 1):
                m.d.sync += self.valid.eq(line)
                with m.If(~line):
                    m.d.sync += remaining.eq(_BROKEN)
            with m.Else():
                m.d.sync += self.data.eq(Cat(self.data[1:], line))
            with m.If((remaining == 10) & line):
                m.d.sync += remaining.eq(0)
        return m


class UartTransmitter(wiring.Component):
    """Sends bytes on ``tx``. A bit lasts ``divisor`` clock cycles, and a byte ``10 * divisor + 1``.

    Cost: about 20 flip-flops. Raises ``ValueError`` if ``divisor`` is less than 2.
    """

    #: Bytes to be sent.
    i: In(stream.Signature(unsigned(8)))
    #: The line; high when nothing is sent.
    tx: Out(1, init=1)

    def __init__(self, *, divisor: int) -> None:
        _check(divisor)
        self.divisor = divisor
        super().__init__()

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        bits = Signal(9, init=0x1FF)  # those that follow the one on the line
        remaining = Signal(range(11))
        timer = Signal(range(self.divisor))
        m.d.comb += self.i.ready.eq(remaining == 0)
        with m.If(remaining == 0):
            m.d.sync += timer.eq(self.divisor - 1)
            with m.If(self.i.valid):
                m.d.sync += [self.tx.eq(0), bits.eq(Cat(self.i.payload, Const(1, 1))), remaining.eq(10)]
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [timer.eq(self.divisor - 1), remaining.eq(remaining - 1),
                         Cat(self.tx, bits).eq(Cat(bits, Const(1, 1)))]
        return m
