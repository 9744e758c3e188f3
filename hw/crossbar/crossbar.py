"""A crossbar: its arrays, programmer and controller, behind streams."""

from typing import Any

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ...contract.errors import ConfigError
from ...contract.geometry import CrossbarGeometry
from ...contract.lfsr import LEAP
from ...contract.wires import RATIO_FRAC
from ..basics.delay import delay, delays
from ..basics.queue import LATENCY, Queue, Storage
from .accumulator import GradientAccumulator
from .adc import Adc, adc_latency
from .conductance import ConductanceArray, row_sum_latency
from .controller import one_of
from .delta_store import DeltaStore
from .error_map import ErrorMap
from .lane_select import LaneSelect
from .layouts import (
    cell_layout,
    command_layout,
    conversion_layout,
    delta_layout,
    drive_layout,
    position_delta_layout,
    row_sum_layout,
    state_bits,
    traced_layout,
)
from .lfsr import Lfsr
from .operations import Operation
from .position_deltas import PositionDeltas
from .programmer import StochasticProgrammer
from .programming_queue import ProgrammingQueue
from .row_controller import RowController
from .timing import READ, fetch_latency, summed
from .window_controller import WindowController

UPDATES = Operation.UPDATE, Operation.ACCUMULATE
"""Operations that train on a sample."""
ANSWERS: Storage = "block"
"""What row sums wait in for their taker."""


def answers_depth(geometry: CrossbarGeometry) -> int:
    """Row sums that can wait for their taker. Room is withdrawn when half of the places are taken. The other half is
    for those that are still on their way."""
    return 1 << ceil_log2(2 * _in_flight(geometry))


def _in_flight(geometry: CrossbarGeometry) -> int:
    """Row sums that can be on their way from their slots to the queue."""
    return row_sum_latency(geometry) + 2


def outputs_depth(geometry: CrossbarGeometry) -> int:
    """Groups of outputs that can wait for their taker, unless the geometry is plain. Room is withdrawn when half of the
    places are taken. The other half is for the groups of columns that are still on their way."""
    groups = geometry.lanes // geometry.adcs
    return 1 << ceil_log2(2 * (summed(geometry) + adc_latency(geometry) + groups + LATENCY["block"]))


def require_no_wires(geometry: CrossbarGeometry) -> None:
    """``ConfigError`` if wires of ``geometry`` have a resistance."""
    if geometry.wires:
        raise ConfigError(f"converters.wire_ratio={geometry.wires * 2.0**-RATIO_FRAC:g}: voltage drops along wires are "
                          "for the golden model only, as hardware would need one more multiplier for each cell that it "
                          "reads at once; leave it out")


def crossbar_ports(geometry: CrossbarGeometry, *, deltas: int = 1, neurons: int = 1, traced: bool = False,
                   ) -> dict[str, wiring.Member]:
    """The ports of a ``Crossbar``, by name."""
    ports = {
        "command": In(stream.Signature(command_layout(geometry))),
        #: The drive of a sample.
        "x": In(stream.Signature(drive_layout(geometry))),
        #: The outputs.
        "z": Out(stream.Signature(conversion_layout(geometry))),
        #: The deltas.
        "d": In(stream.Signature(delta_layout(geometry, deltas) if geometry.plain
                                 else position_delta_layout(geometry))),
        #: Words of the complete state: the cells row-major, the LFSRs in the order of `CrossbarGeometry.lfsrs`, the
        #: counters in that of `CrossbarGeometry.counters`. Also increments, states to write and run-time
        #: parameters.
        "state_in": In(stream.Signature(unsigned(state_bits(geometry)))),
        "state_out": Out(stream.Signature(unsigned(state_bits(geometry)))),
        #: Every operation taken has been carried out, and its effects have reached the arrays.
        "idle": Out(1),
    }
    if geometry.backward:
        #: The row sums.
        ports["e"] = Out(stream.Signature(row_sum_layout(geometry)))
    if geometry.source == "stochastic":
        #: The stochastic neurons that drive the rows draw `words`.
        ports["fire"] = In(1)
        #: The next words of their LFSR, the first one in the low bits.
        ports["words"] = Out(LEAP * neurons)
    if traced:
        #: The write pulses.
        ports["pulses"] = Out(stream.Signature(traced_layout(geometry)))
    return ports


