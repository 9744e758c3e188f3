"""A network that trains itself on the samples in its memory."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...contract.geometry import CrossbarGeometry, Loss
from ..network import Network
from .access import MemoryAccess
from .feeder import Feeder, feed_layout, report_layout
from .memory import MemoryInterface


class StoredNetwork(wiring.Component):
    """A `Network` with a `Feeder` and a `MemoryAccess`: it has the streams of all three. There are up to ``most``
    samples in a stored set, and up to 2**``address_bits`` words in the ``memory``.

    It takes a ``feed`` when every ``command`` and every ``access`` before it has been carried out, and takes no other
    of them until the feed has been reported. Between feeds it is driven as a network is; whoever does so takes all
    results before the next feed.
    """

    def __init__(self, *, geometries: tuple[CrossbarGeometry, ...], loss: Loss, address_bits: int, most: int) -> None:
        self.network = Network(geometries=geometries, loss=loss)
        self.feeder = Feeder(geometries=geometries, address_bits=address_bits, most=most)
        self.host = MemoryAccess(address_bits=address_bits)
        access = self.host.signature.members
        super().__init__(dict(self.network.signature.members) | {
            "feed": In(stream.Signature(feed_layout(geometries, address_bits, most))),
            "report": Out(stream.Signature(report_layout(most))),
            **{name: access[name] for name in ("access", "words", "digest")},
            "memory": Out(MemoryInterface(address_bits)),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.network, m.submodules.feeder, m.submodules.host = network, feeder, host = (
            self.network, self.feeder, self.host)
        for name in ("state_in", "state_out"):
            self._connect(m, name, network)
        for name in ("words", "digest"):
            self._connect(m, name, host)
        self._connect(m, "report", feeder)
        m.d.comb += [
            feeder.network_idle.eq(network.idle),
            self.idle.eq(network.idle & feeder.idle & host.idle & ~self.feed.valid & ~self.access.valid),
        ]
        with m.If(network.idle & ~self.command.valid & host.idle & ~self.access.valid):
            self._connect(m, "feed", feeder)
        with m.If(feeder.idle):
            self._connect(m, "access", host)
            for name in ("command", "x", "result"):
                self._connect(m, name, network)
        with m.Else():
            for name in ("command", "x", "result"):
                wiring.connect(m, getattr(feeder, name), getattr(network, name))
        with m.If(host.idle):
            self._connect(m, "memory", feeder)
        with m.Else():
            self._connect(m, "memory", host)
        return m

    def _connect(self, m: Module, name: str, part: wiring.Component) -> None:
        """Connects the port ``name`` of this with that of a part."""
        wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(part, name))
