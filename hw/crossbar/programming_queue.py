"""The queue of cells to be programmed."""

from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...contract.geometry import CrossbarGeometry
from ..basics.queue import LATENCY, Queue
from .layouts import position_layout, word_layout
from .timing import write_back

SEGMENT = 16
"""Lanes that are looked at in one clock cycle."""
DEPTH = 16
"""Words that can wait."""


def queued_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """A word that waits: its place, and which of its lanes fire, in segments."""
    segments, segment_lanes = -(-geometry.lanes // SEGMENT), min(geometry.lanes, SEGMENT)
    return data.StructLayout({"word": word_layout(geometry), "fired": data.ArrayLayout(segment_lanes, segments)})


class ProgrammingQueue(wiring.Component):
    """Turns words of firing lanes into a stream of single cells, lanes ascending, words in order.

    A word is offered with ``valid`` and cannot be refused. The controller issues no slot that fires while there is no
    ``room``, which leaves places for the words that are still on their way. Words without a firing lane take no place.

    Latency: ``latency`` clock cycles from a word to its first cell, if no other waits.
    Throughput: a cell a clock cycle, and 2 clock cycles more for each further segment in which a lane fires.

    Cost: ``DEPTH`` words of ``queued_layout`` in memory, and a priority encoder of `SEGMENT` bits.
    """

    def __init__(self, *, geometry: CrossbarGeometry) -> None:
        self.geometry = geometry
        super().__init__({
            #: A word, and its lanes that fire.
            "valid": In(1),
            "word": In(word_layout(geometry)),
            "fired": In(geometry.lanes),
            #: A slot that fires may be issued.
            "room": Out(1),
            #: All cells of the words of earlier clock cycles have been taken.
            "empty": Out(1),
            #: The cells.
            "request": Out(stream.Signature(position_layout(geometry))),
        })

    @property
    def latency(self) -> int:
        """Clock cycles from a word to its first cell: the queue, 3 to find the lane, and 1 for several segments."""
        return LATENCY["block"] + 3 + (self.geometry.lanes > SEGMENT)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        entry = queued_layout(self.geometry)
        segments, segment_lanes = entry["fired"].shape.length, min(self.geometry.lanes, SEGMENT)
        in_flight = write_back(self.geometry) + 3  # slots that can still get here after `room` has been withdrawn

        offered, occupied = Signal(entry), Signal(segments)
        arriving = [self.valid & self.fired[index * SEGMENT:(index + 1) * SEGMENT].any() for index in range(segments)]
        # Several segments are looked at in one clock cycle, and stored in the next one.
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


def _first(m: Module, bits: Value) -> Signal:
    """The index of the lowest bit that is set."""
    index = Signal(range(max(2, len(bits))))
    for place in reversed(range(len(bits))):
        with m.If(bits[place]):
            m.d.comb += index.eq(place)
    return index
