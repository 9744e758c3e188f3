"""The stochastic programmer: programs one cell after the other, with random words of the crossbar's LFSR."""

from typing import Any

from amaranth.hdl import Module, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...contract import lfsr as sequence
from ...contract.geometry import CrossbarGeometry
from ..basics.queue import Queue, Storage
from .adder_tree import tree_latency
from .cell_hash import CellHash
from .cell_programmer import CellProgrammer
from .divider import ResidualDivider
from .layouts import cell_layout, position_layout, pulse_layout, replacement_layout, request_layout
from .lfsr import Lfsr
from .parameters import parameter_layout
from .sliced_programmer import SlicedProgrammer


class StochasticProgrammer(wiring.Component):
    """Programs the cell of every request, as sections 4.3 and 4.4 of docs/arithmetic.md define.

    It fetches the cell, decides how it is pulsed, draws from the LFSR once for each pulse, and replaces the cell by
    what it has become. Cells are served in the order of the requests. No two requests that are being served may name
    the same cell. A cell must be bounded: at its last state, its residual does not ask for more.

    Three stages work on different cells: some are fetched ahead; one residual is divided by the threshold
    (`ResidualDivider`); one cell is programmed (`CellProgrammer`), of several devices one after the other
    (`SlicedProgrammer`). Where cells differ, a hash is made in the first two stages (`CellHash`). Throughput: a
    request takes as many clock cycles as its slowest stage.

    Cost: the parts. The division, the hash, and what a kind of device needs exist only where they are configured.
    """

    def __init__(self, *, geometry: CrossbarGeometry, traced: bool = False) -> None:
        self.geometry = geometry
        self.traced = traced
        super().__init__({
            #: Cells to be programmed.
            "request": In(stream.Signature(request_layout(geometry))),
            #: Asks for a cell.
            "fetch": Out(stream.Signature(position_layout(geometry))),
            #: The oldest cell that was asked for and has not come yet is at `cell`.
            "fetched": In(1),
            "cell": In(cell_layout(geometry)),
            #: What cells have become.
            "replace": Out(stream.Signature(replacement_layout(geometry))),
            #: No request that was taken is being served.
            "idle": Out(1),
            #: For the counters: a write pulse; it is one of program-and-verify; that leaves a cell outside the margin;
            #: a pair is reset.
            "attempt": Out(1),
            "verify_attempt": Out(1),
            "failure": Out(1),
            "refresh": Out(1),
            #: State of the LFSR, and its replacement.
            "lfsr": Out(sequence.WIDTH),
            "lfsr_load": In(1),
            "lfsr_state": In(sequence.WIDTH),
            #: Replacements of run-time parameters; only while `idle`.
            "parameters": In(parameter_layout(geometry)),
            #: The write pulses, if they are traced.
            **({"pulse": Out(stream.Signature(pulse_layout(geometry)))} if traced else {}),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        geometry = self.geometry
        m.submodules.divider = divider = ResidualDivider(geometry=geometry)
        cell = CellProgrammer(geometry=geometry, traced=self.traced)
        if geometry.device.slices is None:
            m.submodules.cell = whole = cell
        else:
            m.submodules.device = cell
            m.submodules.cell = whole = SlicedProgrammer(geometry=geometry)
            wiring.connect(m, whole.device, cell.demand)
            wiring.connect(m, cell.replace, whole.replaced)
            m.d.comb += [whole.drawn.eq(self.lfsr), whole.parameters.eq(self.parameters)]
            if self.traced:
                m.d.comb += [cell.number.eq(whole.number), cell.asked.eq(whole.asked)]
            if geometry.device.differs:
                wiring.connect(m, whole.device_hash, cell.hash)
        m.submodules.lfsr = lfsr = Lfsr()
        wiring.connect(m, divider.demand, whole.demand)
        wiring.connect(m, whole.replace, wiring.flipped(self.replace))
        if self.traced:
            wiring.connect(m, cell.pulse, wiring.flipped(self.pulse))
        hashes = None
        if geometry.device.differs:
            m.submodules.cell_hash = hashes = CellHash(geometry=geometry)
            wiring.connect(m, hashes.hash, whole.hash)
            m.d.comb += hashes.parameters.eq(self.parameters)
        if geometry.device.life_bits or geometry.relaxation:
            m.d.comb += cell.before.eq(lfsr.state)
        waiting = self._fetch(m, divider.job, hashes)
        m.d.comb += [
            self.idle.eq(~waiting & divider.idle & whole.idle & cell.idle),
            divider.parameters.eq(self.parameters),
            cell.parameters.eq(self.parameters),
            cell.word.eq(lfsr.word),
            lfsr.step.eq(cell.attempt | cell.relax if geometry.relaxation else cell.attempt),
            lfsr.load.eq(self.lfsr_load),
            lfsr.load_state.eq(self.lfsr_state),
            self.lfsr.eq(lfsr.state),
            *(getattr(self, name).eq(getattr(cell, name))
              for name in ("attempt", "verify_attempt", "failure", "refresh")),
        ]
        return m

    def _fetch(self, m: Module, job: Any, hashes: CellHash | None) -> Value:
        """Fetches the cells of the requests, some ahead, and has their places hashed. Returns whether there are any
        that wait for them."""
        ahead = 1 + tree_latency(self.geometry.lanes)  # more where a cell takes longer to be selected
        storage: Storage = "distributed" if ahead > 1 else "registers"
        m.submodules.requests = requests = Queue(shape=self.request.payload.shape(), depth=ahead, storage=storage)
        m.submodules.cells = cells = Queue(shape=self.cell.shape(), depth=ahead, storage=storage)
        room, taken = requests.i.ready, self.request.valid & self.request.ready
        if hashes is not None:
            room &= hashes.position.ready
            m.d.comb += [hashes.position.payload.eq(self.request.payload.position), hashes.position.valid.eq(taken)]
        m.d.comb += [
            self.fetch.payload.eq(self.request.payload.position),
            self.fetch.valid.eq(self.request.valid & room),
            self.request.ready.eq(self.fetch.ready & room),
            requests.i.payload.eq(self.request.payload),
            requests.i.valid.eq(taken),
            cells.i.payload.eq(self.cell),
            cells.i.valid.eq(self.fetched),
            job.payload.request.eq(requests.o.payload),
            job.payload.cell.eq(cells.o.payload),
            job.valid.eq(cells.o.valid),
            requests.o.ready.eq(job.valid & job.ready),
            cells.o.ready.eq(job.ready),
        ]
        return requests.o.valid
