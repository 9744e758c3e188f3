"""Testbench of ``hw.delta_converter.DeltaConverter`` against the last step of ``model.network.Network.train``."""

from typing import Any

import cocotb
import torch

from ...hw.crossbar.layouts import delta_layout, row_sum_layout
from ...hw.delta_converter import DeltaConverter
from ...model.fixed import round_shift, saturate
from ...train.difference import expect
from ..benches.streams import PinBench
from .testbench import Testbench, run_in_cocotb


class DeltaConverterBench(Testbench[None]):
    """Random errors of the second layer, converted to deltas of the first."""

    def build(self) -> DeltaConverter:
        self.source, self.target = self.case.experiment.crossbars[:2]
        return DeltaConverter(source=self.source, target=self.target)

    def random_sums(self) -> list[dict]:
        """The errors of one sample, of a random magnitude, with the extremes among them."""
        limit = (1 << self.target.error_bits - 1) - 1
        scale = limit * 2.0 ** -self.random.uniform(0, self.target.error_bits)
        cells = self.target.window.cells
        rows = sorted(self.random.sample(range(cells), self.random.randint(1, cells)))
        return [{
            "row": row,
            "e": self.random.choice((-limit - 1, limit)) if self.random.random() < 0.1
            else round(self.random.uniform(-scale, scale)),
            "derivative": self.random.getrandbits(self.target.derivative_bits),
            "last": row == rows[-1],
        } for row in rows]

    async def exercise(self, bench: PinBench) -> None:
        e, d = bench.source("e", row_sum_layout(self.target)), bench.sink("d", delta_layout(self.source))
        for number in range(self.case.samples):
            beats = self.random_sums()
            e.put_all(beats)
            products = torch.tensor([beat["e"] * beat["derivative"] for beat in beats])
            deltas = saturate(round_shift(products, self.target.error_shift), self.source.delta_bits).tolist()
            for beat, delta in zip(beats, deltas, strict=True):
                await bench.until(lambda: len(d) > 0)
                expect("error", {"col": beat["row"], "delta": [delta], "last": beat["last"]}, d.take(),
                       sample=number, layer=0, col=beat["row"])
        await bench.run(20)
        expect("error, beats too many", [], d.take_all())


@cocotb.test(timeout_time=1, timeout_unit="sec")
async def agrees_with_golden_twin(dut: Any) -> None:
    await run_in_cocotb(dut, DeltaConverterBench)
