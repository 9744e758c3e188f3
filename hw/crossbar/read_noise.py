"""The noise of reading a column."""

from typing import Any

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...contract import lfsr as sequence
from ...contract.device import SIGMA_BITS
from ...contract.geometry import CrossbarGeometry
from ...contract.tables import NORMAL_BITS, NORMAL_INDEX_BITS
from ..basics.fixed import round_shift
from .lfsr import Lfsr
from .noise import NOISE_SHIFT, normal_table, quantile
from .parameters import parameter_layout, register


class ReadNoise(wiring.Component):
    """``N`` of docs/arithmetic.md 4.2 for ``adcs`` columns at once; columns draw in ascending order.

    ``noise`` comes ``latency`` clock cycles after its ``draw``; only those with ``enable`` count, and a ``draw`` needs
    it. Throughput: a draw a clock cycle.

    Cost: the normal quantile table with ``adcs`` read ports, and as many multipliers of 10 by 10 bits.
    """

    latency = 2
    """Clock cycles from ``draw`` to ``noise``."""

    def __init__(self, *, geometry: CrossbarGeometry) -> None:
        self.geometry = geometry
        self._shift = geometry.adc_shift - NOISE_SHIFT
        super().__init__({
            #: This clock cycle counts; everything is held in others.
            "enable": In(1),
            #: Draws a word for each of the columns.
            "draw": In(1),
            #: Their noise.
            "noise": Out(data.ArrayLayout(signed(SIGMA_BITS + NORMAL_BITS + max(1, self._shift)), geometry.adcs)),
            #: Replacements of run-time parameters.
            "parameters": In(parameter_layout(geometry)),
            #: State of the LFSR, and its replacement.
            "lfsr": Out(sequence.WIDTH),
            "lfsr_load": In(1),
            "lfsr_state": In(sequence.WIDTH),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.lfsr = lfsr = Lfsr(draws=self.geometry.adcs)
        m.submodules.normal = normal = normal_table()
        scale = register(m, self.parameters, self.geometry, "read_noise")
        m.d.comb += [
            lfsr.step.eq(self.draw),
            lfsr.load.eq(self.lfsr_load),
            lfsr.load_state.eq(self.lfsr_state),
            self.lfsr.eq(lfsr.state),
        ]
        shift = self._shift
        for place in range(self.geometry.adcs):
            word = lfsr.word.word_select(place, sequence.LEAP)
            drawn = quantile(m, normal.read_port(), word[:NORMAL_INDEX_BITS], self.enable)
            product = Signal(signed(SIGMA_BITS + NORMAL_BITS), name=f"product_{place}")
            m.d.comb += [
                self.noise[place].eq(product << shift if shift >= 0 else round_shift(product, -shift)),
            ]
            with m.If(self.enable):
                m.d.sync += product.eq(scale * drawn)
        return m
