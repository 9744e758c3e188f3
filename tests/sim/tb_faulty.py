"""Testbenches that fail in the two ways in which one can."""

import cocotb
from spinloom.sim.testbenches.tb_lfsr import LfsrBench
from spinloom.sim.testbenches.testbench import run_in_cocotb
from spinloom.train.difference import expect


class FaultyBench(LfsrBench):
    """Expects a state that the design does not have, or stops with another error."""

    async def exercise(self, bench):
        await bench.run(3)
        if self.case.samples == 0:
            raise KeyError("lost")
        expect("state", 0, bench.pins.get("state"), layer=1, row=2, col=3)


@cocotb.test(timeout_time=1, timeout_unit="sec")
async def fails(dut):
    await run_in_cocotb(dut, FaultyBench)
