"""Where the scan of a crossbar's arrays is."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...contract.geometry import CrossbarGeometry
from .layouts import padded_rows


class ScanPosition(wiring.Component):
    """Counts lanes, folds and rows; each counter has its own step, so a scan can be in any order.

    ``lane`` and ``fold`` start over after their last one. ``row`` does not: a scan ends there. ``rewind`` sets all of
    them to 0, and wins. Steps show in the next clock cycle.

    Cost: the counters, and ``base``, which is ``fold * padded_rows`` without a multiplier.
    """

    def __init__(self, *, geometry: CrossbarGeometry) -> None:
        self.geometry = geometry
        super().__init__({
            "rewind": In(1),
            "next_lane": In(1),
            "next_fold": In(1),
            "next_row": In(1),
            "lane": Out(range(max(2, geometry.lanes))),
            "fold": Out(range(max(2, geometry.folds))),
            "row": Out(range(max(2, geometry.rows))),
            #: Address of the word of row 0 of this fold.
            "base": Out(range(max(2, geometry.folds * padded_rows(geometry)))),
            "last_lane": Out(1),
            "last_fold": Out(1),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        geometry = self.geometry
        m.d.comb += [
            self.last_lane.eq(self.lane == geometry.lanes - 1),
            self.last_fold.eq(self.fold == geometry.folds - 1),
        ]
        with m.If(self.next_lane):
            m.d.sync += self.lane.eq(self.lane + 1)
            with m.If(self.last_lane):
                m.d.sync += self.lane.eq(0)
        with m.If(self.next_fold):
            m.d.sync += [self.fold.eq(self.fold + 1), self.base.eq(self.base + padded_rows(geometry))]
            with m.If(self.last_fold):
                m.d.sync += [self.fold.eq(0), self.base.eq(0)]
        with m.If(self.next_row):
            m.d.sync += self.row.eq(self.row + 1)
        with m.If(self.rewind):
            m.d.sync += [self.lane.eq(0), self.fold.eq(0), self.row.eq(0), self.base.eq(0)]
        return m
