"""A network behind two pins, through shift registers: what a bitstream holds as long as there is no link."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import Experiment
from ..hw.network import Network


class ShiftedNetwork(wiring.Component):
    """Every input of the network is a bit of what came in at ``rx``, every output is shifted out at ``tx``."""

    rx: In(1)
    tx: Out(1)

    def __init__(self, experiment: Experiment):
        super().__init__()
        self.network = Network(geometries=experiment.crossbars, loss=experiment.loss)

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.network = network = self.network
        inputs = Cat(*(part for name in ("command", "x", "state_in")
                       for part in (getattr(network, name).payload, getattr(network, name).valid)),
                     network.result.ready, network.state_out.ready)
        outputs = Cat(*(part for name in ("result", "state_out")
                        for part in (getattr(network, name).payload, getattr(network, name).valid)),
                      network.command.ready, network.x.ready, network.state_in.ready, network.idle)
        shifted_in, shifted_out = Signal(len(inputs)), Signal(len(outputs))
        left = Signal(range(len(outputs)))
        m.d.comb += [inputs.eq(shifted_in), self.tx.eq(shifted_out[0])]
        m.d.sync += [shifted_in.eq(Cat(self.rx, shifted_in)), shifted_out.eq(shifted_out >> 1), left.eq(left - 1)]
        with m.If(left == 0):
            m.d.sync += [shifted_out.eq(outputs), left.eq(len(outputs) - 1)]
        return m
