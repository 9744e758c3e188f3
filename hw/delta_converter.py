"""From the row sums of a backward pass to the error of the crossbar before; the last formula of
docs/arithmetic.md 7.1."""

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..contract.geometry import CrossbarGeometry
from .basics.fixed import round_shift, saturate
from .crossbar.layouts import delta_layout, row_sum_layout


def converter_latency(target: CrossbarGeometry) -> int:
    """Clock cycles from a row sum of ``target`` to the delta of the column that drives the row."""
    return 1 if target.derivative_bits == 1 else 2


class DeltaConverter(wiring.Component):
    """``delta = saturate(round_shift(e * derivative, error_shift), delta_bits of source)``, rows of ``target``
    being columns of ``source``.

    One beat in, one beat out, ``last`` passed on. Latency ``latency`` cycles, throughput one beat a cycle.
    Cost: a multiplier of ``target.error_bits`` by ``target.derivative_bits`` bits, with a register behind it (a gate
    for one bit), a rounding adder, a register of the width of a beat.

    Parameters
    ----------
    source : the crossbar whose columns drive the neurons.
    target : the crossbar whose rows the neurons drive.

    Raises ``ValueError`` if no neuron lies between them.

    Members
    -------
    e : In stream of ``row_sum_layout(target)``.
    d : Out stream of ``delta_layout(source)``.
    """

    def __init__(self, *, source: CrossbarGeometry, target: CrossbarGeometry) -> None:
        if target.source is None:
            raise ValueError(f"layers[{target.index}] is driven by data: it passes no error back")
        self._source = source
        self._target = target
        #: Clock cycles from the transfer of a beat to the one in which its result is offered.
        self.latency = converter_latency(target)
        super().__init__({"e": In(stream.Signature(row_sum_layout(target))),
                          "d": Out(stream.Signature(delta_layout(source)))})

    def elaborate(self, platform) -> Module:
        m = Module()
        e, d = self.e.p, self.d.p
        product = Signal(signed(self._target.error_bits + self._target.derivative_bits))
        col, last, valid = Signal.like(d.col), Signal(), Signal()
        shifted = saturate(round_shift(product, self._target.error_shift), self._source.delta_bits)
        proceed = Signal()
        m.d.comb += [proceed.eq(self.d.ready | ~self.d.valid), self.e.ready.eq(proceed)]
        gated = [product.eq(e.e * e.derivative), col.eq(e.row), last.eq(e.last), valid.eq(self.e.valid)]
        if self.latency == 1:
            m.d.comb += gated
        with m.If(proceed):
            if self.latency > 1:
                m.d.sync += gated
            m.d.sync += [d.delta[0].eq(shifted), d.col.eq(col), d.last.eq(last), self.d.valid.eq(valid)]
        return m
