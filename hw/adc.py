"""The analog-to-digital converters of a crossbar, shared by its columns."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..contract.geometry import CrossbarGeometry
from .fixed import round_shift, saturate
from .signatures import conversion_layout


class Adc(wiring.Component):
    """``z = saturate(round_shift(sum, adc_shift), z_bits)`` for the column sums of one fold.

    ``sums`` are taken with ``load``, which may be asserted only while ``ready``, and converted ``adcs`` columns
    a clock, in ascending order. ``last`` marks the last group of a fold loaded with ``last``.

    Latency: the first group is valid 2 clocks after ``load``; ``lanes / adcs`` clocks a fold.

    Cost: a shift register of ``lanes`` sums; ``adcs`` rounding adders.
    """

    def __init__(self, *, geometry: CrossbarGeometry):
        self.geometry = geometry
        super().__init__({
            "ready": Out(1),
            "load": In(1),
            "last": In(1),
            "sums": In(data.ArrayLayout(signed(geometry.sum_bits), geometry.lanes)),
            "z": Out(stream.Signature(conversion_layout(geometry))),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        geometry = self.geometry
        adcs, groups = geometry.adcs, geometry.lanes // geometry.adcs
        columns = [Signal(signed(geometry.sum_bits), name=f"column_{lane}") for lane in range(geometry.lanes)]
        last = Signal()
        left = Signal(range(groups + 1))
        shift = Signal()
        m.d.comb += [
            self.ready.eq(left == 0),
            shift.eq((left != 0) & (~self.z.valid | self.z.ready)),
        ]
        with m.If(self.z.ready):
            m.d.sync += self.z.valid.eq(0)
        with m.If(shift):
            m.d.sync += [
                left.eq(left - 1),
                self.z.valid.eq(1),
                self.z.payload.last.eq(last & (left == 1)),
            ]
            for place in range(adcs):
                shifted = round_shift(columns[place], geometry.adc_shift)
                m.d.sync += self.z.payload.z[place].eq(saturate(shifted, geometry.z_bits))
        with m.If(self.load):
            m.d.sync += [left.eq(groups), last.eq(self.last)]
        for lane, column in enumerate(columns):
            following = columns[lane + adcs] if lane + adcs < geometry.lanes else column
            with m.If(self.load | shift):
                m.d.sync += column.eq(Mux(self.load, self.sums[lane], following))
        return m
