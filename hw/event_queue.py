"""The queue of cells to be programmed."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from ..contract.geometry import CrossbarGeometry
from .signatures import position_layout, word_layout, write_back

SEGMENT = 16
"""Lanes looked at in one clock."""
DEPTH = 16
"""Words that wait."""


class EventQueue(wiring.Component):
    """Turns words of firing lanes into a stream of single cells, lanes ascending, words in order.

    A word is offered with ``valid`` and cannot be refused; the issuer stops while there is no ``room``. Words
    without a firing lane cost nothing. The first cell of a word appears 6 clocks later or more; after that, a cell a
    clock, and 2 clocks more for each further segment of 16 lanes in which one fires.

    Cost: ``DEPTH`` words of ``lanes`` bits in distributed memory.
    """

    def __init__(self, *, geometry: CrossbarGeometry):
        self.geometry = geometry
        super().__init__({
            "valid": In(1),
            "word": In(word_layout(geometry)),
            "fired": In(geometry.lanes),
            "room": Out(1),
            #: No word that was offered before this clock waits for `event`.
            "empty": Out(1),
            "event": Out(stream.Signature(position_layout(geometry))),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        lanes = self.geometry.lanes
        segments = -(-lanes // SEGMENT)
        in_flight = write_back(self.geometry) + 4  # slots that can still get here after `room` has been withdrawn
        entry = data.StructLayout({"word": word_layout(self.geometry), "fired": data.ArrayLayout(SEGMENT, segments),
                                   "occupied": segments})

        offered = Signal(entry)
        m.d.sync += [offered.word.eq(self.word), offered.fired.eq(self.fired)]
        m.d.sync += [offered.occupied[index].eq(self.valid & self.fired[index * SEGMENT:(index + 1) * SEGMENT].any())
                     for index in range(segments)]

        m.submodules.fifo = fifo = SyncFIFOBuffered(width=entry.size, depth=DEPTH)
        queued, current = Signal(entry), Signal(entry)
        m.d.comb += [
            fifo.w_data.eq(offered),
            fifo.w_en.eq(offered.occupied.any()),
            queued.eq(fifo.r_data),
            self.room.eq(fifo.level < DEPTH - in_flight),
        ]

        segment = Signal(range(max(2, segments)))
        waiting, first = Signal(SEGMENT), Signal(range(SEGMENT))
        m.d.comb += [
            first.eq(_first(m, waiting)),
            *(self.event.payload[name].eq(current.word[name]) for name, _ in current.word.shape()),
            self.event.payload.lane.eq(segment * SEGMENT + first),
        ]
        with m.FSM() as fsm:
            with m.State("take"):
                m.d.comb += fifo.r_en.eq(1)
                m.d.sync += current.eq(queued)
                with m.If(fifo.r_rdy):
                    m.next = "find"
            with m.State("find"):
                m.d.sync += segment.eq(_first(m, current.occupied))
                m.next = "pick"
            with m.State("pick"):
                m.d.sync += [waiting.eq(current.fired[segment]), current.occupied.bit_select(segment, 1).eq(0)]
                m.next = "offer"
            with m.State("offer"):
                m.d.comb += self.event.valid.eq(1)
                with m.If(self.event.ready):
                    m.d.sync += waiting.eq(waiting & (waiting - 1))
                    with m.If((waiting & (waiting - 1)) == 0):
                        m.next = "take"
                        with m.If(current.occupied.any()):
                            m.next = "find"
        m.d.comb += self.empty.eq(~offered.occupied.any() & (fifo.level == 0) & fsm.ongoing("take"))
        return m


def _first(m: Module, bits) -> Signal:
    """The index of the lowest bit that is set."""
    index = Signal(range(max(2, len(bits))))
    for place in reversed(range(len(bits))):
        with m.If(bits[place]):
            m.d.comb += index.eq(place)
    return index
