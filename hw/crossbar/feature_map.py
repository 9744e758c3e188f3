"""The feature map that drives a crossbar, as its scans read it."""

from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Any, Self

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ...contract.geometry import CrossbarGeometry
from ...contract.widths import index_bits
from ...contract.window import Window
from ..basics.table import table
from .layouts import drive_layout, x_shape

BLOCK = 32
"""Most cells of a block."""
WORD = 32
"""Cells of a word of flags; a power of two."""
LOOKUPS = 8
"""Cells that `RowScan` looks up in each clock cycle; a power of two."""


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """How a map is divided. Its *lines* are its rows of places; rows are those of the crossbar. The channels of a place
    are divided into *blocks* of at most `BLOCK` cells. Cells of a block whose places in it have the same remainder by
    the forward reads are of the same *kind*: at a position, they drive rows of the same remainder."""

    window: Window
    reads: int

    @classmethod
    def of(cls, geometry: CrossbarGeometry) -> Self:
        """A window of the whole map is one place of it."""
        window = geometry.window
        if window.plain:
            window = Window.dense((1, 1, window.cells), window.cols)
        return cls(window=window, reads=geometry.forward_reads)

    @property
    def lines(self) -> int:
        """Lines of the map."""
        return self.window.map[0]

    @property
    def line_cells(self) -> int:
        """Cells of a line."""
        return self.window.map[1] * self.window.map[2]

    @property
    def size(self) -> int:
        """Cells of a block; the last one of a place may have fewer."""
        return min(BLOCK, self.window.map[2])

    @property
    def groups(self) -> int:
        """Blocks of a place."""
        return ceil(self.window.map[2] / self.size)

    @property
    def kinds(self) -> int:
        """Kinds of cells in a block."""
        return min(self.reads, self.size)

    @property
    def line_blocks(self) -> int:
        """Blocks of a line."""
        return self.window.map[1] * self.groups

    @property
    def count(self) -> int:
        """Blocks of the map."""
        return self.lines * self.line_blocks

    def filled(self, group: int) -> int:
        """Cells of the block ``group`` of a place."""
        return min(self.size, self.window.map[2] - group * self.size)

    @cached_property
    def division(self) -> list[dict[str, int]]:
        """For each cell of a line: its block in the line, its place in the block, its kind."""
        channels = self.window.map[2]
        cells = ((cell // channels, *divmod(cell % channels, self.size)) for cell in range(self.line_cells))
        return [{"block": place * self.groups + group, "place": rest, "kind": rest % self.kinds}
                for place, group, rest in cells]


def forward_signature(geometry: CrossbarGeometry) -> wiring.Signature:
    """What `WindowScan` reads of the map; the outputs are those of the scan. What is an array is there for each of the
    forward reads. Memories answer a clock cycle after they have been asked, and then keep their answer. A scan may only
    ask while it is under way."""
    blocks, reads = Blocks.of(geometry), geometry.forward_reads
    return wiring.Signature({
        #: So many lines of the sample are here.
        "filled": In(range(blocks.lines + 1)),
        #: The line to be read.
        "line": Out(index_bits(blocks.lines)),
        #: For each of its blocks, for each kind: whether it has a cell with a drive.
        "driven": In(blocks.line_blocks * blocks.kinds),
        #: Asks for the flags of a block ...
        "read_block": Out(reads),
        "block": Out(data.ArrayLayout(unsigned(index_bits(blocks.count)), reads)),
        #: ... which say which cells have a drive. They mean nothing in a block without any.
        "flags": In(data.ArrayLayout(unsigned(blocks.size), reads)),
        #: Asks for the drive of a cell.
        "read_cell": Out(reads),
        "cell": Out(data.ArrayLayout(unsigned(index_bits(geometry.window.cells)), reads)),
        "x": In(data.ArrayLayout(x_shape(geometry), reads)),
    })


def lookups(geometry: CrossbarGeometry) -> int:
    """Positions for which `RowScan` looks at its rows in each clock cycle: a power of two."""
    share = max(1, LOOKUPS // geometry.second_reads)
    return min(1 << share.bit_length() - 1, 1 << ceil_log2(geometry.positions))


def second_signature(geometry: CrossbarGeometry) -> wiring.Signature:
    """What `RowScan` reads of the map, likewise."""
    cell, reads = unsigned(index_bits(geometry.window.cells)), geometry.second_reads
    return wiring.Signature({
        #: The sample is here.
        "complete": In(1),
        #: Asks whether cells have a drive or a derivative.
        "look_up": Out(1),
        "looked_up": Out(data.ArrayLayout(cell, lookups(geometry) * reads)),
        "active": In(lookups(geometry) * reads),
        #: Asks for the values of cells. Those of cells that are not active mean nothing.
        "read_cell": Out(1),
        "cell": Out(data.ArrayLayout(cell, reads)),
        "x": In(data.ArrayLayout(x_shape(geometry), reads)),
        "derivative": In(data.ArrayLayout(unsigned(max(1, geometry.derivative_bits)), reads)),
    })


class FeatureMap(wiring.Component):
    """Keeps the cells of a sample: drive, derivative, and flags that say which cells have them.

    ``clear`` empties the map, also in the middle of a sample. It then takes the beats of a sample, up to ``last``, and
    keeps them until the next ``clear``. ``forward`` may be read while the map is filled, line by line; ``second`` when
    it is complete. They are not read in the same clock cycle.

    Throughput: a beat a clock cycle, and a clock cycle more for every line and every word of `WORD` cells that is
    skipped, at the end of the sample too. Nothing else is needed to clear the map.

    Cost: in memory, the cells once for each read in the same clock cycle, their flags once for each lookup, those of
    blocks once for each forward read; registers for the flags of a line, of a block and of a word.
    """

    def __init__(self, *, geometry: CrossbarGeometry) -> None:
        self.geometry = geometry
        super().__init__({
            #: Empties the map, and begins a sample.
            "clear": In(1),
            #: The sample.
            "x": In(stream.Signature(drive_layout(geometry))),
            "forward": In(forward_signature(geometry)),
            "second": In(second_signature(geometry)),
        })
        self._blocks = Blocks.of(geometry)
        self._words = ceil(geometry.window.cells / WORD)
        # What is done with a cell, and with the flags before it; one clock cycle after the cell has been accepted.
        self._put = Signal()  # `cell` is in the map
        self._cell = Signal(data.StructLayout({name: field.shape for name, field in drive_layout(geometry)}))
        self._driven = Signal()  # it has a drive
        self._division = data.StructLayout({"block": index_bits(self._blocks.line_blocks),
                                            "place": index_bits(self._blocks.size),
                                            "kind": index_bits(self._blocks.kinds)})
        self._next_line, self._next_word = Signal(), Signal()  # it is not in the line, the word of the cell before

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        where = self._take(m)
        self._keep_lines(m, where)
        self._keep_blocks(m, where)
        self._keep_words(m)
        self._keep_cells(m)
        return m

    def _take(self, m: Module) -> data.View:
        """Accepts cells, and steps to their lines and words; answers where in its line the cell ``_cell`` is."""
        blocks, beat = self._blocks, Signal(self.x.payload.shape(), reset_less=True)
        taking, full, absorbed, ending = Signal(), Signal(), Signal(), Signal()
        derivative = beat.derivative if self.geometry.derivative_bits else 0
        active = (beat.x != 0) | (derivative != 0)
        # First cells of the line, of the next one and of the one behind that.
        start, end, beyond = (Signal(range(self.geometry.window.cells + 2 * blocks.line_cells + 1), name=name)
                              for name in ("start", "end", "beyond"))
        line, word = Signal(range(blocks.lines + 1)), Signal(range(self._words + 1))
        next_line, next_word = Signal(), Signal()
        beat_word = beat.row >> WORD.bit_length() - 1
        m.d.comb += [
            self.x.ready.eq(taking & (~full | absorbed)),
            absorbed.eq(full & (~active | (beat.row < beyond) & ((beat_word == word) | (beat_word == word + 1)))),
            ending.eq(~taking & ~full),
            next_line.eq(Mux(ending, line != blocks.lines, full & active & (beat.row >= end))),
            next_word.eq(Mux(ending, word != self._words, full & active & (beat_word != word))),
        ]
        offset = Signal(range(blocks.line_cells))
        m.d.comb += offset.eq(beat.row - Mux(next_line, end, start))
        m.d.sync += [
            self._put.eq(absorbed & active),
            self._cell.eq(beat),
            self._driven.eq(beat.x != 0),
            self._next_line.eq(next_line),
            self._next_word.eq(next_word),
            self.second.complete.eq(ending & ~next_line & ~next_word),
        ]
        with m.If(next_line):
            m.d.sync += [line.eq(line + 1), start.eq(end), end.eq(beyond), beyond.eq(beyond + blocks.line_cells)]
        with m.If(next_word):
            m.d.sync += word.eq(word + 1)
        with m.If(absorbed):
            m.d.sync += full.eq(0)
        with m.If(self.x.valid & self.x.ready):
            m.d.sync += [beat.eq(self.x.payload), full.eq(1), taking.eq(~self.x.payload.last)]
        with m.If(self.clear):
            m.d.sync += [taking.eq(1), full.eq(0), line.eq(0), word.eq(0), start.eq(0), end.eq(blocks.line_cells),
                         beyond.eq(2 * blocks.line_cells), self._put.eq(0), self._next_line.eq(0),
                         self._next_word.eq(0), self.second.complete.eq(0)]
        return self._divide(m, offset)

    def _divide(self, m: Module, offset: Signal) -> data.View:
        """Where in a line the cell at ``offset`` is, one clock cycle later."""
        entries, shift = self._blocks.division, ceil_log2(self._blocks.size)
        kinds = self._blocks.kinds
        if all(entry == {"block": cell >> shift, "place": cell % (1 << shift), "kind": cell % kinds}
               for cell, entry in enumerate(entries)) and not kinds & kinds - 1:
            later, where = Signal.like(offset), Signal(self._division)
            m.d.sync += later.eq(offset)
            m.d.comb += [where.block.eq(later >> shift), where.place.eq(later[:shift]),
                         where.kind.eq(later[:ceil_log2(kinds)])]
            return where
        return table(m, "division", entries, self._division, offset)

    def _keep_lines(self, m: Module, where: data.View) -> None:
        """Whether the blocks of a line have cells with a drive. A line is written when it is left."""
        blocks, gathered = self._blocks, Signal(len(self.forward.driven))
        m.submodules.lines = lines = Memory(shape=unsigned(len(gathered)), depth=max(2, blocks.lines), init=[])
        write, read = lines.write_port(), lines.read_port()
        m.d.comb += [
            write.addr.eq(self.forward.filled),
            write.data.eq(gathered),
            write.en.eq(self._next_line),
            read.addr.eq(self.forward.line),
            self.forward.driven.eq(read.data),
        ]
        for block in range(blocks.line_blocks):
            for kind in range(blocks.kinds):
                flag, here = gathered[block * blocks.kinds + kind], (where.block == block) & (where.kind == kind)
                m.d.sync += flag.eq(flag & ~self._next_line | self._put & self._driven & here)
        with m.If(self._next_line):
            m.d.sync += self.forward.filled.eq(self.forward.filled + 1)
        with m.If(self.clear):
            m.d.sync += [gathered.eq(0), self.forward.filled.eq(0)]

    def _keep_blocks(self, m: Module, where: data.View) -> None:
        """Which cells of a block have a drive. A block is written with every one of them."""
        blocks, forward = self._blocks, self.forward
        if blocks.size == 1:
            m.d.comb += [forward.flags[index].eq(1) for index in range(self.geometry.forward_reads)]
            return
        m.submodules.blocks = memory = Memory(shape=unsigned(blocks.size), depth=max(2, blocks.count), init=[],
                                              attrs={"no_rw_check": 1})
        write = memory.write_port()
        base, block = Signal(range(blocks.count + 1)), Signal(index_bits(blocks.count))
        latest, begun, gathered = Signal.like(block), Signal(), Signal(blocks.size)
        first = Signal.like(base)  # block of the line of the cell
        m.d.comb += [
            first.eq(Mux(self._next_line, base + blocks.line_blocks, base)),
            block.eq(first + where.block),
            write.addr.eq(block),
            write.data.eq(Mux(begun & (block == latest), gathered, 0) | (1 << where.place)),
            write.en.eq(self._put & self._driven),
        ]
        m.d.sync += base.eq(first)
        with m.If(write.en):
            m.d.sync += [latest.eq(block), begun.eq(1), gathered.eq(write.data)]
        with m.If(self.clear):
            m.d.sync += [base.eq(0), begun.eq(0)]
        for index in range(self.geometry.forward_reads):
            read = memory.read_port()
            m.d.comb += [
                read.addr.eq(forward.block[index]),
                read.en.eq(forward.read_block[index]),
                forward.flags[index].eq(read.data),
            ]

    def _keep_words(self, m: Module) -> None:
        """Which cells have a drive or a derivative. A word is written when it is left."""
        gathered, word = Signal(WORD), Signal(range(self._words + 1))
        m.submodules.words = memory = Memory(shape=unsigned(WORD), depth=max(2, self._words), init=[],
                                             attrs={"no_rw_check": 1})
        write, place = memory.write_port(), WORD.bit_length() - 1
        m.d.comb += [write.addr.eq(word), write.data.eq(gathered), write.en.eq(self._next_word)]
        m.d.sync += gathered.eq(Mux(self._next_word, 0, gathered) | self._put << self._cell.row[:place])
        with m.If(self._next_word):
            m.d.sync += word.eq(word + 1)
        with m.If(self.clear):
            m.d.sync += [gathered.eq(0), word.eq(0)]
        for index in range(len(self.second.active)):
            cell, read, bit = self.second.looked_up[index], memory.read_port(), Signal(place, name=f"bit_{index}")
            m.d.comb += [
                read.addr.eq(cell >> place),
                read.en.eq(self.second.look_up),
                self.second.active[index].eq(read.data.bit_select(bit, 1)),
            ]
            with m.If(self.second.look_up):
                m.d.sync += bit.eq(cell)

    def _keep_cells(self, m: Module) -> None:
        """The values of cells. Those that have none keep the values of some sample before."""
        names = ("x", "derivative") if self.geometry.derivative_bits else ("x",)
        layout = data.StructLayout({name: self._cell.shape()[name].shape for name in names})
        m.submodules.cells = memory = Memory(shape=layout, depth=max(2, self.geometry.window.cells), init=[],
                                             attrs={"no_rw_check": 1})
        write = memory.write_port()
        m.d.comb += [
            write.addr.eq(self._cell.row),
            *(write.data[name].eq(self._cell[name]) for name in names),
            write.en.eq(self._put),
        ]
        forward, second = self.forward, self.second
        for index in range(max(self.geometry.forward_reads, self.geometry.second_reads)):
            read = memory.read_port()
            m.d.comb += read.en.eq(0)
            if index < self.geometry.forward_reads:
                m.d.comb += [
                    read.addr.eq(forward.cell[index]),
                    read.en.eq(forward.read_cell[index]),
                    forward.x[index].eq(read.data.x),
                ]
            if index < self.geometry.second_reads:
                m.d.comb += second.x[index].eq(read.data.x)
                if self.geometry.derivative_bits:
                    m.d.comb += second.derivative[index].eq(read.data.derivative)
                with m.If(second.read_cell):
                    m.d.comb += [read.addr.eq(second.cell[index]), read.en.eq(1)]
