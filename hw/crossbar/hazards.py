"""What the slots of the last clock cycles leave room for."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...contract.geometry import CrossbarGeometry
from ...contract.widths import index_bits
from ..basics.delay import delay
from .layouts import slot_layout, visit_layout
from .timing import ADDRESS, HOLD, SUM, summed, write_back


class Hazards(wiring.Component):
    """Says what the controller of a crossbar may do in this clock cycle, so that no slot reads what an earlier slot or
    the programmer is still going to change.

    Answers depend on the slots of earlier clock cycles, and on the other inputs of this one. Latency: none.

    The programmer goes first. It replaces a cell when no replacement is on its way to the array, and fetches one when
    no replacement is written in this clock cycle. Neither is possible while the only port of an array writes back.

    A forward pass may begin while the operation before it is still under way. It reads conductances only, which nothing
    but the programmer changes, and rows ascend in both operations. It may read rows whose updates and pending writes
    are complete: those before the row whose visit ended last. While cells are programmed, that is the row whose visit
    had ended last when programming began.

    Cost: a few flip-flops for each clock cycle of a slot; a row number for each, and two row numbers more.
    """

    def __init__(self, *, geometry: CrossbarGeometry) -> None:
        self.geometry = geometry
        super().__init__({
            #: The slot of this clock cycle, and what is done with the residuals in it.
            "slot": In(slot_layout(geometry)),
            "visit": In(visit_layout(geometry)),
            #: No cell waits to be programmed or is being programmed, and all random numbers are at hand.
            "programmed": In(1),
            #: Column sums may be loaded into the ADC.
            "adc_ready": In(1),
            #: The programmer has a cell to replace, a cell to fetch.
            "replace_waits": In(1),
            "fetch_waits": In(1),
            #: Forgets which rows have been visited: an operation begins that visits rows.
            "start": In(1),
            #: The rows that a forward pass would read next, as far as they are `driven`.
            "row": In(data.ArrayLayout(index_bits(geometry.rows), geometry.forward_reads)),
            "driven": In(geometry.forward_reads),
            #: The programmer may replace, may fetch.
            "may_replace": Out(1),
            "may_fetch": Out(1),
            #: An update may read a word and write it back.
            "may_update": Out(1),
            #: A forward pass may read a word of a row that it is allowed to read; so may a pass back.
            "may_forward": Out(1),
            #: It is allowed to read these rows, and may do so.
            "may_forward_row": Out(1),
            #: A slot may have `override`: the cell of the slot before that had it is not needed any more.
            "may_override": Out(1),
            #: A slot may have `last`: its column sums will find room in the ADC.
            "may_convert": Out(1),
            #: No conductance is going to change.
            "settled": Out(1),
            #: No slot is on its way and nothing is being programmed.
            "drained": Out(1),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        slot, visit, last = self.slot, self.visit, write_back(self.geometry)

        # What the slots of the last clock cycles were, the latest one in bit 0.
        used, changing = Signal(max(last, summed(self.geometry)) + 1), Signal(last + 1)
        replacing = Signal(last - ADDRESS)
        m.d.sync += [
            used.eq(Cat(slot.forward | visit.write | slot.fetch, used)),
            changing.eq(Cat(visit.fire | slot.override, changing)),  # conductances, now or by a request to come
            replacing.eq(Cat(slot.override, replacing)),
        ]
        m.d.comb += [
            self.may_override.eq(~replacing[:HOLD].any()),
            self.may_convert.eq(self.adc_ready & ~self._converting(m)),
            self.drained.eq(~used.any() & self.programmed),
            self.settled.eq(~changing.any() & self.programmed),
        ]

        # With one port, an array is not read in a clock cycle in which it is written. A forward pass reads only the
        # conductances, which only a replacement writes.
        port_free, levels_free = 1, 1
        if self.geometry.ports == 1:
            port_free, levels_free = ~delay(m, visit.write, last - ADDRESS), ~replacing[-1]

        replaces, serves = Signal(), Signal()
        m.d.comb += [
            self.may_replace.eq(~replacing.any() & port_free),
            replaces.eq(self.replace_waits & self.may_replace),
            self.may_fetch.eq(~replaces & ~replacing[-1] & port_free),
            serves.eq(replaces | self.fetch_waits & self.may_fetch),
            self.may_update.eq(~serves & port_free),
            self.may_forward.eq(~serves & levels_free),
            self.may_forward_row.eq(self.settled | self._visited(m, replacing) & self.may_forward),
        ]
        return m

    def _converting(self, m: Module) -> Value:
        """Whether column sums of an earlier slot are in the way of those of this one. In a plain geometry that is so
        until ``adc_ready`` knows of them. Else ``adc_ready`` is for several of them, and each takes the ADC as many
        clock cycles as it has groups of columns."""
        closes = self.slot.forward & self.slot.last
        if self.geometry.plain:
            closing = Signal(SUM)
            m.d.sync += closing.eq(Cat(closes, closing))
            return closing.any()
        groups = self.geometry.lanes // self.geometry.adcs
        left = Signal(range(groups))
        with m.If(closes):
            m.d.sync += left.eq(groups - 1)
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        return left != 0

    def _visited(self, m: Module, replacing: Signal) -> Signal:
        """Whether the driven rows come before all rows that may still have a cell to be programmed."""
        latest, oldest = Signal(index_bits(self.geometry.rows)), Signal(index_bits(self.geometry.rows))
        programming, visited, limit = Signal(), Signal(), Signal.like(latest)
        m.d.comb += [
            programming.eq(~self.programmed | replacing.any()),
            limit.eq(Mux(programming, oldest, latest)),
            visited.eq(Cat(~driven | (row < limit) for driven, row in zip(self.driven, self.row, strict=True)).all()),
        ]
        # Whether a visit asks for programming is known a clock cycle after its write-back.
        ended, ended_row = (delay(m, field, write_back(self.geometry) + 1)
                            for field in (self.visit.fire, self.visit.row))
        with m.If(ended):
            m.d.sync += latest.eq(ended_row)
        with m.If(~programming):
            m.d.sync += oldest.eq(latest)
        with m.If(self.start):
            m.d.sync += [latest.eq(0), oldest.eq(0)]
        return visited
