"""Claims about the programmer of a crossbar and its counters: every cell that is asked for is replaced once, in order,
after the pulses that it needs, and every pulse is counted."""

from dataclasses import replace
from typing import ClassVar

from amaranth.asserts import AnySeq
from amaranth.hdl import Array, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In
from spinloom.contract.geometry import CrossbarGeometry
from spinloom.contract.parameters import quotient_bits
from spinloom.hw.crossbar import cell_programmer, counters, programmer
from spinloom.hw.crossbar.cell_programmer import CellProgrammer
from spinloom.hw.crossbar.counters import CounterAccess, Counters
from spinloom.hw.crossbar.device import Device
from spinloom.hw.crossbar.divider import ResidualDivider, demand_layout, job_layout
from spinloom.hw.crossbar.layouts import cell_layout, request_layout
from spinloom.hw.crossbar.lfsr import Lfsr
from spinloom.hw.crossbar.programmer import StochasticProgrammer

from .crossbar import geometry
from .prover import Bench, Fault, Proof


class AnyLfsr(wiring.Component):
    """In place of an `Lfsr`: any words."""

    def __init__(self) -> None:
        super().__init__(Lfsr().signature)

    def elaborate(self, platform) -> Module:
        m = Module()
        m.d.comb += self.word.eq(AnySeq(len(self.word)))
        return m


class AnyDevice(wiring.Component):
    """In place of a `Device`: a pulse takes 1 to 3 clock cycles, and leaves any level."""

    def __init__(self, *, geometry: CrossbarGeometry) -> None:
        super().__init__(Device(geometry=geometry).signature)

    def elaborate(self, platform) -> Module:
        m = Module()
        left = Signal(2)
        ends, g = AnySeq(1), AnySeq(self.level.g.shape())
        m.d.comb += [self.ready.eq(1), self.done.eq((left != 0) & ((left == 1) | ends))]
        m.d.sync += left.eq(Mux(self.pulse, 3, Mux((left == 0) | self.done, 0, left - 1)))
        with m.If(self.load):
            m.d.sync += self.level.g.eq(self.cell.g)
        with m.Elif(self.done):
            m.d.sync += self.level.g.eq(g)
        return m


class Programmed(Bench):
    """Any one of the requests is watched: its cell is replaced when those of the requests before it have been, and the
    pulses since the one before it are those that it needs. Cells come when they like, in the order in which they were
    asked for."""

    BITS = 3
    PATIENCE = 10
    """Clock cycles without a step forward, while nobody outside is waited for."""

    def __init__(self, crossbar: CrossbarGeometry) -> None:
        self.crossbar = crossbar
        super().__init__({
            "request": In(stream.Signature(request_layout(crossbar))), "mark": In(1),
            "fetch_ready": In(1), "fetched": In(1), "cell": In(cell_layout(crossbar)), "replace_ready": In(1),
        })

    def describe(self, m: Module) -> None:
        m.submodules.part = part = StochasticProgrammer(geometry=self.crossbar)
        request, fetch, replace = self.request, part.fetch, part.replace
        wiring.connect(m, wiring.flipped(request), part.request)
        m.d.comb += [fetch.ready.eq(self.fetch_ready), part.fetched.eq(self.fetched), part.cell.eq(self.cell),
                     replace.ready.eq(self.replace_ready)]
        taken, replaced = request.valid & request.ready, replace.valid & replace.ready
        self.stays(m, self.assume, request.valid, request.ready, request.payload, self.mark)
        self.stays(m, self.claim, replace.valid, replace.ready, replace.payload)
        self.claim(m, (fetch.valid & fetch.ready) == taken)
        self.claim(m, ~fetch.valid | (fetch.payload == request.payload.position))

        # Requests that are being served, and cells that are due.
        served, due = Signal(self.BITS), Signal(self.BITS)
        m.d.sync += [served.eq(served + taken - replaced), due.eq(due + taken - self.fetched)]
        self.assume(m, ~self.fetched | (due != 0))
        self.claim(m, part.idle == (served == 0))
        self.claim(m, ~(replace.valid | part.attempt | part.failure) | (served != 0))
        # The watched request has the address 1, all others 0. How many are before it: to be served, to be fetched.
        watched, seen, before, cells_before = Signal(), Signal(), Signal(self.BITS), Signal(self.BITS)
        asked, cell, here = Signal.like(request.payload), Signal.like(self.cell), Signal()
        marks = taken & self.mark & ~seen
        self.assume(m, request.payload.position.address == (self.mark & ~seen))
        m.d.sync += [before.eq(before - replaced), cells_before.eq(cells_before - self.fetched)]
        with m.If(marks):
            m.d.sync += [seen.eq(1), watched.eq(1), asked.eq(request.payload), before.eq(served - replaced),
                         cells_before.eq(due - self.fetched)]
        with m.If(watched & ~here & (cells_before == 0) & self.fetched):
            m.d.sync += [cell.eq(self.cell), here.eq(1)]
        turn = watched & (before == 0)
        with m.If(turn & replaced):
            m.d.sync += watched.eq(0)
        mine = replace.valid & turn
        self.claim(m, ~replace.valid | (replace.payload.position.address == turn))
        self.claim(m, ~mine | here & (replace.payload.position.lane == asked.position.lane))
        self.claim(m, ~(mine & asked.write) | (replace.payload.cell.chi == cell.chi))
        self.claim(m, ~(part.attempt & turn) | (part.verify_attempt == asked.write))
        # Time.
        outside = replace.valid | (due != 0) | (served == 0)
        silent = Signal(range(self.PATIENCE + 1))
        m.d.sync += silent.eq(Mux(outside | taken | part.attempt, 0, silent + 1))
        self.claim(m, silent != self.PATIENCE)


