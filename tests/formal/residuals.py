"""Claims about the residuals of a crossbar: the whole of its controller and its accumulator, and any programmer."""

from collections.abc import Callable
from dataclasses import replace

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In
from spinloom.config import parse
from spinloom.contract.geometry import CrossbarGeometry
from spinloom.hw.basics.delay import delay, delays
from spinloom.hw.crossbar import controller as controllers
from spinloom.hw.crossbar.accumulator import GradientAccumulator
from spinloom.hw.crossbar.counters import Counters
from spinloom.hw.crossbar.hazards import Hazards
from spinloom.hw.crossbar.layouts import command_layout, drive_layout, position_layout, replacement_layout, slot_layout
from spinloom.hw.crossbar.operations import Operation
from spinloom.hw.crossbar.row_controller import RowController
from spinloom.hw.crossbar.timing import READ, write_back
from spinloom.hw.crossbar.window_controller import WindowController

from .crossbar import geometry
from .prover import Bench, Fault, Proof


class AnyCounters(wiring.Component):
    """In place of `Counters`: nothing is counted."""

    def __init__(self, *, names: tuple[str, ...], counted: dict[str, int]) -> None:
        super().__init__(Counters(names=names, counted=counted).signature)

    def elaborate(self, platform) -> Module:
        m = Module()
        m.d.sync += self.access.shown.eq(self.access.show & ~self.access.shown)
        m.d.comb += self.access.last.eq(1)
        return m


class Accumulator(GradientAccumulator):
    """It also tells what it writes."""

    def __init__(self, *, geometry: CrossbarGeometry) -> None:
        super().__init__(geometry=geometry)
        self.written = Signal.like(self.chi)

    def elaborate(self, platform) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.written.eq(m.submodules.memory.write_data)
        return m


class Residuals(Bench):
    """One word of residuals is watched: what a slot reads there is what the last slot before it wrote, whatever the
    machine carries out, and whatever cells its programmer fetches and replaces when."""

    def __init__(self, crossbar: CrossbarGeometry) -> None:
        self.crossbar = crossbar
        self.address = slot_layout(crossbar)["address"].shape
        super().__init__({
            "command": In(stream.Signature(command_layout(crossbar))),
            "x": In(stream.Signature(drive_layout(crossbar))),
            "state_valid": In(1), "state_out_ready": In(1),
            "free": In(data.StructLayout(dict.fromkeys(
                ("adc_ready", "adc_idle", "deltas_complete", "deltas_zero", "room", "programmed"), 1))),
            "request_ready": In(1), "fires": In(crossbar.lanes), "watched": In(self.address),
            "fetch": In(stream.Signature(position_layout(crossbar))),
            "replace": In(stream.Signature(replacement_layout(crossbar))),
        })

    def describe(self, m: Module) -> None:
        kind = RowController if self.crossbar.plain else WindowController
        m.submodules.controller = controller = kind(geometry=self.crossbar)
        m.submodules.accumulator = accumulator = Accumulator(geometry=self.crossbar)
        self.keep(m, self.watched)
        for name in ("command", "x", "fetch", "replace"):
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(controller, name))
        m.d.comb += [
            *(getattr(controller, name).eq(self.free[name]) for name in self.free.shape().members
              if name != "programmed"),
            controller.state_in.valid.eq(self.state_valid), controller.state_out.ready.eq(self.state_out_ready),
            controller.request.ready.eq(self.request_ready),
            accumulator.slot.eq(controller.slot),
        ]
        visit = controller.slot
        if self.crossbar.second_reads > 1:
            visit = controller.visit
            m.d.comb += accumulator.visit.eq(visit)
        if not self.crossbar.plain:
            m.d.comb += [controller.positions.count.eq(1), controller.errors_idle.eq(1)]
        self._ascends(m)
        asked = self._programmer(m, controller, accumulator)
        m.d.comb += controller.programmed.eq(self.free.programmed & ~asked.any())

        last = write_back(self.crossbar)
        visits, fetch = delays(m, visit, last), controller.slot.fetch
        here = [each.address == self.watched for each in visits]
        reads = here[0] & (fetch | visit.write & ~visit.assemble)
        for cycles in range(1, last):
            before = visits[cycles]
            # The programmer fetches one cell of a word while another one of it is being replaced, but not in the very
            # clock cycle in which that is written.
            apart = fetch & before.override & (visit.lane != before.lane) if cycles != last - 1 else 0
            self.claim(m, ~(reads & before.write & here[cycles]) | apart)
            self.claim(m, ~(before.write & here[cycles] & (controller._operation == Operation.DUMP)
                            & ~controller._resting))
        # The word as it was written last, and what is read and written of it. No product is added: all deltas are zero.
        word, known = Signal.like(accumulator.written, reset_less=True), Signal()
        end = visits[last]
        with m.If(end.write & here[last]):
            m.d.sync += [word.eq(accumulator.written), known.eq(1)]
        told = delay(m, word, READ - 1)
        for lane in range(self.crossbar.lanes):
            mine = delay(m, reads & known & (~fetch | (visit.lane == lane)), READ)
            self.claim(m, ~mine | (accumulator.chi[lane] == told[lane]))
            keeps = end.write & here[last] & known & ~end.assemble & ~end.apply & ~(end.override & (end.lane == lane))
            self.claim(m, ~keeps | (accumulator.written[lane] == word[lane]))

    def _ascends(self, m: Module) -> None:
        """The rows of a sample ascend."""
        rows = Signal(range(self.crossbar.rows + 1))  # the least that may come
        x = self.x.payload
        with m.If(self.x.valid & self.x.ready):
            m.d.sync += rows.eq(Mux(x.last, 0, x.row + 1))
        self.assume(m, ~self.x.valid | (x.row < self.crossbar.rows) & (x.row >= rows))

    def _programmer(self, m: Module, controller: RowController, accumulator: GradientAccumulator) -> Signal:
        """Cells of the watched word are fetched once they are asked for, and then replaced. Those of others may be at
        any time. Returns which are asked for, or have not been replaced."""
        lanes = range(self.crossbar.lanes)
        asked, fetched = Signal(len(lanes)), Signal(len(lanes))
        request, fetch, replaced = (port.payload.position for port in (controller.request, self.replace, self.replace))
        fetch = self.fetch.payload
        asks = Signal(len(lanes))
        with m.If(accumulator.done & (accumulator.word.address == self.watched)):
            m.d.comb += asks.eq(self.fires)
        with m.If(controller.request.valid & controller.request.ready & (request.address == self.watched)):
            m.d.comb += asks.bit_select(request.lane, 1).eq(1)
        self.claim(m, ~(asks & asked).any())
        for place in (fetch, replaced):
            self.assume(m, (place.lane < len(lanes)) & (place.address < self.crossbar.folds * self.crossbar.rows))
        fetching, replacing = Signal(len(lanes)), Signal(len(lanes))
        for port, place, chosen, allowed in ((self.fetch, fetch, fetching, asked & ~fetched),
                                             (self.replace, replaced, replacing, fetched)):
            with m.If(port.valid & (place.address == self.watched)):
                m.d.comb += chosen.eq(1 << place.lane)
            self.assume(m, ~(chosen & ~allowed).any())
        taken = Mux(self.replace.ready, replacing, 0)
        m.d.sync += [asked.eq((asked | asks) & ~taken),
                     fetched.eq((fetched | Mux(self.fetch.ready, fetching, 0)) & ~taken)]
        waiting = Signal(len(lanes))
        m.d.comb += waiting.eq(asked | asks)
        return waiting


