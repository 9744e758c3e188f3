"""The operations of a crossbar that move words: its state, states to write, increments, run-time parameters."""

from collections.abc import Callable
from typing import Any

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...contract import lfsr
from ...contract.geometry import CrossbarGeometry
from ...contract.parameters import parameters
from .counters import CounterAccess
from .layouts import cell_layout, position_layout, request_layout, state_bits
from .operations import Operation
from .parameters import parameter_layout
from .timing import fetch_latency


class StatePort(wiring.Component):
    """Carries out ``APPLY``, ``WRITE``, ``LOAD``, ``DUMP`` and ``CONFIGURE`` with the words of ``state_in`` and
    ``state_out``.

    The controller lends it the scan of the arrays: the port says what the slot of this clock cycle does with the cell
    at ``position``, and when the scan goes on. Cells come row-major. ``LOAD`` and ``DUMP`` go on with the LFSRs in the
    order of ``CrossbarGeometry.lfsrs``, then the counters in that of ``COUNTERS``. ``CONFIGURE`` takes the parameters
    in the order of `contract.parameters`.

    Clock cycles: ``HOLD + 1`` for each cell to load and each increment to apply, ``fetch_latency + 1`` for each cell to
    dump, one for each other word. ``APPLY`` waits, after every ``lanes`` increments, until their word is in the arrays
    and its cells are programmed.
    """

    def __init__(self, *, geometry: CrossbarGeometry) -> None:
        self.geometry = geometry
        generators = len(geometry.lfsrs)
        super().__init__({
            #: `operation` begins in the next clock cycle, and stays what it is until `done`.
            "start": In(1),
            "operation": In(Operation),
            #: The operation ends with this clock cycle.
            "done": Out(1),
            "state_in": In(stream.Signature(unsigned(state_bits(geometry)))),
            "state_out": Out(stream.Signature(unsigned(state_bits(geometry)))),
            #: The cell that the scan is at; it is the last of its word; its word is the last of the arrays.
            "position": In(position_layout(geometry)),
            "last_lane": In(1),
            "last_word": In(1),
            #: The scan goes on to the next lane, to the next word.
            "next_lane": Out(1),
            "next_word": Out(1),
            #: The slot puts the cell at `state_in` into its word; writes the word to the arrays; adds the word, of
            #: increments, to the residuals.
            "assemble": Out(1),
            "write": Out(1),
            "apply": Out(1),
            #: A slot may put a cell into its word; all slots before this one have reached the arrays.
            "may_override": In(1),
            "drained": In(1),
            #: The cell at the position of `fetch_latency` clock cycles before.
            "cell": In(cell_layout(geometry)),
            #: Program-and-verify, cell by cell.
            "request": Out(stream.Signature(request_layout(geometry))),
            #: States of the LFSRs in their order in the state, and their replacement by the word at `state_in`.
            "lfsr": In(data.ArrayLayout(lfsr.WIDTH, generators)),
            "lfsr_load": Out(generators),
            "counters": Out(CounterAccess()),
            #: Replacements of run-time parameters.
            "parameters": Out(parameter_layout(geometry)),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.d.comb += [
            self.counters.word.eq(self.state_in.payload),
            self.parameters.word.eq(self.state_in.payload),
            self.request.payload.position.eq(self.position),
            self.request.payload.state.eq(self.state_in.payload),
            self.request.payload.write.eq(1),
        ]
        with m.FSM():
            with m.State("wait"):
                with m.If(self.start):
                    m.next = "words"
            with m.State("words"):
                with m.Switch(self.operation):
                    with m.Case(Operation.APPLY):
                        self._increments(m)
                    with m.Case(Operation.WRITE):
                        self._states(m)
                    with m.Case(Operation.LOAD):
                        self._load_cells(m)
                    with m.Case(Operation.DUMP):
                        self._dump_cells(m)
                    with m.Case(Operation.CONFIGURE):
                        self._configure(m)
            with m.State("apply"):
                m.d.comb += [self.apply.eq(1), self.next_word.eq(1)]
                m.next = "words"
                with m.If(self.last_word):
                    self._end(m)
            following = [f"lfsr {index}" for index in range(1, len(self.lfsr_load))] + ["counters"]
            for index, state in enumerate(following):
                with m.State(f"lfsr {index}"):
                    self._lfsr(m, index, state)
            with m.State("counters"):
                self._counters(m)
        return m

    def _end(self, m: Module) -> None:
        m.d.comb += self.done.eq(1)
        m.next = "wait"

    def _increments(self, m: Module) -> None:
        """A word of increments is assembled in the accumulator, which the programmer must not use meanwhile."""
        m.d.comb += self.state_in.ready.eq(self.drained & self.may_override)
        with m.If(self.state_in.valid & self.state_in.ready):
            m.d.comb += [self.assemble.eq(1), self.next_lane.eq(1)]
            with m.If(self.last_lane):
                m.next = "apply"

    def _states(self, m: Module) -> None:
        m.d.comb += [self.request.valid.eq(self.state_in.valid), self.state_in.ready.eq(self.request.ready)]
        with m.If(self.state_in.valid & self.state_in.ready):
            self._next_cell(m, self._end)

    def _load_cells(self, m: Module) -> None:
        m.d.comb += self.state_in.ready.eq(self.may_override)
        with m.If(self.state_in.valid & self.state_in.ready):
            m.d.comb += [self.assemble.eq(1), self.write.eq(1)]
            self._next_cell(m, self._generators)

    def _dump_cells(self, m: Module) -> None:
        """A cell stays addressed until it is there and taken."""
        latency = fetch_latency(self.geometry)
        addressed = Signal(range(latency + 1))  # for so many clock cycles, the cell has been
        m.d.comb += [self.state_out.valid.eq(addressed == latency), self.state_out.payload.eq(self.cell)]
        m.d.sync += addressed.eq(addressed + ~self.state_out.valid)
        with m.If(self.state_out.valid & self.state_out.ready):
            m.d.sync += addressed.eq(0)
            self._next_cell(m, self._generators)

    def _next_cell(self, m: Module, after_last: Callable[[Module], None]) -> None:
        m.d.comb += [self.next_lane.eq(1), self.next_word.eq(self.last_lane)]
        with m.If(self.last_lane & self.last_word):
            after_last(m)

    def _generators(self, m: Module) -> None:
        m.next = "lfsr 0"

    def _lfsr(self, m: Module, index: int, following: str) -> None:
        m.d.comb += self.state_out.payload.eq(self.lfsr[index])
        with m.If(self.operation == Operation.DUMP):
            m.d.comb += self.state_out.valid.eq(1)
            with m.If(self.state_out.ready):
                m.next = following
        with m.Else():
            m.d.comb += [self.state_in.ready.eq(1), self.lfsr_load[index].eq(self.state_in.valid)]
            with m.If(self.state_in.valid):
                m.next = following

    def _counters(self, m: Module) -> None:
        counters = self.counters
        m.d.comb += [self.state_out.payload.eq(counters.value), counters.show.eq(1)]
        with m.If(self.operation == Operation.DUMP):
            m.d.comb += [
                self.state_out.valid.eq(counters.shown),
                counters.step.eq(counters.shown & self.state_out.ready),
            ]
        with m.Else():
            m.d.comb += [
                self.state_in.ready.eq(counters.shown),
                counters.step.eq(counters.shown & self.state_in.valid),
                counters.load.eq(counters.step),
            ]
        with m.If(counters.step & counters.last):
            self._end(m)

    def _configure(self, m: Module) -> None:
        last = len(parameters(self.geometry)) - 1
        index = Signal(range(last + 1))
        m.d.comb += [
            self.state_in.ready.eq(1),
            self.parameters.index.eq(index),
            self.parameters.enable.eq(self.state_in.valid),
        ]
        with m.If(self.state_in.valid):
            m.d.sync += index.eq(Mux(index == last, 0, index + 1))
            with m.If(index == last):
                self._end(m)
