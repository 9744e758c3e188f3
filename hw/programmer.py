"""The stochastic programmer: serves programming events one by one with the crossbar's LFSR."""

from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..contract import lfsr as sequence
from ..contract.device import SIGMA_BITS, SIGMA_FRAC
from ..contract.geometry import CrossbarGeometry
from ..contract.tables import NORMAL_BITS, NORMAL_FRAC, NORMAL_INDEX_BITS, normal_quantiles
from .fixed import round_shift, saturate
from .lfsr import Lfsr
from .signatures import cell_layout, event_layout, position_layout, replacement_layout

AHEAD = 4
"""Cells that are fetched ahead."""


class StochasticProgrammer(wiring.Component):
    """Programs a cell for every event, as sections 4.3 and 4.4 of docs/arithmetic.md define.

    For an event it fetches the cell, decides, draws from the LFSR exactly once an attempt, and replaces the cell by the
    new ``g`` and ``chi``. Cells are served strictly in the order of the events, and no two at once may be the same. A
    cell must be bounded: at its last state, its residual does not ask for more.

    Three stages work on different cells: fetch, some ahead; divide the residual by the threshold, a clock for each bit
    of the largest quotient and one more; and program, 4 clocks an attempt and one more. An event so takes as many
    clocks as the slower of the last two.

    Cost: one multiplier, the normal quantile table (1024 entries), a table entry for each state.
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
            #: Pulses that count events.
            "attempt": Out(1),
            "failure": Out(1),
            #: State of the LFSR, and its replacement.
            "lfsr": Out(sequence.WIDTH),
            "lfsr_load": In(1),
            "lfsr_state": In(sequence.WIDTH),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        job = data.StructLayout({"event": event_layout(self.geometry), "cell": cell_layout(self.geometry)})
        quotient = data.StructLayout({
            "job": job,
            "levels": unsigned(self._quotient_bits),
            "rest": unsigned(self.geometry.chi_bits),
        })
        fetched, divided = stream.Signature(job).create(), stream.Signature(quotient).create()
        m.d.comb += self.idle.eq(self._fetch(m, fetched) & self._divide(m, fetched, divided)
                                 & self._program(m, divided))
        return m

    @property
    def _quotient_bits(self) -> int:
        return ((1 << self.geometry.chi_bits - 1) // self.geometry.threshold).bit_length()

    def _fetch(self, m: Module, fetched):
        """The first stage: fetches the cells of the events, some ahead. Returns whether it is idle."""
        event, cell = event_layout(self.geometry), cell_layout(self.geometry)
        m.submodules.events = events = SyncFIFO(width=event.size, depth=AHEAD)
        m.submodules.cells = cells = SyncFIFO(width=cell.size, depth=AHEAD)
        m.d.comb += [
            self.fetch.payload.eq(self.event.payload.position),
            self.fetch.valid.eq(self.event.valid & events.w_rdy),
            self.event.ready.eq(self.fetch.ready & events.w_rdy),
            events.w_data.eq(self.event.payload),
            events.w_en.eq(self.event.valid & self.event.ready),
            cells.w_data.eq(self.cell),
            cells.w_en.eq(self.fetched),
            fetched.payload.event.eq(events.r_data),
            fetched.payload.cell.eq(cells.r_data),
            fetched.valid.eq(cells.r_rdy),
            events.r_en.eq(fetched.valid & fetched.ready),
            cells.r_en.eq(fetched.ready),
        ]
        return ~events.r_rdy & ~self.event.valid

    def _divide(self, m: Module, fetched, divided):
        """The second stage: divides the residuals' magnitudes by the threshold. Returns whether it is idle."""
        threshold, bits = self.geometry.threshold, self._quotient_bits
        quotient, chi = divided.payload, fetched.payload.cell.chi
        divisor = Signal(range((threshold << bits) + 1))
        step = Signal(bits)
        def accept():
            m.d.comb += fetched.ready.eq(1)
            m.d.sync += [
                quotient.job.eq(fetched.payload),
                quotient.rest.eq(Mux(chi < 0, -chi, chi)),
                quotient.levels.eq(0),
                divisor.eq(threshold << bits - 1),
                step.eq(1 << bits - 1),
            ]
            with m.If(fetched.valid):
                m.next = "divide"

        with m.FSM(name="divide_state") as fsm:
            with m.State("idle"):
                accept()
            with m.State("divide"):
                m.d.sync += [divisor.eq(divisor >> 1), step.eq(step >> 1)]
                with m.If(quotient.rest >= divisor):
                    m.d.sync += [quotient.rest.eq(quotient.rest - divisor), quotient.levels.eq(quotient.levels | step)]
                with m.If(step[0]):
                    m.next = "hand over"
            with m.State("hand over"):
                m.d.comb += divided.valid.eq(1)
                with m.If(divided.ready):
                    m.next = "idle"
                    accept()
        return fsm.ongoing("idle")

    def _program(self, m: Module, divided):
        """The third stage: draws, and replaces the cells. Returns whether it is idle."""
        geometry, device = self.geometry, self.geometry.device
        g_shape = signed(device.g_bits)

        m.submodules.lfsr = lfsr = Lfsr()
        m.d.comb += [
            self.lfsr.eq(lfsr.state),
            lfsr.load.eq(self.lfsr_load),
            lfsr.load_state.eq(self.lfsr_state),
            lfsr.step.eq(self.attempt),
        ]
        landing = data.StructLayout({"mean": g_shape, "sigma": unsigned(SIGMA_BITS)})
        m.submodules.landings = landings = Memory(shape=landing, depth=max(2, device.states), init=[
            {"mean": mean, "sigma": sigma} for mean, sigma in zip(device.mean, device.sigma, strict=True)])
        landings_read = landings.read_port()
        m.submodules.normal = normal = Memory(
            shape=signed(NORMAL_BITS), depth=1 << NORMAL_INDEX_BITS, init=[int(n) for n in normal_quantiles()])
        normal_read = normal.read_port()

        # What the second stage offers: the state that the residual asks for.
        offered = divided.payload
        above = Signal(signed(device.g_bits + 2))
        state, moved = Signal(range(device.states)), Signal(range(device.states))
        whole = Signal(signed(max(device.g_bits + 3, len(offered.levels) + 2)))
        m.d.comb += [
            above.eq(offered.job.cell.g - device.origin + (1 << device.sub_bits - 1)),
            state.eq(_limited(above >> device.sub_bits, device.states)),
            whole.eq(Mux(offered.job.cell.chi < 0, state - offered.levels, state + offered.levels)),
            moved.eq(_limited(whole, device.states)),
        ]

        job, target = Signal.like(offered.job), Signal.like(state)
        g, chi = self.replace.payload.cell.g, self.replace.payload.cell.chi
        rest = Signal.like(offered.rest)
        tries = Signal(range(geometry.max_attempts + 1))
        mean, noise, landed = Signal(g_shape), Signal(signed(SIGMA_BITS + NORMAL_BITS)), Signal(g_shape)
        distance, within = Signal(signed(device.g_bits + 2)), Signal()
        m.d.comb += [
            self.replace.payload.position.eq(job.event.position),
            landings_read.addr.eq(target),
            normal_read.addr.eq(lfsr.word[:NORMAL_INDEX_BITS]),
            landed.eq(saturate(mean + round_shift(noise, SIGMA_FRAC + NORMAL_FRAC), device.g_bits)),
            distance.eq(g - ((target << device.sub_bits) + device.origin)),
            within.eq((distance <= geometry.margin) & (distance >= -geometry.margin)),
        ]
        with m.FSM(name="program_state") as fsm:
            with m.State("idle"):
                m.d.comb += divided.ready.eq(1)
                m.d.sync += [
                    job.eq(offered.job),
                    rest.eq(offered.rest),
                    target.eq(Mux(offered.job.event.write, offered.job.event.state, moved)),
                    g.eq(offered.job.cell.g),
                    chi.eq(offered.job.cell.chi),
                    tries.eq(0),
                ]
                with m.If(divided.valid):
                    m.next = "draw"
                    with m.If(offered.job.event.write):
                        m.next = "verify"
            with m.State("verify"):
                with m.If(~within & (tries != geometry.max_attempts)):
                    m.d.sync += tries.eq(tries + 1)
                    m.next = "draw"
                with m.Else():
                    m.d.comb += self.failure.eq(~within)
                    m.next = "replace"
            with m.State("draw"):
                m.d.comb += self.attempt.eq(1)
                m.next = "scale"
            with m.State("scale"):
                m.d.sync += [mean.eq(landings_read.data.mean), noise.eq(normal_read.data * landings_read.data.sigma)]
                m.next = "land"
            with m.State("land"):
                m.d.sync += g.eq(landed)
                with m.If(job.event.write):
                    m.next = "verify"
                with m.Else():
                    if geometry.residual == "nominal":
                        m.d.sync += chi.eq(Mux(chi < 0, -rest, rest))
                    else:
                        m.d.sync += chi.eq(saturate(chi - ((landed - g) << geometry.residual_shift), geometry.chi_bits))
                    m.next = "replace"
            with m.State("replace"):
                m.d.comb += self.replace.valid.eq(1)
                with m.If(self.replace.ready):
                    m.next = "idle"
        return fsm.ongoing("idle")


def _limited(value, states: int):
    """``value`` limited to ``0 .. states - 1``."""
    return Mux(value < 0, 0, Mux(value > states - 1, states - 1, value))


