"""Claims about hw/link: what receives comes to itself again, whatever has happened; frames are taken exactly if they
are well formed; bytes and beats come through, whoever makes whom wait."""

from collections.abc import Callable

from amaranth.hdl import Array, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from spinloom.contract.link import CRC_POLYNOMIAL, ESCAPE, FLAG, TOGGLE
from spinloom.hw.link import collector, delivery, frame
from spinloom.hw.link.collector import Collector
from spinloom.hw.link.crc import Crc32
from spinloom.hw.link.delivery import Delivery
from spinloom.hw.link.frame import Deframer, Framer
from spinloom.hw.link.uart import UartReceiver, UartTransmitter

from .prover import Bench, Fault, Proof, counted
from .store import Streams

BYTE = 9
"""Clock cycles that the line takes for a byte, at least."""


class Together(Bench):
    """Two of a block in any two states, without a reset: once the line has been at rest, they say the same for ever."""

    restarts = False

    def __init__(self, ports: dict, make: Callable[[], wiring.Component], outputs: tuple[str, ...], valid: str) -> None:
        self.make, self.outputs, self.valid_port = make, outputs, valid
        super().__init__(ports)

    def rests(self, m: Module) -> Signal:
        raise NotImplementedError

    def describe(self, m: Module) -> None:
        m.submodules.one, m.submodules.other = one, other = self.make(), self.make()
        for name in self.signature.members:
            m.d.comb += [getattr(part, name).eq(getattr(self, name)) for part in (one, other)]
        settled = Signal(reset_less=True, name="begun_again")
        with m.If(self.rests(m)):
            m.d.sync += settled.eq(1)
        valid = getattr(one, self.valid_port)
        self.claim(m, ~settled | (valid == getattr(other, self.valid_port)))
        for name in self.outputs:
            self.claim(m, ~settled | ~valid | (getattr(one, name) == getattr(other, name)))


class AfterAFlag(Together):
    def __init__(self) -> None:
        super().__init__({"data": In(8), "valid": In(1)}, Deframer, ("byte",), "byte_valid")

    def rests(self, m: Module) -> Signal:
        return self.valid & (self.data == FLAG)


class AfterAPause(Together):
    DIVISOR = 2

    def __init__(self) -> None:
        super().__init__({"rx": In(1)}, lambda: UartReceiver(divisor=self.DIVISOR), ("data",), "valid")

    def rests(self, m: Module) -> Signal:
        high = Signal(range(12 * self.DIVISOR), name="begun_high")
        m.d.sync += high.eq(Mux(self.rx, high + (high != 12 * self.DIVISOR - 1), 0))
        return self.rx & (high == 12 * self.DIVISOR - 1)


def crc_states(m: Module, value: Value, byte: Value, polynomial: int = CRC_POLYNOMIAL) -> list[Value]:
    """The register of a CRC with 0, 1, ... 8 bits of ``byte`` put into ``value``."""
    states = [value]
    for bit in byte:
        state = Signal(len(value), name="state")
        m.d.comb += state.eq((states[-1] >> 1) ^ Mux(states[-1][0] ^ bit, polynomial, 0))
        states.append(state)
    return states


class Checksum(Bench):
    """The register, and what it is to be in every clock cycle."""

    def __init__(self) -> None:
        super().__init__({"clear": In(1), "put": In(1), "data": In(8)})

    def describe(self, m: Module) -> None:
        m.submodules.crc = crc = Crc32()
        for name in ("clear", "put", "data"):
            m.d.comb += getattr(crc, name).eq(getattr(self, name))
        before, byte, done = Signal(32, init=crc.value.init), Signal(8), Signal(range(9))
        states, busy = crc_states(m, before, byte), Signal()  # the byte under way, and its bits that are done
        with m.If(self.clear):
            m.d.sync += [before.eq(before.init), done.eq(0), busy.eq(0)]
        with m.Elif(busy):
            m.d.sync += done.eq(done + 1)
            with m.If(done == 7):
                m.d.sync += [before.eq(states[-1]), done.eq(0), busy.eq(0)]
        with m.Elif(self.put):
            m.d.sync += [byte.eq(self.data), busy.eq(1)]
        self.claim(m, crc.busy == busy)
        self.claim(m, crc.value == Array(states)[done])


class Crc8(wiring.Component):
    """In place of a `Crc32`: one of 8 bits, whose ``value`` has all of a byte at once."""

    POLYNOMIAL = 0xE0
    RESIDUE = 0xCF
    """The register after content and its inverted CRC."""
    clear: In(1)
    put: In(1)
    data: In(8)
    busy: Out(1)
    value: Out(8, init=0xFF)

    def elaborate(self, platform) -> Module:
        m = Module()
        left = Signal(range(9))
        m.d.comb += self.busy.eq(left != 0)
        with m.If(self.busy):
            m.d.sync += left.eq(left - 1)
        with m.Elif(self.put):
            m.d.sync += [self.value.eq(crc_states(m, self.value, self.data, self.POLYNOMIAL)[-1]), left.eq(8)]
        with m.If(self.clear):
            m.d.sync += [self.value.eq(self.value.init), left.eq(0)]
        return m


