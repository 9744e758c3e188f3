"""The pooling behind a crossbar that is applied at several positions, and the way back through it: docs/arithmetic.md
5.1."""

from math import prod
from typing import Any

from amaranth.hdl import Array, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..contract.geometry import CrossbarGeometry
from ..contract.widths import index_bits
from .basics.fixed import divided
from .crossbar.layouts import conversion_layout, delta_layout, position_delta_layout


class OpenWindows(wiring.Component):
    """Along one axis of the map of outputs: the pooling windows that a position is in, one after the other.

    There are ``count`` windows of ``window`` positions, ``stride`` apart. The window looked at is the first one that
    the position is in, until ``following`` moves to the one behind; ``more`` says that there is one. ``rewind`` moves
    back to the first one, ``advance`` to that of the next position, and ``restart`` to that of position 0. ``restart``
    wins over ``advance``, and both win over the others.

    Each window has one of ``slots`` places in a memory, ``step`` words apart, which it shares with the windows whose
    number has the same remainder by ``slots``.

    Cost: a register and an incrementer each for place, number and address of a window; with windows that overlap, twice
    as many.
    """

    def __init__(self, *, window: int, stride: int, count: int, slots: int, step: int) -> None:
        self._window = window
        self._stride = stride
        self._count = count
        self._slots = slots
        self._step = step
        self._overlap = window > stride and count > 1
        super().__init__({
            "restart": In(1),
            "advance": In(1),
            "rewind": In(1),
            "following": In(1),
            #: The position is in a window. What follows is undefined if it is in none.
            "inside": Out(1),
            #: Its place in the window, which may be the first or the last one there.
            "place": Out(index_bits(window)),
            "opens": Out(1),
            "closes": Out(1),
            #: The window's place in the memory.
            "address": Out(index_bits(slots * step)),
            #: It is the last window.
            "final": Out(1),
            #: There is another window that the position is in.
            "more": Out(1),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        period = max(self._window, self._stride)
        layout = data.StructLayout({"place": index_bits(period), "number": index_bits(self._count),
                                    "address": self.address.shape(), "over": 1})
        first, after = Signal(layout), Signal(layout)
        m.d.comb += after.eq(first)
        with m.If(self.advance):
            m.d.comb += after.place.eq(first.place + 1)
            with m.If(first.place == period - 1):
                m.d.comb += after.place.eq(period - self._stride)
                with m.If(first.number == self._count - 1):
                    m.d.comb += after.over.eq(1)
                with m.Else():
                    m.d.comb += [after.number.eq(first.number + 1), after.address.eq(self._next(first.address))]
        with m.If(self.restart):
            m.d.comb += after.eq(0)
        m.d.sync += first.eq(after)

        window = first
        if self._overlap:
            window = Signal(layout, name="current")
            m.d.comb += self.more.eq((window.place >= self._stride) & (window.number != self._count - 1))
            with m.If(self.rewind | self.advance | self.restart):
                m.d.sync += window.eq(after)
            with m.Elif(self.following):
                m.d.sync += [window.place.eq(window.place - self._stride), window.number.eq(window.number + 1),
                             window.address.eq(self._next(window.address))]
        m.d.comb += [
            self.inside.eq((window.place < self._window) & ~window.over),
            self.place.eq(window.place),
            self.opens.eq(window.place == 0),
            self.closes.eq(window.place == self._window - 1),
            self.address.eq(window.address),
            self.final.eq(window.number == self._count - 1),
        ]
        return m

    def _next(self, address: Value) -> Value:
        return Mux(address == (self._slots - 1) * self._step, 0, address + self._step)


class Pooling(wiring.Component):
    """Max pooling of the outputs of a crossbar, and the way back from the cells of the pooled map to the positions.

    ``z`` are groups of ``adcs`` columns, ascending, at ascending positions. ``pooled_z`` are the same for the pooled
    map: groups of its cells, ascending, with the largest output of their window. The position that had it is kept, the
    first one of equals. A group leaves when its window is complete.

    ``pooled_d`` are the deltas of a sample's cells, ascending; cells that are not sent have none. Each leaves on ``d``
    with its position and column; a beat of several becomes as many, and ``last`` comes with the last of them.

    Winners of one sample are kept: all of its deltas must have been taken before the next sample's first group leaves.
    A crossbar sees to that, as its second pass begins when it has all deltas, and ends before the next sample goes
    forward.

    Latency: 2 clock cycles each way, none forward where there is no pooling. Throughput: a group in a clock cycle,
    where windows overlap one clock cycle for each window that the position is in; a delta in a clock cycle, and one
    clock cycle for each place of the pooled map that has none, up to the last one that has.

    Cost: where there is pooling, memories of a group for each window that can be open at once, and of the winners of
    the pooled map; a comparator for each of ``adcs`` columns.
    """

    latency = 2
    """Clock cycles from the transfer of a group that completes a window to the one in which it is offered, if there is
    pooling; from the transfer of a delta, if it is in the place of the one before or in the next one, to ``d``."""

    def __init__(self, *, geometry: CrossbarGeometry, deltas: int = 1) -> None:
        self._geometry = geometry
        self._deltas = deltas
        super().__init__({
            #: Outputs of the crossbar.
            "z": In(stream.Signature(conversion_layout(geometry))),
            #: Outputs of the pooled map.
            "pooled_z": Out(stream.Signature(conversion_layout(geometry))),
            #: Deltas of the pooled map.
            "pooled_d": In(stream.Signature(delta_layout(geometry, deltas))),
            #: Deltas of the crossbar.
            "d": Out(stream.Signature(position_delta_layout(geometry))),
        })
        window = geometry.window
        self._groups = geometry.cols // geometry.adcs
        # A winner, by its place in the window.
        high, wide = ((side - 1).bit_length() for side in window.pool)
        self._winner = data.StructLayout({"high": unsigned(high), "wide": unsigned(wide)})
        self._words = max(2, prod(window.places) * self._groups)  # of winners

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        winners: Memory | None = None
        if self._geometry.window.pool != (1, 1):
            m.submodules.winners = winners = Memory(
                shape=data.ArrayLayout(self._winner, self._geometry.adcs), depth=self._words, init=[],
                attrs={"no_rw_check": 1})
        if self._geometry.window.pools:
            self._pool(m, winners)
        else:
            wiring.connect(m, wiring.flipped(self.z), wiring.flipped(self.pooled_z))
        self._go_back(m, winners)
        return m

    def _pool(self, m: Module, winners: Memory | None) -> None:
        """A group meets, one after the other, the windows that its position is in."""
        window, groups = self._geometry.window, self._groups
        (height, width), (high, wide) = window.places, window.pool
        open_rows = min(height, -(-high // window.pool_stride[0]))
        m.submodules.rows = rows = OpenWindows(window=high, stride=window.pool_stride[0], count=height, slots=open_rows,
                                               step=width * groups)
        m.submodules.columns = columns = OpenWindows(window=wide, stride=window.pool_stride[1], count=width,
                                                     slots=width, step=groups)
        group, column = Signal(range(groups)), Signal(range(window.outputs[1]))
        inside, more, proceed, present, leaves = Signal(), Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            inside.eq(rows.inside & columns.inside),
            more.eq(inside & (rows.more | columns.more)),
            proceed.eq(~self.pooled_z.valid | self.pooled_z.ready),
            self.z.ready.eq(proceed & ~more),
        ]
        with m.If(self.z.valid & proceed):
            m.d.comb += [columns.following.eq(more & columns.more), columns.rewind.eq(~columns.following),
                         rows.following.eq(more & ~columns.more), rows.rewind.eq(~more)]
            with m.If(~more):
                m.d.sync += group.eq(group + 1)
                with m.If(group == groups - 1):
                    m.d.comb += columns.advance.eq(1)
                    m.d.sync += [group.eq(0), column.eq(column + 1)]
                    with m.If(column == window.outputs[1] - 1):
                        m.d.comb += [columns.restart.eq(1), rows.advance.eq(1)]
                        m.d.sync += column.eq(0)
                with m.If(self.z.p.last):
                    m.d.comb += [columns.restart.eq(1), rows.restart.eq(1)]
                    m.d.sync += [group.eq(0), column.eq(0)]

        # A clock cycle later: the largest so far.
        largest = data.StructLayout({"z": self.z.p.z.shape(),
                                     "winner": data.ArrayLayout(self._winner, self._geometry.adcs)})
        visit = Signal(data.StructLayout({"z": self.z.p.z.shape(), "winner": self._winner, "opens": 1, "closes": 1,
                                          "last": 1}))
        before, best, address = Signal(largest), Signal(largest), Signal(index_bits(open_rows * width * groups))
        m.d.comb += address.eq(rows.address + columns.address + group)
        with m.If(proceed):
            m.d.sync += [
                present.eq(self.z.valid & inside),
                visit.z.eq(self.z.p.z),
                visit.winner.high.eq(rows.place),
                visit.winner.wide.eq(columns.place),
                visit.opens.eq(rows.opens & columns.opens),
                visit.closes.eq(rows.closes & columns.closes),
                visit.last.eq(rows.final & columns.final & (group == groups - 1)),
            ]
        for unit in range(self._geometry.adcs):
            larger = Signal(name=f"larger_{unit}")
            m.d.comb += [
                larger.eq(visit.opens | (visit.z[unit] > before.z[unit])),
                best.z[unit].eq(Mux(larger, visit.z[unit], before.z[unit])),
                best.winner[unit].eq(Mux(larger, visit.winner, before.winner[unit])),
            ]
        m.d.comb += leaves.eq(present & visit.closes)
        with m.If(proceed):
            m.d.sync += [self.pooled_z.valid.eq(leaves), self.pooled_z.p.z.eq(best.z),
                         self.pooled_z.p.last.eq(visit.last)]
        if winners is None:
            return
        # The windows that are open. With a single group, a word that is written may be read in the same clock cycle.
        m.submodules.open = memory = Memory(shape=largest, depth=max(2, open_rows * width * groups), init=[],
                                            attrs={"no_rw_check": 1} if groups > 1 else None)
        write = memory.write_port()
        read = memory.read_port(transparent_for=[write] if groups == 1 else [])
        m.d.comb += [read.addr.eq(address), read.en.eq(proceed), before.eq(read.data),
                     write.data.eq(best), write.en.eq(proceed & present)]
        with m.If(proceed):
            m.d.sync += write.addr.eq(address)

        # Groups leave in the order of the pooled map.
        keep = winners.write_port()
        m.d.comb += [keep.data.eq(best.winner), keep.en.eq(proceed & leaves)]
        with m.If(keep.en):
            m.d.sync += keep.addr.eq(Mux(visit.last, 0, keep.addr + 1))

    def _go_back(self, m: Module, winners: Memory | None) -> None:
        """Goes from place to place of the pooled map, as the deltas do."""
        geometry, window, source = self._geometry, self._geometry.window, self.pooled_d
        width, row_step = window.places[1], window.pool_stride[0] * window.outputs[1]
        # The place: its first cell, its position of the first row and column, and its first word of winners.
        layout = data.StructLayout({"cell": range(window.pooled_cells), "column": range(width),
                                    "row_position": range(window.positions), "position": range(window.positions),
                                    "word": range(self._words)})
        place, after, here = Signal(layout), Signal(layout), Signal(layout)
        m.d.comb += [
            after.cell.eq(place.cell + geometry.cols),
            after.word.eq(place.word + self._groups),
            after.column.eq(place.column + 1),
            after.row_position.eq(place.row_position),
            after.position.eq(place.position + window.pool_stride[1]),
        ]
        with m.If(place.column == width - 1):
            m.d.comb += [after.column.eq(0), after.row_position.eq(place.row_position + row_step),
                         after.position.eq(place.row_position + row_step)]

        # The delta at hand: in this place, in the next one, or beyond, which takes another clock cycle.
        cell = Signal.like(source.p.col)
        ahead, col = Signal.like(cell), Signal(range(geometry.cols))
        beyond, near, taken, proceed = Signal(), Signal(), Signal(), Signal()
        number = Signal(range(self._deltas))  # of the delta in the beat
        m.d.comb += [
            proceed.eq(~self.d.valid | self.d.ready),
            cell.eq(source.p.col + number),
            ahead.eq(cell - place.cell),
            beyond.eq(ahead >= geometry.cols),
            near.eq(ahead < 2 * geometry.cols),
            here.eq(Mux(beyond, after, place)),
            col.eq(Mux(beyond, ahead - geometry.cols, ahead)),
            taken.eq(source.valid & near & proceed),
            source.ready.eq(near & proceed & (number == self._deltas - 1)),
        ]
        with m.If(source.valid):
            m.d.sync += place.eq(here)
        with m.If(taken):
            m.d.sync += number.eq(Mux(source.ready, 0, number + 1))
            with m.If(source.ready & source.p.last):
                m.d.sync += place.eq(0)

        # A clock cycle later: its winner.
        asked = Signal(data.StructLayout({"position": range(window.positions), "unit": range(geometry.adcs),
                                          "col": col.shape(), "delta": self.d.p.delta.shape(), "last": 1}))
        present, position = Signal(), Signal.like(asked.position)
        group, unit = divided(col, geometry.cols, geometry.adcs)
        with m.If(proceed):
            m.d.sync += [
                present.eq(taken),
                asked.position.eq(here.position),
                asked.unit.eq(unit),
                asked.col.eq(col),
                asked.delta.eq(source.p.delta[number]),
                asked.last.eq(source.p.last & (number == self._deltas - 1)),
                self.d.valid.eq(present),
                self.d.p.position.eq(position),
                self.d.p.col.eq(asked.col),
                self.d.p.delta.eq(asked.delta),
                self.d.p.last.eq(asked.last),
            ]
        m.d.comb += position.eq(asked.position)
        if winners is not None:
            read, winner = winners.read_port(), Signal(self._winner)
            down = Array(line * window.outputs[1] for line in range(window.pool[0]))
            m.d.comb += [read.addr.eq(here.word + group), read.en.eq(proceed), winner.eq(read.data[asked.unit]),
                         position.eq(asked.position + down[winner.high] + winner.wide)]
