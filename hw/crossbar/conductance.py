"""The device array of a crossbar and the multiply-accumulate lanes at its columns."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...contract.geometry import CrossbarGeometry
from ...contract.widths import signed_bits
from ..basics.delay import delay, delays
from ..basics.spread import fields, spread
from .adder_tree import AdderTree, tree_latency
from .array_memory import ArrayMemory
from .layouts import error_layout, level_layout, slot_layout
from .timing import ADDRESS, PRODUCT, READ, SUM, write_back


def row_sum_latency(geometry: CrossbarGeometry) -> int:
    """Clock cycles from the slot of a row's last fold to its row sum: the products, the adder tree, and the sum over
    folds. Unless the geometry is plain, every slot has a sum of its own."""
    return PRODUCT + tree_latency(geometry.lanes) + geometry.plain


class ConductanceArray(wiring.Component):
    """The array ``g``, its column sums ``sum over rows of x * g`` and its row sums ``sum over columns of g * delta``.

    Slots with ``forward`` add to the column sums of their lanes; with ``first`` these start over. Slots with
    ``backward`` add to the row sum of their row, fold after fold; unless the geometry is plain, each has a sum of its
    own. Slots with ``write`` and ``override`` write the word
    back with one lane replaced. Forward and backward passes share one multiplier a lane. Sums are exact. Of a pair,
    ``g_minus`` is only kept.

    Latency: see ``slot_layout``; ``e`` is complete ``row_sum_latency`` clock cycles after the slot of a row's last
    fold. Throughput: a word a clock cycle.

    Cost: ``rows * cols`` cells of ``level_layout`` in an `ArrayMemory`; a multiplier and an accumulator a lane; with
    ``backward``, an adder tree over the lanes.
    """

    def __init__(self, *, geometry: CrossbarGeometry, backward: bool) -> None:
        self.geometry = geometry
        self.backward = backward
        lanes = geometry.lanes
        ports = {
            #: The slot that is issued in this clock cycle; none if no flag is set.
            "slot": In(slot_layout(geometry)),
            #: The word that was read, in clock cycle `READ` of the slot.
            "word": Out(data.ArrayLayout(level_layout(geometry), lanes)),
            #: Column sums, complete in clock cycle `SUM` of a slot with `last`.
            "sums": Out(data.ArrayLayout(signed(geometry.sum_bits), lanes)),
        }
        if backward:
            #: Deltas of the slot's fold, in its clock cycle `READ`.
            ports["delta"] = In(data.ArrayLayout(signed(geometry.delta_bits), lanes))
            #: Row sum, complete `row_sum_latency` clock cycles after the slot of the row's last fold.
            ports["e"] = Out(signed(geometry.error_bits) if geometry.plain else error_layout(geometry)["e"].shape)
        super().__init__(ports)

    @property
    def row_sum_latency(self) -> int:
        """Clock cycles from the slot of a row's last fold to its ``e``."""
        return row_sum_latency(self.geometry)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        geometry = self.geometry
        lanes, g_bits = geometry.lanes, geometry.device.g_bits
        slots = delays(m, self.slot, write_back(geometry) - 1)

        m.submodules.memory = memory = ArrayMemory(
            shape=self.word.shape(), depth=geometry.rows * geometry.folds, ports=geometry.ports)
        m.d.comb += [
            memory.address.eq(slots[ADDRESS - 1].address),
            memory.write_address.eq(slots[-1].address),
            memory.write.eq(slots[-1].write & slots[-1].override),
        ]
        # Flags say what is valid, so data needs no reset, which would have to reach every lane.
        word, sums = Signal.like(self.word, reset_less=True), Signal.like(self.sums, reset_less=True)
        m.d.comb += [self.word.eq(word), self.sums.eq(sums)]
        m.d.sync += word.eq(memory.data)

        # What all lanes are told, in clock cycles `READ` and `PRODUCT`.
        driven = spread(m, fields(m, slots[READ - 1], "x", "backward"), lanes)
        told = spread(m, fields(m, slots[PRODUCT - 1], "forward", "first", "write", "assemble", "lane"), lanes)
        cell = Signal(level_layout(geometry))
        with m.If(self.slot.override):
            m.d.sync += [cell[name].eq(self.slot.cell[name]) for name, _ in cell.shape()]
        replacement = spread(m, cell, lanes)

        width = max(geometry.x.bits + 1, geometry.delta_bits if self.backward else 0)
        products = [Signal(signed(width + g_bits), name=f"product_{lane}", reset_less=True) for lane in range(lanes)]
        for lane, product in enumerate(products):
            factor = Signal(signed(width), name=f"factor_{lane}")
            m.d.comb += factor.eq(driven[lane].x)
            if self.backward:
                with m.If(driven[lane].backward):
                    m.d.comb += factor.eq(self.delta[lane])
            m.d.sync += product.eq(word[lane].g * factor)

            with m.If(told[lane].forward):
                m.d.sync += sums[lane].eq(Mux(told[lane].first, 0, sums[lane]) + product)

            before = Signal(level_layout(geometry), name=f"before_{lane}", reset_less=True)
            after = Signal(level_layout(geometry), name=f"after_{lane}", reset_less=True)
            here = Signal(name=f"here_{lane}")
            m.d.sync += before.eq(word[lane])
            m.d.comb += [
                here.eq(told[lane].lane == lane),
                memory.write_data[lane].eq(delay(m, after, write_back(geometry) - SUM)),
            ]
            with m.If(told[lane].write & (~told[lane].assemble | here)):
                for name, _ in after.shape():
                    m.d.sync += after[name].eq(Mux(here, replacement[lane][name], before[name]))

        if self.backward:
            error_bits = signed_bits(1 << g_bits - 1 + geometry.delta_bits - 1)
            m.submodules.tree = tree = AdderTree(count=lanes, width=error_bits)
            m.d.comb += [tree.i[lane].eq(product) for lane, product in enumerate(products)]
            if not geometry.plain:
                m.d.comb += self.e.eq(tree.o)
                return m
            present, restart = delay(m, Cat(slots[PRODUCT].backward, slots[PRODUCT].fold == 0), tree.latency)
            with m.If(present):
                m.d.sync += self.e.eq(Mux(restart, 0, self.e) + tree.o)
        return m
