"""Converters that are not ideal."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory, ReadPort
from amaranth.lib.wiring import In, Out

from ...contract.converters import GAIN_FRAC, MISMATCH_BITS, NONLINEARITY_BITS, OFFSET_FRAC, fine_bits, mismatch
from ...contract.geometry import CrossbarGeometry
from ...contract.widths import index_bits
from ..basics.fixed import round_shift, saturate
from .parameters import parameter_layout, parameter_span, table


def distortion_latency(geometry: CrossbarGeometry) -> int:
    """Clock cycles that converters take longer than ideal ones."""
    if not geometry.distorted:
        return 0
    return 1 + 2 * geometry.mismatched + bool(geometry.nonlinearity)


class Distortion(wiring.Component):
    """The outputs ``z`` of docs/arithmetic.md 4.7 for ``adcs`` column sums at once; columns come in ascending order,
    and begin again after the last.

    ``z`` comes ``latency`` clock cycles after its ``sums``; only those with ``enable`` count. Throughput: a group of
    columns a clock cycle.

    Cost: ``adcs`` words of registers in each clock cycle; where gains differ, as many multipliers of ``z_bits + 5`` by
    13 bits; a memory of offsets and gains, and one of the nonlinearity with ``adcs`` read ports.
    """

    def __init__(self, *, geometry: CrossbarGeometry, width: int) -> None:
        self.geometry = geometry
        super().__init__({
            #: This clock cycle counts; everything is held in others.
            "enable": In(1),
            #: There are sums, ``width`` bits wide.
            "valid": In(1),
            "sums": In(data.ArrayLayout(signed(width), geometry.adcs)),
            "z": Out(data.ArrayLayout(signed(geometry.z_bits), geometry.adcs)),
            #: Replacements of run-time parameters.
            "parameters": In(parameter_layout(geometry)),
        })

    @property
    def latency(self) -> int:
        """Clock cycles from ``sums`` to ``z``."""
        return distortion_latency(self.geometry)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        geometry = self.geometry
        passed = [self._register(m, self._passed(self.sums[place])) for place in range(geometry.adcs)]
        if geometry.mismatched:
            passed = self._mismatched(m, passed)
        codes = [saturate(round_shift(value, OFFSET_FRAC), geometry.z_bits) for value in passed]
        if geometry.nonlinearity:
            codes = self._nonlinear(m, passed, codes)
        m.d.comb += [self.z[place].eq(code) for place, code in enumerate(codes)]
        return m

    def _register(self, m: Module, value: Value) -> Signal:
        """``value`` of the clock cycle before."""
        register = Signal(value.shape(), reset_less=True)
        with m.If(self.enable):
            m.d.sync += register.eq(value)
        return register

    def _passed(self, total: Value) -> Value:
        """What the amplifier of a column passes on."""
        shift = self.geometry.adc_shift - OFFSET_FRAC
        fine = total >> shift if shift >= 0 else total << -shift
        return saturate(fine, fine_bits(self.geometry))

    def _mismatched(self, m: Module, passed: list[Signal]) -> list[Signal]:
        """``passed`` with gains and offsets, two clock cycles later."""
        geometry, values = self.geometry, []
        memory = self._columns(m)
        read = memory.read_port()
        groups = geometry.cols // geometry.adcs
        group = Signal(range(groups + 1))
        m.d.comb += [read.addr.eq(group), read.en.eq(self.enable)]
        with m.If(self.enable & self.valid):
            m.d.sync += group.eq(Mux(group == groups - 1, 0, group + 1))
        for value, column in zip(passed, (read.data[place] for place in range(geometry.adcs)), strict=True):
            total = self._register(m, value + column.offset)
            if geometry.gain:
                total = total + round_shift(self._register(m, value * column.gain), GAIN_FRAC)
            values.append(self._register(m, total))
        return values

    def _columns(self, m: Module) -> Memory:
        """The memory of offsets and gains, a word for each group of columns, which parameters fill in order."""
        geometry, adcs = self.geometry, self.geometry.adcs
        names = ("offset", "gain") if geometry.gain else ("offset",)
        column = data.StructLayout({name: signed(MISMATCH_BITS) for name in names})
        drawn = [dict(zip(names, pair, strict=False))
                 for pair in zip(*(part.tolist() for part in mismatch(geometry)), strict=True)]
        m.submodules.columns = memory = Memory(
            shape=data.ArrayLayout(column, adcs), depth=max(2, geometry.cols // adcs), attrs={"no_rw_check": 1},
            init=[drawn[first:first + adcs] for first in range(0, geometry.cols, adcs)])
        write, (first, count) = memory.write_port(granularity=1), parameter_span(geometry, "column")
        chosen, index = self.parameters.enable & self._within(first, count), self.parameters.index
        word, place = Signal.like(write.addr), Signal(index_bits(adcs))  # of the next column
        here = Cat(Mux(index == first, 0, Cat(place, word)))[:len(place) + len(word)]
        m.d.comb += [write.addr.eq(here[len(place):]), *(
            write.data[each].eq(column(self.parameters.word[:column.size])) for each in range(adcs)),
            write.en.eq(Mux(chosen, 1 << here[:len(place)], 0))]
        last = here[:len(place)] == adcs - 1
        with m.If(chosen):
            m.d.sync += [place.eq(Mux(last, 0, here[:len(place)] + 1)), word.eq(here[len(place):] + last)]
        return memory

    def _within(self, first: int, count: int) -> Value:
        """Whether the parameter that is replaced is one of ``count`` from ``first`` on."""
        return (self.parameters.index >= first) & (self.parameters.index < first + count)

    def _nonlinear(self, m: Module, passed: list[Signal], codes: list[Value]) -> list[Value]:
        """The outputs of nonlinear converters that would else answer ``codes``, a clock cycle later."""
        geometry, entries = self.geometry, len(self.geometry.nonlinearity)
        m.submodules.nonlinearity = memory = table(m, self.parameters, geometry, "nonlinearity",
                                                   NONLINEARITY_BITS)
        outputs = []
        for value, code in zip(passed, codes, strict=True):
            read: ReadPort = memory.read_port()
            unsigned = Cat(code[:-1], ~code[-1])
            segment = unsigned[geometry.z_bits - (entries.bit_length() - 1):]
            m.d.comb += [read.addr.eq(segment), read.en.eq(self.enable)]
            bent = self._register(m, value) + read.data.as_signed()
            outputs.append(saturate(round_shift(bent, OFFSET_FRAC), geometry.z_bits))
        return outputs
