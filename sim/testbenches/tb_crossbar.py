"""Testbench of ``hw.crossbar.crossbar.Crossbar`` against ``model.crossbar.Crossbar``."""

from random import Random
from typing import Any

import cocotb
import numpy as np
import torch

from ...contract.geometry import CrossbarGeometry
from ...hw.crossbar.crossbar import Crossbar
from ...model.crossbar import Crossbar as GoldenCrossbar
from ...train.difference import expect_state, expect_vector
from ..benches.streams import PinBench
from ..driver import CrossbarDriver
from ..reconfigure import reconfigured
from ..stimuli import random_deltas, random_drive, random_increments, random_state, random_states
from .testbench import Testbench, run_in_cocotb


def reconfigured_twin(golden: GoldenCrossbar, geometry: CrossbarGeometry, seed: int) -> GoldenCrossbar:
    """``golden`` in its state and in its place, with the run-time parameters of ``geometry``."""
    twin = GoldenCrossbar(geometry, seed)
    twin.load(golden.state())
    twin.first = golden.first
    twin.programmer.record(golden.programmer.recorder)
    return twin


def expect_outputs(expected: torch.Tensor, actual: np.ndarray, **place: int) -> None:
    """``expect_vector`` of the outputs of all positions, one position after the other."""
    expect_vector("forward", "col", expected.flatten().numpy(), actual.ravel(), **place)


class Pair:
    """A crossbar, which ``driver`` drives, and its golden twin."""

    def __init__(self, random: Random, driver: CrossbarDriver, seed: int) -> None:
        """``seed`` is the master seed, ``random`` that of what the pair is told."""
        self.random, self.driver, self.seed = random, driver, seed
        self.golden = GoldenCrossbar(driver.geometry, seed)
        operations = ["step"] * 7 + ["forward", "program", "apply", "write", "load", "configure"]
        self._operations = operations + ["backward"] * 2 * driver.geometry.backward

    async def begin(self) -> None:
        """Load the initial state, and compare."""
        await self.driver.load(self.golden.state())
        await self.expect_state()

    async def expect_state(self, sample: int | None = None) -> None:
        """``DifferenceError`` unless both are in the same state."""
        expect_state(self.golden.state(), await self.driver.state(), self.driver.geometry.index, sample=sample)

    async def operate(self, number: int) -> None:
        """Tell both the same random primitive, the one with that ``number``. Compares the answers and the complete
        state."""
        operation = self.random.choice(self._operations)
        await self._carry_out(operation, {"layer": self.driver.geometry.index, "sample": number})
        try:
            await self.expect_state(sample=number)
        except AssertionError as error:
            error.add_note(f"after {operation}")
            raise

    async def _carry_out(self, operation: str, place: dict[str, int]) -> None:
        random, driver, golden, geometry = self.random, self.driver, self.golden, self.driver.geometry
        match operation:
            case "forward":
                x = random_drive(random, geometry)
                z = golden.forward(golden.windows.gather(torch.from_numpy(x)))
                expect_outputs(z, await driver.forward(x), **place)
            case "backward" | "step":
                await self._second_pass(operation == "step", place)
            case "program":
                golden.program()
                await driver.program()
            case "apply":
                dw = random_increments(random, geometry)
                golden.apply(torch.from_numpy(dw))
                await driver.apply(dw)
            case "configure":
                wanted = reconfigured(random, geometry)
                self.golden = reconfigured_twin(golden, wanted, self.seed)
                await driver.configure(wanted)
            case "write":
                states = random_states(random, geometry)
                golden.write(torch.from_numpy(states))
                await driver.write(states)
            case "load":
                golden.load(random_state(random, geometry))
                await driver.load(golden.state())

    async def _second_pass(self, update: bool, place: dict[str, int]) -> None:
        """Pass errors back; and ``update``."""
        random, driver, golden, geometry = self.random, self.driver, self.golden, self.driver.geometry
        x, d, windows = random_drive(random, geometry), random_deltas(random, geometry), golden.windows
        deltas = torch.from_numpy(d).reshape(geometry.positions, geometry.cols)
        drive = windows.gather(torch.from_numpy(x))
        y, e = None, np.empty(0)
        if geometry.backward:
            y = np.array([random.getrandbits(geometry.derivative_bits) for _ in x], dtype=np.int64)
        if random.random() < 0.5:
            expect_outputs(golden.forward(drive), await driver.forward(x, y), **place)
        else:
            await driver.select(x, y)
        if y is not None:
            e = windows.fold(golden.backward(deltas, windows.gather(torch.from_numpy(y)) != 0)).numpy()
        if update:
            rate, program = random.randint(*geometry.learning_rate_shifts), random.random() < 0.7
            golden.update(drive, deltas, rate, program)
            sums = await driver.update(d, rate, program)
        else:
            sums = await driver.backward(d)
        if sums is not None:
            expect_vector("backward", "row", e, sums, **place)


class CrossbarBench(Testbench[None]):
    """Random sequences of the primitives of a crossbar, which has the geometry of the last layer that is not plain,
    else of the last one. Compares every answer and, after every operation, the complete state."""

    def build(self) -> Crossbar:
        self.geometry = max(self.case.experiment.crossbars, key=lambda geometry: (not geometry.plain, geometry.index))
        return Crossbar(geometry=self.geometry, deltas=self.random.choice((1, self.geometry.adcs)))

    async def exercise(self, bench: PinBench) -> None:
        driver = CrossbarDriver(bench, self.geometry, self.component.deltas)
        pair = Pair(self.random, driver, self.case.experiment.seed)
        await pair.begin()
        for number in range(self.case.samples):
            await pair.operate(number)


@cocotb.test(timeout_time=1, timeout_unit="sec")
async def agrees_with_golden_twin(dut: Any) -> None:
    await run_in_cocotb(dut, CrossbarBench)
