"""Crossbars without a network around them: a host does what is between them."""

from typing import Any

from amaranth.hdl import Cat, Module, Shape, ShapeLike, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..contract.geometry import CrossbarGeometry
from ..contract.widths import index_bits
from .crossbar.controller import SAMPLES, SECOND_PASSES, one_of
from .crossbar.crossbar import Crossbar, crossbar_ports
from .crossbar.layouts import boost_bits
from .crossbar.operations import Operation

OPERANDS, ANSWERS = ("x", "d", "state_in"), ("z", "e", "state_out")
"""Streams of a crossbar to it and from it, beside its commands."""


def bank_command_layout(geometries: tuple[CrossbarGeometry, ...]) -> data.StructLayout:
    """An operation of the crossbar ``crossbar``; ``boost`` is that of its ``command_layout``."""
    return data.StructLayout({
        "operation": Operation,
        "crossbar": unsigned(index_bits(len(geometries))),
        "boost": unsigned(max(map(boost_bits, geometries))),
    })


def beats(geometries: tuple[CrossbarGeometry, ...]) -> list[dict[str, ShapeLike]]:
    """Of each crossbar of a bank, the shapes of the beats of its streams ``OPERANDS`` and ``ANSWERS``."""
    ports = [crossbar_ports(geometry, deltas=geometry.adcs) for geometry in geometries]
    return [{name: members[name].signature.members["payload"].shape for name in OPERANDS + ANSWERS}
            for members in ports]


def bank_ports(geometries: tuple[CrossbarGeometry, ...]) -> dict[str, wiring.Member]:
    """The ports of a ``Bank``, by name."""
    operands, answers = (max(Shape.cast(shapes[name]).width for shapes in beats(geometries) for name in names)
                         for names in (OPERANDS, ANSWERS))
    return {
        "command": In(stream.Signature(bank_command_layout(geometries))),
        "operands": In(stream.Signature(unsigned(operands))),
        "answers": Out(stream.Signature(unsigned(answers))),
        #: Every command taken has been carried out, and its effects have reached the arrays.
        "idle": Out(1),
    }


class Bank(wiring.Component):
    """Carries out one ``command`` after the other: an operation of one of the crossbars.

    What an operation takes comes on ``operands``: beats of the stream ``x``, ``d`` or ``state_in`` of the crossbar.
    What it answers leaves on ``answers``: beats of its ``z``, ``e`` or ``state_out``. They are in the low bits of
    streams that are as wide as the widest of them. A command is taken when the one before has been carried out and
    answered; operands wait for their command.

    The geometries are `contract.bank.banked`. `model.crossbar.Crossbar` is the golden twin of each crossbar: it agrees
    in every bit.

    Latency: 1 clock cycle more than the operations of `Crossbar`, and 1 between them. Cost: the crossbars, and a
    multiplexer of their answers.
    """

    def __init__(self, *, geometries: tuple[CrossbarGeometry, ...]) -> None:
        self.geometries = geometries
        self._crossbars = [Crossbar(geometry=geometry, deltas=geometry.adcs) for geometry in geometries]
        super().__init__(bank_ports(geometries))
        self._selected = Signal(len(geometries))  # the crossbar whose operation is under way
        self._operation = Signal(Operation)  # it
        self._owed = Signal()  # the last beat of an answer has not left

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        command, idle = self.command.payload, Signal()
        for index, crossbar in enumerate(self._crossbars):
            m.submodules[f"crossbar_{index}"] = crossbar
            m.d.comb += [crossbar.command.payload.operation.eq(command.operation),
                         crossbar.command.payload.boost.eq(command.boost)]
        m.d.comb += idle.eq(Cat(crossbar.idle for crossbar in self._crossbars).all())
        with m.FSM() as fsm:
            with m.State("command"):
                for index, crossbar in enumerate(self._crossbars):
                    with m.If(command.crossbar == index):
                        m.d.comb += [crossbar.command.valid.eq(self.command.valid),
                                     self.command.ready.eq(crossbar.command.ready)]
                        m.d.sync += self._selected.eq(1 << index)
                m.d.sync += [self._operation.eq(command.operation),
                             self._owed.eq(one_of(command.operation, (Operation.FORWARD, *SECOND_PASSES)))]
                with m.If(self.command.valid & self.command.ready):
                    m.next = "words"
            with m.State("words"):
                self._carry_words(m)
                with m.If(idle & ~self._owed):
                    m.next = "command"
        m.d.comb += self.idle.eq(fsm.ongoing("command") & idle & ~self.command.valid)
        return m

    def _carry_words(self, m: Module) -> None:
        """Connects the streams of the crossbar that the operation is for."""
        sample, second = (one_of(self._operation, several) for several in (SAMPLES, SECOND_PASSES))
        for index, crossbar in enumerate(self._crossbars):
            with m.If(self._selected[index]):
                with m.If(sample):
                    self._take(m, crossbar.x)
                    self._answer(m, crossbar.z)
                with m.Elif(second):
                    self._take(m, crossbar.d)
                    self._answer(m, crossbar.e)
                with m.Else():
                    self._take(m, crossbar.state_in)
                    m.d.comb += [self.answers.payload.eq(crossbar.state_out.payload),
                                 self.answers.valid.eq(crossbar.state_out.valid),
                                 crossbar.state_out.ready.eq(self.answers.ready)]

    def _take(self, m: Module, operands: stream.Interface) -> None:
        m.d.comb += [
            Value.cast(operands.payload).eq(self.operands.payload),
            operands.valid.eq(self.operands.valid),
            self.operands.ready.eq(operands.ready),
        ]

    def _answer(self, m: Module, answers: stream.Interface) -> None:
        """Answers up to a beat with ``last``."""
        m.d.comb += [
            self.answers.payload.eq(Value.cast(answers.payload)),
            self.answers.valid.eq(answers.valid),
            answers.ready.eq(self.answers.ready),
        ]
        with m.If(answers.valid & answers.ready & answers.payload.last):
            m.d.sync += self._owed.eq(0)
