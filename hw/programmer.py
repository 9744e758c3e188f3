"""The stochastic programmer: serves programming events one by one with the crossbar's LFSR."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from ..contract import lfsr as sequence
from ..contract.geometry import CrossbarGeometry
from .cell_hash import CellHash
from .device import Device, nominal
from .divider import ResidualDivider, demand_layout
from .fixed import saturate
from .lfsr import Lfsr
from .parameters import parameter_layout, register
from .signatures import cell_layout, event_layout, position_layout, replacement_layout

AHEAD = 4
"""Cells that are fetched ahead."""


class StochasticProgrammer(wiring.Component):
    """Programs a cell for every event, as sections 4.3 and 4.4 of docs/arithmetic.md define.

    For an event it fetches the cell, decides, draws from the LFSR exactly once a pulse, and replaces the cell by what
    it has become. Cells are served strictly in the order of the events, and no two at once may be the same. A cell
    must be bounded: at its last state, its residual does not ask for more.

    Three stages work on different cells: fetch, some ahead; divide the residual by the threshold (`ResidualDivider`);
    and program. The last takes 2 clocks a cell and 3 a pulse (2 if the device switches); 1 more for each pulse that is
    verified, and for a cell that is written; 1 for a pair that is not written, which may have to be refreshed, and 1
    for a reset. Where cells differ, their hash is made meanwhile, one in 11 clocks, and 2 more clocks pass before the
    first pulse.

    Cost: the parts; the division, the hash and all that a kind of device needs exist only where they are configured.
    """

    def __init__(self, *, geometry: CrossbarGeometry):
        self.geometry = geometry
        super().__init__({
            "event": In(stream.Signature(event_layout(geometry))),
            "fetch": Out(stream.Signature(position_layout(geometry))),
            #: The cell asked for is here, once for each fetch.
            "fetched": In(1),
            "cell": In(cell_layout(geometry)),
            "replace": Out(stream.Signature(replacement_layout(geometry))),
            #: No event is being served.
            "idle": Out(1),
            #: Pulses that count events: write pulses, those of them that program-and-verify makes, cells that it leaves
            #: outside the margin, and pairs that are reset.
            "attempt": Out(1),
            "verify_attempt": Out(1),
            "failure": Out(1),
            "refresh": Out(1),
            #: State of the LFSR, and its replacement.
            "lfsr": Out(sequence.WIDTH),
            "lfsr_load": In(1),
            "lfsr_state": In(sequence.WIDTH),
            #: A replacement of a parameter; only while idle.
            "parameters": In(parameter_layout(geometry)),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.divider = divider = ResidualDivider(geometry=self.geometry)
        m.d.comb += divider.parameters.eq(self.parameters)
        hashes = None
        if self.geometry.device.differs:
            m.submodules.cell_hash = hashes = CellHash(geometry=self.geometry)
            m.d.comb += hashes.parameters.eq(self.parameters)
        fetching = self._fetch(m, divider.job, hashes)
        programming = self._program(m, divider.demand, hashes)
        m.d.comb += self.idle.eq(~fetching & divider.idle & ~programming)
        return m

    def _fetch(self, m: Module, job, hashes: CellHash | None):
        """Fetches the cells of the events, some ahead, and has them hashed. Returns whether there are any."""
        event, cell = event_layout(self.geometry), cell_layout(self.geometry)
        m.submodules.events = events = SyncFIFO(width=event.size, depth=AHEAD)
        m.submodules.cells = cells = SyncFIFO(width=cell.size, depth=AHEAD)
        room, taken = events.w_rdy, self.event.valid & self.event.ready
        if hashes is not None:
            room &= hashes.position.ready
            m.d.comb += [hashes.position.payload.eq(self.event.payload.position), hashes.position.valid.eq(taken)]
        m.d.comb += [
            self.fetch.payload.eq(self.event.payload.position),
            self.fetch.valid.eq(self.event.valid & room),
            self.event.ready.eq(self.fetch.ready & room),
            events.w_data.eq(self.event.payload),
            events.w_en.eq(taken),
            cells.w_data.eq(self.cell),
            cells.w_en.eq(self.fetched),
            job.payload.event.eq(events.r_data),
            job.payload.cell.eq(cells.r_data),
            job.valid.eq(cells.r_rdy),
            events.r_en.eq(job.valid & job.ready),
            cells.r_en.eq(job.ready),
        ]
        return events.r_rdy | self.event.valid

    def _program(self, m: Module, demand, hashes: CellHash | None):
        """Pulses the cells, and replaces them. Returns whether there is any."""
        geometry, tables = self.geometry, self.geometry.device
        m.submodules.lfsr = lfsr = Lfsr()
        m.submodules.device = device = Device(geometry=geometry)
        margin, max_attempts = (register(m, self.parameters, geometry, name) for name in ("margin", "max_attempts"))
        m.d.comb += [
            self.lfsr.eq(lfsr.state),
            lfsr.load.eq(self.lfsr_load),
            lfsr.load_state.eq(self.lfsr_state),
            lfsr.step.eq(self.attempt),
            device.parameters.eq(self.parameters),
            device.word.eq(lfsr.word),
            device.pulse.eq(self.attempt),
        ]

        # What is offered: the states to go, as many as there are on that side of the cell's.
        offered = Signal(demand_layout(geometry))
        upward, room, distance = Signal(), Signal.like(offered.state), Signal.like(offered.state)
        m.d.comb += [
            offered.eq(demand.payload),
            upward.eq(offered.cell.chi >= 0),
            room.eq(Mux(upward, tables.states - 1 - offered.state, offered.state)),
            distance.eq(Mux(offered.levels < room, offered.levels, room)),
        ]

        served = Signal.like(offered)
        g, goal = Signal(signed(tables.g_bits)), Signal(signed(tables.g_bits))
        offset, within = Signal(signed(tables.g_bits + 1)), Signal()
        verifying, tries = Signal(), Signal.like(max_attempts)
        take, last = Signal(), Signal(init=1)
        accept = [served.eq(offered), goal.eq(nominal(offered.event.state, tables)),
                  verifying.eq(offered.event.write), tries.eq(0)]
        aim = []
        if tables.kernel == "landing":
            target = Signal.like(offered.state)
            accept.append(target.eq(Mux(offered.event.write, offered.event.state,
                                        Mux(upward, offered.state + distance, offered.state - distance))))
            m.d.comb += device.state.eq(target)
        else:
            up, left = Signal(), Signal.like(distance)
            accept += [up.eq(upward), left.eq(distance)]
            aim = [up.eq(g < goal)]
            m.d.comb += [device.up.eq(up), last.eq(left == 1)]
        if tables.pair:
            reset = Signal()
            accept.append(reset.eq(0))
            m.d.comb += device.reset.eq(self.refresh)
        ready = demand.valid
        if hashes is not None:
            ready &= hashes.hash.valid
            m.d.comb += [hashes.hash.ready.eq(take), device.hash.eq(hashes.hash.payload)]

        m.d.comb += [
            demand.ready.eq(take),
            device.load.eq(take),
            g.eq(device.level.g),
            offset.eq(g - goal),
            within.eq((offset <= margin) & (offset >= -margin)),
            self.replace.payload.position.eq(served.event.position),
            self.replace.payload.cell.eq(served.cell),
            self.replace.payload.cell.chi.eq(Mux(served.event.write, served.cell.chi, self._residual(served, g))),
            self.verify_attempt.eq(self.attempt & verifying),
        ]
        m.d.comb += [device.cell[name].eq(offered.cell[name]) for name in device.cell.shape().members]
        m.d.comb += [self.replace.payload.cell[name].eq(device.level[name]) for name in device.level.shape().members]

        with m.FSM() as fsm:
            with m.State("idle"):
                m.d.comb += take.eq(ready)
                m.d.sync += accept
                with m.If(take):
                    m.next = "pulse"
                    with m.If(offered.event.write):
                        m.next = "verify"
            with m.State("verify"):
                with m.If(within):
                    m.next = "replace"
                if tables.pair:
                    with m.Elif(~reset):
                        m.d.comb += self.refresh.eq(1)
                        m.d.sync += reset.eq(1)
                with m.Elif(tries == max_attempts):
                    m.d.comb += self.failure.eq(1)
                    m.next = "replace"
                with m.Else():
                    m.d.sync += [*aim, tries.eq(tries + 1)]
                    m.next = "pulse"
            with m.State("pulse"):
                m.d.comb += self.attempt.eq(device.ready)
                with m.If(device.ready):
                    m.next = "wait"
            with m.State("wait"):
                with m.If(device.done):
                    if tables.kernel != "landing":
                        m.d.sync += left.eq(left - 1)
                    with m.If(verifying):
                        m.next = "verify"
                    with m.Elif(~last):
                        m.next = "pulse"
                    with m.Else():
                        m.next = "inspect" if tables.pair else "replace"
            if tables.pair:
                with m.State("inspect"):
                    m.d.sync += [goal.eq(g), verifying.eq(1), reset.eq(1)]
                    m.next = "replace"
                    with m.If(device.worn):
                        m.d.comb += self.refresh.eq(1)
                        m.next = "verify"
            with m.State("replace"):
                m.d.comb += self.replace.valid.eq(1)
                with m.If(self.replace.ready):
                    m.next = "idle"
        return ~fsm.ongoing("idle")

    def _residual(self, served, g):
        """What is left of a residual when the cell has reached the level ``g``."""
        geometry, chi = self.geometry, served.cell.chi
        match geometry.residual:
            case "verified":
                return saturate(chi - ((g - served.cell.g) << geometry.residual_shift), geometry.chi_bits)
            case "nominal":
                return Mux(chi < 0, -served.rest, served.rest)
            case "none":
                return 0
