"""The queue of cells to be programmed."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...contract.geometry import CrossbarGeometry
from ..basics.queue import Queue
from .layouts import position_layout, word_layout
from .timing import write_back

SEGMENT = 16
"""Lanes looked at in one clock."""
DEPTH = 16
"""Words that wait."""


def queued_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """A word that waits: its place, and which of its lanes fire, in segments."""
    segments, segment_lanes = -(-geometry.lanes // SEGMENT), min(geometry.lanes, SEGMENT)
    return data.StructLayout({"word": word_layout(geometry), "fired": data.ArrayLayout(segment_lanes, segments)})


class ProgrammingQueue(wiring.Component):
    """Turns words of firing lanes into a stream of single cells, lanes ascending, words in order.

    A word is offered with ``valid`` and cannot be refused; the issuer stops while there is no ``room``. Words
    without a firing lane cost nothing. The first cell of a word appears 6 clocks later or more; after that, a cell a
    clock, and 2 clocks more for each further segment of 16 lanes in which one fires.

    Cost: ``DEPTH`` words of ``lanes`` bits in distributed memory.
    """

    def __init__(self, *, geometry: CrossbarGeometry) -> None:
        self.geometry = geometry
        super().__init__({
            "valid": In(1),
            "word": In(word_layout(geometry)),
            "fired": In(geometry.lanes),
            "room": Out(1),
            #: No word that was offered before this clock waits for `event`.
            "empty": Out(1),
            "request": Out(stream.Signature(position_layout(geometry))),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        entry = queued_layout(self.geometry)
        segments, segment_lanes = entry["fired"].shape.length, min(self.geometry.lanes, SEGMENT)
        in_flight = write_back(self.geometry) + 3  # slots that can still get here after `room` has been withdrawn

        offered, occupied = Signal(entry), Signal(segments)
        arriving = [self.valid & self.fired[index * SEGMENT:(index + 1) * SEGMENT].any() for index in range(segments)]
        # The segments are looked at in one clock, and at what is in them in the next one.
        m.d["sync" if segments > 1 else "comb"] += [
            offered.word.eq(self.word), offered.fired.eq(self.fired), occupied.eq(Cat(arriving))]

        m.submodules.words = words = Queue(shape=entry, depth=DEPTH, storage="block")
        current = Signal(entry)  # stays at the head until all its lanes are gone
        m.d.comb += [
            words.i.payload.eq(offered),
            words.i.valid.eq(occupied.any()),
            current.eq(words.o.payload),
            self.room.eq(words.level < DEPTH - in_flight),
            self.empty.eq(~occupied.any() & (words.level == 0)),
        ]

        segment, left = Signal(range(max(2, segments))), Signal(segments)
        waiting, first = Signal(segment_lanes), Signal(range(SEGMENT))
        others = waiting & (waiting - 1)
        m.d.comb += [
            first.eq(_first(m, waiting)),
            *(self.request.payload[name].eq(current.word[name]) for name, _ in current.word.shape()),
            self.request.payload.lane.eq(segment * SEGMENT + first),
        ]
        with m.FSM():
            with m.State("take"):
                m.d.sync += left.eq(Cat(fired.any() for fired in current.fired))
                with m.If(words.o.valid):
                    m.next = "find"
            with m.State("find"):
                m.d.sync += segment.eq(_first(m, left))
                m.next = "pick"
            with m.State("pick"):
                m.d.sync += [waiting.eq(current.fired[segment]), left.bit_select(segment, 1).eq(0)]
                m.next = "offer"
            with m.State("offer"):
                m.d.comb += self.request.valid.eq(1)
                with m.If(self.request.ready):
                    m.d.sync += waiting.eq(others)
                    with m.If(others == 0):
                        m.next = "find"
                        with m.If(~left.any()):
                            m.d.comb += words.o.ready.eq(1)
                            m.next = "take"
        return m


def _first(m: Module, bits) -> Signal:
    """The index of the lowest bit that is set."""
    index = Signal(range(max(2, len(bits))))
    for place in reversed(range(len(bits))):
        with m.If(bits[place]):
            m.d.comb += index.eq(place)
    return index
