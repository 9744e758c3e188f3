"""A network that trains by itself: crossbars in a row, neurons between them, the loss at the end."""

from itertools import pairwise

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..contract.geometry import CrossbarGeometry, Loss
from ..contract.widths import index_bits
from .basics.queue import Queue
from .crossbar.crossbar import Crossbar
from .crossbar.layouts import command_layout, drive_layout, state_bits
from .crossbar.operations import Operation
from .delta_converter import DeltaConverter
from .layouts import network_command_layout, result_layout, sample_layout
from .loss import LossUnit
from .neuron import Neuron
from .operations import NetworkOperation

QUEUED = 2
"""Operations that wait in front of a crossbar, and samples that wait in front of the loss."""


class Network(wiring.Component):
    """Carries out ``command`` after ``command`` (see ``NetworkOperation``) with no host in the loop.

    For each sample, a command and the beats of its drive on ``x``, which may come at any time and in any order
    relative to the command; ``result`` answers once a sample, in order. A sample trains all layers: forward through
    the crossbars, error at the output, and back through them, each updating while it passes the error on.
    `model.network.Network` is the golden twin and agrees in every bit.

    Crossbars run on their own, linked by streams: one starts on the next sample as soon as it is done with the last. A
    training sample takes about ``2 * sum over layers of active rows * folds`` clocks (section 5 of docs/rtl.md).

    ``state_in`` and ``state_out`` carry the words of ``APPLY``, ``WRITE``, ``LOAD``, ``DUMP`` and ``CONFIGURE``, one
    operation at a time, each as wide as the widest layer needs.
    """

    def __init__(self, *, geometries: tuple[CrossbarGeometry, ...], loss: Loss) -> None:
        self.geometries = geometries
        self.loss = loss
        last = geometries[-1]
        state = stream.Signature(unsigned(max(map(state_bits, geometries))))
        super().__init__({
            "command": In(stream.Signature(network_command_layout(geometries))),
            "x": In(stream.Signature(drive_layout(geometries[0]))),
            "result": Out(stream.Signature(result_layout(last.cols))),
            "state_in": In(state),
            "state_out": Out(state),
            #: Every command taken has been carried out and its effects have reached the arrays.
            "idle": Out(1),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        last = self.geometries[-1]
        crossbars = [Crossbar(geometry=geometry, backward=geometry.source is not None,
                              deltas=last.adcs if geometry is last else 1) for geometry in self.geometries]
        neurons = [Neuron(source=source, target=target) for source, target in pairwise(self.geometries)]
        errors = [DeltaConverter(source=source, target=target) for source, target in pairwise(self.geometries)]
        loss = LossUnit(geometry=last, loss=self.loss)

        for layer, crossbar in enumerate(crossbars):
            m.submodules[f"crossbar_{layer}"] = crossbar
        m.submodules.loss = loss
        wiring.connect(m, wiring.flipped(self.x), crossbars[0].x)
        for layer, (neuron, error) in enumerate(zip(neurons, errors, strict=True)):
            m.submodules[f"neuron_{layer}"], m.submodules[f"error_{layer}"] = neuron, error
            wiring.connect(m, crossbars[layer].z, neuron.z)
            wiring.connect(m, neuron.x, crossbars[layer + 1].x)
            wiring.connect(m, crossbars[layer + 1].e, error.e)
            wiring.connect(m, error.d, crossbars[layer].d)
        wiring.connect(m, crossbars[-1].z, loss.z)
        wiring.connect(m, loss.d, crossbars[-1].d)
        wiring.connect(m, loss.result, wiring.flipped(self.result))

        # A command becomes one operation for every crossbar, or two; or one for a single crossbar.
        command = self.command.payload
        operations = [Queue(shape=crossbar.command.payload.shape(), depth=QUEUED) for crossbar in crossbars]
        m.submodules.samples = samples = Queue(shape=sample_layout(last.cols), depth=QUEUED)
        wiring.connect(m, samples.o, loss.sample)
        ready, idle = Signal(), Signal()
        selected = Signal(len(crossbars))
        order = Signal(command_layout(self.geometries[0]))
        m.d.comb += [
            ready.eq(Cat(queue.i.ready for queue in [*operations, samples]).all()),
            idle.eq(Cat(crossbar.idle for crossbar in crossbars).all()),
            order.boost.eq(command.boost),
        ]
        for layer, (queue, crossbar) in enumerate(zip(operations, crossbars, strict=True)):
            m.submodules[f"operations_{layer}"] = queue
            wiring.connect(m, queue.o, crossbar.command)
            m.d.comb += [queue.i.payload.eq(order), queue.i.valid.eq(selected[layer])]
        m.d.comb += [
            samples.i.payload.label.eq(command.label),
            samples.i.payload.train.eq(command.operation != NetworkOperation.INFER),
        ]

        everyone = (1 << len(crossbars)) - 1
        layer = Signal(index_bits(len(crossbars)))  # whose state is moved
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
                                    for name in ("APPLY", "WRITE", "LOAD", "DUMP", "CONFIGURE"):
                                        with m.Case(NetworkOperation[name]):
                                            m.d.comb += order.operation.eq(Operation[name])
                                m.next = "state"
            with m.State("update"):
                m.d.comb += order.operation.eq(Operation.UPDATE)
                with m.If(command.operation == NetworkOperation.ACCUMULATE):
                    m.d.comb += order.operation.eq(Operation.ACCUMULATE)
                with m.If(ready):
                    m.d.comb += [selected.eq(everyone), self.command.ready.eq(1)]
                    m.next = "command"
            with m.State("state"):
                for index, crossbar in enumerate(crossbars):
                    with m.If(layer == index):
                        m.d.comb += [
                            crossbar.state_in.payload.eq(self.state_in.payload),
                            crossbar.state_in.valid.eq(self.state_in.valid),
                            self.state_in.ready.eq(crossbar.state_in.ready),
                            self.state_out.payload.eq(crossbar.state_out.payload),
                            self.state_out.valid.eq(crossbar.state_out.valid),
                            crossbar.state_out.ready.eq(self.state_out.ready),
                        ]
                with m.If(idle & ~Cat(queue.o.valid for queue in operations).any()):
                    m.d.comb += self.command.ready.eq(1)
                    m.next = "command"
        m.d.comb += self.idle.eq(fsm.ongoing("command") & idle & ~self.command.valid)
        return m
