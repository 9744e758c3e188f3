"""The stage of the programmer that pulses the cells."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal, ValueLike, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...contract.geometry import CrossbarGeometry
from ...contract.lfsr import LEAP
from ..basics.fixed import saturate
from .device import Device, nominal
from .divider import device_demand_layout
from .layouts import asked_shape, device_shape, pulse_layout, replacement_layout
from .parameters import parameter_layout, register
from .pulse_tracer import PulseTracer


class CellProgrammer(wiring.Component):
    """Programs or writes one cell after the other with as many pulses as that takes, as sections 4.3 and 4.4 of
    docs/arithmetic.md define.

    A cell must be bounded: at its last state, its residual does not ask for more.

    Clock cycles: 2 for a cell, and `Device.pulse_cycles` for each pulse. 1 more for each pulse that is verified, and
    for each cell that is written. A pair that is not written takes 1 more, to see whether it has to be refreshed, and a
    reset takes 2. A cell with a displacement takes 2 more. One that relaxes takes 5, or one more if it is a pair.

    Where cells have several devices, it programs one of them as if it were a cell.

    One that is ``traced`` also answers with its pulses; it waits for whoever takes them.
    """

    def __init__(self, *, geometry: CrossbarGeometry, traced: bool = False) -> None:
        self.cells = geometry
        self.geometry = geometry.single
        self.traced = traced
        self._demand = device_demand_layout(geometry)
        geometry = self.geometry
        ports = {
            #: Cells to be programmed, and the levels that they ask for.
            "demand": In(stream.Signature(self._demand)),
            #: What they have become.
            "replace": Out(stream.Signature(replacement_layout(geometry))),
            #: No cell is being programmed.
            "idle": Out(1),
            #: The word that the next pulse draws. It must be here for 2 clock cycles before that.
            "word": In(LEAP),
            #: A pulse draws it.
            "attempt": Out(1),
            #: The pulse is one of program-and-verify; that leaves a cell outside the margin; a pair is reset.
            "verify_attempt": Out(1),
            "failure": Out(1),
            "refresh": Out(1),
            #: Replacements of run-time parameters.
            "parameters": In(parameter_layout(geometry)),
        }
        if geometry.device.life_bits or geometry.relaxation:
            #: The word that has been drawn before.
            ports["before"] = In(LEAP)
        if geometry.relaxation:
            #: A cell relaxes, and draws the word.
            ports["relax"] = Out(1)
        if geometry.device.differs:
            #: The hash of the cell at `demand`.
            ports["hash"] = In(stream.Signature(32))
        if traced:
            #: The pulses.
            ports["pulse"] = Out(stream.Signature(pulse_layout(self.cells)))
            if self.cells.devices > 1:
                #: The number of the device in its cell, and the conductance that it is to reach.
                ports |= {"number": In(device_shape(self.cells)), "asked": In(asked_shape(geometry))}
        super().__init__(ports)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        geometry = self.geometry
        tables = geometry.device
        m.submodules.device = device = Device(geometry=geometry)
        margin, max_attempts = (register(m, self.parameters, geometry, name) for name in ("margin", "max_attempts"))
        m.d.comb += [device.parameters.eq(self.parameters), device.word.eq(self.word), device.pulse.eq(self.attempt)]

        offered, upward, distance = self._offer(m)

        served = Signal.like(offered)
        g = Signal(signed(tables.g_bits))
        goal = Signal(asked_shape(geometry))
        offset = Signal(signed(len(goal) + 1))
        within = Signal()
        verifying = Signal()
        tries = Signal.like(max_attempts)
        take = Signal()
        last = Signal(init=1)
        accept = [served.eq(offered), goal.eq(nominal(offered.request.state, tables)),
                  verifying.eq(offered.request.write), tries.eq(0)]
        aimed = Mux(offered.request.write, offered.request.state,
                    Mux(upward, offered.state + distance, offered.state - distance))
        aim = []
        if tables.pulse == "landing":
            target = Signal.like(offered.state)
            accept.append(target.eq(aimed))
            m.d.comb += device.state.eq(target)
        else:
            up = Signal()
            left = Signal.like(distance)
            accept += [up.eq(upward), left.eq(distance)]
            aim = [up.eq(g < goal)]
            m.d.comb += [device.up.eq(up), last.eq(left == 1)]
        if tables.pair:
            reset = Signal()
            accept.append(reset.eq(0))
            m.d.comb += device.reset.eq(self.refresh)
        if tables.life_bits or geometry.relaxation:
            m.d.comb += device.before.eq(self.before)
        ready = self.demand.valid
        if tables.differs:
            ready &= self.hash.valid
            m.d.comb += [self.hash.ready.eq(take), device.hash.eq(self.hash.payload)]

        m.d.comb += [
            self.demand.ready.eq(take),
            device.load.eq(take),
            g.eq(device.level.g),
            offset.eq(g - goal),
            within.eq((offset <= margin) & (offset >= -margin)),
            self.verify_attempt.eq(self.attempt & verifying),
        ]
        m.d.comb += [device.cell[name].eq(offered.cell[name]) for name in device.cell.shape().members]
        self._answer(m, device, served, g)

        tracer = self._trace(m, device, served, take, nominal(aimed, tables)) if self.traced else None
        may_pulse = device.ready if tracer is None else device.ready & tracer.room
        with m.FSM() as fsm:
            with m.State("idle"):
                m.d.comb += take.eq(ready)
                m.d.sync += accept
                with m.If(take):
                    m.next = "pulse"
                    with m.If(offered.request.write):
                        m.next = "verify"
                    if geometry.relaxation:
                        with m.If(offered.request.relax):
                            m.next = "relax"
            with m.State("verify"):
                with m.If(within):
                    m.next = "replace"
                if tables.pair:
                    with m.Elif(~reset):
                        m.next = "reset"
                with m.Elif(tries == max_attempts):
                    m.d.comb += self.failure.eq(1)
                    m.next = "replace"
                with m.Else():
                    m.d.sync += [*aim, tries.eq(tries + 1)]
                    m.next = "pulse"
            with m.State("pulse"):
                m.d.comb += self.attempt.eq(may_pulse)
                with m.If(may_pulse):
                    m.next = "wait"
            with m.State("wait"):
                with m.If(device.done):
                    if tables.pulse != "landing":
                        m.d.sync += left.eq(left - 1)
                    with m.If(verifying):
                        m.next = "verify"
                    with m.Elif(~last):
                        m.next = "pulse"
                    with m.Else():
                        m.next = "inspect" if tables.pair else "replace"
            if geometry.relaxation:
                self._relax(m, device)
            if tables.pair:
                with m.State("inspect"):
                    m.d.sync += [goal.eq(g), verifying.eq(1)]
                    if tracer is not None:
                        m.d.comb += [tracer.begin.eq(1), tracer.asked.eq(g)]
                    m.next = "replace"
                    with m.If(device.worn):
                        m.next = "reset"
                with m.State("reset"):
                    m.d.comb += self.refresh.eq(1)
                    m.d.sync += reset.eq(1)
                    m.next = "verify"
            with m.State("replace"):
                m.d.comb += self.replace.valid.eq(1)
                with m.If(self.replace.ready):
                    m.next = "idle"
        m.d.comb += self.idle.eq(fsm.ongoing("idle"))
        if tracer is not None:
            m.d.comb += [tracer.verify.eq(verifying), self.idle.eq(fsm.ongoing("idle") & tracer.idle)]
            if tables.pulse != "landing":
                m.d.comb += tracer.up.eq(up)
        return m

    def _offer(self, m: Module) -> tuple[Signal, Signal, Signal]:
        """The demand that is offered, whether its cell is to go up, and how far: at most to the last state there."""
        offered = Signal(self._demand)
        upward = Signal()
        room = Signal.like(offered.state)
        distance = Signal.like(offered.state)
        m.d.comb += [
            offered.eq(self.demand.payload),
            upward.eq(offered.cell.chi >= 0),
            room.eq(Mux(upward, self.geometry.device.states - 1 - offered.state, offered.state)),
            distance.eq(Mux(offered.levels < room, offered.levels, room)),
        ]
        return offered, upward, distance

    def _answer(self, m: Module, device: Device, served: Any, g: Signal) -> None:
        """What takes the place of the cell that is served, which is at ``g``. Where it is not programmed by its
        residual, that stays."""
        keeps = served.request.write
        if self.geometry.relaxation:
            keeps |= served.request.relax
        replaced = self.replace.payload
        m.d.comb += [
            replaced.position.eq(served.request.position),
            replaced.cell.eq(served.cell),
            replaced.cell.chi.eq(Mux(keeps, served.cell.chi, left_over(self.geometry, served, g))),
            *(replaced.cell[name].eq(device.level[name]) for name in device.level.shape().members),
        ]

    def _relax(self, m: Module, device: Device) -> None:
        """The states in which a cell relaxes."""
        m.d.comb += device.relax.eq(self.relax)
        with m.State("relax"):
            m.d.comb += self.relax.eq(device.ready)
            with m.If(device.ready):
                m.next = "relaxing"
        with m.State("relaxing"):
            with m.If(device.relaxed):
                m.next = "replace"

    def _trace(self, m: Module, device: Device, served: Any, take: Signal, asked: ValueLike) -> PulseTracer:
        """What tells of the pulses. A cell that is taken is asked for the level ``asked``; of a device of several, the
        port of that name tells."""
        m.submodules.tracer = tracer = PulseTracer(geometry=self.cells)
        wiring.connect(m, tracer.pulse, wiring.flipped(self.pulse))
        m.d.comb += [
            tracer.begin.eq(take),
            tracer.asked.eq(asked),
            tracer.attempt.eq(self.attempt),
            tracer.done.eq(device.done),
            tracer.g.eq(device.level.g),
            tracer.position.eq(served.request.position),
        ]
        if self.cells.devices > 1:
            m.d.comb += [tracer.asked.eq(self.asked), tracer.device.eq(self.number)]
        return tracer


def left_over(geometry: CrossbarGeometry, served: Any, g: Signal) -> ValueLike:
    """What is left of the residual of the cell of the demand ``served`` when it has reached the level ``g``."""
    chi = served.cell.chi
    match geometry.residual:
        case "verified":
            return saturate(chi - ((g - served.cell.g) << geometry.residual_shift), geometry.chi_bits)
        case "nominal":
            return Mux(chi < 0, -served.rest, served.rest)
        case "none":
            return 0
