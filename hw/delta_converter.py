"""From the row sums of a backward pass to the deltas of the crossbar before: the last formula of docs/arithmetic.md
7.1."""

from typing import Any

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..contract.geometry import CrossbarGeometry
from .basics.fixed import round_shift, saturate
from .crossbar.layouts import delta_layout, row_sum_layout


def converter_latency(target: CrossbarGeometry) -> int:
    """Clock cycles from an error of ``target`` to the delta of the cell that it belongs to."""
    return 1 if target.derivative_bits == 1 else 2


class DeltaConverter(wiring.Component):
    """``delta = saturate(round_shift(e * derivative, error_shift), delta_bits)`` of each cell of the map that
    drives ``target``: of a column of ``source``, or of a cell of its pooled map.

    Each beat becomes one beat, and ``last`` is passed on. Latency: ``latency`` clock cycles. Throughput: a beat a clock
    cycle.

    Cost: a multiplier of ``target.error_bits`` by ``target.derivative_bits`` bits with a register behind it, or a gate
    for derivatives of one bit; a rounding adder; a register of the width of a beat. Raises ``ValueError`` if data
    drives ``target``: then there is no neuron in between.
    """

    def __init__(self, *, source: CrossbarGeometry, target: CrossbarGeometry) -> None:
        if target.source is None:
            raise ValueError(f"layers[{target.index}] is driven by data: it passes no error back")
        self._source = source
        self._target = target
        super().__init__({
            #: Errors of the cells of ``target``'s map.
            "e": In(stream.Signature(row_sum_layout(target))),
            #: Deltas of ``source``'s cells.
            "d": Out(stream.Signature(delta_layout(source))),
        })

    @property
    def latency(self) -> int:
        """Clock cycles from the transfer of an error to the one in which its delta is offered."""
        return converter_latency(self._target)

    def elaborate(self, platform: Any) -> Module:
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
