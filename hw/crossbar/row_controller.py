"""The controller of a crossbar whose rows are read as they come."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib.wiring import Out

from ...contract.geometry import CrossbarGeometry
from .active_rows import ActiveRows
from .controller import CrossbarController
from .operations import Operation


class RowController(CrossbarController):
    """A `CrossbarController` for plain geometries: a crossbar with one position, whose rows are the cells of the
    feature map.

    It takes slots only for rows that matter: the active rows of the sample (`ActiveRows`) and the bias row. An update
    whose deltas are all zero reads no row. A forward pass goes fold by fold: the first fold while the drive arrives,
    the others from the list. An update goes row by row.

    Clock cycles, with ``n`` active rows (bias included): ``n * folds`` a forward pass or update, plus 1 for the first
    fold that is replayed from the list.
    """

    def __init__(self, *, geometry: CrossbarGeometry) -> None:
        super().__init__(geometry=geometry, ports={
            #: A row sum to be answered leaves with this slot.
            "answer": Out(1),
        })
        self._rows = ActiveRows(geometry=geometry)
        self._fresh = Signal()  # the column sums of this fold start

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.submodules.active = self._rows
        return m

    def _begin(self, m: Module) -> None:
        m.d.comb += self._rows.clear.eq(1)
        m.d.sync += self._fresh.eq(1)
        with m.If(self.command.payload.operation == Operation.FORWARD):
            self._count(m, "forwards")

    def _connect(self, m: Module) -> None:
        super()._connect(m)
        m.d.comb += [
            self._rows.drive.eq(self.x.payload),
            self._rows.rewind.eq(self._resting),
            self._hazards.row[0].eq(self.x.payload.row),
            self._hazards.driven.eq(1),
        ]

    def _samples(self, m: Module) -> None:
        self._listen(m)
        if self.geometry.folds > 1:
            self._replay(m)
        if self.geometry.bias:
            self._forward_bias(m)
        self._update(m)
        if self.geometry.backward:
            self._silent(m)
        self._update_bias(m)

    def _listen(self, m: Module) -> None:
        """Takes the drive of a sample, puts it on the list, and, going forward, reads the first fold of its rows."""
        slot, hazards, drive = self._slot, self._hazards, self.x.payload
        forward, taken, closing = Signal(), Signal(), drive.last & (not self.geometry.bias)
        may_forward = hazards.may_forward_row & (~closing | hazards.may_convert)
        with m.State("listen"):
            m.d.comb += [
                forward.eq(self._operation == Operation.FORWARD),
                self.x.ready.eq(~forward | may_forward),
                taken.eq(self.x.valid & self.x.ready),
                self._rows.put.eq(taken),
                self._row.eq(drive.row),
                slot.x.eq(drive.x),
                slot.first.eq(self._fresh),
                slot.last.eq(closing),
                slot.forward.eq(forward & taken),
            ]
            with m.If(taken):
                m.d.sync += self._fresh.eq(0)
                with m.If(forward & (drive.x != 0)):
                    self._count(m, "forward_rows")
                with m.If(drive.last):
                    m.next = "idle"
                    with m.If(forward):
                        if self.geometry.bias:
                            m.next = "forward bias"
                        elif self.geometry.folds > 1:
                            self._next_forward_fold(m)
                            m.next = "prime"

    def _replay(self, m: Module) -> None:
        """Reads another fold of the rows on the list."""
        slot, rows, hazards = self._slot, self._rows, self._hazards
        closes = rows.last | rows.empty
        with m.State("prime"):  # the row that was put last can be read from the next clock cycle on
            m.next = "replay"
        with m.State("replay"):
            last = closes & (not self.geometry.bias)
            m.d.comb += [
                self._row.eq(rows.entry.row),
                slot.x.eq(Mux(rows.empty, 0, rows.entry.x)),
                slot.first.eq(self._fresh),
                slot.last.eq(last),
                slot.forward.eq((~last | hazards.may_convert) & hazards.may_forward),
            ]
            with m.If(slot.forward):
                m.d.comb += rows.advance.eq(1)
                m.d.sync += self._fresh.eq(0)
                with m.If(closes):
                    m.d.comb += rows.rewind.eq(1)
                    if self.geometry.bias:
                        m.next = "forward bias"
                    else:
                        self._next_forward_fold(m)
                        with m.If(self._scan.last_fold):
                            m.next = "idle"

    def _forward_bias(self, m: Module) -> None:
        """Reads the bias row, the last of its fold."""
        slot, scan, hazards = self._slot, self._scan, self._hazards
        with m.State("forward bias"):
            m.d.comb += [
                self._row.eq(self.geometry.inputs),
                slot.x.eq(self.geometry.bias_value),
                slot.first.eq(self._fresh),
                slot.last.eq(1),
                slot.forward.eq(hazards.may_convert & hazards.settled),
            ]
            with m.If(slot.forward):
                with m.If(scan.fold == 0):
                    self._count(m, "forward_rows")
                self._next_forward_fold(m)
                m.next = "idle"
                if self.geometry.folds > 1:
                    with m.If(~scan.last_fold):
                        m.next = "replay"

    def _next_forward_fold(self, m: Module) -> None:
        m.d.comb += self._scan.next_fold.eq(1)
        m.d.sync += self._fresh.eq(1)

    def _update(self, m: Module) -> None:
        """Waits for the deltas, then goes through the rows on the list: each passes an error back and is updated."""
        slot, scan, rows = self._slot, self._scan, self._rows
        derivative = rows.entry.derivative if self.geometry.derivative_bits else 0
        updates, ends = Signal(), Signal()
        after_list = "silent" if self.geometry.backward else "update bias"
        with m.State("update"):
            m.d.comb += [
                updates.eq((rows.entry.x != 0) & (self._operation != Operation.BACKWARD)),
                self._row.eq(rows.entry.row),
                slot.x.eq(rows.entry.x),
                slot.derivative.eq(derivative),
                slot.row_sum_last.eq(rows.last_passing),
            ]
            with m.If(self.deltas_complete):
                with m.If(self.deltas_zero):
                    m.next = "silent" if self.geometry.backward else "idle"
                with m.Elif(rows.empty):
                    m.next = after_list
                with m.Elif(self._may_update):
                    m.d.comb += [
                        slot.update.eq(updates),
                        slot.write.eq(updates),
                        slot.fire.eq(updates & self._programs),
                        scan.next_fold.eq(1),
                        ends.eq(scan.last_fold),
                        rows.advance.eq(ends),
                    ]
                    if self.geometry.backward:
                        m.d.comb += [slot.backward.eq(derivative != 0), self.answer.eq(slot.backward & ends)]
                        with m.If(slot.backward & ends):
                            self._count(m, "backward_rows")
                    with m.If(updates & ends):
                        self._count_update(m)
                    with m.If(rows.last & ends):
                        m.next = "update bias"
                        if self.geometry.backward:
                            with m.If(~rows.passing):
                                m.next = after_list

    def _silent(self, m: Module) -> None:
        """No row passes an error back: one whose delta is multiplied by 0 carries ``last``."""
        slot = self._slot
        with m.State("silent"):
            m.d.comb += [
                slot.fold.eq(self.geometry.folds - 1),
                slot.row_sum_last.eq(1),
                slot.backward.eq(self._may_update),
                self.answer.eq(self._may_update),
            ]
            with m.If(self._may_update):
                m.next = "update bias"
                with m.If(self.deltas_zero):
                    m.next = "idle"

    def _update_bias(self, m: Module) -> None:
        """Updates the bias row, if there is one."""
        slot, scan = self._slot, self._scan
        with m.State("update bias"):
            if not self.geometry.bias:
                m.next = "idle"
                return
            m.d.comb += [self._row.eq(self.geometry.inputs), slot.x.eq(self.geometry.bias_value)]
            with m.If(self._operation == Operation.BACKWARD):
                m.next = "idle"
            with m.Elif(self._may_update):
                m.d.comb += [
                    slot.update.eq(1),
                    slot.write.eq(1),
                    slot.fire.eq(self._programs),
                    scan.next_fold.eq(1),
                ]
                with m.If(scan.last_fold):
                    self._count_update(m)
                    m.next = "idle"
