"""Testbench of ``hw.crossbar.lfsr.Lfsr`` against ``model.lfsr.Lfsr``."""

from typing import Any

import cocotb

from ...contract.lfsr import initial_state
from ...hw.crossbar.lfsr import Lfsr
from ...model.lfsr import Lfsr as GoldenLfsr
from ...train.difference import expect
from ..benches.streams import PinBench
from .testbench import Testbench, run_in_cocotb


class LfsrBench(Testbench[None]):
    """Random draws, pauses and loads."""

    def build(self) -> Lfsr:
        self.init = initial_state(self.case.experiment.seed, 0)
        return Lfsr(init=self.init)

    async def exercise(self, bench: PinBench) -> None:
        pins, twin = bench.pins, GoldenLfsr(self.init)
        step, load, replacement = False, False, 0
        for number in range(50 * self.case.samples):
            expect("state", twin.state, pins.get("state"), sample=number)
            if load:
                twin.state = replacement
            elif step:
                expect("draw", int(twin.draw(1)), pins.get("word"), sample=number)
            step, load = self.random.random() >= self.case.stall, self.random.random() < 0.05
            replacement = self.random.randrange(1, 1 << 32)
            pins.set("step", step)
            pins.set("load", load)
            pins.set("load_state", replacement)
            await bench.run(1)


@cocotb.test(timeout_time=1, timeout_unit="sec")
async def agrees_with_golden_twin(dut: Any) -> None:
    await run_in_cocotb(dut, LfsrBench)
