"""From residuals to the levels that they ask for."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...contract.geometry import CrossbarGeometry
from ...contract.parameters import quotient_bits
from ...contract.widths import index_bits
from .device import state_of
from .layouts import cell_layout, request_layout
from .parameters import parameter_layout, register


def job_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """A programming request and its cell."""
    return data.StructLayout({"request": request_layout(geometry), "cell": cell_layout(geometry)})


def device_demand_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """The demand for one device of a cell, in the form of one for a cell; ``levels`` is by how many states it moves. A
    cell of one device is that device."""
    one = geometry.single
    return demand_layout(one) if one is geometry else demand_layout(one, index_bits(one.device.states))


def demand_layout(geometry: CrossbarGeometry, levels_bits: int = 0) -> data.StructLayout:
    """A job, the state of its cell, and the magnitude of its residual as a number of whole levels, of ``levels_bits``
    unless that is what the division gives, and a rest."""
    layout = job_layout(geometry).members | {"state": unsigned(index_bits(geometry.device.states)),
                                             "levels": unsigned(levels_bits or quotient_bits(geometry))}
    if geometry.residual == "nominal":
        layout["rest"] = unsigned(geometry.chi_bits)
    return data.StructLayout(layout)


class ResidualDivider(wiring.Component):
    """``levels = |chi| / threshold``, rounded toward zero, for every job, in order (docs/arithmetic.md 4.3).

    A threshold that replaces the configured one must not make the quotient longer (`contract.parameters.replacements`).

    Latency: a clock cycle more than the quotient has bits. Throughput: a job in as many clock cycles. With stochastic
    rounding the threshold is a constant power of two; jobs then pass in the same clock cycle.

    Cost: a subtractor and a register of ``chi_bits`` bits.
    """

    def __init__(self, *, geometry: CrossbarGeometry) -> None:
        self.geometry = geometry
        super().__init__({
            #: Cells to be programmed.
            "job": In(stream.Signature(job_layout(geometry))),
            #: They, and the levels that they ask for.
            "demand": Out(stream.Signature(demand_layout(geometry))),
            #: No job is being divided or handed over.
            "idle": Out(1),
            #: Replacements of run-time parameters.
            "parameters": In(parameter_layout(geometry)),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        geometry = self.geometry
        job, demand = self.job.payload, self.demand.payload
        magnitude = Signal(geometry.chi_bits)
        state = Signal.like(demand.state)
        m.d.comb += [magnitude.eq(Mux(job.cell.chi < 0, -job.cell.chi, job.cell.chi)),
                     state.eq(state_of(job.cell.g, geometry.device))]
        if geometry.rounding == "stochastic":
            m.d.comb += [
                demand.request.eq(job.request),
                demand.cell.eq(job.cell),
                demand.state.eq(state),
                demand.levels.eq(magnitude >> geometry.threshold_shift),
                self.demand.valid.eq(self.job.valid),
                self.job.ready.eq(self.demand.ready),
                self.idle.eq(~self.job.valid),
            ]
            return m

        bits = quotient_bits(geometry)
        threshold = register(m, self.parameters, geometry, "threshold")
        # Digits of the magnitude leave at the top as those of the quotient come in at the bottom.
        digits = Signal(bits)
        rest = Signal(geometry.chi_bits)
        left = Signal(range(bits))
        partial = Signal(geometry.chi_bits + 1)
        difference = Signal(geometry.chi_bits + 2)
        fits = ~difference[-1]
        m.d.comb += [
            partial.eq(Cat(digits[-1], rest)),
            difference.eq(partial - threshold),
            demand.levels.eq(digits),
        ]
        if geometry.residual == "nominal":
            m.d.comb += demand.rest.eq(rest)
        # One signal for each field of the payload, as no signal may be driven from two domains.
        request = Signal.like(demand.request)
        cell = Signal.like(demand.cell)
        kept = Signal.like(state)
        m.d.comb += [demand.request.eq(request), demand.cell.eq(cell), demand.state.eq(kept)]

        def take() -> None:
            m.d.comb += self.job.ready.eq(1)
            m.d.sync += [request.eq(job.request), cell.eq(job.cell), kept.eq(state), left.eq(bits - 1),
                         Cat(digits, rest).eq(magnitude)]
            with m.If(self.job.valid):
                m.next = "divide"

        with m.FSM() as fsm:
            with m.State("idle"):
                take()
            with m.State("divide"):
                m.d.sync += [left.eq(left - 1), digits.eq(Cat(fits, digits)), rest.eq(Mux(fits, difference, partial))]
                with m.If(left == 0):
                    m.next = "hand over"
            with m.State("hand over"):
                m.d.comb += self.demand.valid.eq(1)
                with m.If(self.demand.ready):
                    m.next = "idle"
                    take()
        m.d.comb += self.idle.eq(fsm.ongoing("idle"))
        return m