SMALL = ((frame, "Crc32", Crc8), (frame, "CRC_BYTES", 1), (frame, "CRC_RESIDUE", Crc8.RESIDUE))


class Line(Bench):
    """Any bytes of a line, as far apart as they come."""

    def spaced(self, m: Module, valid: Value) -> None:
        pause = Signal(range(BYTE), init=BYTE - 1)
        m.d.sync += pause.eq(Mux(valid, 0, pause + (pause != BYTE - 1)))
        self.assume(m, ~valid | (pause == BYTE - 1))


class Sound(Line):
    """A frame is sound exactly if its last byte is the CRC of those before."""

    def __init__(self) -> None:
        super().__init__({"data": In(8), "valid": In(1)})

    def describe(self, m: Module) -> None:
        m.submodules.deframer = deframer = Deframer()
        self.spaced(m, self.valid)
        m.d.comb += [deframer.data.eq(self.data), deframer.valid.eq(self.valid)]
        crc, before, last = Signal(8, init=0xFF), Signal(8), Signal(8)  # of all bytes; of all but the last; that one
        any_byte, escaped = Signal(), Signal()
        byte = self.data ^ Mux(escaped, TOGGLE, 0)
        comes = self.valid & (self.data != FLAG) & (self.data != ESCAPE)
        self.claim(m, deframer.byte_valid == comes)
        self.claim(m, ~comes | (deframer.byte == byte))
        self.claim(m, deframer.end == (self.valid & (self.data == FLAG)))
        with m.If(self.valid):
            m.d.sync += escaped.eq(self.data == ESCAPE)
        with m.If(comes):
            m.d.sync += [crc.eq(crc_states(m, crc, byte, Crc8.POLYNOMIAL)[-1]), before.eq(crc), last.eq(byte),
                         any_byte.eq(1)]
        with m.If(deframer.end):
            m.d.sync += [crc.eq(crc.init), any_byte.eq(0)]
        self.claim(m, ~deframer.end | (deframer.sound == (any_byte & (last == ~before))))


class RoundTrip(Line):
    """What is framed, and taken off the line again, is the content, a CRC, and the end of a sound frame."""

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(data.StructLayout({"byte": 8, "last": 1}))),
                          "ready": In(1)})

    def describe(self, m: Module) -> None:
        m.submodules.framer, m.submodules.deframer = framer, deframer = Framer(), Deframer()
        wiring.connect(m, wiring.flipped(self.i), framer.i)
        out, i = framer.o, self.i
        sent = out.valid & out.ready
        m.d.comb += [out.ready.eq(self.ready), deframer.data.eq(out.payload), deframer.valid.eq(sent)]
        self.spaced(m, self.ready)
        self.stays(m, self.assume, i.valid, i.ready, i.payload)
        self.stays(m, self.claim, out.valid, out.ready, out.payload)
        rest = Signal(2)  # bytes of the CRC and the flag that are left
        content = (rest == 0) & i.valid & i.ready
        with m.If(content & i.payload.last):
            m.d.sync += rest.eq(2)
        with m.If((rest != 0) & (deframer.byte_valid | deframer.end)):
            m.d.sync += rest.eq(rest - 1)
        self.claim(m, ~i.ready | (rest == 0))
        self.claim(m, deframer.byte_valid == content | deframer.byte_valid & (rest > 1))
        self.claim(m, ~content | deframer.byte_valid & (deframer.byte == i.payload.byte))
        self.claim(m, deframer.end == deframer.end & (rest == 1))
        self.claim(m, ~deframer.end | deframer.sound)


class SentAndReceived(Bench):
    """Any two bytes in turn, so that one lost, repeated or overtaken would show."""

    def __init__(self, divisor: int) -> None:
        self.divisor = divisor
        super().__init__({"i": In(stream.Signature(unsigned(8))), "even": In(8), "odd": In(8)})

    def describe(self, m: Module) -> None:
        m.submodules.transmitter = transmitter = UartTransmitter(divisor=self.divisor)
        m.submodules.receiver = receiver = UartReceiver(divisor=self.divisor)
        wiring.connect(m, wiring.flipped(self.i), transmitter.i)
        m.d.comb += receiver.rx.eq(transmitter.tx)
        came, went = counted(m, 2, self.i.valid & self.i.ready, receiver.valid)
        for value in (self.even, self.odd):
            self.keep(m, value)
        self.assume(m, self.i.payload == Mux(came[0], self.odd, self.even))
        self.claim(m, ~receiver.valid | (came != went) & (receiver.data == Mux(went[0], self.odd, self.even)))
        waits = Signal(range(12 * self.divisor + 2))  # since a byte is due
        m.d.sync += waits.eq(Mux((came == went) | receiver.valid, 0, waits + 1))
        self.claim(m, waits <= 12 * self.divisor)


