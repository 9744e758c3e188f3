"""The device array of a crossbar and the multiply-accumulate lanes at its columns."""

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...contract.geometry import CrossbarGeometry
from ...contract.widths import signed_bits
from ..basics.delay import delay, delays
from ..basics.fixed import coarse, divided
from ..basics.spread import fields, spread
from .adder_tree import AdderTree, tree_latency
from .array_memory import ArrayMemory
from .layouts import banks, error_layout, level_layout, padded_rows, slot_layout
from .timing import ADDRESS, PRODUCT, READ, SUM, summed, write_back


def row_sum_latency(geometry: CrossbarGeometry) -> int:
    """Clock cycles from the slot of a row's last fold to its row sum: the products, the adder trees, and the sum over
    folds. Unless the geometry is plain, every slot has sums of its own."""
    return (PRODUCT + tree_latency(banks(geometry) // geometry.second_reads) + tree_latency(geometry.lanes)
            + geometry.plain)


class ConductanceArray(wiring.Component):
    """The array ``g``, its column sums ``sum over rows of x * g`` and its row sums ``sum over columns of g * delta``.

    Slots with ``forward`` add to the column sums of their lanes; with ``first`` these start over. Slots with
    ``backward`` add to the row sum of their row, fold after fold; unless the geometry is plain, each has sums of its
    own, one for each of ``second_reads`` rows. Slots with ``write`` and ``override`` write the word back with one lane
    replaced. Forward and backward passes share multipliers. Sums are exact. ``g_minus`` of a pair and ``life`` are only
    kept.

    So that several rows can be read in a clock cycle, the array is divided into `layouts.banks`: each has the words
    whose addresses have the same remainder by their number. The products of the banks are added up.

    Latency: see ``slot_layout``; column sums are complete `summed` clock cycles after their slot, ``e`` is
    ``row_sum_latency`` clock cycles after the slot of a row's last fold. Throughput: a word of each bank a clock cycle.

    Cost: ``rows * cols`` cells of ``level_layout`` in an `ArrayMemory` for each bank; a multiplier for each lane of
    each bank, an accumulator a lane; if errors are passed back, an adder tree over the lanes.
    """

    def __init__(self, *, geometry: CrossbarGeometry) -> None:
        self.geometry = geometry
        lanes = geometry.lanes
        ports = {
            #: The slot that is issued in this clock cycle; none if no flag is set.
            "slot": In(slot_layout(geometry)),
            #: The word that was read, in clock cycle `READ` of the slot; of a forward pass undefined.
            "word": Out(data.ArrayLayout(level_layout(geometry), lanes)),
            #: Column sums, complete `summed` clock cycles after a slot with `last`.
            "sums": Out(data.ArrayLayout(signed(geometry.sum_bits), lanes)),
        }
        if geometry.second_reads > 1:
            #: All words that a slot of a second pass reads, from that at `address` on, likewise.
            ports["rows"] = Out(data.ArrayLayout(data.ArrayLayout(level_layout(geometry), lanes),
                                                 geometry.second_reads))
        if geometry.backward:
            #: Deltas of the slot's fold, in its clock cycle `READ`.
            ports["delta"] = In(data.ArrayLayout(signed(geometry.delta_bits), lanes))
            #: Row sum, complete `row_sum_latency` clock cycles after the slot of the row's last fold.
            ports["e"] = Out(signed(geometry.error_bits) if geometry.plain
                             else data.ArrayLayout(error_layout(geometry)["e"].shape, geometry.second_reads))
        super().__init__(ports)
        self._slots: list[Any] = []  # of this clock cycle and those before
        self._words: list[Any] = []  # of each bank, in clock cycle `READ`
        self._products: list[list[Signal]] = []  # of each bank, of each lane, in clock cycle `PRODUCT`

    @property
    def row_sum_latency(self) -> int:
        """Clock cycles from the slot of a row's last fold to its ``e``."""
        return row_sum_latency(self.geometry)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        self._words, self._products = [], []
        self._slots = delays(m, self.slot, max(write_back(self.geometry), summed(self.geometry)))
        memories = self._read(m)
        self._multiply(m)
        self._add(m)
        self._write_back(m, memories)
        return m

    def _read(self, m: Module) -> list[ArrayMemory]:
        """The words of all banks, of which the slot's is one."""
        geometry, slots, count = self.geometry, self._slots, banks(self.geometry)
        depth, last = geometry.folds * padded_rows(geometry), write_back(geometry)
        read, written = slots[ADDRESS - 1], slots[last - 1]
        place, _ = divided(read.address, depth, count)
        write_place, write_bank = divided(written.address, depth, count)
        memories = []
        for bank in range(count):
            m.submodules[f"memory_{bank}" if count > 1 else "memory"] = memory = ArrayMemory(
                shape=self.word.shape(), depth=depth // count, ports=geometry.ports)
            m.d.comb += [memory.address.eq(place), memory.write_address.eq(write_place),
                         memory.write.eq(written.write & written.override & (write_bank == bank))]
            if count > 1:
                with m.If(read.forward):
                    m.d.comb += memory.address.eq(
                        divided(read.reads[bank % geometry.forward_reads].address, depth, count)[0])
            # Flags say what is valid, so data needs no reset, which would have to reach every lane.
            word = Signal.like(self.word, name=f"word_{bank}", reset_less=True)
            m.d.sync += word.eq(memory.data)
            self._words.append(word)
            memories.append(memory)
        _, read_bank = divided(slots[READ].address, depth, count)
        m.d.comb += self.word.eq(Array(self._words)[read_bank] if count > 1 else self._words[0])
        if geometry.second_reads > 1:
            m.d.comb += [row.eq(Array(self._words[index:] + self._words[:index])[read_bank])
                         for index, row in enumerate(self.rows)]
        return memories

    def _multiply(self, m: Module) -> None:
        """The products of the words with what the lanes are told in clock cycle `READ`: the drive of a row, or that its
        factors are the deltas."""
        geometry, lanes, g_bits = self.geometry, self.geometry.lanes, self.geometry.device.g_bits
        width = max(geometry.x.bits + 1, geometry.delta_bits if self.geometry.backward else 0)
        for bank, word in enumerate(self._words):
            driven = spread(m, self._converted(m, self._drive(m, self._slots[READ - 1], bank)), lanes)
            products = [Signal(signed(width + g_bits), name=f"product_{bank}_{lane}", reset_less=True)
                        for lane in range(lanes)]
            for lane, product in enumerate(products):
                factor = Signal(signed(width), name=f"factor_{bank}_{lane}")
                m.d.comb += factor.eq(driven[lane].x)
                if self.geometry.backward:
                    with m.If(driven[lane].backward):
                        m.d.comb += factor.eq(coarse(self.delta[lane], geometry.delta_dropped))
                m.d.sync += product.eq(word[lane].g * factor)
            self._products.append(products)

    def _converted(self, m: Module, drive: data.View) -> data.View:
        """The ``drive`` behind the DAC of its row."""
        if not self.geometry.x_dropped:
            return drive
        converted = Signal.like(drive, name="converted")
        m.d.comb += [converted.x.eq(coarse(drive.x, self.geometry.x_dropped)), converted.backward.eq(drive.backward)]
        return converted

    def _drive(self, m: Module, slot: data.View, bank: int) -> data.View:
        """What a bank is driven with in a slot."""
        geometry, count = self.geometry, banks(self.geometry)
        if count == 1:
            return fields(m, slot, "x", "backward")
        depth, read = geometry.folds * padded_rows(geometry), slot.reads[bank % geometry.forward_reads]
        drive = Signal(data.StructLayout({"x": read.x.shape(), "backward": 1}), name=f"drive_{bank}")
        first = bank - bank % geometry.second_reads
        with m.If(slot.forward & (divided(read.address, depth, count)[1] == bank)):
            m.d.comb += drive.x.eq(read.x)
        m.d.comb += drive.backward.eq(slot.backward & (divided(slot.address, depth, count)[1] == first))
        return drive

    def _add(self, m: Module) -> None:
        """The sums of columns, and of rows: of each row that a second pass reads, first those over the banks."""
        geometry, lanes, reads = self.geometry, self.geometry.lanes, self.geometry.second_reads
        told = spread(m, fields(m, self._slots[summed(geometry) - 2], "forward", "first"), lanes)
        rows = [[self._tree(m, f"rows_{read}_{lane}", [products[lane] for products in self._products[read::reads]])
                 for lane in range(lanes)] for read in range(reads)]
        for lane in range(lanes):
            total = self._tree(m, f"columns_{lane}", [row[lane] for row in rows])
            sums = Signal(signed(geometry.sum_bits), name=f"sums_{lane}", reset_less=True)
            m.d.comb += self.sums[lane].eq(sums)
            with m.If(told[lane].forward):
                m.d.sync += sums.eq(Mux(told[lane].first, 0, sums) + total)
        if not self.geometry.backward:
            return
        # A row is read by one bank; the others multiply by 0.
        width = signed_bits(1 << geometry.device.g_bits - 1 + geometry.delta_bits - 1)
        errors = [self._tree(m, "tree" if reads == 1 else f"tree_{read}",
                             [value[:width].as_signed() for value in row]) for read, row in enumerate(rows)]
        if not geometry.plain:
            m.d.comb += [self.e[read].eq(error) for read, error in enumerate(errors)]
            return
        slot = self._slots[PRODUCT]
        present, restart = delay(m, Cat(slot.backward, slot.fold == 0), tree_latency(lanes))
        with m.If(present):
            m.d.sync += self.e.eq(Mux(restart, 0, self.e) + errors[0])

    def _tree(self, m: Module, name: str, terms: list[Value]) -> Value:
        """The sum of ``terms``, `tree_latency` clock cycles later."""
        if len(terms) == 1:
            return terms[0]
        m.submodules[name] = tree = AdderTree(count=len(terms), width=max(map(len, terms)))
        m.d.comb += [tree.i[index].eq(term) for index, term in enumerate(terms)]
        return tree.o

    def _write_back(self, m: Module, memories: list[ArrayMemory]) -> None:
        """The word, with a lane replaced."""
        geometry, lanes = self.geometry, self.geometry.lanes
        # What all lanes are told, in clock cycle `PRODUCT`.
        told = spread(m, fields(m, self._slots[PRODUCT - 1], "write", "assemble", "lane"), lanes)
        cell = Signal(level_layout(geometry))
        with m.If(self.slot.override):
            m.d.sync += [cell[name].eq(self.slot.cell[name]) for name, _ in cell.shape()]
        replacement = spread(m, cell, lanes)
        for lane in range(lanes):
            before = Signal(level_layout(geometry), name=f"before_{lane}", reset_less=True)
            after = Signal(level_layout(geometry), name=f"after_{lane}", reset_less=True)
            here = Signal(name=f"here_{lane}")
            m.d.sync += before.eq(self.word[lane])
            m.d.comb += here.eq(told[lane].lane == lane)
            written = delay(m, after, write_back(geometry) - SUM)
            m.d.comb += [memory.write_data[lane].eq(written) for memory in memories]
            with m.If(told[lane].write & (~told[lane].assemble | here)):
                for name, _ in after.shape():
                    m.d.sync += after[name].eq(Mux(here, replacement[lane][name], before[name]))
