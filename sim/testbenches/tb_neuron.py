"""Testbench of ``hw.neuron.Neuron`` against ``model.neuron.Neuron``."""

from random import Random
from typing import Any

import cocotb
import torch
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...contract.geometry import CrossbarGeometry
from ...hw.crossbar.layouts import conversion_layout, drive_layout
from ...hw.crossbar.lfsr import Lfsr
from ...hw.neuron import Neuron
from ...model.lfsr import Lfsr as GoldenLfsr
from ...model.neuron import Neuron as GoldenNeuron
from ...train.difference import expect
from ..benches.streams import PinBench
from .testbench import Testbench, run_in_cocotb


def random_z(random: Random, geometry: CrossbarGeometry, count: int) -> list[int]:
    """``count`` outputs of one sample: of a random magnitude, sometimes all alike, with the extremes among them."""
    low, high = -(1 << geometry.z_bits - 1), (1 << geometry.z_bits - 1) - 1
    if random.random() < 0.2:
        return [random.choice((low, 0, high))] * count
    scale = random.uniform(0, high)
    return [random.choice((low, high)) if random.random() < 0.1 else round(random.uniform(-scale, scale))
            for _ in range(count)]


def conversions(geometry: CrossbarGeometry, z: list[int]) -> list[dict[str, Any]]:
    """The beats of ``conversion_layout`` that carry ``z``."""
    return [{"z": z[first:first + geometry.adcs], "last": first + geometry.adcs == len(z)}
            for first in range(0, len(z), geometry.adcs)]


class DrawingNeuron(wiring.Component):
    """Neurons, with an LFSR from which stochastic ones draw."""

    def __init__(self, *, source: CrossbarGeometry, target: CrossbarGeometry) -> None:
        self._neuron, self._lfsr = Neuron(source=source, target=target), Lfsr(draws=source.adcs)
        super().__init__({"z": In(stream.Signature(conversion_layout(source))),
                          "x": Out(stream.Signature(drive_layout(target)))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.neuron, m.submodules.lfsr = self._neuron, self._lfsr
        wiring.connect(m, wiring.flipped(self.z), self._neuron.z)
        wiring.connect(m, self._neuron.x, wiring.flipped(self.x))
        if hasattr(self._neuron, "words"):
            m.d.comb += [self._neuron.words.eq(self._lfsr.word), self._lfsr.step.eq(self._neuron.fire)]
        return m


class NeuronBench(Testbench[None]):
    """Random outputs, behind the pooling, through the neurons between the first two layers."""

    def build(self) -> wiring.Component:
        self.source, self.target = self.case.experiment.crossbars[:2]
        return DrawingNeuron(source=self.source, target=self.target)

    def expected(self, z: list[int], lfsr: GoldenLfsr) -> list[dict[str, int]]:
        """The beats of the cells that the golden neuron drives for ``z``, where stochastic ones draw from ``lfsr``."""
        x, derivative = (values.tolist() for values in GoldenNeuron(self.source, self.target)(torch.tensor(z), lfsr))
        active = [row for row in range(len(x)) if x[row] or derivative[row]]
        if not active or active[-1] < len(x) - self.source.adcs:
            active.append(len(x) - self.source.adcs)  # carries `last`
        return [{"row": row, "x": x[row], "derivative": derivative[row], "last": row == active[-1]} for row in active]

    async def exercise(self, bench: PinBench) -> None:
        z, x = bench.source("z", conversion_layout(self.source)), bench.sink("x", drive_layout(self.target))
        cells = self.source.window.pooled_cells
        samples = [random_z(self.random, self.source, cells) for _ in range(self.case.samples)]
        for sample in samples:
            z.put_all(conversions(self.source, sample))
        lfsr = GoldenLfsr(1)
        for number, sample in enumerate(samples):
            for beat in self.expected(sample, lfsr):
                await bench.until(lambda: len(x) > 0)
                expect(f"{self.target.source} neuron", beat, x.take(), sample=number, layer=0, row=beat["row"])
        await bench.run(20)
        expect("neuron, beats too many", [], x.take_all())


@cocotb.test(timeout_time=1, timeout_unit="sec")
async def agrees_with_golden_twin(dut: Any) -> None:
    await run_in_cocotb(dut, NeuronBench)