class Gathered(Bench):
    """Beats of one byte and of two, and a host that acknowledges what was sent: when all is sent, that is as many bytes
    as came."""

    SLOT = 4
    BITS = 5

    def __init__(self) -> None:
        part = Collector(streams={"a": 4, "b": 12}, slots=2)
        self.part = part
        super().__init__({name: member for name, member in part.signature.members.items()
                          if name in ("a", "b", "flush", "acknowledge", "acknowledged", "take")})

    def describe(self, m: Module) -> None:
        m.submodules.part = part = self.part
        a, b = self.a, self.b
        for name in ("a", "b"):
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(part, name))
            port = getattr(self, name)
            self.stays(m, self.assume, port.valid, port.ready, port.payload)
        for name in ("flush", "acknowledge", "acknowledged", "take"):
            m.d.comb += getattr(part, name).eq(getattr(self, name))
        self.assume(m, ~self.take | part.available)
        self.assume(m, ~self.acknowledge | (self.acknowledged == part.number))
        came, sent = Signal(self.BITS), Signal(self.BITS)
        m.d.sync += [came.eq(came + (a.valid & a.ready) + ((b.valid & b.ready) << 1)),
                     sent.eq(sent + Mux(self.take, part.length, 0))]
        self.claim(m, ~part.available | (part.length != 0) & (part.length < self.SLOT))
        self.claim(m, ~part.available | (part.stream == 0) | ~part.length[0])
        self.claim(m, ~part.idle | (came == sent))
        self.stays(m, self.claim, part.available, self.take, part.number, part.stream, part.length)


PROOFS = [
    Proof(block="link/frame.py", claim="never locks up: from any state, without a reset, a flag begins a frame",
          size="any bytes", bench=AfterAFlag, starts=("any state",),
          faults=(Fault(Deframer, "elaborate", "escaped.eq(self.data == ESCAPE)",
                        "escaped.eq((self.data == ESCAPE) | escaped & (self.data == FLAG))"),)),
    Proof(block="link/uart.py", claim="never locks up: from any state, without a reset, the receiver is in step when "
          "the line has been high for 12 bits", size="2 clock cycles a bit", bench=AfterAPause, starts=("any state",),
          faults=(Fault(UartReceiver, "elaborate", "with m.If(line):", "with m.If(line & self.valid):"),)),
    Proof(block="link/crc.py", claim="the register is that of CRC-32 after every bit", size="any bytes",
          bench=Checksum, cycles=12, faults=(Fault(Crc32, "elaborate", "remaining.eq(8)", "remaining.eq(7)"),)),
    Proof(block="link/frame.py", claim="a frame is sound exactly if its last byte is the CRC of those before; "
          "its bytes are those of the line, unescaped", size="any bytes, a CRC of 8 bits", bench=Sound,
          instead=SMALL,
          faults=(Fault(Deframer, "elaborate", "crc.clear.eq(self.end)", "crc.clear.eq(self.end & self.sound)"),)),
    Proof(block="link/frame.py", claim="what is framed comes through, byte by byte, and then a sound frame ends; an "
          "offer stays", size="any bytes, a CRC of 8 bits", bench=RoundTrip, instead=SMALL,
          faults=(Fault(Framer, "elaborate", "(escaped | ~special)", "1"),)),
    Proof(block="link/uart.py", claim="every byte sent is received, once, in order, and in time",
          size="2 clock cycles a bit", bench=lambda: SentAndReceived(2), cycles=50,
          faults=(Fault(UartTransmitter, "elaborate", "remaining.eq(10)", "remaining.eq(9)"),)),
    Proof(block="link/delivery.py", claim="an offer stays as it is until it is taken", size="2 streams, 2 slots of 16 "
          "bytes", bench=lambda: Streams(lambda: Delivery(streams={"a": 4, "b": 12}, slots=2)),
          instead=((delivery, "SLOT", 16),),
          faults=(Fault(Delivery, "elaborate", "with m.If(taken):", "with m.If(1):"),)),
    Proof(block="link/collector.py", claim="when all is sent, it is as many bytes as came; a frame has beats of one "
          "stream, and fits its slot; it stays until it is taken", size="beats of 1 and 2 bytes, 2 slots of 4 bytes",
          bench=Gathered, instead=((collector, "SLOT", Gathered.SLOT),), cycles=14,
          faults=(Fault(Collector, "elaborate", "(length < SLOT - size)", "(length <= SLOT - size)"),)),
]
