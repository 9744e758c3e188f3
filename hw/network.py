"""A network that trains by itself: crossbars in a row, pooling and neurons between them, the loss at the end."""

from itertools import pairwise
from typing import Any

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..contract.geometry import CrossbarGeometry, Loss
from ..contract.widths import index_bits
from .basics.queue import Queue
from .crossbar.crossbar import Crossbar, require_no_wires
from .crossbar.layouts import command_layout, drive_layout, state_bits, traced_layout
from .crossbar.operations import Operation
from .delta_converter import DeltaConverter
from .layouts import network_command_layout, result_layout
from .loss import LossUnit
from .neuron import Neuron
from .operations import NetworkOperation
from .pooling import Pooling

QUEUED = 2
"""Operations that can wait in front of a crossbar, and samples in front of the loss."""
MOVES = {
    NetworkOperation.APPLY: Operation.APPLY,
    NetworkOperation.WRITE: Operation.WRITE,
    NetworkOperation.LOAD: Operation.LOAD,
    NetworkOperation.DUMP: Operation.DUMP,
    NetworkOperation.CONFIGURE: Operation.CONFIGURE,
}
"""Operations that move words of one layer, and what its crossbar then does."""


class Network(wiring.Component):
    """Carries out one ``command`` after the other (see ``NetworkOperation``), with no host in the loop.

    A sample is a command, and the beats of its drive on ``x``. These may come at any time before or after the command.
    ``result`` answers once for each sample, in order. A sample trains all layers: it goes forward through the
    crossbars, gets its deltas from the loss, and goes back through the crossbars, each of which updates itself while it
    passes the error on. `model.network.Network` is the golden twin: it agrees in every bit.

    Crossbars run on their own, joined by streams. Each begins with the next sample as soon as it is done with the one
    before. A training sample takes about ``2 * sum over layers of active rows * folds`` clock cycles, with the active
    rows of all positions (docs/rtl.md, section 5).

    One that is ``traced`` answers with the write pulses of each layer, and waits for whoever takes them: for
    simulations.

    ``ConfigError`` if wires of a geometry have a resistance.
    """

    def __init__(self, *, geometries: tuple[CrossbarGeometry, ...], loss: Loss, traced: bool = False) -> None:
        for geometry in geometries:
            require_no_wires(geometry)
        self.geometries = geometries
        self.loss = loss
        self.traced = traced
        last = geometries[-1]
        state = stream.Signature(unsigned(max(map(state_bits, geometries))))
        super().__init__({
            "command": In(stream.Signature(network_command_layout(geometries))),
            #: The drive of samples.
            "x": In(stream.Signature(drive_layout(geometries[0]))),
            #: The answer to each sample.
            "result": Out(stream.Signature(result_layout(last.cols))),
            #: Words of the operations that move some, in the low bits: as wide as the widest layer needs.
            "state_in": In(state),
            "state_out": Out(state),
            #: Every command taken has been carried out, and its effects have reached the arrays.
            "idle": Out(1),
            #: The write pulses of each layer, if they are traced.
            **({f"pulses_{layer}": Out(stream.Signature(traced_layout(geometry)))
                for layer, geometry in enumerate(geometries)} if traced else {}),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        last = self.geometries[-1]
        crossbars = [Crossbar(geometry=geometry, deltas=last.adcs if geometry is last else 1,
                              neurons=before.adcs if before else 1, traced=self.traced)
                     for before, geometry in zip((None, *self.geometries), self.geometries, strict=False)]
        loss = LossUnit(geometry=last, loss=self.loss)
        for layer, crossbar in enumerate(crossbars):
            m.submodules[f"crossbar_{layer}"] = crossbar
            if self.traced:
                wiring.connect(m, crossbar.pulses, wiring.flipped(getattr(self, f"pulses_{layer}")))
        m.submodules.loss = loss
        self._join(m, crossbars, loss)
        self._carry_out(m, crossbars, loss)
        return m

    def _join(self, m: Module, crossbars: list[Crossbar], loss: LossUnit) -> None:
        """Pooling, neurons and delta converters between the crossbars, and the loss behind the last one."""
        wiring.connect(m, wiring.flipped(self.x), crossbars[0].x)
        ends = [self._pool(m, crossbar) for crossbar in crossbars]
        for layer, (source, target) in enumerate(pairwise(self.geometries)):
            m.submodules[f"neuron_{layer}"] = neuron = Neuron(source=source, target=target)
            m.submodules[f"converter_{layer}"] = converter = DeltaConverter(source=source, target=target)
            z, d = ends[layer]
            wiring.connect(m, z, neuron.z)
            wiring.connect(m, neuron.x, crossbars[layer + 1].x)
            if target.source == "stochastic":
                m.d.comb += [neuron.words.eq(crossbars[layer + 1].words), crossbars[layer + 1].fire.eq(neuron.fire)]
            wiring.connect(m, crossbars[layer + 1].e, converter.e)
            wiring.connect(m, converter.d, d)
        z, d = ends[-1]
        wiring.connect(m, z, loss.z)
        wiring.connect(m, loss.d, d)
        wiring.connect(m, loss.result, wiring.flipped(self.result))

    def _pool(self, m: Module, crossbar: Crossbar) -> tuple[Any, Any]:
        """Where the outputs of a layer come from, and where its deltas go to: those of the cells of the next map."""
        geometry = crossbar.geometry
        if geometry.plain:
            return crossbar.z, crossbar.d
        m.submodules[f"pooling_{geometry.index}"] = pooling = Pooling(geometry=geometry, deltas=crossbar.deltas)
        wiring.connect(m, crossbar.z, pooling.z)
        wiring.connect(m, pooling.d, crossbar.d)
        return pooling.pooled_z, pooling.pooled_d

    def _carry_out(self, m: Module, crossbars: list[Crossbar], loss: LossUnit) -> None:
        """A command becomes one operation or two for every crossbar, or one for a single crossbar."""
        command = self.command.payload
        operations = [Queue(shape=crossbar.command.payload.shape(), depth=QUEUED) for crossbar in crossbars]
        m.submodules.samples = samples = Queue(shape=loss.sample.payload.shape(), depth=QUEUED)
        ready, idle = Signal(), Signal()
        selected = Signal(len(crossbars))  # crossbars that get `order`
        order = Signal(command_layout(self.geometries[0]))
        for index, (queue, crossbar) in enumerate(zip(operations, crossbars, strict=True)):
            m.submodules[f"operations_{index}"] = queue
            wiring.connect(m, queue.o, crossbar.command)
            m.d.comb += [queue.i.payload.eq(order), queue.i.valid.eq(selected[index])]
        wiring.connect(m, samples.o, loss.sample)
        m.d.comb += [
            ready.eq(Cat(queue.i.ready for queue in [*operations, samples]).all()),
            idle.eq(Cat(crossbar.idle for crossbar in crossbars).all()),
            order.boost.eq(command.boost),
            samples.i.payload.label.eq(command.label),
            samples.i.payload.train.eq(command.operation != NetworkOperation.INFER),
        ]

        everyone = (1 << len(crossbars)) - 1
        layer = Signal(index_bits(len(crossbars)))  # whose words are moved
        with m.FSM() as fsm:
            with m.State("command"):
                with m.If(self.command.valid & ready):
                    with m.Switch(command.operation):
                        with m.Case(NetworkOperation.INFER):
                            m.d.comb += [selected.eq(everyone), samples.i.valid.eq(1), self.command.ready.eq(1),
                                         order.operation.eq(Operation.FORWARD)]
                        with m.Case(NetworkOperation.TRAIN, NetworkOperation.ACCUMULATE):
                            m.d.comb += [selected.eq(everyone), samples.i.valid.eq(1),
                                         order.operation.eq(Operation.FORWARD)]
                            m.next = "update"
                        with m.Case(NetworkOperation.PROGRAM):
                            m.d.comb += [selected.eq(everyone), self.command.ready.eq(1),
                                         order.operation.eq(Operation.PROGRAM)]
                        with m.Default():
                            m.d.sync += layer.eq(command.layer)
                            with m.If(idle):
                                m.d.comb += selected.eq(1 << command.layer)
                                with m.Switch(command.operation):
                                    for moves, operation in MOVES.items():
                                        with m.Case(moves):
                                            m.d.comb += order.operation.eq(operation)
                                m.next = "words"
            with m.State("update"):
                m.d.comb += order.operation.eq(Operation.UPDATE)
                with m.If(command.operation == NetworkOperation.ACCUMULATE):
                    m.d.comb += order.operation.eq(Operation.ACCUMULATE)
                with m.If(ready):
                    m.d.comb += [selected.eq(everyone), self.command.ready.eq(1)]
                    m.next = "command"
            with m.State("words"):
                for index, crossbar in enumerate(crossbars):
                    with m.If(layer == index):
                        self._connect_words(m, crossbar)
                with m.If(idle & ~Cat(queue.o.valid for queue in operations).any()):
                    m.d.comb += self.command.ready.eq(1)
                    m.next = "command"
        m.d.comb += self.idle.eq(fsm.ongoing("command") & idle & ~self.command.valid)

    def _connect_words(self, m: Module, crossbar: Crossbar) -> None:
        m.d.comb += [
            crossbar.state_in.payload.eq(self.state_in.payload),
            crossbar.state_in.valid.eq(self.state_in.valid),
            self.state_in.ready.eq(crossbar.state_in.ready),
            self.state_out.payload.eq(crossbar.state_out.payload),
            self.state_out.valid.eq(crossbar.state_out.valid),
            crossbar.state_out.ready.eq(self.state_out.ready),
        ]
