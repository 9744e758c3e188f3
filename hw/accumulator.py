"""The high-precision residuals of a crossbar, and the pipeline that accumulates gradients into them."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..contract.geometry import CrossbarGeometry
from .fixed import saturate
from .signatures import BLOCK_RAM, address_bits, boost_bits, slot_layout


class GradientAccumulator(wiring.Component):
    """The array ``chi`` and its read-modify-write pipeline: in each lane of the addressed word

        chi = saturate(chi + round_shift(-(x * delta), update_shift), chi_bits)

    for slots with ``update``. Slots with ``fire`` limit the residual to just below the threshold where a cell at its
    last state would be pushed outward (section 4.2 of docs/arithmetic.md). Slots with ``write`` write the word back,
    with the lane of ``override`` replaced. ``x`` arrives multiplied by ``2**boost``, which selects the
    learning rate ``2**-(learning_rate_shifts[1] - boost)`` at a constant shift.

    Latency: ``chi`` is valid 1 clock after the slot; the array is written 3 clocks after it, so that a read
    issued 4 clocks after sees it; ``fired`` comes 4 clocks after. Throughput: a word a clock.

    Cost: ``rows * cols * chi_bits`` bits of memory (one read, one write port), a multiplier a lane.
    """

    def __init__(self, *, geometry: CrossbarGeometry):
        self.geometry = geometry
        super().__init__({
            #: The slot at clock 0; idle slots have no flag set.
            "slot": In(slot_layout(geometry)),
            #: Selects the learning rate; constant during an update.
            "boost": In(boost_bits(geometry)),
            #: Errors at clock 1.
            "delta": In(data.ArrayLayout(signed(geometry.delta_bits), geometry.lanes)),
            #: Conductance levels of the same word, at clock 1.
            "g": In(data.ArrayLayout(signed(geometry.device.g_bits), geometry.lanes)),
            #: The word that was read, at clock 1.
            "chi": Out(data.ArrayLayout(signed(geometry.chi_bits), geometry.lanes)),
            #: A slot with `fire` has been through, at clock 4 ...
            "done": Out(1),
            #: ... its word ...
            "address": Out(address_bits(geometry)),
            #: ... and its lanes that are to be programmed.
            "fired": Out(geometry.lanes),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        geometry = self.geometry
        lowest, highest = geometry.learning_rate_shifts
        shift = geometry.update_shift(highest)
        half = 1 << shift - 1 if shift else 0
        threshold = geometry.threshold

        m.submodules.memory = memory = Memory(
            shape=self.chi.shape(), depth=max(2, geometry.rows * geometry.folds), init=[], attrs=BLOCK_RAM)
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [read.addr.eq(self.slot.address), self.chi.eq(read.data)]

        slots = [self.slot] + [Signal.like(self.slot, name=f"slot_{clock}") for clock in (1, 2, 3)]
        m.d.sync += [after.eq(before) for before, after in zip(slots, slots[1:], strict=False)]
        x = Signal(signed(geometry.x.bits + 1 + highest - lowest))
        m.d.sync += x.eq(Mux(self.slot.update, self.slot.x << self.boost, 0))

        m.d.comb += [write.addr.eq(slots[3].address), write.en.eq(slots[3].write)]
        m.d.sync += [self.done.eq(slots[3].fire), self.address.eq(slots[3].address)]
        for lane in range(geometry.lanes):
            product = Signal(signed(len(x) + geometry.delta_bits), name=f"product_{lane}")
            before = Signal(signed(geometry.chi_bits), name=f"before_{lane}")
            after = Signal(signed(geometry.chi_bits), name=f"after_{lane}")
            here = Signal(name=f"here_{lane}")
            at_end = [(Signal(name=f"at_top_{clock}_{lane}"), Signal(name=f"at_bottom_{clock}_{lane}"))
                      for clock in (2, 3)]
            reached_up, reached_down = Signal(name=f"reached_up_{lane}"), Signal(name=f"reached_down_{lane}")
            m.d.sync += [
                product.eq(x * self.delta[lane]),
                before.eq(self.chi[lane]),
                at_end[0][0].eq(self.g[lane] >= geometry.device.lowest_top),
                at_end[0][1].eq(self.g[lane] <= geometry.device.highest_bottom),
                at_end[1][0].eq(at_end[0][0]),
                at_end[1][1].eq(at_end[0][1]),
            ]
            m.d.comb += [
                here.eq(slots[2].override & (slots[2].lane == lane)),
                reached_up.eq(after >= threshold),
                reached_down.eq(after <= -threshold),
                write.data[lane].eq(after),
            ]
            with m.If(slots[3].fire):
                with m.If(reached_up & at_end[1][0]):
                    m.d.comb += write.data[lane].eq(threshold - 1)
                with m.If(reached_down & at_end[1][1]):
                    m.d.comb += write.data[lane].eq(1 - threshold)
            with m.If(slots[2].write & (~slots[2].assemble | here)):
                # (half - p) >> shift is round_shift(-p, shift) in one adder.
                m.d.sync += after.eq(Mux(here, slots[2].cell.chi,
                                         saturate(before + (half - product >> shift), geometry.chi_bits)))
            m.d.sync += self.fired[lane].eq(reached_up & ~at_end[1][0] | reached_down & ~at_end[1][1])
        return m
