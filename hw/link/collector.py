"""From streams to frames: the part of the board's link that gathers answers, and keeps them until the host has them."""

from typing import Any

from amaranth.hdl import Array, Cat, Module, Shape, ShapeLike, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ...contract.link import SLOT, beat_bytes
from ...contract.widths import index_bits


class Collector(wiring.Component):
    """Gathers beats of ``streams``, a mapping of names to shapes, into frames of one stream each. It keeps up to
    ``slots`` frames until they are acknowledged.

    Frames are numbered from 0, modulo 256. A frame is closed when it is full, when a beat of another stream comes, or
    with ``flush`` as soon as no beat is waiting. When all slots are taken, the streams wait.

    Throughput: a beat in one clock cycle, and one more for each of its bytes. Cost: ``slots * SLOT`` bytes of memory.
    """

    def __init__(self, *, streams: dict[str, ShapeLike], slots: int) -> None:
        self.streams = streams
        self.slots = slots
        super().__init__({
            **{name: In(stream.Signature(shape)) for name, shape in streams.items()},
            #: Closes the frame that is being filled.
            "flush": In(1),
            #: The host has every frame before number `acknowledged`.
            "acknowledge": In(1),
            "acknowledged": In(8),
            #: Goes back to the oldest frame that is not acknowledged.
            "resend": In(1),
            #: A frame waits to be sent. `take` goes on to the next one.
            "available": Out(1),
            "take": In(1),
            #: Number, stream and bytes of the next frame to be sent.
            "number": Out(8),
            "stream": Out(index_bits(len(streams))),
            "length": Out(8),
            #: `byte` is at `place` of the slot of frame `read_number`, a clock cycle later.
            "read_number": In(8),
            "place": In(8),
            "byte": Out(8),
            #: No beat is waiting and every frame has been taken.
            "idle": Out(1),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        slot_bits = ceil_log2(self.slots)
        m.submodules.memory = slots = memory.Memory(shape=8, depth=self.slots * SLOT, init=[],
                                                    attrs={"no_rw_check": 1})
        write, read = slots.write_port(), slots.read_port()
        oldest, filling = Signal(8), Signal(8)  # numbers of the oldest frame kept, and of the one being filled
        streams, lengths = (Array(Signal(bits, name=f"{name}_{slot}") for slot in range(self.slots))
                            for name, bits in (("stream", index_bits(len(self.streams))), ("length", 8)))
        current, length = Signal(index_bits(len(self.streams))), Signal(8)
        slot, chosen = filling[:slot_bits], self.number[:slot_bits]
        m.d.comb += [
            self.available.eq(self.number != filling),
            self.stream.eq(streams[chosen]),
            self.length.eq(lengths[chosen]),
            read.addr.eq(Cat(self.place, self.read_number[:slot_bits])),
            self.byte.eq(read.data),
            write.addr.eq(Cat(length, slot)),
        ]
        acknowledged = (self.acknowledged - oldest)[:8]
        with m.If(self.take):
            m.d.sync += self.number.eq(self.number + 1)
        with m.If(self.acknowledge & (acknowledged <= (filling - oldest)[:8])):
            m.d.sync += oldest.eq(self.acknowledged)
            with m.If((self.number - oldest)[:8] < acknowledged):
                m.d.sync += self.number.eq(self.acknowledged)
        with m.If(self.resend):
            m.d.sync += self.number.eq(oldest)

        ports = [getattr(self, name) for name in self.streams]
        sizes = [beat_bytes(Shape.cast(shape).width) for shape in self.streams.values()]
        beat = Signal(8 * max(sizes))
        place, taken = Signal(range(max(sizes))), Signal()
        valid = Cat(port.valid for port in ports)
        m.d.comb += write.data.eq(beat.word_select(place, 8))
        for index, (port, size) in enumerate(zip(ports, sizes, strict=True)):
            with m.If(current == index):
                m.d.comb += [beat.eq(port.payload), port.ready.eq(taken & (place == size - 1))]
        with m.FSM() as fsm:
            with m.State("gather"):
                close = Signal()
                m.d.comb += close.eq((length != 0) & (valid.any() | self.flush))
                for index, (port, size) in enumerate(zip(ports, sizes, strict=True)):
                    first = ~valid[:index].any() & (length == 0) & ((filling - oldest)[:8] != self.slots)
                    more = (length != 0) & (current == index) & (length < SLOT - size)
                    with m.If(port.valid & (first | more)):
                        m.d.comb += close.eq(0)
                        m.d.sync += current.eq(index)
                        m.next = "store"
                with m.If(close):
                    m.d.sync += [filling.eq(filling + 1), length.eq(0), streams[slot].eq(current),
                                 lengths[slot].eq(length)]
            with m.State("store"):
                m.d.comb += [taken.eq(1), write.en.eq(1)]
                m.d.sync += [length.eq(length + 1), place.eq(place + 1)]
                with m.If(Cat(port.ready for port in ports).any()):
                    m.d.sync += place.eq(0)
                    m.next = "gather"
        m.d.comb += self.idle.eq(fsm.ongoing("gather") & (length == 0) & ~valid.any() & ~self.available)
        return m
