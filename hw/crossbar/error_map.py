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
    """Adds an error a clock cycle to the sum of its cell, and keeps a flag for each cell that has a sum.

    An error is in the map in the second clock cycle after it came. With an ``error`` that is ``valid``, nothing is read
    or cleared. A sum that has no flag is that of an earlier sample.

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
        layout = data.StructLayout({"e": self.e.shape(), **(
            {"derivative": self.derivative.shape()} if geometry.derivative_bits > 1 else {})})
        m.submodules.sums = sums = Memory(shape=layout, depth=max(2, geometry.window.cells), init=[])
        m.submodules.flags = flags = Memory(shape=WORD, depth=max(2, flag_words(geometry)), init=[])
        to_sum, to_flags = sums.write_port(), flags.write_port()
        # What is written is read in the same clock cycle: errors of the same cell may follow one another.
        sum_of, flags_of = sums.read_port(transparent_for=[to_sum]), flags.read_port(transparent_for=[to_flags])
        place_bits = index_bits(WORD)

        add, added = Signal(), Signal()
        before, here = Signal.like(error), Signal(WORD)
        m.d.comb += [
            add.eq(self.valid & (error.derivative != 0)),
            sum_of.addr.eq(Mux(add, error.cell, self.cell)),
            sum_of.en.eq(add | self.read),
            flags_of.addr.eq(Mux(add, error.cell[place_bits:], self.word)),
        ]
        m.d.sync += [added.eq(add), before.eq(error)]
        m.d.comb += [
            here.eq(1 << before.cell[:place_bits]),
            to_sum.addr.eq(before.cell),
            to_sum.data.e.eq(Mux((flags_of.data & here).any(), sum_of.data.e, 0) + before.e),
            to_sum.en.eq(added),
            to_flags.addr.eq(Mux(added, before.cell[place_bits:], self.cleared)),
            to_flags.data.eq(Mux(added, flags_of.data | here, 0)),
            to_flags.en.eq(added | self.clear),
            self.flags.eq(flags_of.data),
            self.e.eq(sum_of.data.e),
            self.derivative.eq(1),
        ]
        if geometry.derivative_bits > 1:
            m.d.comb += [to_sum.data.derivative.eq(before.derivative), self.derivative.eq(sum_of.data.derivative)]
        return m


class ErrorMap(wiring.Component):
    """Sums up the errors of a second pass, cell by cell of the feature map, and then answers with the sums.

    While it is ``idle`` it takes up to ``second_reads`` errors a clock cycle, none of which can be refused. ``drain``,
    which may come with the last of them, makes it answer on ``e`` with the cells that got an error with a derivative,
    ascending, ``last`` on the final one. If there is none, a beat of zeros carries ``last``. With ``everything`` it
    answers with all cells of the map, and a derivative of zero. Then it is empty again.

    After a reset it is not ``idle`` until it has emptied itself, which takes a clock cycle for every `WORD` cells.

    Latency: ``latency`` clock cycles from ``drain`` to the first cell, if there is one among the first `WORD` and a
    second one. Throughput: a cell a clock cycle; `WORD` cells without an error take one clock cycle.

    Cost: a `PartialErrorMap` for each of ``second_reads``; a priority encoder of `WORD` bits; a register of the width
    of a beat. If data drives the crossbar, beats have no derivative, and errors come with any that is not zero.
    """

    latency = 5
    """Clock cycles from ``drain`` to the first one in which a cell is offered."""

    def __init__(self, *, geometry: CrossbarGeometry) -> None:
        self._geometry = geometry
        super().__init__({
            #: Errors of different cells. Those whose derivative is zero are left out.
            "valid": In(geometry.second_reads),
            "error": In(data.ArrayLayout(error_layout(geometry), geometry.second_reads)),
            #: Answers with the sums ...
            "drain": In(1),
            #: ... of all cells, if this comes with it.
            "everything": In(1),
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
        word, loaded = Signal(range(words + 1)), Signal(range(words))  # the next word, and that of `pending`
        flags = Signal(data.ArrayLayout(WORD, len(parts)))  # of that word
        pending, first, found = Signal(WORD), Signal(WORD), Signal(WORD)  # its cells that have not been read
        load, clear, read, proceed, everything = Signal(), Signal(), Signal(), Signal(), Signal()
        place = Signal(range(WORD))
        cell, held, had = Signal(index_bits(cells)), Signal(), Signal(len(parts))  # the cell that was read last
        for index, part in enumerate(parts):
            m.submodules[f"part_{index}"] = part
            m.d.comb += [part.valid.eq(self.valid[index]), part.error.eq(self.error[index]), part.word.eq(word + load),
                         part.clear.eq(clear), part.cleared.eq(word), part.read.eq(read),
                         part.cell.eq(Cat(place, loaded))]

        # The sum of the cell that was read last leaves when the next one is read, or when there is none.
        e, ended = self.e.p, Signal()
        with m.If(proceed):
            m.d.sync += [self.e.valid.eq(held & read | ended), e.row.eq(cell), e.last.eq(ended),
                         e.e.eq(sum(Mux(had[index], part.e, 0) for index, part in enumerate(parts)))]
            if geometry.derivative_bits:
                m.d.sync += e.derivative.eq(Mux(everything, 0, reduce(
                    or_, (Mux(had[index], part.derivative, 0) for index, part in enumerate(parts)))))
            with m.If(read):
                m.d.sync += [cell.eq(Cat(place, loaded)), held.eq(1),
                             *(had[index].eq((flags[index] & first).any()) for index in range(len(parts)))]

        # Cells of a word of flags, then the next word with a flag.
        m.d.comb += [
            proceed.eq(~self.e.valid | self.e.ready),
            first.eq(pending & -pending),
            place.eq(reduce(or_, (Mux(first[index], index, 0) for index in range(WORD)))),
            found.eq(reduce(or_, (part.flags for part in parts))),
        ]
        with m.If(everything):
            m.d.comb += found.eq(Mux(word == words - 1, (1 << cells - (words - 1) * WORD) - 1, -1))
        with m.FSM() as fsm:
            with m.State("clear"):
                m.d.comb += clear.eq(1)
                m.d.sync += word.eq(word + 1)
                with m.If(word == words - 1):
                    m.d.sync += word.eq(0)
                    m.next = "idle"
            with m.State("idle"):
                m.d.sync += [everything.eq(self.everything), held.eq(0), had.eq(0), cell.eq(0)]
                with m.If(self.drain):
                    m.next = "first word"
            with m.State("first word"):
                m.next = "drain"
            with m.State("drain"):
                m.d.comb += [
                    read.eq(proceed & (pending != 0)),
                    load.eq(proceed & (pending == first) & (word != words)),
                    clear.eq(load),
                    ended.eq(proceed & (pending == 0) & (word == words)),
                ]
                with m.If(proceed):
                    m.d.sync += pending.eq(pending & ~first)
                with m.If(load):
                    m.d.sync += [pending.eq(found), loaded.eq(word), word.eq(word + 1),
                                 *(flags[index].eq(part.flags) for index, part in enumerate(parts))]
                with m.If(ended):
                    m.d.sync += word.eq(0)
                    m.next = "idle"
        m.d.comb += self.idle.eq(fsm.ongoing("idle"))
        return m