def small(rows: int, cols: int, **layer) -> CrossbarGeometry:
    """Cells with residuals of 5 bits."""
    return replace(geometry(rows, cols=cols, **layer), chi_bits=5, chi_frac=3, threshold=8)


def hidden() -> CrossbarGeometry:
    """Two rows behind neurons and a bias row."""
    layer = {"cols": 2, "bias": True}
    experiment = parse({"input": {"count": 2}, "device": {"kind": "ideal"}, "layers": [layer, layer]}, "formal")
    return replace(experiment.crossbars[1], chi_bits=5, chi_frac=3, threshold=8)


def _residuals(size: str, crossbar: Callable[[], CrossbarGeometry], *faults: Fault, **how) -> Proof:
    return Proof(block="crossbar/accumulator.py", claim="no read overtakes a write: what a slot reads of the residuals "
                 "is what the slots before it wrote, and it undoes none of it; with the controller, for any operations "
                 "and programmer", size=size, bench=lambda: Residuals(crossbar()),
                 instead=((controllers, "Counters", AnyCounters),), faults=faults, **how)


PROOFS = [
    _residuals("2 rows of 2 cells", lambda: small(2, 2, lanes=2),
               Fault(Hazards, "elaborate", "self.may_replace.eq(~replacing.any() & port_free)",
                     "self.may_replace.eq(port_free)"),
               Fault(Hazards, "elaborate", "~replaces & ~replacing[-1]", "~replaces"),
               Fault(Hazards, "elaborate", "~used.any() & self.programmed", "self.programmed"),
               Fault(Hazards, "elaborate", "~used.any() & self.programmed", "~used.any()"),
               Fault(Hazards, "elaborate", "max(last, summed(self.geometry)) + 1", "3"),
               Fault(RowController, "_update", "rows.advance.eq(ends)", "rows.advance.eq(0)"),
               Fault(GradientAccumulator, "elaborate", "changed - READ - 1", "changed - READ")),
    _residuals("2 rows of 2 folds", lambda: small(2, 2, lanes=1)),
    _residuals("2 rows of 2 cells, one port", lambda: small(2, 2, lanes=2, ports=1)),
    _residuals("2 rows of 2 cells behind neurons, and a bias", hidden),
    _residuals("3 rows of 1 cell, of which 2 are read at once",
               lambda: small(3, 1, lanes=1, forward_reads=2, second_reads=2),
               Fault(WindowController, "_visit_later", "waiting.eq(others)", "waiting.eq(waiting)"), cycles=22),
]
