"""Testbench of ``hw.bank.Bank`` against ``model.crossbar.Crossbar``, the golden twin of each of its crossbars."""

from typing import Any

import cocotb

from ...contract.bank import banked
from ...hw.bank import Bank
from .. import bank as streams
from ..benches.streams import PinBench
from ..driver import CrossbarDriver
from .tb_crossbar import Pair
from .testbench import Testbench, run_in_cocotb


class BankBench(Testbench[None]):
    """Random primitives of random crossbars, which are those of the layers. Compares every answer and, after every
    operation, the complete state of the crossbar; at the end, those of all."""

    def build(self) -> Bank:
        return Bank(geometries=tuple(map(banked, self.case.experiment.crossbars)))

    async def exercise(self, bench: PinBench) -> None:
        bank = streams.BankBench(bench, self.component.geometries)
        pairs = [Pair(self.random, CrossbarDriver(bank.crossbar(index), geometry, geometry.adcs),
                      self.case.experiment.seed) for index, geometry in enumerate(self.component.geometries)]
        for pair in pairs:
            await pair.begin()
        for number in range(self.case.samples):
            await self.random.choice(pairs).operate(number)
        for pair in pairs:
            await pair.expect_state()


@cocotb.test(timeout_time=1, timeout_unit="sec")
async def agrees_with_golden_twins(dut: Any) -> None:
    await run_in_cocotb(dut, BankBench)
