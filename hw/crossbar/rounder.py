"""Stochastic rounding of residuals in the lanes: whether a cell switches is decided where its residual passes by."""

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...contract import lfsr as sequence
from ...contract.device import CURVE_REST_BITS, PROBABILITY_BITS
from ...contract.geometry import CrossbarGeometry
from ..basics.delay import delay
from .lfsr_bank import LfsrBank
from .parameters import parameter_layout, table
from .timing import ROUNDING


class StochasticRounder(wiring.Component):
    """``rounded(v)`` of docs/arithmetic.md 4.2 for the residuals of a word: one of the two multiples of the threshold
    next to ``chi``, as a random word decides.

    A word that is to be rounded comes with ``visit``, and draws; without, ``rounded`` is undefined. The words of one
    sequence go to the lanes in ascending order, so visits in row-major order draw in row-major order.

    Latency: ``ROUNDING`` clock cycles. Throughput: a word a clock cycle. Cost, for each lane: a table of the switching
    curve in distributed memory, a multiplier of 17 by 12 bits, an adder, a comparator, and its part of the
    ``LfsrBank``.
    """

    def __init__(self, *, geometry: CrossbarGeometry) -> None:
        self.geometry = geometry
        super().__init__({
            #: `chi` is to be rounded.
            "visit": In(1),
            #: The residuals of a word.
            "chi": In(data.ArrayLayout(signed(geometry.chi_bits), geometry.lanes)),
            #: What they are rounded to, `ROUNDING` clock cycles later.
            "rounded": Out(data.ArrayLayout(signed(geometry.chi_bits), geometry.lanes)),
            #: Replacements of the curve.
            "parameters": In(parameter_layout(geometry)),
            #: State of the LFSR, and its replacement. While `filling` follows, there may be no `visit`.
            "lfsr": Out(sequence.WIDTH),
            "lfsr_load": In(1),
            "lfsr_state": In(sequence.WIDTH),
            "filling": Out(1),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        geometry = self.geometry
        switching = geometry.device.curve
        assert switching is not None  # rounding is stochastic
        m.submodules.bank = bank = LfsrBank(lanes=geometry.lanes)
        m.d.comb += [
            bank.load.eq(self.lfsr_load),
            bank.load_state.eq(self.lfsr_state),
            bank.step.eq(delay(m, self.visit, ROUNDING - 1)),
            self.lfsr.eq(bank.state),
            self.filling.eq(bank.filling),
        ]
        shift, limit = geometry.threshold_shift, (1 << geometry.chi_bits - 1 - geometry.threshold_shift) - 1
        curve = data.StructLayout({"base": unsigned(PROBABILITY_BITS + 1), "slope": unsigned(PROBABILITY_BITS + 1)})
        for lane in range(geometry.lanes):
            m.submodules[f"curve_{lane}"] = memory = table(m, self.parameters, geometry, "curve", curve,
                                                           ram_style="distributed")
            read = memory.read_port()

            # Clock cycle 0: the magnitude. 1: its whole multiples and the fraction; the segment is looked up.
            magnitude = Signal(geometry.chi_bits, name=f"magnitude_{lane}")
            m.d.sync += magnitude.eq(Mux(self.chi[lane] < 0, -self.chi[lane], self.chi[lane]))
            negative = delay(m, self.chi[lane] < 0, ROUNDING - 2)
            whole = delay(m, magnitude[shift:], ROUNDING - 3)
            zero = delay(m, ~magnitude.any(), ROUNDING - 3)  # nothing is asked for
            fraction = magnitude[:shift] if shift else Const(0, 1)
            place = Signal(switching.bits + CURVE_REST_BITS, name=f"place_{lane}")
            m.d.comb += [place.eq(fraction << len(place) >> shift), read.addr.eq(place[CURVE_REST_BITS:])]

            # 2: interpolation. 3: the probability, and the two multiples. 4: the choice.
            base = Signal(PROBABILITY_BITS + 1, name=f"base_{lane}")
            rise = Signal(PROBABILITY_BITS + 1 + CURVE_REST_BITS, name=f"rise_{lane}")
            probability = Signal(PROBABILITY_BITS + 1, name=f"probability_{lane}")
            multiples = [Signal(signed(geometry.chi_bits - shift), name=f"{name}_{lane}") for name in ("near", "far")]
            chosen = Signal(signed(geometry.chi_bits - shift), name=f"chosen_{lane}")
            m.d.sync += [
                base.eq(read.data.base),
                rise.eq(read.data.slope * delay(m, place[:CURVE_REST_BITS], 1)),
                probability.eq(base + (rise >> CURVE_REST_BITS)),
                chosen.eq(Mux(bank.words[lane] < probability, multiples[1], multiples[0])),
            ]
            for more, multiple in enumerate(multiples):
                count = Signal(range(limit + 1), name=f"count_{more}_{lane}")
                m.d.comb += count.eq(Mux(zero, 0, Mux(whole + more > limit, limit, whole + more)))
                m.d.sync += multiple.eq(Mux(negative, -count, count))
            m.d.comb += self.rounded[lane].eq(chosen << shift)
        return m
