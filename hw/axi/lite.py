"""A file of registers behind an AXI4-Lite subordinate."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out

from .registers import ADDRESS_BITS, POP_VALID, WORD_BITS, Access, Register, check

STROBES = WORD_BITS // 8


class Response(enum.Enum, shape=2):  # type: ignore[call-arg]  # Amaranth's enumerations have one
    """What a transfer is answered with."""

    OKAY = 0
    SLVERR = 2
    DECERR = 3
    """Nothing has that address."""


class AxiLiteSignature(wiring.Signature):
    """AXI4-Lite with words of 32 bits, as its manager sees it. Tools expect ``prot``; nothing reads it."""

    def __init__(self) -> None:
        super().__init__({
            "awaddr": Out(ADDRESS_BITS), "awprot": Out(3), "awvalid": Out(1), "awready": In(1),
            "wdata": Out(WORD_BITS), "wstrb": Out(STROBES), "wvalid": Out(1), "wready": In(1),
            "bresp": In(Response), "bvalid": In(1), "bready": Out(1),
            "araddr": Out(ADDRESS_BITS), "arprot": Out(3), "arvalid": Out(1), "arready": In(1),
            "rdata": In(WORD_BITS), "rresp": In(Response), "rvalid": In(1), "rready": Out(1),
        })


class AxiLiteRegisters(wiring.Component):
    """Serves ``registers`` on ``bus``. ``Access`` says what a read and a write do. Everything else does nothing and is
    answered with ``SLVERR`` and zeros; also an address that is unknown or not a multiple of 4.

    Address and data of a write may come in any order and at any distance. Reads and writes do not wait for each other.
    No output depends on an input within a clock cycle.

    Each register but the constants has a port of its name: ``READ`` the value to show; ``WRITE`` the present value;
    ``PUSH`` a stream of beats, of which one waits here; ``POP`` a stream of beats to be taken.

    Latency: a read or a write takes effect 1 clock cycle after it is complete, and is answered 1 clock cycle later.
    Throughput: each channel moves a word every other clock cycle. Cost: a register for each ``WRITE`` and ``PUSH``, and
    a multiplexer of all that can be read. Raises ``ValueError`` if two registers share a name or an offset.
    """

    def __init__(self, *, registers: tuple[Register, ...]) -> None:
        check(registers)
        self.registers = registers
        #: From the processor.
        ports = {"bus": In(AxiLiteSignature())}
        for register in registers:
            match register.access:
                case Access.READ:
                    ports[register.name] = In(register.layout)
                case Access.WRITE:
                    ports[register.name] = Out(register.layout)
                case Access.PUSH:
                    ports[register.name] = Out(stream.Signature(register.layout))
                case Access.POP:
                    ports[register.name] = In(stream.Signature(register.layout))
        super().__init__(ports)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        self._serve_writes(m)
        self._serve_reads(m)
        return m

    def _port(self, register: Register) -> Any:
        """The port of ``register``; None if it is a constant."""
        return getattr(self, register.name, None)

    def _serve_writes(self, m: Module) -> None:
        bus = self.bus
        address, word = Signal(ADDRESS_BITS), Signal(WORD_BITS)
        strobes = Signal(STROBES)
        addressed, given = Signal(), Signal()  # a write waits, with its address, with its data
        m.d.comb += [bus.awready.eq(~addressed), bus.wready.eq(~given)]
        with m.If(bus.awvalid & bus.awready):
            m.d.sync += [addressed.eq(1), address.eq(bus.awaddr)]
        with m.If(bus.wvalid & bus.wready):
            m.d.sync += [given.eq(1), word.eq(bus.wdata), strobes.eq(bus.wstrb)]
        with m.If(bus.bready):
            m.d.sync += bus.bvalid.eq(0)

        storage = {}
        for register in self.registers:
            port = self._port(register)
            if register.access is Access.WRITE:
                storage[register.name] = value = Signal(register.layout.size, init=register.bits, name=register.name)
                m.d.comb += port.eq(value)
            elif register.access is Access.PUSH:
                with m.If(port.ready):
                    m.d.sync += port.valid.eq(0)

        with m.If(addressed & given & (bus.bready | ~bus.bvalid)):
            m.d.sync += [addressed.eq(0), given.eq(0), bus.bvalid.eq(1), bus.bresp.eq(Response.SLVERR)]
            with m.Switch(address):
                for register in self.registers:
                    port = self._port(register)
                    if register.access is Access.WRITE:
                        value = storage[register.name]
                        with m.Case(register.offset):
                            m.d.sync += bus.bresp.eq(Response.OKAY)
                            for byte in range(-(-len(value) // 8)):
                                place = slice(8 * byte, min(8 * byte + 8, len(value)))
                                with m.If(strobes[byte]):
                                    m.d.sync += value[place].eq(word[place])
                    elif register.access is Access.PUSH:
                        with m.Case(register.offset):
                            with m.If(strobes.all() & ~port.valid):
                                m.d.sync += [bus.bresp.eq(Response.OKAY), port.valid.eq(1),
                                             port.payload.eq(word[:register.layout.size])]

    def _serve_reads(self, m: Module) -> None:
        bus = self.bus
        address, addressed = Signal(ADDRESS_BITS), Signal()
        m.d.comb += bus.arready.eq(~addressed)
        with m.If(bus.arvalid & bus.arready):
            m.d.sync += [addressed.eq(1), address.eq(bus.araddr)]
        with m.If(bus.rready):
            m.d.sync += bus.rvalid.eq(0)
        with m.If(addressed & (bus.rready | ~bus.rvalid)):
            m.d.sync += [addressed.eq(0), bus.rvalid.eq(1), bus.rresp.eq(Response.SLVERR), bus.rdata.eq(0)]
            with m.Switch(address):
                for register in self.registers:
                    port = self._port(register)
                    if register.access is Access.PUSH:
                        continue
                    with m.Case(register.offset):
                        m.d.sync += bus.rresp.eq(Response.OKAY)
                        match register.access:
                            case Access.CONSTANT:
                                m.d.sync += bus.rdata.eq(register.bits)
                            case Access.READ | Access.WRITE:
                                m.d.sync += bus.rdata.eq(port.as_value())
                            case Access.POP:
                                m.d.comb += port.ready.eq(1)
                                with m.If(port.valid):
                                    m.d.sync += [bus.rdata.eq(port.payload.as_value()), bus.rdata[POP_VALID].eq(1)]
