"""The scan of a second pass: at which positions each row has a part in it."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...contract.geometry import CrossbarGeometry
from ...contract.widths import index_bits
from ..basics.delay import delays
from ..basics.queue import Queue
from ..basics.set_bits import SetBits
from ..basics.table import chosen, table
from .feature_map import Blocks, lookups, second_signature
from .layouts import second_item_layout
from .position_deltas import positions_signature

QUEUE = 16
"""Groups of positions, and items, that wait for what comes behind; as many as distributed memory has words."""


class RowScan(wiring.Component):
    """Goes through the rows of a crossbar, ``second_reads`` of them in a step, and answers with the items of the second
    pass: row by row, fold by fold, at each the positions with an error where one of the rows has a drive or a
    derivative. The bias row has a drive at all of them.

    ``start`` begins the second pass of a sample, whose deltas are complete and not all zero; it waits until the map is.
    The scan runs ahead of what is taken.

    Latency: 9 clock cycles from ``start`` to the first item, more where the first rows have none. Throughput: an item
    a clock cycle; `lookups` positions are looked at in each, so it is lower where, of so many with an error, less than
    one has a part.

    Cost: for each lookup an adder of the width of a cell, with padding two more of the width of its line and place; a
    table of rows.
    """

    latency = 9
    """Clock cycles from ``start`` to the first item, if the first rows have one."""

    def __init__(self, *, geometry: CrossbarGeometry) -> None:
        self.geometry = geometry
        super().__init__({
            #: Begins a second pass.
            "start": In(1),
            #: No second pass is under way: the last item has been taken.
            "done": Out(1, init=1),
            "map": Out(second_signature(geometry)),
            "positions": Out(positions_signature(geometry)),
            "items": Out(stream.Signature(second_item_layout(geometry))),
        })
        self._window = Blocks.of(geometry).window
        self._padded = any(self._window.padding)
        reads, cell = geometry.second_reads, unsigned(index_bits(geometry.window.cells))
        #: The rows of a step: the first one. Of each, how far its cell is from that of the window, whether it has one,
        #: and whether it is the bias row.
        self._rows = data.StructLayout({
            "row": unsigned(index_bits(geometry.rows)),
            "cell": data.ArrayLayout(cell, reads),
            "mapped": reads,
            "bias": reads,
        })
        padded = {"line": data.ArrayLayout(unsigned(index_bits(self._window.kernel[0])), reads),
                  "place": data.ArrayLayout(unsigned(index_bits(self._window.kernel[1])), reads)}
        self._row = data.StructLayout(self._rows.members | (padded if self._padded else {}))
        #: A group of positions at which some of the rows have a part.
        several = lookups(geometry)
        self._group = data.StructLayout({
            "rows": self._rows,
            "fold": unsigned(index_bits(geometry.folds)),
            "group": len(self.positions.group),
            "parts": data.ArrayLayout(unsigned(reads), several),
            "first": 1,
            "last": 1,
            "final": 1,  # the last of all
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        several = lookups(self.geometry)
        m.submodules.groups = groups = Queue(
            shape=data.StructLayout({"flags": several, "tag": self._group}), depth=QUEUE)
        m.submodules.parts = parts = SetBits(width=several, tag=self._group)
        wiring.connect(m, groups.o, parts.i)
        empty = self._look(m, groups.i)
        ended = self._answer(m, parts.o)
        with m.If(ended | empty):
            m.d.sync += self.done.eq(1)
        with m.If(self.start):
            m.d.sync += self.done.eq(0)
        return m

    def _look(self, m: Module, out: stream.Interface) -> Signal:
        """Asks for all groups of positions, for each fold of each step. Answers with whether it turns out that no row
        has a part in any."""
        geometry, listed, proceed = self.geometry, self.positions, out.ready
        steps, shift = -(-geometry.rows // geometry.second_reads), lookups(geometry).bit_length() - 1
        step, group, fold = (Signal(width, name=name) for name, width in (
            ("step", index_bits(steps)), ("group", len(listed.group)), ("fold", index_bits(geometry.folds))))
        end, running = Signal.like(listed.count), Signal()  # the last entry
        asked = Signal(data.StructLayout({
            name: self._group[name].shape for name in ("fold", "group", "first", "final")}))
        last_group, last_fold = group == end >> shift, fold == geometry.folds - 1
        m.d.comb += [
            end.eq(listed.count - 1),
            listed.group.eq(group),
            listed.read_group.eq(proceed),
            asked.fold.eq(fold),
            asked.group.eq(group),
            asked.first.eq(group == 0),
            asked.final.eq(last_group & last_fold & (step == steps - 1)),
        ]
        with m.FSM():
            with m.State("idle"):
                m.d.sync += [step.eq(0), group.eq(0), fold.eq(0)]
                with m.If(self.start):
                    m.next = "wait"
                    with m.If(self.map.complete):
                        m.next = "run"
            with m.State("wait"):
                with m.If(self.map.complete):
                    m.next = "run"
            with m.State("run"):
                m.d.comb += running.eq(1)
                with m.If(proceed):
                    m.d.sync += group.eq(group + 1)
                    with m.If(last_group):
                        m.d.sync += [group.eq(0), fold.eq(fold + 1)]
                        with m.If(last_fold):
                            m.d.sync += [fold.eq(0), step.eq(step + 1)]
                    with m.If(asked.final):
                        m.next = "idle"
        rows = table(m, "rows", self._table(), self._row, step, proceed)
        tags, valid = delays(m, asked, 3, proceed), delays(m, running, 3, proceed)
        parts = self._meet(m, proceed, rows, tags[1], end)
        return self._gather(m, valid[3], tags[3], delays(m, rows, 2, proceed)[2], parts, out)

    def _table(self) -> list[dict[str, Any]]:
        """The entries of `_row`."""
        geometry, (_, width, channels), (_, places) = self.geometry, self._window.map, self._window.kernel
        entries = []
        for first in range(0, geometry.rows, geometry.second_reads):
            rows = range(first, first + geometry.second_reads)
            lines = [row // (places * channels) for row in rows]
            columns = [row // channels % places for row in rows]
            entries.append({
                "row": first,
                "cell": [(line * width + place) * channels + row % channels
                         for row, line, place in zip(rows, lines, columns, strict=True)],
                "mapped": sum((row < geometry.inputs) << index for index, row in enumerate(rows)),
                "bias": sum((geometry.inputs <= row < geometry.rows) << index for index, row in enumerate(rows)),
                "line": lines,
                "place": columns,
            })
        return entries

    def _meet(self, m: Module, proceed: Signal, rows: data.View, tag: data.View, end: Signal) -> Signal:
        """Which rows of a step have a part at which positions of a group, two clock cycles later."""
        listed, reads, several = self.positions, self.geometry.second_reads, lookups(self.geometry)
        shift = several.bit_length() - 1
        later, = delays(m, rows, 1, proceed)[1:]
        fits, parts = Signal(several * reads), Signal(data.ArrayLayout(unsigned(reads), several))
        m.d.comb += self.map.look_up.eq(proceed)
        whole = tag.group != end >> shift
        for index in range(several * reads):
            position, read = divmod(index, reads)
            origin, inside = listed.origins[position], Const(1)
            if self._padded:
                inside = self._inside(m, origin, rows, read)
            m.d.comb += self.map.looked_up[index].eq(origin.cell + rows.cell[read])
            there = whole | (end[:shift] >= position)
            part = fits[index] & (later.bias[read] | later.mapped[read] & self.map.active[index])
            with m.If(proceed):
                m.d.sync += [fits[index].eq(there & (inside | rows.bias[read])), parts[position][read].eq(part)]
        return parts

    def _inside(self, m: Module, origin: data.View, rows: data.View, read: int) -> Value:
        """Whether a row has a cell at a position, and is not in the padding."""
        within = []
        for size, first, step in ((self._window.map[0], origin.line, rows.line[read]),
                                  (self._window.map[1], origin.place, rows.place[read])):
            here = Signal.like(first, name="here")
            m.d.comb += here.eq(first + step)
            within.append(here < size)
        return within[0] & within[1]

    def _gather(self, m: Module, valid: Signal, tag: data.View, rows: data.View, parts: data.View,
                out: stream.Interface) -> Value:
        """Passes on the groups in which some row has a part. A group is held until it is known whether another one of
        its rows and fold follows. Answers with whether there was none at all."""
        held, holding, begins, flush = Signal(self._group, reset_less=True), Signal(), Signal(), Signal()
        some, first = Signal(), Signal()
        m.d.comb += [
            some.eq(valid & parts.as_value().any()),
            first.eq(tag.first | begins),  # of its rows and fold
            out.valid.eq(holding & (some | flush)),
            out.payload.flags.eq(Cat(held.parts[index].any() for index in range(lookups(self.geometry)))),
            out.payload.tag.eq(held),
            out.payload.tag.last.eq(first | flush),
            out.payload.tag.final.eq(flush),
        ]
        with m.If(out.ready):
            m.d.sync += flush.eq(valid & tag.final)
            with m.If(some):
                m.d.sync += [
                    holding.eq(1),
                    begins.eq(0),
                    held.parts.eq(parts),
                    *(held.rows[name].eq(rows[name]) for name in self._rows.members),
                    held.first.eq(first),
                    *(held[name].eq(tag[name]) for name in ("fold", "group")),
                ]
            with m.Elif(valid):
                m.d.sync += begins.eq(first)
            with m.If(flush):
                m.d.sync += holding.eq(0)
        return flush & out.ready & ~holding

    def _answer(self, m: Module, parts: stream.Interface) -> Signal:
        """Makes an item of each position where some of the rows have a part. Answers with whether the last one is
        taken."""
        geometry, listed, several = self.geometry, self.positions, lookups(self.geometry)
        item = data.StructLayout({"item": self.items.payload.shape(), "final": 1})
        m.submodules.items = items = Queue(shape=item, depth=QUEUE)
        proceed, found, group = items.i.ready, parts.payload, parts.payload.tag
        known = Signal(data.StructLayout({
            "rows": self._rows, "fold": self._group["fold"].shape, "parts": geometry.second_reads,
            "first": 1, "last": 1, "final": 1}))
        m.d.comb += [
            parts.ready.eq(proceed),
            known.rows.eq(group.rows),
            known.fold.eq(group.fold),
            *(known.parts[read].eq(Cat(found.one[index] & group.parts[index][read] for index in range(several)).any())
              for read in range(geometry.second_reads)),
            known.first.eq(group.first & found.first),
            known.last.eq(group.last & found.last),
            known.final.eq(group.final & found.last),
            listed.read_entry.eq(proceed),
        ]
        valid, known = delays(m, parts.valid, 2, proceed), delays(m, known, 2, proceed)
        place = chosen(m, "place", found.one, range(several))
        cells, cells_later = Signal(self.map.cell.shape()), Signal(self.map.cell.shape())
        delta = Signal.like(listed.delta)
        with m.If(proceed):
            m.d.sync += [cells_later.eq(cells), delta.eq(listed.delta + known[1].fold)]
        answer, made = known[2], items.i.payload.item
        m.d.comb += [
            listed.entry.eq((group.group << several.bit_length() - 1) | place),
            *(cells[read].eq(listed.cell + known[1].rows.cell[read]) for read in range(geometry.second_reads)),
            self.map.cell.eq(cells),
            self.map.read_cell.eq(proceed & valid[1]),
            items.i.valid.eq(valid[2]),
            items.i.payload.final.eq(answer.final),
            made.row.eq(answer.rows.row),
            made.cell.eq(cells_later),
            made.delta.eq(delta),
            made.fold.eq(answer.fold),
            made.first.eq(answer.first),
            made.last.eq(answer.last),
        ]
        driven = Signal(geometry.second_reads)
        for read in range(geometry.second_reads):
            has_cell, bias = answer.parts[read] & answer.rows.mapped[read], answer.parts[read] & answer.rows.bias[read]
            drive = Mux(bias, geometry.bias_value, Mux(has_cell, self.map.x[read], 0))
            derivative = self.map.derivative[read] if geometry.derivative_bits else 0
            m.d.comb += [
                made.x[read].eq(drive),
                made.derivative[read].eq(Mux(has_cell, derivative, 0)),
                made.update[read].eq(driven[read] & ~answer.first | (made.x[read] != 0)),
            ]
            with m.If(proceed & valid[2]):
                m.d.sync += driven[read].eq(made.update[read])
        m.d.comb += [
            self.items.valid.eq(items.o.valid),
            self.items.payload.eq(items.o.payload.item),
            items.o.ready.eq(self.items.ready),
        ]
        return self.items.valid & self.items.ready & items.o.payload.final
