"""Testbench of ``hw.crossbar.crossbar.Crossbar`` against ``model.crossbar.Crossbar``."""

from collections.abc import Sequence
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
from ..driver import CrossbarDriver, TrainingSample
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
        await self.carry_out(operation, {"layer": self.driver.geometry.index, "sample": number})
        try:
            await self.expect_state(sample=number)
        except AssertionError as error:
            error.add_note(f"after {operation}")
            raise

    async def carry_out(self, operation: str, place: dict[str, int]) -> None:
        """Tell both a random ``operation`` of that name, and compare the answers; ``place`` is for the error."""
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
                await self.configure(reconfigured(random, geometry))
            case "write":
                await self.write()
            case "load":
                golden.load(random_state(random, golden.geometry))
                await driver.load(golden.state())

    async def configure(self, wanted: CrossbarGeometry) -> None:
        """Replace the run-time parameters of both by those of ``wanted``."""
        self.golden = reconfigured_twin(self.golden, wanted, self.seed)
        await self.driver.configure(wanted)

    async def write(self) -> None:
        """Write random states to both."""
        states = random_states(self.random, self.driver.geometry)
        self.golden.write(torch.from_numpy(states))
        await self.driver.write(states)

    def learn(self, samples: Sequence[TrainingSample]) -> list[tuple[torch.Tensor, np.ndarray]]:
        """Train the golden twin with ``samples``: of each the outputs, and what it passes back, nothing if the crossbar
        does not."""
        return [(self.golden.forward(self._drive(sample)), self._golden_pass(sample, update=True))
                for sample in samples]

    def sample(self) -> TrainingSample:
        """A random one."""
        random, geometry = self.random, self.driver.geometry
        x, d = random_drive(random, geometry), random_deltas(random, geometry)
        y, share = None, random.choice((0.0, 0.05, 0.5, 1.0))  # of cells that may have a derivative
        if geometry.backward:
            y = np.array([random.getrandbits(geometry.derivative_bits) if random.random() < share else 0 for _ in x],
                         dtype=np.int64)
        return TrainingSample(x, y, d, random.randint(*geometry.learning_rate_shifts), random.random() < 0.7)

    def _drive(self, sample: TrainingSample) -> torch.Tensor:
        """What drives the golden twin with ``sample``."""
        return self.golden.windows.gather(torch.from_numpy(sample.x))

    def _golden_pass(self, sample: TrainingSample, update: bool) -> np.ndarray:
        """The golden twin's second pass of ``sample``: what it passes back, nothing if the crossbar does not; then
        ``update``."""
        golden, e = self.golden, np.empty(0)
        deltas = torch.from_numpy(sample.d).reshape(golden.geometry.positions, golden.geometry.cols)
        if sample.y is not None:
            active = golden.windows.gather(torch.from_numpy(sample.y)) != 0
            e = golden.windows.fold(golden.backward(deltas, active)).numpy()
        if update:
            golden.update(self._drive(sample), deltas, sample.learning_rate_shift, sample.program)
        return e

    async def _second_pass(self, update: bool, place: dict[str, int]) -> None:
        """Pass errors back; and ``update``."""
        driver, sample = self.driver, self.sample()
        if self.random.random() < 0.5:
            z = self.golden.forward(self._drive(sample))
            expect_outputs(z, await driver.forward(sample.x, sample.y), **place)
        else:
            await driver.select(sample.x, sample.y)
        e = self._golden_pass(sample, update)
        if update:
            sums = await driver.update(sample.d, sample.learning_rate_shift, sample.program)
        else:
            sums = await driver.backward(sample.d)
        if sums is not None:
            expect_vector("backward", "row", e, sums, **place)

    async def train(self, count: int, place: dict[str, int]) -> None:
        """As ``train_with``, with ``count`` random samples."""
        await self.train_with([self.sample() for _ in range(count)], place)

    async def train_with(self, samples: Sequence[TrainingSample], place: dict[str, int]) -> None:
        """``samples``, each of which begins while the one before is under way. Not for a bank, whose crossbars take
        drives and deltas in one stream."""
        expected = self.learn(samples)
        for (z, e), (outputs, sums) in zip(expected, await self.driver.train(samples), strict=True):
            expect_outputs(z, outputs, **place)
            if sums is not None:
                expect_vector("backward", "row", e, sums, **place)


class CrossbarBench(Testbench[None]):
    """Random sequences of the primitives of a crossbar, and then samples that follow one another closely. It has the
    geometry of the last layer that is not plain, else of the last one. Compares every answer and, after every
    operation, the complete state."""

    def build(self) -> Crossbar:
        self.geometry = max(self.case.experiment.crossbars, key=lambda geometry: (not geometry.plain, geometry.index))
        return Crossbar(geometry=self.geometry, deltas=self.random.choice((1, self.geometry.adcs)))

    async def exercise(self, bench: PinBench) -> None:
        driver = CrossbarDriver(bench, self.geometry, self.component.deltas)
        pair = Pair(self.random, driver, self.case.experiment.seed)
        await pair.begin()
        await self.converse(pair)

    async def converse(self, pair: Pair) -> None:
        """What the two are told."""
        for number in range(self.case.samples):
            await pair.operate(number)
        await pair.train(4, {"sample": self.case.samples})
        await pair.expect_state(self.case.samples)


@cocotb.test(timeout_time=1, timeout_unit="sec")
async def agrees_with_golden_twin(dut: Any) -> None:
    await run_in_cocotb(dut, CrossbarBench)
