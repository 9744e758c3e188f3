"""The analog-to-digital converters of a crossbar, shared by its columns."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...contract import lfsr as sequence
from ...contract.geometry import CrossbarGeometry
from ..basics.fixed import round_shift, saturate
from ..basics.spread import spread
from .distortion import Distortion, distortion_latency
from .layouts import conversion_layout
from .parameters import parameter_layout
from .read_noise import ReadNoise


def adc_latency(geometry: CrossbarGeometry) -> int:
    """Clock cycles from ``load`` to the first group of outputs."""
    return 3 + (ReadNoise.latency if geometry.read_noise else 0) + distortion_latency(geometry)


class Adc(wiring.Component):
    """``z = saturate(round_shift(sum + N, adc_shift), z_bits)`` of the column sums of a fold; ``N`` is the
    ``ReadNoise``. Converters that are not ideal have a ``Distortion``.

    ``load`` must find the converter ``ready``, or, while ``z`` is taken without a pause, come at least as many clock
    cycles after the last one as there are groups of columns; ``sums`` are taken in the next clock cycle. They are
    converted in groups of ``adcs`` columns, in ascending order. If a fold is loaded with ``last``, its last group
    carries ``last``.

    Latency: ``latency`` clock cycles from ``load`` to the first group. Throughput: a group a clock cycle.

    Cost: a shift register of ``lanes`` sums; ``adcs`` multiplexers and rounding adders. Read noise takes ``adcs`` more
    adders, and registers for as many sums in each clock cycle of its latency.
    """

    def __init__(self, *, geometry: CrossbarGeometry) -> None:
        self.geometry = geometry
        ports = {
            #: Column sums may be loaded.
            "ready": Out(1),
            #: Takes `sums` in the next clock cycle.
            "load": In(1),
            #: With `load`: they are the last of the sample.
            "last": In(1),
            #: The column sums of a fold.
            "sums": In(data.ArrayLayout(signed(geometry.sum_bits), geometry.lanes)),
            #: What they are converted to.
            "z": Out(stream.Signature(conversion_layout(geometry))),
            #: All that was loaded has been converted.
            "idle": Out(1),
        }
        if geometry.read_noise:
            #: State of the LFSR, and its replacement. Only while `idle`.
            ports |= {"lfsr": Out(sequence.WIDTH), "lfsr_load": In(1), "lfsr_state": In(sequence.WIDTH)}
        if geometry.read_noise or geometry.distorted:
            #: Replacements of run-time parameters. Only while `idle`.
            ports["parameters"] = In(parameter_layout(geometry))
        super().__init__(ports)

    @property
    def latency(self) -> int:
        """Clock cycles from ``load`` to the first group."""
        return adc_latency(self.geometry)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        geometry = self.geometry
        adcs, groups = geometry.adcs, geometry.lanes // geometry.adcs
        columns = [Signal(signed(geometry.sum_bits), name=f"column_{lane}", reset_less=True)
                   for lane in range(geometry.lanes)]
        load, closes, last = Signal(), Signal(), Signal()
        left = Signal(range(groups + 1))
        proceed, take, taken = Signal(), Signal(), Signal()
        m.d.comb += [
            self.ready.eq(left == 0),
            proceed.eq(~self.z.valid | self.z.ready),
            take.eq(proceed & (left != 0)),
        ]
        moves = take & ~load  # the group that was taken is not replaced together with the others
        m.d.sync += [load.eq(self.load), closes.eq(self.last), taken.eq(moves)]
        with m.If(take):
            m.d.sync += left.eq(left - 1)
        with m.If(load):
            m.d.sync += [left.eq(groups), last.eq(closes)]
        # Lanes are told a clock cycle late that the first group was taken; until they shift, the second one is next.
        told = zip(spread(m, self.load, geometry.lanes), spread(m, moves, geometry.lanes), strict=True)
        following = [*columns[adcs:], *columns[:adcs]]
        for lane, (loads, shifts) in enumerate(told):
            with m.If(loads | shifts):
                m.d.sync += columns[lane].eq(Mux(loads, self.sums[lane], following[lane]))
        front = [Mux(taken, following[place], columns[place]) for place in range(adcs)]

        # What is converted: the group at the front; with noise, an earlier one, whose noise is known by now.
        group, noise = [*front, left != 0, last & (left == 1)], [Const(0)] * adcs
        pending = 0
        if geometry.read_noise:
            m.submodules.noise = source = ReadNoise(geometry=geometry)
            m.d.comb += [
                source.enable.eq(proceed),
                source.draw.eq(take),
                source.parameters.eq(self.parameters),
                source.lfsr_load.eq(self.lfsr_load),
                source.lfsr_state.eq(self.lfsr_state),
                self.lfsr.eq(source.lfsr),
            ]
            noise = [source.noise[place] for place in range(adcs)]
            for cycle in range(source.latency):
                waiting = [Signal.like(value, name=f"waiting_{cycle}") for value in group]
                with m.If(proceed):
                    m.d.sync += [after.eq(before) for before, after in zip(group, waiting, strict=True)]
                group = waiting
                pending |= group[-2]
        *sums, valid, closing = group
        noisy = [total + each for total, each in zip(sums, noise, strict=True)]
        if geometry.distorted:
            m.submodules.distortion = distortion = Distortion(geometry=geometry, width=max(map(len, noisy)))
            m.d.comb += [distortion.enable.eq(proceed), distortion.valid.eq(valid),
                         distortion.parameters.eq(self.parameters),
                         *(distortion.sums[place].eq(total) for place, total in enumerate(noisy))]
            for _ in range(distortion.latency):
                flags = Signal(2)
                with m.If(proceed):
                    m.d.sync += flags.eq(Cat(valid, closing))
                valid, closing = flags
                pending |= valid
            converted = [distortion.z[place] for place in range(adcs)]
        else:
            converted = [saturate(round_shift(total, geometry.adc_shift), geometry.z_bits) for total in noisy]
        with m.If(proceed):
            m.d.sync += [self.z.valid.eq(valid), self.z.payload.last.eq(closing),
                         *(self.z.payload.z[place].eq(code) for place, code in enumerate(converted))]
        m.d.comb += self.idle.eq((left == 0) & ~pending)
        return m
