"""The stochastic programmer: serves programming events one by one with the crossbar's LFSR."""

from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..contract import lfsr as sequence
from ..contract.device import SIGMA_BITS, SIGMA_FRAC
from ..contract.geometry import CrossbarGeometry
from ..contract.tables import NORMAL_BITS, NORMAL_FRAC, NORMAL_INDEX_BITS, normal_quantiles
from .fixed import round_shift, saturate
from .lfsr import Lfsr
from .signatures import cell_layout, event_layout, request_layout


class StochasticProgrammer(wiring.Component):
    """Programs a cell for every event, as sections 4.3 and 4.4 of docs/arithmetic.md define.

    For an event it requests the cell, waits for ``fetched``, decides, draws from the LFSR exactly once an attempt, and
    requests that the new ``g`` and ``chi`` be written. Cells are served strictly in the order of the events.

    Latency: from ``fetched`` to the write request, 6 clocks and one for each bit of the largest possible
    number of levels; an event of program-and-verify, 4 clocks an attempt. One event at a time.

    Cost: one multiplier, the normal quantile table (1024 entries), a table entry for each state.
    """

    def __init__(self, *, geometry: CrossbarGeometry):
        self.geometry = geometry
        super().__init__({
            "event": In(stream.Signature(event_layout(geometry))),
            "request": Out(stream.Signature(request_layout(geometry))),
            #: The cell asked for is here, once for each fetch.
            "fetched": In(1),
            "cell": In(cell_layout(geometry)),
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
        geometry, device = self.geometry, self.geometry.device
        g_shape, chi_shape = signed(device.g_bits), signed(geometry.chi_bits)
        states, threshold = device.states, geometry.threshold

        m.submodules.lfsr = lfsr = Lfsr()
        m.d.comb += [
            self.lfsr.eq(lfsr.state),
            lfsr.load.eq(self.lfsr_load),
            lfsr.load_state.eq(self.lfsr_state),
            lfsr.step.eq(self.attempt),
        ]

        landing = data.StructLayout({"mean": g_shape, "sigma": unsigned(SIGMA_BITS)})
        m.submodules.landings = landings = Memory(shape=landing, depth=max(2, states), init=[
            {"mean": mean, "sigma": sigma} for mean, sigma in zip(device.mean, device.sigma, strict=True)])
        landings_read = landings.read_port()
        m.submodules.normal = normal = Memory(
            shape=signed(NORMAL_BITS), depth=1 << NORMAL_INDEX_BITS, init=[int(n) for n in normal_quantiles()])
        normal_read = normal.read_port()

        event = Signal(event_layout(geometry))
        g, chi = Signal(g_shape), Signal(chi_shape)
        outward = Signal()  # the residual is negative
        rest = Signal(unsigned(geometry.chi_bits))  # |v| - levels * threshold, in the end
        most = ((1 << geometry.chi_bits - 1) // threshold).bit_length()
        divisor = Signal(range((threshold << most) + 1))
        step = Signal(range(max(2, 1 << most)))
        levels = Signal(range(max(2, 1 << most)))
        target = Signal(range(states))
        tries = Signal(range(geometry.max_attempts + 1))
        mean, noise = Signal(g_shape), Signal(signed(SIGMA_BITS + NORMAL_BITS))
        landed = Signal(g_shape)

        m.d.comb += [
            self.request.payload.position.eq(event.position),
            self.request.payload.cell.g.eq(g),
            self.request.payload.cell.chi.eq(chi),
            landings_read.addr.eq(target),
            normal_read.addr.eq(lfsr.word[:NORMAL_INDEX_BITS]),
            landed.eq(saturate(mean + round_shift(noise, SIGMA_FRAC + NORMAL_FRAC), device.g_bits)),
        ]

        state, moved = Signal(range(states)), Signal(range(states))
        above = Signal(signed(device.g_bits + 2))
        whole = Signal(signed(max(device.g_bits + 3, len(levels) + 2)))
        m.d.comb += [
            above.eq(g - device.origin + (1 << device.sub_bits - 1)),
            state.eq(_limited(above >> device.sub_bits, states)),
            whole.eq(Mux(outward, state - levels, state + levels)),
            moved.eq(_limited(whole, states)),
        ]
        distance = Signal(signed(device.g_bits + 2))
        within = Signal()
        m.d.comb += [
            distance.eq(g - ((event.state << device.sub_bits) + device.origin)),
            within.eq((distance <= geometry.margin) & (distance >= -geometry.margin)),
        ]

        with m.FSM():
            with m.State("idle"):
                m.d.comb += [self.idle.eq(~self.event.valid), self.event.ready.eq(1)]
                with m.If(self.event.valid):
                    m.d.sync += event.eq(self.event.payload)
                    m.next = "fetch"
            with m.State("fetch"):
                m.d.comb += self.request.valid.eq(1)
                with m.If(self.request.ready):
                    m.next = "wait"
            with m.State("wait"):
                m.d.sync += [
                    g.eq(self.cell.g),
                    chi.eq(self.cell.chi),
                    outward.eq(self.cell.chi < 0),
                    rest.eq(Mux(self.cell.chi < 0, -self.cell.chi, self.cell.chi)),
                    levels.eq(0),
                    tries.eq(0),
                    divisor.eq(threshold << most - 1),
                    step.eq(1 << most - 1),
                ]
                with m.If(self.fetched):
                    with m.If(event.write):
                        m.next = "verify"
                    with m.Else():
                        m.next = "divide"
            with m.State("divide"):
                m.d.sync += [divisor.eq(divisor >> 1), step.eq(step >> 1)]
                with m.If(rest >= divisor):
                    m.d.sync += [rest.eq(rest - divisor), levels.eq(levels | step)]
                with m.If(step[0]):
                    m.next = "decide"
            with m.State("decide"):
                m.d.sync += target.eq(moved)
                m.next = "draw"
            with m.State("verify"):
                m.d.sync += target.eq(event.state)
                with m.If(~within & (tries != geometry.max_attempts)):
                    m.d.sync += tries.eq(tries + 1)
                    m.next = "draw"
                with m.Else():
                    m.d.comb += self.failure.eq(~within)
                    m.next = "write"
            with m.State("draw"):
                m.d.comb += self.attempt.eq(1)
                m.next = "scale"
            with m.State("scale"):
                m.d.sync += [mean.eq(landings_read.data.mean),
                             noise.eq(normal_read.data * landings_read.data.sigma)]
                m.next = "land"
            with m.State("land"):
                m.d.sync += g.eq(landed)
                with m.If(event.write):
                    m.next = "verify"
                with m.Else():
                    if geometry.residual == "nominal":
                        m.d.sync += chi.eq(Mux(outward, -rest, rest))
                    else:
                        m.d.sync += chi.eq(saturate(chi - ((landed - g) << geometry.residual_shift), geometry.chi_bits))
                    m.next = "write"
            with m.State("write"):
                m.d.comb += [self.request.valid.eq(1), self.request.payload.write.eq(1)]
                with m.If(self.request.ready):
                    m.next = "idle"
        return m


def _limited(value, states: int):
    """``value`` limited to ``0 .. states - 1``."""
    return Mux(value < 0, 0, Mux(value > states - 1, states - 1, value))