class Pulsed(Bench):
    """The stage that pulses the cells: what each of them gets, is counted as, and becomes."""

    BITS = 3

    def __init__(self, crossbar: CrossbarGeometry) -> None:
        self.crossbar = crossbar
        super().__init__({"demand": In(stream.Signature(demand_layout(crossbar))), "ready": In(1)})

    def describe(self, m: Module) -> None:
        crossbar, offered = self.crossbar, self.demand
        device = crossbar.device
        m.submodules.part = part = CellProgrammer(geometry=crossbar)
        wiring.connect(m, wiring.flipped(offered), part.demand)
        replace = part.replace
        m.d.comb += replace.ready.eq(self.ready)
        self.stays(m, self.assume, offered.valid, offered.ready, offered.payload)
        self.stays(m, self.claim, replace.valid, replace.ready, replace.payload)
        # The cell that is served, and the pulses that it has had.
        busy, served, pulses, failed = Signal(), Signal.like(offered.payload), Signal(self.BITS), Signal()
        replaced = replace.valid & replace.ready
        m.d.sync += [pulses.eq(pulses + part.attempt), failed.eq(failed | part.failure)]
        with m.If(replaced):
            m.d.sync += busy.eq(0)
        with m.If(offered.valid & offered.ready):
            m.d.sync += [busy.eq(1), served.eq(offered.payload), pulses.eq(0), failed.eq(0)]
        self.claim(m, part.idle == ~busy)
        self.claim(m, offered.ready == (offered.valid & ~busy))
        self.claim(m, busy | ~(replace.valid | part.attempt | part.failure))
        self.claim(m, ~part.attempt | (part.verify_attempt == served.request.write))
        # It can move: it does not ask for more at its last state, and for no fewer levels than one.
        room, moves = Signal(range(device.states)), Signal(range(device.states))
        up, state, levels, cell = served.cell.chi >= 0, served.state, served.levels, replace.payload.cell
        m.d.comb += [room.eq(Mux(up, device.states - 1 - state, state)), moves.eq(Mux(levels < room, levels, room))]
        self.assume(m, ~busy | served.request.write | (state < device.states) & (moves != 0))
        self.assume(m, served.request.state < device.states)
        mine = replace.valid & (replace.payload.position == served.request.position)
        self.claim(m, replace.valid == mine)
        left, distance = Signal(signed(16)), Signal(signed(16))
        limit = 1 << crossbar.chi_bits - 1
        m.d.comb += [left.eq(served.cell.chi - ((cell.g - served.cell.g) << crossbar.residual_shift)),
                     distance.eq(cell.g - ((served.request.state << device.sub_bits) + device.origin))]
        within = (distance <= crossbar.margin) & (distance >= -crossbar.margin)
        self.claim(m, ~mine | served.request.write | (pulses == (1 if device.pulse == "landing" else moves)) & ~failed
                   & (cell.chi == Mux(left >= limit, limit - 1, Mux(left < -limit, -limit, left))))
        self.claim(m, ~mine | ~served.request.write | (pulses <= crossbar.max_attempts) & (cell.chi == served.cell.chi)
                   & (failed == ~within) & (within | (pulses == crossbar.max_attempts)))


class Divided(Bench):
    """The stage that divides residuals."""

    def __init__(self, crossbar: CrossbarGeometry) -> None:
        self.crossbar = crossbar
        super().__init__({"job": In(stream.Signature(job_layout(crossbar))), "ready": In(1)})

    def describe(self, m: Module) -> None:
        m.submodules.part = part = ResidualDivider(geometry=self.crossbar)
        job, demand = self.job, part.demand
        wiring.connect(m, wiring.flipped(job), part.job)
        m.d.comb += demand.ready.eq(self.ready)
        self.stays(m, self.claim, demand.valid, demand.ready, demand.payload)
        taken, busy, waits = Signal.like(job.payload), Signal(), Signal(range(8))
        with m.If(demand.valid & demand.ready):
            m.d.sync += busy.eq(0)
        with m.If(job.valid & job.ready):
            m.d.sync += [taken.eq(job.payload), busy.eq(1)]
        m.d.sync += waits.eq(Mux(busy & ~demand.valid, waits + 1, 0))
        chi = taken.cell.chi
        magnitude = Signal(self.crossbar.chi_bits)
        m.d.comb += magnitude.eq(Mux(chi < 0, -chi, chi))
        product = demand.payload.levels * self.crossbar.threshold
        self.claim(m, part.idle == ~busy)
        self.claim(m, job.ready == (~busy | demand.valid & demand.ready))
        self.claim(m, ~demand.valid | busy & (demand.payload.request == taken.request)
                   & (demand.payload.cell == taken.cell) & (product <= magnitude)
                   & (magnitude < product + self.crossbar.threshold))
        self.claim(m, waits <= quotient_bits(self.crossbar))


