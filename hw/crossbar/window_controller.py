"""The controller of a crossbar whose rows are found in a feature map."""

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...contract.geometry import CrossbarGeometry
from .controller import CrossbarController
from .feature_map import FeatureMap
from .layouts import padded_rows
from .operations import Operation
from .position_deltas import positions_signature
from .row_scan import RowScan
from .window_scan import WindowScan


class WindowController(CrossbarController):
    """A `CrossbarController` for geometries that are not plain: a crossbar that is applied at several positions, or
    reads several rows at once.

    `FeatureMap` keeps the cells of a sample. A forward pass goes position by position, and there fold by fold; what it
    reads comes from a `WindowScan`. Backward pass and update are one, the second pass: it goes row by row, fold by fold
    and there through the positions that have an error; what it reads comes from a `RowScan`. Both scans run ahead, so
    that a slot is issued in every clock cycle. An update whose deltas are all zero reads no row.

    Clock cycles: a slot for every item of the scans; those to fill the map, and those that the scans take to their
    first item.
    """

    def __init__(self, *, geometry: CrossbarGeometry) -> None:
        super().__init__(geometry=geometry, ports={
            #: All that is passed back has been issued: the sums of the cells are complete as soon as they are there.
            "drain": Out(1),
            #: Sums may be added to those of the cells.
            "errors_idle": In(1),
            #: The positions that have an error.
            "positions": Out(positions_signature(geometry)),
        })
        self._map = FeatureMap(geometry=geometry)
        self._windows = WindowScan(geometry=geometry)
        self._second = RowScan(geometry=geometry)

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.submodules.map = self._map
        m.submodules.windows = self._windows
        m.submodules.second = self._second
        return m

    def _connect(self, m: Module) -> None:
        super()._connect(m)
        wiring.connect(m, wiring.flipped(self.x), self._map.x)
        wiring.connect(m, self._windows.map, self._map.forward)
        wiring.connect(m, self._second.map, self._map.second)
        wiring.connect(m, self._second.positions, wiring.flipped(self.positions))

    def _begin(self, m: Module) -> None:
        m.d.comb += self._map.clear.eq(1)
        with m.If(self.command.payload.operation == Operation.FORWARD):
            m.d.comb += self._windows.start.eq(1)

    def _samples(self, m: Module) -> None:
        self._listen(m)
        self._update(m)
        self._second_pass(m)
        if self.geometry.backward:
            self._drain(m)

    def _listen(self, m: Module) -> None:
        """Takes the drive of a sample into the map, and, going forward, reads the rows of the windows."""
        slot, hazards, items = self._slot, self._hazards, self._windows.items
        item, allowed, ended = items.payload, Signal(), Signal()
        driven = Cat(x != 0 for x in item.x)
        m.d.comb += [hazards.row.eq(item.row), hazards.driven.eq(driven)]
        with m.State("listen"):
            m.d.comb += [
                allowed.eq(hazards.may_forward & hazards.may_forward_row & (~item.last | hazards.may_convert)),
                items.ready.eq(allowed),
                slot.forward.eq(items.valid & allowed),
                *(read.address.eq(self._address(row, item.fold))
                  for read, row in zip(slot.reads, item.row, strict=True)),
                *(read.x.eq(x) for read, x in zip(slot.reads, item.x, strict=True)),
                slot.address.eq(slot.reads[0].address),
                slot.x.eq(item.x[0]),
                slot.first.eq(item.first),
                slot.last.eq(item.last),
                slot.final.eq(item.final),
                ended.eq((self._operation == Operation.SELECT) | slot.forward & item.last & item.final),
            ]
            with m.If(slot.forward & (item.fold == self.geometry.folds - 1)):
                self._count(m, "forwards", item.last)
                self._count(m, "forward_rows", sum(driven))
            with m.If(ended):
                m.next = "taken"
        with m.State("taken"):
            with m.If(self._map.second.complete):
                m.next = "idle"

    def _update(self, m: Module) -> None:
        """Waits for the deltas."""
        with m.State("update"):
            with m.If(self.deltas_complete & self.errors_idle):
                m.d.comb += self._second.start.eq(1)
                m.next = "second"
                with m.If(self.deltas_zero):
                    m.d.comb += self._second.start.eq(0)
                    m.next = "drain" if self.geometry.backward else "idle"

    def _second_pass(self, m: Module) -> None:
        """Goes through the rows: each passes an error back at its positions, and is updated at the last of them."""
        slot, items, several = self._slot, self._second.items, self.geometry.second_reads > 1
        item, issue, updating = items.payload, Signal(), Signal()
        updates, may_issue, visited = Signal(len(item.update)), Signal(), Signal(init=1)
        m.d.comb += [
            updating.eq(self._operation != Operation.BACKWARD),
            updates.eq(Mux(item.last & updating, item.update, 0)),
        ]
        with m.State("second"):
            m.d.comb += [
                self._row.eq(item.row),
                slot.fold.eq(item.fold),
                slot.address.eq(self._address(item.row, item.fold)),
                may_issue.eq(self._may_update),
                issue.eq(items.valid & may_issue),
                items.ready.eq(may_issue),
                *(row[name].eq(item[name][read]) for read, row in enumerate(slot.rows)
                  for name in ("x", "derivative", "cell")),
                slot.delta.eq(item.delta),
            ]
            with m.If(issue):
                m.d.comb += [slot.first.eq(item.first), slot.last.eq(item.last), slot.update.eq(updating)]
                if not several:
                    m.d.comb += [slot.write.eq(updates), slot.fire.eq(updates & self._programs)]
                if self.geometry.backward:
                    m.d.comb += slot.backward.eq(item.derivative.as_value().any())
                with m.If(item.fold == self.geometry.folds - 1):
                    self._count_second(m, item, updating, updates)
            if several:
                self._visit_later(m, may_issue, visited, Mux(issue, updates, 0))
            with m.If(self._second.done & visited):
                m.next = "drain" if self.geometry.backward else "idle"

    def _count_second(self, m: Module, item: data.View, updating: Value, updates: Value) -> None:
        if self.geometry.backward:
            self._count(m, "backward_rows", sum(derivative != 0 for derivative in item.derivative))
        if self.geometry.positions > 1:
            self._count(m, "product_rows", Mux(updating, sum(x != 0 for x in item.x), 0))
        self._count_update(m, sum(updates))

    def _visit_later(self, m: Module, may_issue: Signal, visited: Signal, updates: Value) -> None:
        """With several rows in a slot: those to be updated, ``updates``, are visited one after the other, while other
        slots go on, up to the one that ends the next rows."""
        item, reads, visit = self._second.items.payload, self.geometry.second_reads, self.visit
        waiting, row, read, may_visit = Signal(reads), Signal.like(self._row), Signal(range(reads)), Signal()
        others = waiting & (waiting - 1)
        for index in reversed(range(reads)):
            with m.If(waiting[index]):
                m.d.comb += read.eq(index)
        m.d.comb += [
            may_visit.eq(self._may_update & waiting.any()),
            visited.eq(~waiting.any()),
            may_issue.eq(self._hazards.may_forward & (~item.last | visited | may_visit & (others == 0))),
        ]
        with m.If(may_visit):
            m.d.comb += [visit.address.eq(row + read), visit.row.eq(row + read), visit.read.eq(read),
                         visit.update.eq(1), visit.write.eq(1), visit.fire.eq(self._programs)]
            m.d.sync += waiting.eq(others)
        with m.Else():
            m.d.comb += [visit.update.eq(0)]
        with m.If(updates.any()):
            m.d.sync += [waiting.eq(updates), row.eq(item.row)]

    def _drain(self, m: Module) -> None:
        """The sums of the cells are complete."""
        with m.State("drain"):
            m.d.comb += self.drain.eq(1)
            m.next = "idle"

    def _address(self, row: Value, fold: Value) -> Value:
        """Address of a word."""
        bases = Array(fold * padded_rows(self.geometry) for fold in range(self.geometry.folds))
        return bases[fold] + row
