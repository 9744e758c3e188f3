"""The queue of cells to be programmed."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from ..contract.geometry import CrossbarGeometry
from .signatures import WRITE_BACK, address_bits, position_layout

SEGMENT = 16
"""Lanes looked at in one clock."""
DEPTH = 16
IN_FLIGHT = WRITE_BACK + 4
"""Slots that can still reach the queue after ``room`` has been withdrawn."""


class EventQueue(wiring.Component):
    """Turns words of firing lanes into a stream of single cells, lanes ascending, words in order.

    A word is offered with ``valid`` and cannot be refused; the issuer stops while there is no ``room``. Words
    without a firing lane cost nothing. The first cell of a word appears 5 clocks later or more; a
    word takes a clock for each segment of 16 lanes and one for each cell.

    Cost: ``DEPTH`` words of ``lanes`` bits in distributed memory.
    """

    def __init__(self, *, geometry: CrossbarGeometry):
        self.geometry = geometry
        super().__init__({
            "valid": In(1),
            "address": In(address_bits(geometry)),
            "fired": In(geometry.lanes),
            "room": Out(1),
            #: No word is anywhere between `valid` and `event`.
            "empty": Out(1),
            "event": Out(stream.Signature(position_layout(geometry))),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        lanes = self.geometry.lanes
        segments = -(-lanes // SEGMENT)
        word = data.StructLayout({"address": address_bits(self.geometry), "fired": lanes, "occupied": segments})

        gathered, offered = Signal(word), Signal(word)
        gathering = Signal()
        m.d.sync += [
            gathering.eq(self.valid),
            gathered.address.eq(self.address),
            gathered.fired.eq(self.fired),
            offered.eq(gathered),
        ]
        m.d.sync += [offered.occupied[index].eq(gathering & gathered.fired[index * SEGMENT:(index + 1) * SEGMENT].any())
                     for index in range(segments)]

        m.submodules.fifo = fifo = SyncFIFOBuffered(width=word.size, depth=DEPTH)
        queued = Signal(word)
        m.d.comb += [
            fifo.w_data.eq(offered),
            fifo.w_en.eq(offered.occupied.any()),
            queued.eq(fifo.r_data),
            self.room.eq(fifo.level < DEPTH - IN_FLIGHT),
        ]

        # The word in hand is shifted by a segment a clock until a lane shows.
        address = Signal.like(queued.address)
        mask = Signal(segments * SEGMENT)
        occupied = Signal(segments)
        base = Signal(range(max(2, segments * SEGMENT)))
        segment = Signal(SEGMENT)
        first = Signal(range(SEGMENT))
        lowest = Signal(SEGMENT)
        m.d.comb += segment.eq(mask[:SEGMENT])
        for index in reversed(range(SEGMENT)):
            with m.If(segment[index]):
                m.d.comb += [first.eq(index), lowest.eq(1 << index)]
        m.d.comb += [
            fifo.r_en.eq(~occupied.any()),
            self.event.payload.address.eq(address),
            self.event.payload.lane.eq(base + first),
            self.event.valid.eq(occupied[0]),
            self.empty.eq(~gathering & ~offered.occupied.any() & (fifo.level == 0) & ~occupied.any()),
        ]
        with m.If(fifo.r_en & fifo.r_rdy):
            m.d.sync += [address.eq(queued.address), mask.eq(queued.fired), occupied.eq(queued.occupied), base.eq(0)]
        with m.Elif(~occupied[0]):
            m.d.sync += [mask.eq(mask >> SEGMENT), occupied.eq(occupied >> 1), base.eq(base + SEGMENT)]
        with m.Elif(self.event.ready):
            m.d.sync += [mask[:SEGMENT].eq(segment & ~lowest), occupied[0].eq((segment & ~lowest).any())]
        return m