class Counted(Bench):
    """Of one of the counters, which may be any, every pulse is counted once, and it shows that number."""

    NAMES = ("one", "many", "never")
    MOST: ClassVar[dict[str, int]] = {"one": 1, "many": 2}

    def __init__(self) -> None:
        self.part = Counters(names=self.NAMES, counted=self.MOST)
        super().__init__({"count": In(self.part.count.shape()), "access": In(CounterAccess()), "which": In(2)})

    def describe(self, m: Module) -> None:
        m.submodules.part = part = self.part
        access = self.access
        wiring.connect(m, wiring.flipped(access), part.access)
        counts = [self.count[name] if name in self.MOST else 0 for name in self.NAMES]
        m.d.comb += part.count.eq(self.count)
        self.keep(m, self.which)
        for name, most in self.MOST.items():
            self.assume(m, self.count[name] <= most)
        # `show` stays until the last counter has been passed, and nothing is counted meanwhile.
        place, walking = Signal(range(len(self.NAMES))), Signal()
        ends = access.shown & access.step & (place == len(self.NAMES) - 1)
        m.d.sync += walking.eq(access.show & ~ends)
        self.assume(m, ~walking | access.show)
        self.assume(m, ~access.show | ~self.count.as_value().any())
        self.assume(m, access.shown | ~access.step)
        self.assume(m, access.step | ~access.load)
        with m.If(access.shown & access.step):
            m.d.sync += place.eq(Mux(ends, 0, place + 1))
        total, known = Signal(counters.COUNTER_BITS), Signal()
        m.d.sync += total.eq(total + Array(counts)[self.which])
        mine = access.shown & (place == self.which)
        with m.If(mine & access.load):
            m.d.sync += [total.eq(access.word), known.eq(1)]
        self.claim(m, ~access.shown | access.show)
        self.claim(m, ~access.shown | (access.last == (place == len(self.NAMES) - 1)))
        self.claim(m, ~mine | ~known | (access.value == total))


def small(device: dict) -> CrossbarGeometry:
    """Two cells, which are soon given up."""
    crossbar = geometry(2, device=device, cols=1, lanes=1, z_frac=4)
    return replace(crossbar, chi_bits=crossbar.device.sub_bits + 3, chi_frac=crossbar.device.sub_bits,
                   threshold=1 << crossbar.device.sub_bits, margin=0, max_attempts=2)


CUT = ((programmer, "Lfsr", AnyLfsr), (cell_programmer, "Device", AnyDevice))
PROOFS = [
    Proof(block="crossbar/programmer.py", claim="the cell of every request is replaced once, in order, in time; it is "
          "idle when all are; an offer stays", size="2 cells of 3 states, any device", instead=CUT,
          bench=lambda: Programmed(small({"kind": "mtj"})),
          faults=(Fault(StochasticProgrammer, "_fetch", "requests.o.ready.eq(job.valid & job.ready)",
                        "requests.o.ready.eq(job.ready)"),
                  Fault(StochasticProgrammer, "elaborate", "~waiting & divider.idle & whole.idle",
                        "~waiting & whole.idle"),
                  Fault(CellProgrammer, "elaborate", "with m.If(self.replace.ready):", "with m.If(1):"),
                  Fault(ResidualDivider, "elaborate", "with m.If(self.demand.ready):", "with m.If(1):"))),
    Proof(block="crossbar/cell_programmer.py", claim="a cell gets the pulses that it needs, each told once: by its "
          "residual, or until it is verified or the attempts are spent, which is told; its residual keeps the rest",
          size="3 states, 2 attempts, any device", bench=lambda: Pulsed(small({"kind": "mtj"})), instead=CUT[1:],
          faults=(Fault(CellProgrammer, "elaborate", "tries == max_attempts", "tries > max_attempts"),
                  Fault(CellProgrammer, "elaborate", "last.eq(left == 1)", "last.eq(1)"))),
    Proof(block="crossbar/divider.py", claim="the quotient of every job, in order, in time; an offer stays",
          size="residuals of 4 bits", bench=lambda: Divided(small({"kind": "mtj"})),
          faults=(Fault(ResidualDivider, "elaborate", "left.eq(bits - 1)", "left.eq(bits - 2)"),
                  Fault(ResidualDivider, "elaborate", "with m.If(self.demand.ready):", "with m.If(1):"))),
    Proof(block="crossbar/counters.py", claim="every pulse is counted once, whenever it comes, in what is shown",
          size="3 counters of 4 bits, up to 2 at once", bench=Counted, instead=((counters, "COUNTER_BITS", 4),),
          faults=(Fault(Counters, "elaborate", "~access.shown & ~pending.as_value().any()", "~access.shown"),
                  Fault(Counters, "elaborate", "held + self.count[name]", "held | self.count[name]"))),
]
