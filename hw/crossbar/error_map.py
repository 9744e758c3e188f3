"""The errors that a crossbar passes back to the cells of its feature map."""

from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ...contract.geometry import CrossbarGeometry
from ...contract.widths import index_bits
from .layouts import error_layout, row_sum_layout

WORD = 16
"""Cells whose flags are looked at in one clock cycle; a power of two."""


def flag_words(geometry: CrossbarGeometry) -> int:
    """Words of flags of a map."""
    return -(-geometry.window.cells // WORD)


class PartialErrorMap(wiring.Component):
    """Adds an error a clock cycle to the sum of its cell, and keeps a flag for each cell that has one.

    An error is in the map in the second clock cycle after it came. With an ``error`` that is ``valid``, nothing is read
    or cleared. A cell that is read is zero from then on; cells that have no error are zero if they were, so all of them
    must be read once after a reset.

    Cost: ``window.cells`` words of ``error_bits`` bits, and of the derivative if that has several, and a bit for each
    cell in memory; an adder.
    """

    def __init__(self, *, geometry: CrossbarGeometry) -> None:
        self._geometry = geometry
        word = index_bits(flag_words(geometry))
        super().__init__({
            #: An error. If its derivative is zero, it is left out.
            "valid": In(1),
            "error": In(error_layout(geometry)),
            #: The word of flags to be read, and, a clock cycle later, it.
            "word": In(word),
            "flags": Out(WORD),
            #: Clears the word `cleared`.
            "clear": In(1),
            "cleared": In(word),
            #: Reads `cell`. From the next clock cycle on, its sum and derivative.
            "read": In(1),
            "cell": In(index_bits(geometry.window.cells)),
            "e": Out(signed(geometry.error_bits)),
            "derivative": Out(unsigned(max(1, geometry.derivative_bits))),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        geometry, error = self._geometry, self.error
        layout = {"e": self.e.shape()}
        if geometry.derivative_bits > 1:
            layout["derivative"] = self.derivative.shape()
        m.submodules.sums = sums = Memory(shape=data.StructLayout(layout), depth=max(2, geometry.window.cells), init=[])
        m.submodules.flags = flags = Memory(shape=WORD, depth=max(2, flag_words(geometry)), init=[])
        to_sum, to_flags = sums.write_port(), flags.write_port()
        # What is written is read in the same clock cycle: errors of the same cell may follow one another.
        sum_of, flags_of = sums.read_port(transparent_for=[to_sum]), flags.read_port(transparent_for=[to_flags])

        add, added, taken = Signal(), Signal(), Signal()
        before, place_bits = Signal.like(error), index_bits(WORD)
        m.d.comb += [
            add.eq(self.valid & (error.derivative != 0)),
            sum_of.addr.eq(Mux(add, error.cell, self.cell)),
            sum_of.en.eq(add | self.read),
            flags_of.addr.eq(Mux(add, error.cell[place_bits:], self.word)),
            self.flags.eq(flags_of.data),
            self.e.eq(sum_of.data.e),
        ]
        m.d.sync += [added.eq(add), taken.eq(self.read), before.eq(error), to_sum.addr.eq(sum_of.addr)]
        m.d.comb += [
            to_sum.data.e.eq(Mux(added, sum_of.data.e + before.e, 0)),
            to_sum.en.eq(added | taken),
            to_flags.addr.eq(Mux(added, before.cell[place_bits:], self.cleared)),
            to_flags.data.eq(Mux(added, flags_of.data | 1 << before.cell[:place_bits], 0)),
            to_flags.en.eq(added | self.clear),
        ]
        if geometry.derivative_bits > 1:
            m.d.comb += [to_sum.data.derivative.eq(Mux(added, before.derivative, 0)),
                         self.derivative.eq(sum_of.data.derivative)]
        else:
            m.d.comb += self.derivative.eq(1)
        return m


class ErrorMap(wiring.Component):
    """Sums up the errors of a second pass, cell by cell of the feature map, and then answers with the sums.

    While it is ``idle`` it takes up to ``second_reads`` errors a clock cycle, none of which can be refused. ``drain``,
    which may come with the last of them, makes it answer on ``e`` with the cells that got an error with a derivative,
    ascending, ``last`` on the final one. If there is none, a beat of zeros carries ``last``. Then it is empty again.

    After a reset it is not ``idle`` until it has emptied itself, which takes a clock cycle a cell.

    Latency: ``latency`` clock cycles from ``drain`` to the first cell, if there is one among the first `WORD`, and one
    more. Throughput: a cell a clock cycle; `WORD` cells without an error take one clock cycle.

    Cost: a `PartialErrorMap` for each of ``second_reads``; a priority encoder of `WORD` bits; a register of the width
    of a beat.
    """

    latency = 5
    """Clock cycles from ``drain`` to the first one in which a cell is offered."""

    def __init__(self, *, geometry: CrossbarGeometry) -> None:
        self._geometry = geometry
        super().__init__({
            #: Errors of different cells. Those whose derivative is zero are left out.
            "valid": In(geometry.second_reads),
            "error": In(data.ArrayLayout(error_layout(geometry), geometry.second_reads)),
            #: Answers with the sums.
            "drain": In(1),
            #: Sums of cells, and their derivatives.
            "e": Out(stream.Signature(row_sum_layout(geometry))),
            #: It takes errors: every cell of the drain before has been answered, up to one that may wait on `e`.
            "idle": Out(1),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        geometry = self._geometry
        cells, words = geometry.window.cells, flag_words(geometry)
        parts = [PartialErrorMap(geometry=geometry) for _ in range(geometry.second_reads)]
        word, loaded = Signal(range(words + 1)), Signal(range(words))  # the next word of flags, and that of `pending`
        pending, first, found = Signal(WORD), Signal(WORD), Signal(WORD)  # its cells that have not been read
        place, cell = Signal(range(WORD)), Signal(index_bits(cells))
        load, read, ended, proceed = Signal(), Signal(), Signal(), Signal()
        emptying = Signal(init=1)  # reads all cells, without an answer: after a reset
        for index, part in enumerate(parts):
            m.submodules[f"part_{index}"] = part
            m.d.comb += [part.valid.eq(self.valid[index]), part.error.eq(self.error[index]), part.word.eq(word + load),
                         part.clear.eq(load), part.cleared.eq(word), part.read.eq(read), part.cell.eq(cell)]

        # The cell that was read last leaves when the next one is read, or when there is none.
        e, last_cell, held = self.e.p, Signal.like(cell), Signal()
        with m.If(proceed):
            m.d.sync += [self.e.valid.eq((held & read | ended) & ~emptying), e.row.eq(last_cell), e.last.eq(ended),
                         e.e.eq(Mux(held, sum(part.e for part in parts), 0))]
            if geometry.derivative_bits:
                derivative = reduce(or_, (part.derivative for part in parts))
                m.d.sync += e.derivative.eq(Mux(held, derivative, 0))
            with m.If(read):
                m.d.sync += [last_cell.eq(cell), held.eq(1)]

        # Cells of a word of flags one after the other, then the next word with a flag.
        m.d.comb += [
            proceed.eq(~self.e.valid | self.e.ready),
            first.eq(pending & -pending),
            place.eq(reduce(or_, (Mux(first[index], index, 0) for index in range(WORD)))),
            cell.eq(Cat(place, loaded)),
            found.eq(reduce(or_, (part.flags for part in parts))),
        ]
        with m.If(emptying):
            m.d.comb += found.eq(Mux(word == words - 1, (1 << cells - (words - 1) * WORD) - 1, -1))
        with m.FSM() as fsm:
            with m.State("first word"):
                m.next = "drain"
            with m.State("drain"):
                m.d.comb += [
                    read.eq(proceed & (pending != 0)),
                    load.eq(proceed & (pending == first) & (word != words)),
                    ended.eq(proceed & (pending == 0) & (word == words)),
                ]
                with m.If(proceed):
                    m.d.sync += pending.eq(pending & ~first)
                with m.If(load):
                    m.d.sync += [pending.eq(found), loaded.eq(word), word.eq(word + 1)]
                with m.If(ended):
                    m.d.sync += [word.eq(0), emptying.eq(0), held.eq(0), last_cell.eq(0)]
                    m.next = "idle"
            with m.State("idle"):
                with m.If(self.drain):
                    m.next = "first word"
        m.d.comb += self.idle.eq(fsm.ongoing("idle"))
        return m
