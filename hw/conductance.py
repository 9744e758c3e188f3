"""The device array of a crossbar and the multiply-accumulate lanes at its columns."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..contract.geometry import CrossbarGeometry, signed_bits
from .adder_tree import AdderTree, tree_latency
from .delay import delay
from .signatures import BLOCK_RAM, slot_layout


class ConductanceArray(wiring.Component):
    """The array ``g``, its column sums ``sum over rows of x * g`` and its row sums ``sum over columns of g * delta``.

    Slots with ``forward`` add into the column sums of their lanes (``first`` restarts them); slots with ``backward``
    of one row, fold after fold, add into one row sum; slots with ``write`` write the word back with the lane of
    ``override`` replaced. The two passes share one multiplier a lane. Sums are exact.

    Latency: ``g`` is valid 1 clock after the slot, ``sums`` 3 clocks after a slot with ``last``, ``e``
    ``error_latency`` clocks after a row's last fold; the array is written 3 clocks after the slot. Throughput: a word
    a clock.

    Cost: ``rows * cols * g_bits`` bits of memory (one read, one write port), a multiplier and an accumulator a lane
    and, with ``backward``, an adder tree over the lanes.
    """

    def __init__(self, *, geometry: CrossbarGeometry, backward: bool):
        self.geometry = geometry
        self.backward = backward
        lanes = geometry.lanes
        ports = {
            #: The slot at clock 0; idle slots have no flag set.
            "slot": In(slot_layout(geometry)),
            #: The word that was read, at clock 1.
            "g": Out(data.ArrayLayout(signed(geometry.device.g_bits), lanes)),
            #: Column sums, complete at clock 3 of a slot with `last`.
            "sums": Out(data.ArrayLayout(signed(geometry.sum_bits), lanes)),
        }
        if backward:
            #: Errors at clock 1.
            ports["delta"] = In(data.ArrayLayout(signed(geometry.delta_bits), lanes))
            #: Row sum, complete `error_latency` clocks after the slot of the row's last fold.
            ports["e"] = Out(signed(geometry.error_bits))
        super().__init__(ports)

    @property
    def error_latency(self) -> int:
        """Clocks from the slot of a row's last fold to its ``e``."""
        return 2 + tree_latency(self.geometry.lanes) + 1  # products, adder tree, sum over folds

    def elaborate(self, platform) -> Module:
        m = Module()
        geometry = self.geometry
        lanes, g_bits = geometry.lanes, geometry.device.g_bits

        m.submodules.memory = memory = Memory(
            shape=self.g.shape(), depth=max(2, geometry.rows * geometry.folds), init=[], attrs=BLOCK_RAM)
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [read.addr.eq(self.slot.address), self.g.eq(read.data)]

        slots = [self.slot] + [Signal.like(self.slot, name=f"slot_{clock}") for clock in (1, 2, 3)]
        m.d.sync += [after.eq(before) for before, after in zip(slots, slots[1:], strict=False)]
        m.d.comb += [write.addr.eq(slots[3].address), write.en.eq(slots[3].write)]

        width = max(geometry.x.bits + 1, geometry.delta_bits if self.backward else 0)
        product_bits = width + g_bits
        products = [Signal(signed(product_bits), name=f"product_{lane}") for lane in range(lanes)]
        for lane, product in enumerate(products):
            factor = Signal(signed(width), name=f"factor_{lane}")
            m.d.comb += factor.eq(slots[1].x)
            if self.backward:
                with m.If(slots[1].backward):
                    m.d.comb += factor.eq(self.delta[lane])
            m.d.sync += product.eq(self.g[lane] * factor)

            with m.If(slots[2].forward):
                m.d.sync += self.sums[lane].eq(Mux(slots[2].first, 0, self.sums[lane]) + product)

            before = Signal(signed(g_bits), name=f"before_{lane}")
            after = Signal(signed(g_bits), name=f"after_{lane}")
            here = Signal(name=f"here_{lane}")
            m.d.sync += before.eq(self.g[lane])
            m.d.comb += [here.eq(slots[2].override & (slots[2].lane == lane)), write.data[lane].eq(after)]
            with m.If(slots[2].write & (~slots[2].assemble | here)):
                m.d.sync += after.eq(Mux(here, slots[2].cell.g, before))

        if self.backward:
            error_bits = signed_bits(1 << g_bits - 1 + geometry.delta_bits - 1)
            m.submodules.tree = tree = AdderTree(count=lanes, width=error_bits)
            m.d.comb += [tree.i[lane].eq(product) for lane, product in enumerate(products)]
            present, restart = delay(m, Cat(slots[2].backward, slots[2].fold == 0), tree.latency)
            with m.If(present):
                m.d.sync += self.e.eq(Mux(restart, 0, self.e) + tree.o)
        return m
