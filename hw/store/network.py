"""A network that trains itself on the samples in its memory."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...contract.geometry import CrossbarGeometry, Loss
from ..network import Network
from .feeder import Feeder, feed_layout, report_layout
from .memory import MemoryInterface


class StoredNetwork(wiring.Component):
    """A `Network` with a `Feeder`: it has the streams of both. There are up to ``most`` samples in a stored set, and
    2**``address_bits`` words in the ``memory``.

    It carries out a ``feed`` when every ``command`` before it has been carried out, and takes no ``command`` until the
    feed has been reported. Between feeds it is driven as a network is; whoever does so takes all results before the
    next feed.
    """

    def __init__(self, *, geometries: tuple[CrossbarGeometry, ...], loss: Loss, address_bits: int, most: int) -> None:
        self.network = Network(geometries=geometries, loss=loss)
        self.feeder = Feeder(geometries=geometries, address_bits=address_bits, most=most)
        super().__init__(dict(self.network.signature.members) | {
            "feed": In(stream.Signature(feed_layout(geometries, address_bits, most))),
            "report": Out(stream.Signature(report_layout(most))),
            "memory": Out(MemoryInterface(address_bits)),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.network, m.submodules.feeder = network, feeder = self.network, self.feeder
        wiring.connect(m, feeder.memory, wiring.flipped(self.memory))
        wiring.connect(m, feeder.report, wiring.flipped(self.report))
        wiring.connect(m, wiring.flipped(self.state_in), network.state_in)
        wiring.connect(m, network.state_out, wiring.flipped(self.state_out))
        ready = network.idle & ~self.command.valid
        m.d.comb += [
            feeder.feed.payload.eq(self.feed.payload),
            feeder.feed.valid.eq(self.feed.valid & ready),
            self.feed.ready.eq(feeder.feed.ready & ready),
            feeder.network_idle.eq(network.idle),
            self.idle.eq(network.idle & feeder.idle & ~self.feed.valid),
        ]
        for name in ("command", "x"):
            outer, fed, inner = getattr(self, name), getattr(feeder, name), getattr(network, name)
            with m.If(feeder.idle):
                m.d.comb += [inner.payload.eq(outer.payload), inner.valid.eq(outer.valid), outer.ready.eq(inner.ready)]
            with m.Else():
                m.d.comb += [inner.payload.eq(fed.payload), inner.valid.eq(fed.valid), fed.ready.eq(inner.ready)]
        m.d.comb += self.result.payload.eq(network.result.payload)
        with m.If(feeder.idle):
            m.d.comb += [self.result.valid.eq(network.result.valid), network.result.ready.eq(self.result.ready)]
        with m.Else():
            m.d.comb += [feeder.result.payload.eq(network.result.payload),
                         feeder.result.valid.eq(network.result.valid), network.result.ready.eq(feeder.result.ready)]
        return m
