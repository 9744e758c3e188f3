"""The residuals of a crossbar, and the pipeline that adds increments to them."""

from collections.abc import Iterator
from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value, ValueLike, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...contract import lfsr as sequence
from ...contract.geometry import CrossbarGeometry
from ..basics.delay import delay, delays
from ..basics.fixed import saturate
from ..basics.spread import fields, spread
from .array_memory import ArrayMemory
from .layouts import boost_bits, padded_rows, slot_layout, visit_layout, word_layout
from .parameters import parameter_layout, register
from .rounder import StochasticRounder
from .timing import ADDRESS, PRODUCT, READ, change, write_back

Visit = tuple[ValueLike, ValueLike, ValueLike]


class GradientAccumulator(wiring.Component):
    """The array ``chi`` and its read-modify-write pipeline. In each lane of the addressed word

        chi = saturate(chi + round_shift(-(x * delta), update_shift), chi_bits)    for slots with ``update``,
        chi = saturate(chi + dw, chi_bits)                                         for slots with ``apply``.

    Unless the geometry is plain, ``x * delta`` is the sum over the slots with ``update`` from that with ``first`` on;
    only the last of them has ``write``. With several ``second_reads`` there are as many sums. They are kept at the slot
    with ``last``, and added by a ``visit`` for each of them that follows it, up to the next slot with ``last``.

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
        self._g = data.ArrayLayout(signed(geometry.device.g_bits), geometry.lanes)
        ports = {
            #: The slot that is issued in this clock cycle; none if no flag is set.
            "slot": In(slot_layout(geometry)),
            #: Selects the learning rate; constant during an update.
            "boost": In(boost_bits(geometry)),
            #: Deltas of the slot's fold, in its clock cycle `READ`.
            "delta": In(data.ArrayLayout(signed(geometry.delta_bits), geometry.lanes)),
            #: Conductances of the slot's word, in its clock cycle `READ`.
            "g": In(self._g),
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
        if geometry.second_reads > 1:
            #: What is done with the residuals in this clock cycle; that of the slot, unless it is a second pass.
            ports["visit"] = In(visit_layout(geometry))
            #: Conductances of all words that a slot of a second pass reads, in its clock cycle `READ`.
            ports["rows"] = In(data.ArrayLayout(self._g, geometry.second_reads))
        if geometry.rounding == "stochastic":
            #: State of the LFSR, and its replacement. While `filling` follows, no slot may have `fire`.
            ports |= {"lfsr": Out(sequence.WIDTH), "lfsr_load": In(1), "lfsr_state": In(sequence.WIDTH),
                      "filling": Out(1)}
        super().__init__(ports)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        geometry = self.geometry
        changed, last = change(geometry), write_back(geometry)
        slots = delays(m, self.slot, last)
        visits = slots if geometry.second_reads == 1 else delays(m, self.visit, last)

        m.submodules.memory = memory = ArrayMemory(
            shape=self.chi.shape(), depth=geometry.folds * padded_rows(geometry), ports=geometry.ports)
        m.d.comb += [
            memory.address.eq(visits[ADDRESS - 1].address),
            memory.write_address.eq(visits[last - 1].address),
            memory.write.eq(visits[last - 1].write),
        ]
        # Flags say what is valid, so data needs no reset, which would have to reach every lane.
        chi = Signal.like(self.chi, reset_less=True)
        m.d.comb += self.chi.eq(chi)
        m.d.sync += [chi.eq(memory.data), self.done.eq(visits[last].fire)]
        m.d.sync += [self.word[name].eq(visits[last][name]) for name, _ in self.word.shape()]

        # What all lanes are told, in clock cycles `change` and `write_back`.
        told = spread(m, fields(m, visits[changed - 1], "override", "apply", "assemble", "write", "lane"),
                      geometry.lanes)
        fire = spread(m, visits[last - 1].fire, geometry.lanes)
        residual = Signal(signed(geometry.chi_bits))
        with m.If(self.slot.override):
            m.d.sync += residual.eq(self.slot.cell.chi)
        replacement = spread(m, residual, geometry.lanes)

        products = [self._multiply(m, slots[READ - 2], read) for read in range(geometry.second_reads)]
        ends = [self._ends(g) for g in self.g]
        if geometry.plain:
            changes = products[0]
        else:
            changes, ends = self._sum(m, products, ends, slots, visits[changed - 1])
        after = [Signal(signed(geometry.chi_bits), name=f"after_{lane}", reset_less=True)
                 for lane in range(geometry.lanes)]
        for lane in range(geometry.lanes):
            before = Signal(signed(geometry.chi_bits), name=f"before_{lane}", reset_less=True)
            here = Signal(name=f"here_{lane}")
            m.d.sync += before.eq(delay(m, chi[lane], changed - READ - 1))
            m.d.comb += here.eq(told[lane].override & (told[lane].lane == lane))
            # round_shift(p, s) is p >> s plus the highest bit shifted out: the carry into the sum.
            shift = geometry.update_shift(geometry.learning_rate_shifts[1])
            carry = changes[lane].shift_right(shift - 1)[:1] if shift else 0
            added = Mux(told[lane].apply, after[lane], changes[lane] >> shift)
            total = (Cat(carry, before).as_signed() + Cat(carry, added).as_signed())[1:].as_signed()
            with m.If(Mux(told[lane].assemble, here, told[lane].write)):
                m.d.sync += after[lane].eq(Mux(here, replacement[lane], saturate(total, geometry.chi_bits)))

        visit = self._round if geometry.rounding == "stochastic" else self._compare
        for lane, (chi, reached, held) in enumerate(visit(m, after, visits, fire)):
            # A cell at its last state cannot be pushed outward.
            at_top, at_bottom = delay(m, ends[lane], last - (READ if geometry.plain else changed))
            at_end = Signal(name=f"at_end_{lane}")
            m.d.comb += [
                at_end.eq(Mux(chi < 0, at_bottom, at_top)),
                memory.write_data[lane].eq(Mux(fire[lane] & reached & at_end, held, chi)),
            ]
            m.d.sync += self.fired[lane].eq(reached & ~at_end)
        return m

    def _multiply(self, m: Module, slot: data.View, read: int) -> list[Signal]:
        """The products of the deltas and the drive of a row, in clock cycle `PRODUCT`. ``slot`` is that of two clock
        cycles before `READ`."""
        geometry = self.geometry
        lowest, highest = geometry.learning_rate_shifts
        shifted = Signal(signed(geometry.x.bits + 1 + highest - lowest), name=f"shifted_{read}")
        drive = slot.x if geometry.plain else slot.rows[read].x
        m.d.sync += shifted.eq(Mux(slot.update, drive << self.boost, 0))
        x = spread(m, (-shifted)[:len(shifted)].as_signed(), geometry.lanes)
        products = [Signal(signed(len(shifted) + geometry.delta_bits), name=f"product_{read}_{lane}", reset_less=True)
                    for lane in range(geometry.lanes)]
        m.d.sync += [product.eq(x[lane] * self.delta[lane]) for lane, product in enumerate(products)]
        return products

    def _ends(self, g: Value) -> Value:
        """Whether a cell is at its top state, at its bottom state."""
        return Cat(g >= self.geometry.device.lowest_top, g <= self.geometry.device.highest_bottom)

    def _sum(self, m: Module, products: list[list[Signal]], ends: list[Value], slots: list[Any], visit: data.View,
             ) -> tuple[list[Value], list[Value]]:
        """In clock cycle `change`, the sums of the ``products`` since the slot with ``first``, or 0 without
        ``update``; and with them the ``ends`` of clock cycle `READ`. ``visit`` is that of the clock cycle before."""
        geometry, reads = self.geometry, self.geometry.second_reads
        lowest, highest = geometry.learning_rate_shifts
        updates = spread(m, fields(m, slots[PRODUCT - 1], "update", "first"), geometry.lanes)
        added = spread(m, fields(m, visit, "update", "read") if reads > 1 else visit.update, geometry.lanes)
        closes = spread(m, slots[PRODUCT].update & slots[PRODUCT].last, geometry.lanes)
        sums, cycles = [], change(geometry) - READ
        ends = [delay(m, each, cycles) for each in ends]
        for lane in range(geometry.lanes):
            totals = [Signal(signed(geometry.gradient_bits + highest - lowest), name=f"sum_{read}_{lane}",
                             reset_less=True) for read in range(reads)]
            with m.If(updates[lane].update):
                m.d.sync += [total.eq(Mux(updates[lane].first, 0, total) + products[read][lane])
                             for read, total in enumerate(totals)]
            if reads == 1:
                sums.append(Mux(added[lane], totals[0], 0))
                continue
            kept = data.StructLayout({"sum": totals[0].shape(), "ends": 2})
            rows = [Signal(kept, name=f"kept_{read}_{lane}", reset_less=True) for read in range(reads)]
            row_ends = [delay(m, self._ends(row[lane]), cycles) for row in self.rows]
            with m.If(closes[lane]):
                m.d.sync += [Cat(row.sum, row.ends).eq(Cat(*values))
                             for row, *values in zip(rows, totals, row_ends, strict=True)]
            row = Array(rows)[added[lane].read]
            sums.append(Mux(added[lane].update, row.sum, 0))
            ends[lane] = Mux(added[lane].update, row.ends, ends[lane])
        return sums, ends

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