class Crossbar(wiring.Component):
    """One layer: ``rows x cols`` cells with their residuals, programmer and controller.

    ``command`` takes operations (see ``Operation``), which are carried out in order. An operation takes words from the
    streams that it names, and answers on those. `model.crossbar.Crossbar` is the golden twin: it agrees in every bit.

    In a plain geometry, a beat of ``d`` has the deltas of ``deltas`` columns, a divisor of the lanes; in others, it has
    one of a column at a position. Where no neurons drive the rows, as in a first layer, there are no row sums and no
    ``e``. Where stochastic neurons do, ``words`` shows what the next ``neurons`` of them draw; they draw it with
    ``fire``. One that is ``traced`` answers with its write pulses; it waits for whoever takes them.

    Clock cycles: see ``CrossbarController``. Cost: ``rows * cols`` cells of ``cell_layout`` in memory, and two
    multipliers a lane; see the parts.
    """

    def __init__(self, *, geometry: CrossbarGeometry, deltas: int = 1, neurons: int = 1,
                 traced: bool = False) -> None:
        require_no_wires(geometry)
        self.geometry = geometry
        self.deltas = deltas
        super().__init__(crossbar_ports(geometry, deltas=deltas, neurons=neurons, traced=traced))
        self._controller = (RowController if geometry.plain else WindowController)(geometry=geometry)
        self._conductance = ConductanceArray(geometry=geometry)
        self._accumulator = GradientAccumulator(geometry=geometry)
        self._deltas = (DeltaStore(geometry=geometry, deltas=deltas) if geometry.plain
                        else PositionDeltas(geometry=geometry))
        self._adc = Adc(geometry=geometry)
        self._queue = ProgrammingQueue(geometry=geometry)
        self._programmer = StochasticProgrammer(geometry=geometry, traced=traced)
        self._firing = Lfsr(draws=neurons) if geometry.source == "stochastic" else None
        self._row_sum_room = Signal()  # behind the pipeline

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.controller = self._controller
        m.submodules.conductance = self._conductance
        m.submodules.accumulator = self._accumulator
        m.submodules.deltas = self._deltas
        m.submodules.adc = self._adc
        m.submodules.queue = self._queue
        m.submodules.programmer = self._programmer
        self._connect_arrays(m)
        if self.geometry.second_reads > 1:
            m.d.comb += self._accumulator.visit.eq(self._controller.visit)
            m.d.comb += [to[lane].eq(row[lane].g) for to, row in zip(
                self._accumulator.rows, self._conductance.rows, strict=True) for lane in range(self.geometry.lanes)]
        if self._firing is not None:
            m.submodules.firing = self._firing
            m.d.comb += [self._firing.step.eq(self.fire), self.words.eq(self._firing.word)]
        self._configure(m)
        self._program(m)
        if self._programmer.traced:
            self._trace(m)
        self._select_cells(m)
        if self.geometry.plain:
            self._convert_rows(m)
            self._answer_row_sums(m)
        else:
            self._convert_positions(m)
            self._add_errors(m)
        return m

    def _connect_arrays(self, m: Module) -> None:
        """What the controller issues goes to the arrays; what is driven comes out of the ADC."""
        controller, conductance, accumulator = self._controller, self._conductance, self._accumulator
        slot, deltas, adc = controller.slot, self._deltas, self._adc
        for outer, inner in ((self.command, controller.command), (self.x, controller.x), (self.d, deltas.d),
                             (self.state_in, controller.state_in), (self.state_out, controller.state_out)):
            wiring.connect(m, wiring.flipped(outer), inner)
        closes = slot.forward & slot.last
        m.d.comb += [
            conductance.slot.eq(slot),
            accumulator.slot.eq(slot),
            accumulator.boost.eq(controller.boost),
            deltas.start.eq(controller.deltas_start),
            accumulator.delta.eq(deltas.word),
            *(accumulator.g[lane].eq(conductance.word[lane].g) for lane in range(self.geometry.lanes)),
            controller.deltas_complete.eq(deltas.complete),
            controller.deltas_zero.eq(deltas.zero),
            controller.adc_idle.eq(adc.idle),
            adc.load.eq(delay(m, closes, summed(self.geometry) - 1)),
            adc.last.eq(delay(m, closes & slot.final, summed(self.geometry) - 1)),
            adc.sums.eq(conductance.sums),
        ]

    def _configure(self, m: Module) -> None:
        """Run-time parameters, and the states of the LFSRs."""
        controller, accumulator, programmer, adc = self._controller, self._accumulator, self._programmer, self._adc
        geometry = self.geometry
        configured: list[Any] = [accumulator, programmer,
                                 *([adc] if geometry.read_noise or geometry.distorted else [])]
        m.d.comb += [part.parameters.eq(controller.parameters) for part in configured]
        for index, name in enumerate(self.geometry.lfsrs):
            load, loaded, state = self._lfsr(name)
            m.d.comb += [load.eq(controller.lfsr_load[index]), loaded.eq(self.state_in.payload),
                         controller.lfsr[index].eq(state)]

    def _lfsr(self, name: str) -> tuple[Any, Any, Any]:
        """Of the LFSR ``name``: what makes it take a state, that state, and the state that it is in."""
        if self._firing is not None and name == "neuron_lfsr":
            return self._firing.load, self._firing.load_state, self._firing.state
        parts: dict[str, Any] = {"lfsr": self._programmer, "rounding_lfsr": self._accumulator, "read_lfsr": self._adc}
        return parts[name].lfsr_load, parts[name].lfsr_state, parts[name].lfsr

    def _program(self, m: Module) -> None:
        """Cells that have reached the threshold are programmed one by one. Those of program-and-verify come from the
        controller, when the queue is empty."""
        controller, accumulator, queue, programmer = (self._controller, self._accumulator, self._queue,
                                                      self._programmer)
        filling = accumulator.filling if self.geometry.rounding == "stochastic" else 0
        m.d.comb += [
            queue.valid.eq(accumulator.done),
            queue.word.eq(accumulator.word),
            queue.fired.eq(accumulator.fired),
            controller.room.eq(queue.room & self._row_sum_room),
            controller.programmed.eq(queue.empty & programmer.idle & ~filling),
            programmer.request.payload.position.eq(queue.request.payload),
            programmer.request.valid.eq(queue.request.valid | controller.request.valid),
            queue.request.ready.eq(programmer.request.ready),
            controller.request.ready.eq(programmer.request.ready),
            controller.attempt.eq(programmer.attempt),
            controller.verify_attempt.eq(programmer.verify_attempt),
            controller.failure.eq(programmer.failure),
            controller.refresh.eq(programmer.refresh),
        ]
        with m.If(controller.request.valid):
            m.d.comb += programmer.request.payload.eq(controller.request.payload)
        wiring.connect(m, programmer.fetch, controller.fetch)
        wiring.connect(m, programmer.replace, controller.replace)

    def _trace(self, m: Module) -> None:
        """Write pulses are told with the number of the sample. Another one begins when all pulses of the one before are
        gone."""
        command, traced, pulse = self._controller.command, self.pulses, self._programmer.pulse
        sample = Signal.like(traced.payload.sample)
        m.d.comb += [
            traced.payload.pulse.eq(pulse.payload),
            traced.payload.sample.eq(sample),
            traced.valid.eq(pulse.valid),
            pulse.ready.eq(traced.ready),
        ]
        with m.If(command.valid & command.ready & one_of(command.payload.operation, UPDATES)):
            m.d.sync += sample.eq(sample + 1)

    def _select_cells(self, m: Module) -> None:
        """Cells that are fetched go to the programmer, cells that are dumped to the controller."""
        slot, lanes, cell = self._controller.slot, self.geometry.lanes, cell_layout(self.geometry)
        m.submodules.select = select = LaneSelect(lanes=lanes, width=cell.size)
        found = Signal(cell)
        m.d.comb += [
            *(select.i[lane].eq(Cat(self._accumulator.chi[lane], self._conductance.word[lane]))
              for lane in range(lanes)),
            select.lane.eq(delay(m, slot.lane, READ - 1)),
            found.eq(select.o),
            self._programmer.cell.eq(found),
            self._programmer.fetched.eq(delay(m, slot.fetch, fetch_latency(self.geometry))),
            self._controller.cell.eq(found),
        ]

    def _convert_rows(self, m: Module) -> None:
        """Of a plain geometry: a fold is summed when the ADC is free for it."""
        wiring.connect(m, self._adc.z, wiring.flipped(self.z))
        m.d.comb += [
            self.idle.eq(self._controller.idle),
            self._controller.adc_ready.eq(self._adc.ready),
            self._deltas.fold.eq(self._controller.slot.fold),
        ]

    def _convert_positions(self, m: Module) -> None:
        """Of others: so many column sums may be on their way that a queue takes their outputs."""
        m.submodules.outputs = outputs = Queue(shape=conversion_layout(self.geometry),
                                               depth=outputs_depth(self.geometry), storage="block")
        wiring.connect(m, self._adc.z, outputs.i)
        wiring.connect(m, outputs.o, wiring.flipped(self.z))
        wiring.connect(m, self._controller.positions, self._deltas.positions)
        m.d.comb += [
            self._controller.adc_ready.eq(outputs.level < outputs.depth // 2),
            self._deltas.address.eq(self._controller.slot.delta),
        ]

    def _add_errors(self, m: Module) -> None:
        """Of others: what a row passes back at a position is added to its cell of the map, and answered when all is
        there."""
        controller, conductance = self._controller, self._conductance
        m.d.comb += [self._row_sum_room.eq(1), self.idle.eq(controller.idle & controller.errors_idle)]
        if not self.geometry.backward:
            m.d.comb += controller.errors_idle.eq(1)
            return
        slot, latency = controller.slot, conductance.row_sum_latency
        m.submodules.errors = errors = ErrorMap(geometry=self.geometry)
        wiring.connect(m, errors.e, wiring.flipped(self.e))
        *drains, drain = delays(m, controller.drain, latency)
        m.d.comb += [
            conductance.delta.eq(self._deltas.word),
            errors.valid.eq(delay(m, slot.backward, latency).replicate(self.geometry.second_reads)),
            errors.drain.eq(drain),
            controller.errors_idle.eq(errors.idle & ~Cat(*drains, drain).any()),
        ]
        for error, row, e in zip(errors.error, delay(m, slot.rows, latency), conductance.e, strict=True):
            m.d.comb += [error.cell.eq(row.cell), error.derivative.eq(row.derivative), error.e.eq(e)]

    def _answer_row_sums(self, m: Module) -> None:
        """A row sum meets what is known of its row, and waits for its taker."""
        controller, conductance, geometry = self._controller, self._conductance, self.geometry
        if not self.geometry.backward:
            m.d.comb += self._row_sum_room.eq(1)
            return
        slot, latency = controller.slot, conductance.row_sum_latency
        tag = Signal(row_sum_layout(geometry))
        m.d.comb += [tag.row.eq(slot.row), tag.last.eq(slot.row_sum_last)]
        if geometry.derivative_bits:
            m.d.comb += tag.derivative.eq(slot.derivative)
        m.submodules.answers = answers = Queue(shape=tag.shape(), depth=answers_depth(geometry), storage=ANSWERS)
        wiring.connect(m, answers.o, wiring.flipped(self.e))
        m.d.comb += [
            conductance.delta.eq(self._deltas.word),
            answers.i.payload.eq(delay(m, tag, latency)),
            answers.i.payload.e.eq(conductance.e),
            answers.i.valid.eq(delay(m, controller.answer, latency)),
            self._row_sum_room.eq(answers.level < _in_flight(geometry)),
        ]
