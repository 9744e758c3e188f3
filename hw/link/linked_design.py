"""A design behind a serial line: what is put on a board."""

from collections.abc import Callable
from typing import Any

from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...config import Experiment, Store
from ...contract.errors import ConfigError
from ...contract.geometry import CrossbarGeometry, Loss
from ...contract.link import BANK, NETWORK, SLOTS, STORED, Streams
from ...contract.parameters import design_digest
from ...design import BankDesign, Design
from ..bank import Bank
from ..basics.ports import forward
from ..network import Network
from ..store.network import NetworkWithMemory
from .link import Link
from .uart import UartReceiver, UartTransmitter


class LinkedDesign(wiring.Component):
    """A ``design`` whose ``streams`` the host reaches over the lines ``rx`` and ``tx``, by the protocol of
    docs/link.md. `boards.link` is the other end. A bit lasts ``divisor`` clock cycles.

    The first of its streams are commands. The design may take the words that belong to a command before it takes the
    command. It has a port ``idle``. Ports that are none of these are ports here too, such as the pins of a memory.
    Answers to a HELLO carry ``digest``.

    Cost: the design, a `Link`, two UARTs. Raises ``ValueError`` as `Link` and `UartReceiver` do.
    """

    def __init__(self, design: wiring.Component, streams: Streams, *, digest: int, divisor: int,
                 slots: int = SLOTS) -> None:
        members = design.signature.members
        self._others = [name for name in members if name not in (*streams.sources, *streams.sinks, "idle")]
        super().__init__({
            #: From the host; high when nothing is sent.
            "rx": In(1),
            #: To the host.
            "tx": Out(1, init=1),
            #: Something is being done or sent: for an indicator.
            "busy": Out(1),
            **{name: members[name] for name in self._others},
        })
        self.divisor = divisor
        self.design = design
        sources, sinks = ({name: members[name].signature.members["payload"].shape for name in names}
                          for names in streams)
        self.link = Link(sources=sources, sinks=sinks, digest=digest, slots=slots)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        design, link = self.design, self.link
        m.submodules.receiver = receiver = UartReceiver(divisor=self.divisor)
        m.submodules.transmitter = transmitter = UartTransmitter(divisor=self.divisor)
        m.submodules.link = link
        # A restart reaches most of the design, all over the chip: it comes from a register in its midst, a clock cycle
        # later. Until then the design's answers belong to the session before, and are kept from the link.
        restart = Signal()
        m.d.sync += restart.eq(link.restart)
        m.submodules.design = ResetInserter(restart)(design)
        wiring.connect(m, link.o, transmitter.i)
        for name in link.sources:
            if name != "command":
                wiring.connect(m, getattr(link, name), getattr(design, name))
        for name in link.sinks:
            answer, sink = getattr(design, name), getattr(link, name)
            m.d.comb += [
                sink.payload.eq(answer.payload),
                sink.valid.eq(answer.valid & ~restart),
                answer.ready.eq(sink.ready),
            ]
        for name in self._others:
            forward(m, self, name, design)

        # A network takes a command that moves words only when they have been moved. So a command waits here, where it
        # does not hold up the words behind it.
        waiting = Signal()
        command = Signal.like(link.command.payload)
        m.d.comb += [
            design.command.valid.eq(waiting),
            design.command.payload.eq(command),
            link.command.ready.eq(~waiting),
        ]
        with m.If(~waiting):
            m.d.sync += [command.eq(link.command.payload), waiting.eq(link.command.valid)]
        with m.Elif(design.command.ready):
            m.d.sync += waiting.eq(0)
        with m.If(link.restart):
            m.d.sync += waiting.eq(0)

        m.d.comb += [
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
            link.data.eq(receiver.data),
            link.valid.eq(receiver.valid),
            link.done.eq(design.idle & ~waiting & ~restart),
            self.busy.eq(~link.done | ~transmitter.i.ready | transmitter.i.valid),
        ]
        return m


def linked_network(geometries: tuple[CrossbarGeometry, ...], loss: Loss, *, divisor: int,
                   slots: int = SLOTS) -> LinkedDesign:
    """A `Network` behind a serial line."""
    return LinkedDesign(Network(geometries=geometries, loss=loss), NETWORK, digest=design_digest(geometries, loss),
                        divisor=divisor, slots=slots)


def linked_store(experiment: Experiment, memory: wiring.Component, *, divisor: int,
                 slots: int = SLOTS) -> LinkedDesign:
    """A network with its samples in ``memory`` (`NetworkWithMemory`) behind a serial line. ``ConfigError`` unless the
    memory has the words that ``experiment`` says."""
    store, bits = experiment.require_store(), memory.signature.members["port"].signature.address_bits
    if bits != store.sizes[0]:
        raise ConfigError(f"store.words={store.words}: there is a memory of {1 << bits} words")
    design = NetworkWithMemory(geometries=experiment.crossbars, loss=experiment.loss, memory=memory, most=store.samples)
    return LinkedDesign(design, STORED, digest=experiment.design_digest, divisor=divisor, slots=slots)


def linked_bank(geometries: tuple[CrossbarGeometry, ...], *, divisor: int, slots: int = SLOTS) -> LinkedDesign:
    """A `Bank` behind a serial line."""
    return LinkedDesign(Bank(geometries=geometries), BANK, digest=design_digest(geometries), divisor=divisor,
                        slots=slots)


def linked(design: Design, *, divisor: int, memory: Callable[[Store], wiring.Component],
           slots: int = SLOTS) -> LinkedDesign:
    """A network or a bank behind a serial line. ``memory`` makes that for the samples of a network, if it has one."""
    if isinstance(design, BankDesign):
        return linked_bank(design.crossbars, divisor=divisor, slots=slots)
    if design.store is not None:
        return linked_store(design, memory(design.store), divisor=divisor, slots=slots)
    return linked_network(design.crossbars, design.loss, divisor=divisor, slots=slots)
