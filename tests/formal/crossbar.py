"""Claims about hw/crossbar."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In
from spinloom.config import parse
from spinloom.hw.crossbar import programming_queue
from spinloom.hw.crossbar.active_rows import ActiveRows
from spinloom.hw.crossbar.hazards import Hazards
from spinloom.hw.crossbar.programming_queue import ProgrammingQueue
from spinloom.hw.crossbar.timing import ADDRESS, write_back

from .prover import Bench, Fault, Proof


def geometry(inputs: int, *, device: dict | None = None, **layer):
    """That of a small crossbar."""
    return parse({"input": {"count": inputs, "bits": 2},
                  "device": device or {"kind": "ideal"}, "layers": [{"cols": 2} | layer]}, "formal").crossbars[0]


class Listed(Bench):
    """A list kept beside that of the block."""

    INPUTS = 3

    def __init__(self) -> None:
        self.geometry = geometry(self.INPUTS)
        super().__init__(ActiveRows(geometry=self.geometry).signature)

    def describe(self, m: Module) -> None:
        m.submodules.rows = rows = ActiveRows(geometry=self.geometry)
        wiring.connect(m, wiring.flipped(self), rows)
        entries = Signal(data.ArrayLayout(self.entry.shape(), self.INPUTS))
        count, passing, cursor = (Signal(range(self.INPUTS + 1)) for _ in range(3))
        readable = Signal.like(count)  # of them, those that were put two clock cycles ago
        derivative = self.drive.derivative if self.geometry.derivative_bits else 0
        puts = self.put & ((self.drive.x != 0) | (derivative != 0))
        self.assume(m, ~self.clear | ~self.put)
        self.assume(m, ~puts | (count < self.INPUTS))
        self.assume(m, ~self.advance | self.rewind | (cursor + 1 < self.INPUTS))
        with m.If(puts):
            m.d.sync += [count.eq(count + 1), *(entries[count][name].eq(self.drive[name])
                                               for name, _ in self.entry.shape())]
            with m.If(derivative != 0):
                m.d.sync += passing.eq(count + 1)
        m.d.sync += [readable.eq(count), cursor.eq(Mux(self.rewind, 0, cursor + self.advance))]
        with m.If(self.clear):
            m.d.sync += [count.eq(0), passing.eq(0), readable.eq(0)]
        self.claim(m, (cursor >= readable) | (self.entry.as_value() == entries[cursor].as_value()))
        self.claim(m, self.empty == (count == 0))
        self.claim(m, self.last == (cursor + 1 == count))
        self.claim(m, self.passing == (passing != 0))
        self.claim(m, self.last_passing == (cursor + 1 == passing))


class Visited(Bench):
    """The rows of a crossbar, one of which is watched: whatever visits it and asks for it to be programmed, no forward
    pass reads it while its conductances may still change."""

    ROWS = 4

    def __init__(self) -> None:
        self.geometry = geometry(self.ROWS)
        super().__init__({"fire": In(1), "asks": In(1), "replaces": In(1), "watched": In(2), "watched_first": In(1),
                          "row": In(2), "start": In(1), "slow": In(1), "waits": In(2), "forward_row": In(2),
                                            "adc_ready": In(1)})

    def describe(self, m: Module) -> None:
        m.submodules.hazards = hazards = Hazards(geometry=self.geometry)
        last = write_back(self.geometry)
        watched = self.watched
        self.keep(m, watched)
        # Visits, which ascend from the start of an operation on; what they ask for comes a clock cycle after their
        # write-back.
        latest = Signal(2)
        m.d.comb += [hazards.visit.fire.eq(self.fire), hazards.visit.row.eq(self.row),
                     hazards.start.eq(self.start), hazards.adc_ready.eq(self.adc_ready)]
        self.assume(m, ~self.fire | ~self.start & (self.row >= latest))
        self.assume(m, ~self.start | hazards.drained)
        with m.If(self.fire):
            m.d.sync += latest.eq(self.row)
        with m.If(self.start):
            m.d.sync += latest.eq(0)
        way, here = Signal(last + 1), Signal(last + 1)  # visits on their way, and whether they are of the watched row
        m.d.sync += [way.eq(Cat(self.fire, way)), here.eq(Cat(self.fire & (self.row == watched), here))]
        # Requests that wait, of the watched row and of others.
        mine, others = Signal(3), Signal(3)
        comes = way[-1] & self.asks
        serves = self.replaces & hazards.may_replace & ((mine != 0) | (others != 0))
        serves_mine = serves & (mine != 0) & (self.watched_first | (others == 0))
        self.assume(m, ~comes | (mine < 7) & (others < 7))
        m.d.sync += [mine.eq(mine + (comes & here[-1]) - serves_mine),
                     others.eq(others + (comes & ~here[-1]) - (serves & ~serves_mine))]
        m.d.comb += [
            hazards.programmed.eq((mine == 0) & (others == 0) & ~comes & ~self.slow),
            hazards.replace_waits.eq(self.waits[0] | serves), hazards.fetch_waits.eq(self.waits[1]),
            hazards.slot.override.eq(serves), hazards.visit.write.eq(self.fire | serves),
        ]
        changing = Signal(last - ADDRESS)  # replacements of the watched row that have not been written
        m.d.sync += changing.eq(Cat(serves_mine, changing))
        m.d.comb += [hazards.row[0].eq(self.forward_row), hazards.driven.eq(1)]
        forward = hazards.may_forward_row & (self.forward_row == watched) & ~self.fire & ~serves
        self.claim(m, ~forward | ((mine == 0) & ~here.any() & ~changing.any()))
        self.claim(m, ~hazards.drained | ~way.any() & ~changing.any() & (mine == 0))


class Firing(Bench):
    """Words of firing lanes, two of which are watched: the cells of the first come before those of the second, each
    lane that fires once, ascending. The other words may be anything."""

    LANES = 4
    PATIENCE = 8
    """Clock cycles without a cell, while there are some."""

    def __init__(self) -> None:
        self.geometry = geometry(4, cols=self.LANES, lanes=self.LANES)
        super().__init__({"valid": In(1), "fired": In(self.LANES), "mark": In(1), "ready": In(1)})

    def describe(self, m: Module) -> None:
        m.submodules.queue = queue = ProgrammingQueue(geometry=self.geometry)
        request, fires = queue.request, self.valid & (self.fired != 0)
        m.d.comb += [queue.valid.eq(self.valid), queue.fired.eq(self.fired), request.ready.eq(self.ready)]
        self.stays(m, self.claim, request.valid, request.ready, request.payload)
        # Watched words have the addresses 1 and 2, all others 0. Of each, the lanes that are left.
        marked, left = Signal(2), [Signal(self.LANES, name=f"left_{place}") for place in range(2)]
        marks = fires & self.mark & (marked != 2)
        m.d.comb += queue.word.address.eq(Mux(marks, marked + 1, 0))
        m.d.sync += marked.eq(marked + marks)
        taken = request.valid & request.ready
        for place, lanes in enumerate(left):
            mine = request.payload.address == place + 1
            with m.If(marks & (marked == place)):
                m.d.sync += lanes.eq(self.fired)
            with m.Elif(taken & mine):
                m.d.sync += lanes.eq(lanes & (lanes - 1))
            self.claim(m, ~request.valid | ~mine | lanes.bit_select(request.payload.lane, 1)
                       & (lanes & ((1 << request.payload.lane) - 1) == 0))
            self.claim(m, (lanes == 0) | ~queue.empty)
        self.claim(m, ~request.valid | (request.payload.address != 2) | (left[0] == 0))
        silent = Signal(range(self.PATIENCE + 1))
        m.d.sync += silent.eq(Mux(queue.empty | request.valid, 0, silent + 1))
        self.claim(m, silent != self.PATIENCE)


PROOFS = [
    Proof(block="crossbar/active_rows.py", claim="every active row once, in order; where the list, and the rows with a "
          "derivative, end", size="3 rows", bench=Listed,
          faults=(Fault(ActiveRows, "elaborate", "self.last.eq(cursor + 1 == count)",
                        "self.last.eq(cursor == count)"),)),
    Proof(block="crossbar/programming_queue.py", claim="every lane of every word that fires, once, ascending, words in "
          "order; an offer stays, and comes in time", size="4 lanes in two segments", bench=Firing, cycles=16,
          instead=((programming_queue, "SEGMENT", 2),),
          faults=(Fault(ProgrammingQueue, "elaborate", "with m.If(~left.any()):", "with m.If(1):"),)),
    Proof(block="crossbar/hazards.py", claim="no forward pass reads a row whose conductances may still change "
          "by a visit, "
          "a request or a replacement under way", size="4 rows, up to 7 requests", bench=Visited,
          faults=(Fault(Hazards, "_visited", "~self.programmed | replacing.any()", "~self.programmed"),)),
]
