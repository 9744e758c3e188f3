"""A network behind a serial line: what is put on a board."""

from typing import Any

from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...contract.geometry import CrossbarGeometry, Loss
from ...contract.link import SINKS, SLOTS, SOURCES
from ...contract.parameters import design_digest
from ..network import Network
from .link import Link
from .uart import UartReceiver, UartTransmitter


class LinkedNetwork(wiring.Component):
    """A `Network` whose streams the host reaches over the lines ``rx`` and ``tx``, by the protocol of docs/link.md.
    `boards.link` is the other end. A bit lasts ``divisor`` clock cycles.

    Cost: the network, a `Link`, two UARTs. Raises ``ValueError`` as `Link` and `UartReceiver` do.
    """

    #: From the host; high when nothing is sent.
    rx: In(1)
    #: To the host.
    tx: Out(1, init=1)
    #: Something is being done or sent: for an indicator.
    busy: Out(1)

    def __init__(self, *, geometries: tuple[CrossbarGeometry, ...], loss: Loss, divisor: int,
                 slots: int = SLOTS) -> None:
        super().__init__()
        self.divisor = divisor
        self.network = Network(geometries=geometries, loss=loss)
        sources, sinks = ({name: self.network.signature.members[name].signature.members["payload"].shape
                           for name in names} for names in (SOURCES, SINKS))
        self.link = Link(sources=sources, sinks=sinks, digest=design_digest(geometries, loss), slots=slots)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        network, link = self.network, self.link
        m.submodules.receiver = receiver = UartReceiver(divisor=self.divisor)
        m.submodules.transmitter = transmitter = UartTransmitter(divisor=self.divisor)
        m.submodules.link = link
        # A restart reaches most of the network, all over the chip: it comes from a register in its midst, a clock cycle
        # later. Until then the network's answers belong to the session before, and are kept from the link.
        restart = Signal()
        m.d.sync += restart.eq(link.restart)
        m.submodules.network = ResetInserter(restart)(network)
        wiring.connect(m, link.o, transmitter.i)
        for name in link.sources:
            if name != "command":
                wiring.connect(m, getattr(link, name), getattr(network, name))
        for name in link.sinks:
            answer, sink = getattr(network, name), getattr(link, name)
            m.d.comb += [
                sink.payload.eq(answer.payload),
                sink.valid.eq(answer.valid & ~restart),
                answer.ready.eq(sink.ready),
            ]

        # A network takes a command that moves words only when they have been moved. So the command waits here, where it
        # does not hold up the words behind it.
        waiting = Signal()
        command = Signal.like(link.command.payload)
        m.d.comb += [
            network.command.valid.eq(waiting),
            network.command.payload.eq(command),
            link.command.ready.eq(~waiting),
        ]
        with m.If(~waiting):
            m.d.sync += [command.eq(link.command.payload), waiting.eq(link.command.valid)]
        with m.Elif(network.command.ready):
            m.d.sync += waiting.eq(0)
        with m.If(link.restart):
            m.d.sync += waiting.eq(0)

        m.d.comb += [
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
            link.data.eq(receiver.data),
            link.valid.eq(receiver.valid),
            link.done.eq(network.idle & ~waiting & ~restart),
            self.busy.eq(~link.done | ~transmitter.i.ready | transmitter.i.valid),
        ]
        return m
