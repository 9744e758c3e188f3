"""The residuals of a crossbar, and the pipeline that adds increments to them."""

from collections.abc import Iterator
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, ValueLike, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...contract import lfsr as sequence
from ...contract.geometry import CrossbarGeometry
from ..basics.delay import delay, delays
from ..basics.fixed import saturate
from ..basics.spread import fields, spread
from .array_memory import ArrayMemory
from .layouts import boost_bits, padded_rows, slot_layout, word_layout
from .parameters import parameter_layout, register
from .rounder import StochasticRounder
from .timing import ADDRESS, PRODUCT, READ, change, write_back

Visit = tuple[ValueLike, ValueLike, ValueLike]


class GradientAccumulator(wiring.Component):
    """The array ``chi`` and its read-modify-write pipeline. In each lane of the addressed word

        chi = saturate(chi + round_shift(-(x * delta), update_shift), chi_bits)    for slots with ``update``,
        chi = saturate(chi + dw, chi_bits)                                         for slots with ``apply``.

    Unless the geometry is plain, ``x * delta`` is the sum over the slots with ``update`` from that with ``first`` on;
    only the last of them has ``write``.

    Slots with ``override`` and ``assemble`` assemble the word of ``dw`` before. Slots with ``fire`` visit the cells:
    they bound the residuals, and round them if rounding is stochastic (docs/arithmetic.md 4.2). Slots with ``write``
    write the word back, with the lane of ``override`` replaced.

    ``x`` is multiplied by ``2**boost``. So the shift is constant, and ``boost`` selects the learning rate
    ``2**-(learning_rate_shifts[1] - boost)``.

    Latency: see ``slot_layout``; ``fired`` comes a clock cycle after the write-back. Throughput: a word a clock cycle.

    Cost: ``rows * cols * chi_bits`` bits of `ArrayMemory`; a multiplier, an adder and a comparator a lane, and
    where there is a sum, its register and adder; see ``StochasticRounder``.
    """

    def __init__(self, *, geometry: CrossbarGeometry) -> None:
        self.geometry = geometry
        ports = {
            #: The slot that is issued in this clock cycle; none if no flag is set.
            "slot": In(slot_layout(geometry)),
            #: Selects the learning rate; constant during an update.
            "boost": In(boost_bits(geometry)),
            #: Deltas of the slot's fold, in its clock cycle `READ`.
            "delta": In(data.ArrayLayout(signed(geometry.delta_bits), geometry.lanes)),
            #: Conductances of the slot's word, in its clock cycle `READ`.
            "g": In(data.ArrayLayout(signed(geometry.device.g_bits), geometry.lanes)),
            #: The word that was read, in clock cycle `READ` of the slot.
            "chi": Out(data.ArrayLayout(signed(geometry.chi_bits), geometry.lanes)),
            #: A slot with `fire` was written back in the clock cycle before.
            "done": Out(1),
            #: Its word, and the lanes of it that are to be programmed.
            "word": Out(word_layout(geometry)),
            "fired": Out(geometry.lanes),
            #: Replacements of run-time parameters.
            "parameters": In(parameter_layout(geometry)),
        }
        if geometry.rounding == "stochastic":
            #: State of the LFSR, and its replacement. While `filling` follows, no slot may have `fire`.
            ports |= {"lfsr": Out(sequence.WIDTH), "lfsr_load": In(1), "lfsr_state": In(sequence.WIDTH),
                      "filling": Out(1)}
        super().__init__(ports)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        geometry = self.geometry
        lowest, highest = geometry.learning_rate_shifts
        shift = geometry.update_shift(highest)
        changed, last = change(geometry), write_back(geometry)
        slots = delays(m, self.slot, last)

        m.submodules.memory = memory = ArrayMemory(
            shape=self.chi.shape(), depth=geometry.folds * padded_rows(geometry), ports=geometry.ports)
        m.d.comb += [
            memory.address.eq(slots[ADDRESS - 1].address),
            memory.write_address.eq(slots[last - 1].address),
            memory.write.eq(slots[last - 1].write),
        ]
        # Flags say what is valid, so data needs no reset, which would have to reach every lane.
        chi = Signal.like(self.chi, reset_less=True)
        m.d.comb += self.chi.eq(chi)
        m.d.sync += [chi.eq(memory.data), self.done.eq(slots[last].fire)]
        m.d.sync += [self.word[name].eq(slots[last][name]) for name, _ in self.word.shape()]

        # What all lanes are told, in clock cycles `READ`, `change` and `write_back`.
        early = slots[READ - 2]
        shifted = Signal(signed(geometry.x.bits + 1 + highest - lowest))
        m.d.sync += shifted.eq(Mux(early.update, early.x << self.boost, 0))
        x = spread(m, (-shifted)[:len(shifted)].as_signed(), geometry.lanes)
        told = spread(m, fields(m, slots[changed - 1], "override", "apply", "assemble", "write", "lane"),
                      geometry.lanes)
        fire = spread(m, slots[last - 1].fire, geometry.lanes)
        residual = Signal(signed(geometry.chi_bits))
        with m.If(self.slot.override):
            m.d.sync += residual.eq(self.slot.cell.chi)
        replacement = spread(m, residual, geometry.lanes)

        products = [Signal(signed(len(shifted) + geometry.delta_bits), name=f"product_{lane}", reset_less=True)
                    for lane in range(geometry.lanes)]
        m.d.sync += [product.eq(x[lane] * self.delta[lane]) for lane, product in enumerate(products)]
        changes = products if geometry.plain else self._sum(m, products, slots)
        after = [Signal(signed(geometry.chi_bits), name=f"after_{lane}", reset_less=True)
                 for lane in range(geometry.lanes)]
        for lane in range(geometry.lanes):
            before = Signal(signed(geometry.chi_bits), name=f"before_{lane}", reset_less=True)
            here = Signal(name=f"here_{lane}")
            m.d.sync += before.eq(delay(m, chi[lane], changed - READ - 1))
            m.d.comb += here.eq(told[lane].override & (told[lane].lane == lane))
            # round_shift(p, s) is p >> s plus the highest bit shifted out: the carry into the sum.
            carry = changes[lane].shift_right(shift - 1)[:1] if shift else 0
            added = Mux(told[lane].apply, after[lane], changes[lane] >> shift)
            total = (Cat(carry, before).as_signed() + Cat(carry, added).as_signed())[1:].as_signed()
            with m.If(Mux(told[lane].assemble, here, told[lane].write)):
                m.d.sync += after[lane].eq(Mux(here, replacement[lane], saturate(total, geometry.chi_bits)))

        visit = self._round if geometry.rounding == "stochastic" else self._compare
        for lane, (chi, reached, held) in enumerate(visit(m, after, slots, fire)):
            # A cell at its last state cannot be pushed outward.
            top, bottom = self.g[lane] >= geometry.device.lowest_top, self.g[lane] <= geometry.device.highest_bottom
            at_top, at_bottom = delay(m, Cat(top, bottom), last - READ)
            at_end = Signal(name=f"at_end_{lane}")
            m.d.comb += [
                at_end.eq(Mux(chi < 0, at_bottom, at_top)),
                memory.write_data[lane].eq(Mux(fire[lane] & reached & at_end, held, chi)),
            ]
            m.d.sync += self.fired[lane].eq(reached & ~at_end)
        return m

    def _sum(self, m: Module, products: list[Signal], slots: list[Any]) -> list[Value]:
        """A clock cycle after the ``products`` of the ``slots``, their sums since the slot with ``first``; 0 for slots
        without ``update``."""
        lowest, highest = self.geometry.learning_rate_shifts
        updates = spread(m, fields(m, slots[PRODUCT - 1], "update", "first"), len(products))
        added = spread(m, slots[PRODUCT].update, len(products))
        sums = []
        for lane, product in enumerate(products):
            total = Signal(signed(self.geometry.gradient_bits + highest - lowest), name=f"sum_{lane}", reset_less=True)
            with m.If(updates[lane].update):
                m.d.sync += total.eq(Mux(updates[lane].first, 0, total) + product)
            sums.append(Mux(added[lane], total, 0))
        return sums

    def _compare(self, m: Module, after: list[Signal], slots: list[Any], fire: list[Signal]) -> Iterator[Visit]:
        """For each lane, at the write-back: its residual, whether that has reached the threshold, and the residual at
        which a cell at its last state is held instead."""
        bits = self.geometry.chi_bits - 1
        threshold = register(m, self.parameters, self.geometry, "threshold")
        bound = Signal(signed(bits + 1))
        m.d.comb += bound.eq(threshold - 1)
        up, down = spread(m, bound, len(after)), spread(m, (-bound)[:bits + 1].as_signed(), len(after))
        for lane, chi in enumerate(after):
            negative = chi[-1]
            # The carry of |chi| + 2**bits - threshold; |chi| is the low bits, inverted if negative, plus the sign.
            distance = Cat(negative, chi[:-1] ^ negative.replicate(bits)) + Cat(negative, ~up[lane][:bits])
            yield chi, distance[bits + 1], Mux(negative, down[lane], up[lane])

    def _round(self, m: Module, after: list[Signal], slots: list[Any], fire: list[Signal]) -> Iterator[Visit]:
        """As ``_compare``; residuals are rounded to multiples of the threshold where they are visited."""
        m.submodules.rounder = rounder = StochasticRounder(geometry=self.geometry)
        m.d.comb += [
            rounder.visit.eq(slots[change(self.geometry) + 1].fire),
            rounder.parameters.eq(self.parameters),
            rounder.lfsr_load.eq(self.lfsr_load),
            rounder.lfsr_state.eq(self.lfsr_state),
            self.lfsr.eq(rounder.lfsr),
            self.filling.eq(rounder.filling),
        ]
        cycles = len(slots) - 2 - change(self.geometry)
        for lane, unvisited in enumerate(after):
            chi = Signal.like(unvisited, name=f"chi_{lane}")
            m.d.comb += [
                rounder.chi[lane].eq(unvisited),
                chi.eq(Mux(fire[lane], rounder.rounded[lane], delay(m, unvisited, cycles))),
            ]
            yield chi, chi[self.geometry.threshold_shift:].any(), self.geometry.held
