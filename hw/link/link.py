"""The board's end of the link: beats of streams in numbered, checked frames, each delivered once and in order.

docs/link.md describes the protocol. The board has no timers, and never sends anything again of its own accord: the host
notices what got lost, and asks for it.
"""

from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, ResetInserter, ShapeLike, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...contract.link import (
    CRC_BYTES,
    DIGEST_BYTES,
    PROTOCOL_VERSION,
    SLOT,
    SLOTS,
    TO_BOARD_HEADER,
    TO_HOST_HEADER,
    Flag,
    ToBoard,
    ToHost,
)
from .collector import Collector
from .delivery import Delivery
from .frame import Deframer, Framer

SHORTEST = len(TO_BOARD_HEADER) + CRC_BYTES
"""Bytes of the shortest frame to a board."""


class Link(wiring.Component):
    """Carries the beats of ``sources``, streams to what is behind the link, and of ``sinks``, streams from there. Both
    are mappings of names to shapes, of at most ``MAX_STREAMS`` sources.

    Throughput: a byte in 9 clock cycles; none is refused. A frame for which there is no room, or that is not the next
    one, is dropped, and the host is told so. Answers to a HELLO carry ``digest``. ``restart`` is high for a clock cycle
    when another session is opened or closed: it is to reset what is behind the link.

    Cost: ``2 * slots * SLOT`` bytes of memory. On an iCE40, with the streams of `digits-dw5`, 695 LUTs, 419 flip-flops
    and 4 block RAMs. Raises ``ValueError`` if ``slots`` is not a power of two up to 128, or
    if there are too many sources.
    """

    def __init__(self, *, sources: dict[str, ShapeLike], sinks: dict[str, ShapeLike], digest: int,
                 slots: int = SLOTS) -> None:
        if slots not in [1 << bits for bits in range(8)]:
            raise ValueError(f"slots={slots}: must be a power of two, at most 128")
        self.sources, self.sinks = sources, sinks
        self.design_digest = digest
        self.slots = slots
        super().__init__({
            #: A byte received, for one clock cycle.
            "data": In(8),
            "valid": In(1),
            #: Bytes to be sent.
            "o": Out(stream.Signature(unsigned(8))),
            #: Everything behind the link is done.
            "done": In(1),
            #: Another session.
            "restart": Out(1),
            **{name: Out(stream.Signature(shape)) for name, shape in sources.items()},
            **{name: In(stream.Signature(shape)) for name, shape in sinks.items()},
        })
        self._delivery = Delivery(streams=sources, slots=slots)
        self._collector = Collector(streams=sinks, slots=slots)
        self._deframer, self._framer = Deframer(), Framer()
        # What the host is told.
        self._session = Signal(16)
        self._echo = Signal(8)
        self._idle = Signal()
        self._hello, self._status, self._trouble = Signal(), Signal(), Signal()  # a greeting, a status, a loss: pending

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.delivery = ResetInserter(self.restart)(self._delivery)
        m.submodules.collector = ResetInserter(self.restart)(self._collector)
        m.submodules.deframer = self._deframer
        m.submodules.framer = self._framer
        for name in self.sources:
            wiring.connect(m, getattr(self._delivery, name), wiring.flipped(getattr(self, name)))
        for name in self.sinks:
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(self._collector, name))
        wiring.connect(m, self._framer.o, wiring.flipped(self.o))

        was_idle = Signal()
        m.d.comb += self._idle.eq(self.done & (self._delivery.delivered == self._delivery.expected)
                                  & self._collector.idle)
        m.d.sync += was_idle.eq(self._idle)
        self._send(m)
        with m.If(self._delivery.done | self._idle & ~was_idle):
            m.d.sync += self._status.eq(1)
        self._receive(m)
        with m.If(self.restart):
            m.d.sync += [self._echo.eq(0), self._trouble.eq(0), self._status.eq(0)]
        return m

    def _send(self, m: Module) -> None:
        """Sends a frame when there is a greeting, beats or a status to be sent. Its kind, number and session are those
        of its start; its other fields are those of the clock cycle in which they are sent."""
        delivery, collector, framer = self._delivery, self._collector, self._framer
        kind, number, length = Signal(8), Signal(8), Signal(8)
        answered = Signal(16)  # the session
        place = Signal(range(SLOT))
        field = Signal(8)  # read out, as what it is read from may change while it is sent
        fields = {
            "kind": kind, "echo": self._echo, "expected": delivery.expected, "delivered": delivery.delivered,
            "number": number, "session_low": answered[:8], "session_high": answered[8:],
            "flags": Cat(self._idle, self._trouble),
        }
        assert list(fields) == list(TO_HOST_HEADER)
        assert [Flag.IDLE, Flag.TROUBLE] == [1, 2]
        text = bytes([PROTOCOL_VERSION, self.slots]) + self.design_digest.to_bytes(DIGEST_BYTES, "little")
        greeting = Array(Const(byte, 8) for byte in text)
        m.d.comb += [collector.read_number.eq(number), collector.place.eq(place)]
        with m.FSM():
            with m.State("wait"):
                m.d.comb += collector.flush.eq(1)
                m.d.sync += [place.eq(0), number.eq(collector.number), length.eq(0), answered.eq(self._session)]
                with m.If(self.restart):
                    pass  # what there is to send belongs to the session before
                with m.Elif(self._hello):
                    m.d.sync += [self._hello.eq(0), self._status.eq(0), kind.eq(ToHost.HELLO), length.eq(len(greeting))]
                    m.next = "header"
                with m.Elif(collector.available):
                    m.d.comb += collector.take.eq(1)
                    m.d.sync += [self._status.eq(0), kind.eq(ToHost.DATA + collector.stream),
                                 length.eq(collector.length)]
                    m.next = "header"
                with m.Elif(self._status):
                    m.d.sync += [self._status.eq(0), kind.eq(ToHost.STATUS)]
                    m.next = "header"
            with m.State("header"):
                m.d.sync += field.eq(Array(fields.values())[place[:3]])
                with m.If(place == len(fields) - 1):
                    m.d.sync += self._trouble.eq(0)
                m.next = "field"
            with m.State("field"):
                m.d.comb += [
                    framer.i.payload.byte.eq(field),
                    framer.i.payload.last.eq((place == len(fields) - 1) & (length == 0)),
                    framer.i.valid.eq(1),
                ]
                with m.If(framer.i.ready):
                    m.d.sync += place.eq(place + 1)
                    m.next = "header"
                    with m.If(place == len(fields) - 1):
                        m.d.sync += place.eq(0)
                        m.next = "fetch"
                        with m.If(length == 0):
                            m.next = "wait"
            with m.State("fetch"):
                m.next = "payload"
            with m.State("payload"):
                m.d.comb += [
                    framer.i.payload.byte.eq(collector.byte),
                    framer.i.payload.last.eq(place + 1 == length),
                    framer.i.valid.eq(1),
                ]
                with m.If(kind == ToHost.HELLO):
                    m.d.comb += framer.i.payload.byte.eq(greeting[place[:3]])
                with m.If(framer.i.ready):
                    m.d.sync += place.eq(place + 1)
                    m.next = "fetch"
                    with m.If(framer.i.payload.last):
                        m.next = "wait"

    def _receive(self, m: Module) -> None:
        """Takes frames in. What to do with a frame is decided at its end."""
        delivery, collector, deframer = self._delivery, self._collector, self._deframer
        header = Signal(8 * len(TO_BOARD_HEADER))
        count = Signal(range(SLOT + 2))  # bytes of the frame so far; beyond a slot, one too many
        room, room_now = Signal(), Signal()  # since the frame began
        resend = Signal()
        a, b = header[8:16], header[16:]
        m.d.comb += [
            deframer.data.eq(self.data),
            deframer.valid.eq(self.valid),
            room_now.eq((count == 0) & delivery.room | (count != 0) & room),
            delivery.write.eq(deframer.byte_valid & room_now & (count < SLOT)),
            delivery.place.eq(count),
            delivery.byte.eq(deframer.byte),
            collector.acknowledged.eq(b),
            collector.resend.eq(resend),
        ]
        with m.If(deframer.byte_valid):
            m.d.sync += room.eq(room_now)
            with m.If(count <= SLOT):
                m.d.sync += count.eq(count + 1)
            with m.If(count < len(TO_BOARD_HEADER)):
                m.d.sync += header.eq(Cat(header[8:], deframer.byte))
        m.d.sync += [resend.eq(0), self.restart.eq(0)]
        with m.If(deframer.end & (count != 0)):
            m.d.sync += count.eq(0)
            with m.If(~deframer.sound | (count < SHORTEST) | (count > SLOT)):
                m.d.sync += [self._trouble.eq(1), self._status.eq(1)]
            with m.Elif(header[:8] == ToBoard.HELLO):
                m.d.sync += [self._session.eq(Cat(a, b)), self._hello.eq(1),
                             self.restart.eq(self._session != Cat(a, b))]
            with m.Elif(self._session == 0):
                m.d.sync += self._status.eq(1)
            with m.Else():
                m.d.comb += collector.acknowledge.eq(1)
                with m.Switch(header[:8]):
                    with m.Case(ToBoard.DATA):
                        m.d.sync += self._status.eq(1)
                        with m.If(room & (a == delivery.expected)):
                            m.d.comb += delivery.accept.eq(1)
                        with m.Else():
                            m.d.sync += self._trouble.eq(1)
                    with m.Case(ToBoard.POLL):
                        m.d.sync += [self._status.eq(1), self._echo.eq(a)]
                    with m.Case(ToBoard.RESEND):
                        m.d.sync += [self._status.eq(1), self._echo.eq(a), resend.eq(1)]
