"""From frames to streams: the part of the board's link that takes beats in."""

from typing import Any

from amaranth.hdl import Cat, Module, Shape, ShapeLike, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ...contract.link import SLOT, TO_BOARD_HEADER, beat_bytes, segment_beats


class Delivery(wiring.Component):
    """Holds frames of beats in ``slots`` slots of ``SLOT`` bytes, and delivers the beats to ``streams``, a mapping of
    names to shapes, in the order in which they are in the frames.

    The frame that is being received is written byte by byte. It counts only when ``accept`` has been given. Frames are
    numbered from 0, modulo 256. A stream that is not ready holds up everything behind its beat.

    Throughput: a beat in one clock cycle, and two more for each of its bytes. Cost: ``slots * SLOT`` bytes of memory;
    a register for the widest beat. Raises ``ValueError`` if there are too many streams.
    """

    def __init__(self, *, streams: dict[str, ShapeLike], slots: int) -> None:
        self.streams = streams
        self.segment = segment_beats(len(streams))
        self.slots = slots
        super().__init__({
            #: Writes `byte` at `place` of the frame that is being received; its header counts.
            "write": In(1),
            "place": In(range(SLOT)),
            "byte": In(8),
            #: There is a slot for that frame.
            "room": Out(1),
            #: That frame is complete and right.
            "accept": In(1),
            #: Number of the frame that is being received.
            "expected": Out(8),
            #: Number of the oldest frame of which a beat is still here.
            "delivered": Out(8),
            #: The last beat of a frame has been delivered.
            "done": Out(1),
            **{name: Out(stream.Signature(shape)) for name, shape in streams.items()},
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        slot_bits = ceil_log2(self.slots)
        m.submodules.memory = slots = memory.Memory(shape=8, depth=self.slots * SLOT, init=[],
                                                    attrs={"no_rw_check": 1})
        write, read = slots.write_port(), slots.read_port()
        place = Signal(range(SLOT))
        m.d.comb += [
            write.addr.eq(Cat(self.place, self.expected[:slot_bits])),
            write.data.eq(self.byte),
            write.en.eq(self.write),
            read.addr.eq(Cat(place, self.delivered[:slot_bits])),
            self.room.eq((self.expected - self.delivered)[:8] != self.slots),
        ]
        with m.If(self.accept):
            m.d.sync += self.expected.eq(self.expected + 1)

        widths = [Shape.cast(shape).width for shape in self.streams.values()]
        widest = max(map(beat_bytes, widths))
        beat = Signal(8 * widest)
        beats = Signal(range(self.segment))  # to come after this one
        selected = Signal(8 - len(beats))
        left = Signal(range(widest + 1))  # bytes of this one
        offered, taken = Signal(), Signal()
        size = Signal.like(left)
        for index, (name, width) in enumerate(zip(self.streams, widths, strict=True)):
            port = getattr(self, name)
            # Bytes are shifted in from above, so the last one is always the topmost.
            first = 8 * (widest - beat_bytes(width))
            m.d.comb += port.payload.eq(beat[first:first + width])
            with m.If(selected == index + 1):
                m.d.comb += [port.valid.eq(offered), taken.eq(port.ready), size.eq(beat_bytes(width))]

        with m.FSM():
            with m.State("wait"):
                m.d.sync += place.eq(len(TO_BOARD_HEADER))
                with m.If(self.delivered != self.expected):
                    m.next = "fetch segment"
            with m.State("fetch segment"):
                m.next = "segment"
            with m.State("segment"):
                m.d.sync += [place.eq(place + 1), Cat(beats, selected).eq(read.data)]
                m.next = "start beat"
                with m.If(read.data == 0):
                    m.d.sync += self.delivered.eq(self.delivered + 1)
                    m.d.comb += self.done.eq(1)
                    m.next = "wait"
            with m.State("start beat"):
                m.d.sync += left.eq(size)
                m.next = "fetch byte"
            with m.State("fetch byte"):
                m.next = "byte"
            with m.State("byte"):
                m.d.sync += [place.eq(place + 1), left.eq(left - 1), beat.eq(Cat(beat[8:], read.data))]
                m.next = "fetch byte"
                with m.If(left == 1):
                    m.next = "offer"
            with m.State("offer"):
                m.d.comb += offered.eq(1)
                with m.If(taken):
                    m.d.sync += beats.eq(beats - 1)
                    m.next = "start beat"
                    with m.If(beats == 0):
                        m.next = "fetch segment"
        return m
