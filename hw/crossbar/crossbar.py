"""A crossbar: device array, residuals, programmer and controller, behind streams."""

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ...contract.geometry import CrossbarGeometry
from ..basics.delay import delay
from ..basics.queue import Queue, Storage
from .accumulator import GradientAccumulator
from .adc import Adc
from .conductance import ConductanceArray, row_sum_latency
from .controller import CrossbarController
from .delta_store import DeltaStore
from .lane_select import LaneSelect
from .layouts import (
    cell_layout,
    command_layout,
    conversion_layout,
    delta_layout,
    drive_layout,
    row_sum_layout,
    state_bits,
)
from .programmer import StochasticProgrammer
from .programming_queue import ProgrammingQueue
from .timing import READ, SUM, fetch_latency

ANSWERS: Storage = "block"
"""What row sums wait in for their taker."""


def answers_depth(geometry: CrossbarGeometry) -> int:
    """Row sums that can wait for their taker. Room is withdrawn when half of the places are taken. The other half is
    for those that are still on their way."""
    return 1 << ceil_log2(2 * _in_flight(geometry))


def _in_flight(geometry: CrossbarGeometry) -> int:
    """Row sums that can be on their way from their slots to the queue."""
    return row_sum_latency(geometry) + 2


class Crossbar(wiring.Component):
    """``rows x cols`` synapses with their own accumulator, programmer and controller; one a layer.

    ``command`` takes operations (see ``Operation``), which are carried out in order; the primitives of
    `model.crossbar.Crossbar` are their golden twins and agree in every bit. Each consumes and answers on the streams
    that it names: ``x`` and ``z`` (forward pass), ``d`` and ``e`` (error), ``state_in`` and ``state_out``: the
    complete state as the cells row-major, the LFSRs in the order of ``CrossbarGeometry.lfsrs``, and the counters in
    that of ``COUNTERS``, a word each.

    Cycles: see ``CrossbarController``. Without ``backward`` there is no adder tree and no ``e``, as for a first layer.
    A beat of ``d`` has the deltas of ``deltas`` columns, a divisor of the lanes.

    Cost: ``rows * cols`` cells of ``cell_layout`` in memory, and two multipliers a lane; see the parts.
    """

    def __init__(self, *, geometry: CrossbarGeometry, backward: bool, deltas: int = 1) -> None:
        self.geometry = geometry
        self.backward = backward
        self.deltas = deltas
        ports = {
            "command": In(stream.Signature(command_layout(geometry))),
            "x": In(stream.Signature(drive_layout(geometry))),
            "z": Out(stream.Signature(conversion_layout(geometry))),
            "d": In(stream.Signature(delta_layout(geometry, deltas))),
            "state_in": In(stream.Signature(unsigned(state_bits(geometry)))),
            "state_out": Out(stream.Signature(unsigned(state_bits(geometry)))),
            #: Every operation taken has been carried out and its effects have reached the arrays.
            "idle": Out(1),
        }
        if backward:
            ports["e"] = Out(stream.Signature(row_sum_layout(geometry)))
        super().__init__(ports)

    def elaborate(self, platform) -> Module:
        m = Module()
        geometry = self.geometry
        m.submodules.controller = controller = CrossbarController(geometry=geometry, backward=self.backward)
        m.submodules.conductance = conductance = ConductanceArray(geometry=geometry, backward=self.backward)
        m.submodules.accumulator = accumulator = GradientAccumulator(geometry=geometry)
        m.submodules.deltas = deltas = DeltaStore(geometry=geometry, deltas=self.deltas)
        m.submodules.adc = adc = Adc(geometry=geometry)
        m.submodules.queue = queue = ProgrammingQueue(geometry=geometry)
        m.submodules.programmer = programmer = StochasticProgrammer(geometry=geometry)
        slot = controller.slot

        for outer, inner in (("command", controller.command), ("x", controller.x), ("state_in", controller.state_in),
                             ("state_out", controller.state_out), ("d", deltas.d), ("z", adc.z)):
            wiring.connect(m, wiring.flipped(getattr(self, outer)), inner)
        m.d.comb += [
            self.idle.eq(controller.idle),
            conductance.slot.eq(slot),
            accumulator.slot.eq(slot),
            accumulator.boost.eq(controller.boost),
            deltas.start.eq(controller.deltas_start),
            deltas.fold.eq(slot.fold),
            accumulator.delta.eq(deltas.word),
            *(accumulator.g[lane].eq(conductance.word[lane].g) for lane in range(geometry.lanes)),
            controller.deltas_complete.eq(deltas.complete),
            controller.deltas_zero.eq(deltas.zero),
        ]

        close, final = (delay(m, slot.forward & slot.last & which, SUM - 1) for which in (1, slot.final))
        m.d.comb += [
            controller.adc_ready.eq(adc.ready),
            controller.adc_idle.eq(adc.idle),
            adc.load.eq(close),
            adc.last.eq(final),
            adc.sums.eq(conductance.sums),
        ]

        # Run-time parameters and random numbers.
        configured = [accumulator, programmer]
        generators = {"lfsr": programmer, "rounding_lfsr": accumulator, "read_lfsr": adc}
        if geometry.read_noise:
            configured.append(adc)
        m.d.comb += [part.parameters.eq(controller.parameters) for part in configured]
        for index, name in enumerate(geometry.lfsrs):
            m.d.comb += [
                generators[name].lfsr_load.eq(controller.lfsr_load[index]),
                generators[name].lfsr_state.eq(self.state_in.payload),
                controller.lfsr[index].eq(generators[name].lfsr),
            ]
        filling = accumulator.filling if geometry.rounding == "stochastic" else 0

        # Events are programmed one by one; program-and-verify comes from the controller, when the queue is empty.
        m.d.comb += [
            queue.valid.eq(accumulator.done),
            queue.word.eq(accumulator.word),
            queue.fired.eq(accumulator.fired),
            controller.request_room.eq(queue.room),
            controller.programmed.eq(queue.empty & programmer.idle & ~filling),
            programmer.request.payload.position.eq(queue.request.payload),
            programmer.request.valid.eq(queue.request.valid | controller.request.valid),
            queue.request.ready.eq(programmer.request.ready),
            controller.request.ready.eq(programmer.request.ready),
        ]
        with m.If(controller.request.valid):
            m.d.comb += programmer.request.payload.eq(controller.request.payload)
        wiring.connect(m, programmer.fetch, controller.fetch)
        wiring.connect(m, programmer.replace, controller.replace)
        m.d.comb += [
            controller.attempt.eq(programmer.attempt),
            controller.verify_attempt.eq(programmer.verify_attempt),
            controller.failure.eq(programmer.failure),
            controller.refresh.eq(programmer.refresh),
        ]

        # Fetched cells go to the programmer, or out.
        cell = cell_layout(geometry)
        m.submodules.select = select = LaneSelect(lanes=geometry.lanes, width=cell.size)
        m.d.comb += [
            *(select.i[lane].eq(Cat(accumulator.chi[lane], conductance.word[lane])) for lane in range(geometry.lanes)),
            select.lane.eq(delay(m, slot.lane, READ - 1)),
        ]
        found = Signal(cell)
        m.d.comb += [
            found.eq(select.o),
            programmer.cell.eq(found),
            programmer.fetched.eq(delay(m, slot.fetch, fetch_latency(geometry))),
            controller.cell.eq(found),
        ]

        if self.backward:
            # The sums of rows catch up with what is known of their rows, and wait for their taker.
            latency = conductance.row_sum_latency
            tag = Signal(row_sum_layout(geometry))
            m.d.comb += [tag.row.eq(slot.row), tag.last.eq(slot.row_sum_last)]
            if geometry.derivative_bits:
                m.d.comb += tag.derivative.eq(slot.derivative)
            m.submodules.answers = answers = Queue(shape=tag.shape(), depth=answers_depth(geometry), storage=ANSWERS)
            wiring.connect(m, answers.o, wiring.flipped(self.e))
            m.d.comb += [
                conductance.delta.eq(deltas.word),
                answers.i.payload.eq(delay(m, tag, latency)),
                answers.i.payload.e.eq(conductance.e),
                answers.i.valid.eq(delay(m, controller.answer, latency)),
                controller.row_sum_room.eq(answers.level < _in_flight(geometry)),
            ]
        else:
            m.d.comb += controller.row_sum_room.eq(1)
        return m

