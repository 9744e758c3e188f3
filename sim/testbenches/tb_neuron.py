"""Testbench of ``hw.neuron.Neuron`` against ``model.neuron.Neuron``."""

from random import Random
from typing import Any

import cocotb
import torch

from ...contract.geometry import CrossbarGeometry
from ...hw.crossbar.layouts import conversion_layout, drive_layout
from ...hw.neuron import Neuron
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


class NeuronBench(Testbench[None]):
    """Random outputs, behind the pooling, through the neurons between the first two layers."""

    def build(self) -> Neuron:
        self.source, self.target = self.case.experiment.crossbars[:2]
        return Neuron(source=self.source, target=self.target)

    def expected(self, z: list[int]) -> list[dict[str, int]]:
        """The beats of the cells that the golden neuron drives for ``z``."""
        x, derivative = (values.tolist() for values in GoldenNeuron(self.source, self.target)(torch.tensor(z)))
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
        for number, sample in enumerate(samples):
            for beat in self.expected(sample):
                await bench.until(lambda: len(x) > 0)
                expect(f"{self.target.source} neuron", beat, x.take(), sample=number, layer=0, row=beat["row"])
        await bench.run(20)
        expect("neuron, beats too many", [], x.take_all())


@cocotb.test(timeout_time=1, timeout_unit="sec")
async def agrees_with_golden_twin(dut: Any) -> None:
    await run_in_cocotb(dut, NeuronBench)
