"""The scan of a forward pass: which rows are driven at each position."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...contract.geometry import CrossbarGeometry
from ...contract.widths import index_bits
from ..basics.queue import Queue
from ..basics.set_bits import SetBits
from ..basics.table import chosen
from .feature_map import Blocks, forward_signature
from .layouts import forward_item_layout, x_shape

QUEUE = 16
"""Windows, blocks and rows that wait for what comes behind; as many as distributed memory has words."""


def window_layout(geometry: CrossbarGeometry, flags: int) -> data.StructLayout:
    """What a bank must know of a window: its flags; the first cell and the first block of it, modulo their number of
    bits, as they may be in the padding; whether it is the last of the sample."""
    return data.StructLayout({"flags": flags, "tag": data.StructLayout({
        "cell": unsigned(index_bits(geometry.window.cells)),
        "block": unsigned(index_bits(Blocks.of(geometry).count)),
        "final": 1})})


def driven_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """A row of a bank with its drive. ``last``: the last one of this bank at a position, in a fold; ``final``: of the
    last position and fold."""
    return data.StructLayout({"row": unsigned(index_bits(geometry.rows)), "x": x_shape(geometry), "last": 1,
                              "final": 1})


class WindowBank(wiring.Component):
    """Finds the driven rows of windows whose remainder by the forward reads is ``bank``, ascending. A window has a flag
    for each of its blocks in the order of rows (``blocks``), and one more that stands for the bias row or, in a window
    without a driven row of this bank, for some row whose drive is 0.

    Throughput: a row a clock cycle, as long as windows come.

    Cost: two `SetBits` with a queue between them, one where a block is one cell; adders of the width of a cell.
    """

    def __init__(self, *, geometry: CrossbarGeometry, bank: int) -> None:
        self.geometry = geometry
        self._map, window = Blocks.of(geometry), Blocks.of(geometry).window
        self.has_bias = geometry.bias and geometry.inputs % geometry.forward_reads == bank
        width, channels = window.map[1:]
        #: Of each block with a row of this bank: where its flag is, its kind, the first row, and how far block and cell
        #: are from those of the window.
        self.blocks: list[dict[str, int]] = []
        for u in range(window.kernel[0]):
            for v in range(window.kernel[1]):
                for group in range(self._map.groups):
                    first = group * self._map.size
                    row = (u * window.kernel[1] + v) * channels + first
                    kind = (bank - row) % geometry.forward_reads
                    if kind < self._map.filled(group):
                        self.blocks.append({
                            "line": u, "flag": (v * self._map.groups + group) * self._map.kinds + kind, "kind": kind,
                            "row": row + kind, "block": (u * width + v) * self._map.groups + group,
                            "cell": (u * width + v) * channels + first + kind})
        super().__init__({
            "i": In(stream.Signature(window_layout(geometry, len(self.blocks) + 1))),
            "o": Out(stream.Signature(driven_layout(geometry))),
            #: What is read of the map, as in `forward_signature`.
            "read_block": Out(1),
            "block": Out(index_bits(self._map.count)),
            "flags": In(self._map.size),
            "read_cell": Out(1),
            "cell": Out(index_bits(geometry.window.cells)),
            "x": In(x_shape(geometry)),
        })
        self._none = geometry.inputs if self.has_bias else bank

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        geometry = self.geometry
        window = self.i.payload.shape()
        m.submodules.windows = windows = Queue(shape=window, depth=QUEUE)
        m.submodules.blocks = blocks = SetBits(width=window["flags"].shape, tag=window["tag"].shape)
        wiring.connect(m, wiring.flipped(self.i), windows.i)
        wiring.connect(m, windows.o, blocks.i)
        m.submodules.rows = rows = Queue(shape=self.o.payload.shape(), depth=QUEUE)
        wiring.connect(m, rows.o, wiring.flipped(self.o))

        # The first row of a block.
        row = data.StructLayout({"row": unsigned(index_bits(geometry.rows)),
                                 "cell": unsigned(index_bits(geometry.window.cells)),
                                 "fixed": 1, "last": 1, "final": 1})
        found, block = Signal(row), blocks.o.payload
        m.d.comb += [
            found.row.eq(chosen(m, "row", block.one, [*(entry["row"] for entry in self.blocks), self._none])),
            found.cell.eq(block.tag.cell + chosen(m, "cell", block.one, [entry["cell"] for entry in self.blocks])),
            found.fixed.eq(block.one[-1]),
            found.last.eq(block.last),
            found.final.eq(block.tag.final),
        ]
        if self._map.size == 1:
            self._read(m, blocks.o.valid, blocks.o.ready, found, rows.i)
        else:
            self._open(m, blocks, found, rows.i)
        return m

    def _open(self, m: Module, blocks: SetBits, found: data.View, rows: Any) -> None:
        """Reads the flags of blocks and goes through their rows."""
        reads, block, proceed = self.geometry.forward_reads, blocks.o.payload, Signal()
        size = -(-self._map.size // reads)
        tag = found.shape()
        m.submodules.opened = opened = Queue(shape=data.StructLayout({"flags": size, "tag": tag}), depth=QUEUE)
        m.submodules.cells = cells = SetBits(width=size, tag=tag)
        wiring.connect(m, opened.o, cells.i)
        kinds = [entry["kind"] for entry in self.blocks]
        asked, answered = Signal(), Signal()
        first, later = Signal(tag, reset_less=True), Signal(tag, reset_less=True)
        kind, kind_later = (Signal(index_bits(self._map.kinds), name=name) for name in ("kind", "kind_later"))
        number = Signal.like(self.block)
        m.d.comb += [
            proceed.eq(opened.i.ready),
            blocks.o.ready.eq(proceed),
            self.block.eq(number),
            self.read_block.eq(proceed & asked),
            opened.i.valid.eq(answered),
            opened.i.payload.tag.eq(later),
        ]
        with m.If(proceed):
            m.d.sync += [
                asked.eq(blocks.o.valid), answered.eq(asked), first.eq(found), later.eq(first), kind_later.eq(kind),
                kind.eq(chosen(m, "kind_chosen", block.one, kinds)),
                number.eq(block.tag.block + chosen(m, "block", block.one, [entry["block"] for entry in self.blocks])),
            ]
        flags = opened.i.payload.flags
        with m.Switch(kind_later):
            for each in sorted(set(kinds)):
                with m.Case(each):
                    m.d.comb += flags.eq(self.flags[each::reads])
        with m.If(later.fixed):
            m.d.comb += flags.eq(1)

        entered, cell = Signal(tag), cells.o.payload
        place = chosen(m, "place", cell.one, [step * reads for step in range(size)])
        m.d.comb += [
            entered.eq(cell.tag),
            entered.row.eq(cell.tag.row + place),
            entered.cell.eq(cell.tag.cell + place),
            entered.last.eq(cell.tag.last & cell.last),
        ]
        self._read(m, cells.o.valid, cells.o.ready, entered, rows)

    def _read(self, m: Module, valid: Signal, ready: Signal, row: data.View, rows: Any) -> None:
        """Reads the drives of rows."""
        proceed, asked, answered = Signal(), Signal(), Signal()
        first, later = (Signal(row.shape(), reset_less=True, name=name) for name in ("row_first", "row_later"))
        m.d.comb += [
            proceed.eq(rows.ready),
            ready.eq(proceed),
            self.cell.eq(first.cell),
            self.read_cell.eq(proceed & asked),
            rows.valid.eq(answered),
            rows.payload.row.eq(later.row),
            rows.payload.x.eq(Mux(later.fixed, self.geometry.bias_value if self.has_bias else 0, self.x)),
            rows.payload.last.eq(later.last),
            rows.payload.final.eq(later.final),
        ]
        with m.If(proceed):
            m.d.sync += [asked.eq(valid), answered.eq(asked), first.eq(row), later.eq(first)]


class WindowScan(wiring.Component):
    """Goes through the windows of a sample, and answers with the items of its forward pass: position by position, fold
    by fold, at each the driven rows and the bias row. One without any has one item whose drives are 0.

    ``start`` begins a sample, whose lines may still be on their way to the map. The next ``start`` may come when the
    last item has been taken. The scan runs ahead of what is taken.

    Clock cycles: of the lines that a position needs, the last must be here; ``kernel + 15`` later, at most, the first
    item comes. Throughput: an item a clock cycle; it is lower where many blocks of a window have few driven cells, or
    many windows in a row have no driven row: for each block, and for each window, a clock cycle is needed, and
    ``kernel + 1`` for the lines of positions side by side.

    Cost: registers for the flags of the lines of a window, which shift from position to position; a `WindowBank` for
    each row that is read in the same clock cycle.
    """

    def __init__(self, *, geometry: CrossbarGeometry) -> None:
        self.geometry = geometry
        super().__init__({
            #: Begins a sample.
            "start": In(1),
            "map": Out(forward_signature(geometry)),
            "items": Out(stream.Signature(forward_item_layout(geometry))),
        })
        self._blocks = Blocks.of(geometry)
        self._banks = [WindowBank(geometry=geometry, bank=bank) for bank in range(geometry.forward_reads)]
        window = self._blocks.window
        places = (window.outputs[1] - 1) * window.stride[1] + window.kernel[1]
        self._place_flags = self._blocks.groups * self._blocks.kinds
        #: For each line of a window, the flags from the place of the window on.
        self._lines = [Signal(places * self._place_flags, name=f"line_{u}") for u in range(window.kernel[0])]

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        for index, bank in enumerate(self._banks):
            m.submodules[f"bank_{index}"] = bank
            m.d.comb += [
                *(getattr(self.map, name)[index].eq(getattr(bank, name))
                  for name in ("read_block", "block", "read_cell", "cell")),
                *(getattr(bank, name).eq(getattr(self.map, name)[index]) for name in ("flags", "x")),
            ]
        self._scan(m)
        self._join(m)
        return m

    def _scan(self, m: Module) -> None:
        """Goes through the positions: reads the lines of those side by side, and gives their windows to the banks."""
        window, blocks = self._blocks.window, self._blocks
        (height, width, channels), (rows, cols, _) = window.map, window.outputs
        top, line = (Signal(range(height + 2 * window.padding[0] + window.stride[0]), name=name)  # above is the padding
                     for name in ("top", "line"))
        u, a, b = (Signal(index_bits(count), name=name)
                   for name, count in (("u", window.kernel[0]), ("a", rows), ("b", cols)))
        fold = Signal(index_bits(self.geometry.folds))
        bits = {"cell": channels, "block": blocks.groups}
        first = {name: Signal.like(self._banks[0].i.payload.tag[name], name=f"first_{name}") for name in bits}
        here = {name: Signal.like(self._banks[0].i.payload.tag[name], name=f"{name}_here") for name in bits}
        asked, asked_line, inside, shift = Signal(), Signal.like(u), Signal(), Signal()
        ready, last_fold = Signal(), Signal()
        m.d.comb += last_fold.eq(fold == self.geometry.folds - 1)
        m.d.sync += [asked.eq(0), asked_line.eq(u)]

        with m.FSM():
            with m.State("idle"):
                m.d.sync += [top.eq(0), line.eq(0), a.eq(0), b.eq(0)]
                outside = window.padding[0] * width + window.padding[1]
                m.d.sync += [value.eq(-outside * bits[name]) for values in (first, here)
                             for name, value in values.items()]
                with m.If(self.start):
                    m.next = "lines"
            with m.State("lines"):
                within = (line >= window.padding[0]) & (line < height + window.padding[0])
                with m.If(~within | (self.map.filled + window.padding[0] > line)):
                    m.d.sync += [asked.eq(1), inside.eq(within), line.eq(line + 1), u.eq(u + 1)]
                    with m.If(u == window.kernel[0] - 1):
                        m.d.sync += u.eq(0)
                        m.next = "settle"
            with m.State("settle"):  # the last line comes
                m.next = "windows"
            with m.State("windows"):
                m.d.comb += ready.eq(Cat(bank.i.ready for bank in self._banks).all())
                with m.If(ready):
                    m.d.sync += fold.eq(fold + 1)
                    with m.If(last_fold):
                        m.d.comb += shift.eq(1)
                        m.d.sync += [fold.eq(0), b.eq(b + 1)]
                        m.d.sync += [here[name].eq(here[name] + window.stride[1] * step) for name, step in bits.items()]
                        with m.If(b == cols - 1):
                            below = window.stride[0] * width
                            m.d.sync += [b.eq(0), a.eq(a + 1), top.eq(top + window.stride[0]),
                                         line.eq(top + window.stride[0])]
                            m.d.sync += [value.eq(first[name] + below * bits[name]) for values in (first, here)
                                         for name, value in values.items()]
                            m.next = "lines"
                            with m.If(a == rows - 1):
                                m.next = "idle"
        m.d.comb += self.map.line.eq(line - window.padding[0])
        step = window.stride[1] * self._place_flags
        before = window.padding[1] * self._place_flags
        for index, flags in enumerate(self._lines):
            with m.If(shift):
                m.d.sync += flags.eq(flags >> step)
            with m.If(asked & (asked_line == index)):
                m.d.sync += flags.eq(Mux(inside, self.map.driven, 0) << before)
        for bank in self._banks:
            flags = Cat(self._lines[entry["line"]][entry["flag"]] for entry in bank.blocks)
            m.d.comb += [
                bank.i.valid.eq(ready),
                bank.i.payload.flags.eq(Cat(flags, 1 if bank.has_bias else ~flags.any())),
                *(bank.i.payload.tag[name].eq(value) for name, value in here.items()),
                bank.i.payload.tag.final.eq(last_fold & (a == rows - 1) & (b == cols - 1)),
            ]

    def _join(self, m: Module) -> None:
        """Makes an item of a row of each bank that has any left at this position, in this fold."""
        item, folds = self.items.payload, self.geometry.folds
        ended = [Signal(name=f"ended_{index}") for index in range(len(self._banks))]
        closing = Signal(len(self._banks))
        m.d.comb += [
            self.items.valid.eq(Cat(bank.o.valid | none for bank, none in zip(self._banks, ended, strict=True)).all()),
            item.last.eq(closing.all()),
            item.final.eq(Cat(bank.o.payload.final & ~none for bank, none in zip(self._banks, ended, strict=True)).any()
                          & item.last),
        ]
        fresh, fold = Signal(init=1), Signal.like(item.fold)
        m.d.comb += [item.first.eq(fresh), item.fold.eq(fold)]
        taken = self.items.valid & self.items.ready
        with m.If(taken):
            m.d.sync += fresh.eq(item.last)
            with m.If(item.last):
                m.d.sync += fold.eq(Mux(fold == folds - 1, 0, fold + 1))
        for index, (bank, none) in enumerate(zip(self._banks, ended, strict=True)):
            m.d.comb += [
                closing[index].eq(none | bank.o.payload.last),
                bank.o.ready.eq(taken & ~none),
                item.row[index].eq(Mux(none, index, bank.o.payload.row)),
                item.x[index].eq(Mux(none, 0, bank.o.payload.x)),
            ]
            with m.If(taken):
                m.d.sync += none.eq(closing[index] & ~item.last)
