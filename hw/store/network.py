"""A network that trains itself on the samples in its memory."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...contract.geometry import CrossbarGeometry, Loss
from ..basics.ports import forward
from ..network import Network
from .access import MemoryAccess
from .feeder import Feeder, feed_layout, report_layout, stop_ports
from .memory import MemoryInterface


class StoredNetwork(wiring.Component):
    """A `Network` with a `Feeder` and a `MemoryAccess`: it has the streams of all three. There are up to ``most``
    samples in a stored set, and up to 2**``address_bits`` words in the ``memory``.

    It takes a ``feed`` when every ``command`` and every ``access`` before it has been carried out, and takes no other
    of them until the feed has been reported. Between feeds it is driven as a network is; whoever does so takes all
    results before the next feed. If feeds are ``stoppable``, it has the ports for that too (`Feeder`).
    """

    def __init__(self, *, geometries: tuple[CrossbarGeometry, ...], loss: Loss, address_bits: int, most: int,
                 stoppable: bool = False) -> None:
        self.network = Network(geometries=geometries, loss=loss)
        self.feeder = Feeder(geometries=geometries, address_bits=address_bits, most=most, stoppable=stoppable)
        self.host = MemoryAccess(address_bits=address_bits)
        access = self.host.signature.members
        super().__init__(dict(self.network.signature.members) | {
            "feed": In(stream.Signature(feed_layout(geometries, address_bits, most))),
            "report": Out(stream.Signature(report_layout(most, stoppable=stoppable))),
            **{name: access[name] for name in ("access", "words", "digest")},
            "memory": Out(MemoryInterface(address_bits)),
            **(stop_ports() if stoppable else {}),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.network, m.submodules.feeder, m.submodules.host = network, feeder, host = (
            self.network, self.feeder, self.host)
        for name in ("state_in", "state_out"):
            forward(m, self, name, network)
        for name in ("words", "digest"):
            forward(m, self, name, host)
        forward(m, self, "report", feeder)
        if feeder.stoppable:
            m.d.comb += feeder.stop.eq(self.stop)
            forward(m, self, "drop", feeder)
        m.d.comb += [
            feeder.network_idle.eq(network.idle),
            self.idle.eq(network.idle & feeder.idle & host.idle & ~self.feed.valid & ~self.access.valid),
        ]
        with m.If(network.idle & ~self.command.valid & host.idle & ~self.access.valid):
            forward(m, self, "feed", feeder)
        with m.If(feeder.idle):
            forward(m, self, "access", host)
            for name in ("command", "x", "result"):
                forward(m, self, name, network)
        with m.Else():
            for name in ("command", "x", "result"):
                wiring.connect(m, getattr(feeder, name), getattr(network, name))
        with m.If(host.idle):
            forward(m, self, "memory", feeder)
        with m.Else():
            forward(m, self, "memory", host)
        return m


class NetworkWithMemory(wiring.Component):
    """A `StoredNetwork` and its ``memory``: a component with a `MemoryInterface` at its ``port``.

    Its ports are those of the two, but for those that they share.
    """

    def __init__(self, *, geometries: tuple[CrossbarGeometry, ...], loss: Loss, memory: wiring.Component,
                 most: int) -> None:
        self.memory = memory
        self.network = StoredNetwork(geometries=geometries, loss=loss, most=most,
                                     address_bits=memory.signature.members["port"].signature.address_bits)
        self._owners = {name: part for part, shared in ((self.network, "memory"), (memory, "port"))
                        for name in part.signature.members if name != shared}
        super().__init__({name: part.signature.members[name] for name, part in self._owners.items()})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.network, m.submodules.memory = self.network, self.memory
        wiring.connect(m, self.network.memory, self.memory.port)
        for name, part in self._owners.items():
            forward(m, self, name, part)
        return m
