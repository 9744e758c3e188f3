"""Testbench of ``hw.loss.LossUnit`` against ``model.loss``."""

from typing import Any, ClassVar

import cocotb
import torch

from ...hw.crossbar.layouts import conversion_layout, delta_layout
from ...hw.layouts import result_layout, sample_layout
from ...hw.loss import LossUnit
from ...model.loss import Loss, predict
from ...train.difference import expect
from ..benches.streams import PinBench
from .tb_neuron import conversions, random_z
from .testbench import Testbench, run_in_cocotb


class LossBench(Testbench[None]):
    """Random ADC outputs of the last layer, with and without training."""

    result_stall: ClassVar[float] = 0.0
    """Who takes results stalls at least as often as this."""

    def build(self) -> LossUnit:
        self.geometry = self.case.experiment.crossbars[-1]
        return LossUnit(geometry=self.geometry, loss=self.case.experiment.loss)

    async def exercise(self, bench: PinBench) -> None:
        geometry, loss = self.geometry, Loss(self.case.experiment.loss, self.geometry)
        layer = geometry.index
        z, sample = bench.source("z", conversion_layout(geometry)), bench.source("sample", sample_layout(geometry.cols))
        result, d = bench.sink("result", result_layout(geometry.cols)), bench.sink(
            "d", delta_layout(geometry, geometry.adcs))
        result.stall = max(result.stall, self.result_stall)
        samples = [(random_z(self.random, geometry, geometry.cols), self.random.randrange(geometry.cols),
                    self.random.random() < 0.7) for _ in range(self.case.samples)]
        for outputs, label, train in samples:
            z.put_all(conversions(geometry, outputs))
            sample.put({"label": label, "train": train})
        for number, (outputs, label, train) in enumerate(samples):
            await bench.until(lambda: len(result) > 0)
            prediction = int(predict(torch.tensor(outputs)))
            expect("result", {"prediction": prediction, "correct": prediction == label}, result.take(),
                   sample=number, layer=layer)
            if train:
                errors = loss.delta(torch.tensor(outputs), label).tolist()
                for col in range(0, geometry.cols, geometry.adcs):
                    await bench.until(lambda: len(d) > 0)
                    after = col + geometry.adcs
                    expect(loss.kind, {"col": col, "delta": errors[col:after], "last": after == geometry.cols},
                           d.take(), sample=number, layer=layer, col=col)
        await bench.run(20)
        expect("loss, beats too many", [], result.take_all() + d.take_all())


@cocotb.test(timeout_time=1, timeout_unit="sec")
async def agrees_with_golden_twin(dut: Any) -> None:
    await run_in_cocotb(dut, LossBench)
