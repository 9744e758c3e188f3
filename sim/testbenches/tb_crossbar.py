"""Testbench of ``hw.crossbar.crossbar.Crossbar`` against ``model.crossbar.Crossbar``."""

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
    """``golden`` in its state, with the run-time parameters of ``geometry``."""
    twin = GoldenCrossbar(geometry, seed)
    twin.load(golden.state())
    return twin


def expect_outputs(expected: torch.Tensor, actual: np.ndarray, **place: int) -> None:
    """``expect_vector`` of the outputs of all positions, one position after the other."""
    expect_vector("forward", "col", expected.flatten().numpy(), actual.ravel(), **place)


class CrossbarBench(Testbench[None]):
    """Random sequences of the primitives of a crossbar, which has the geometry of the last layer that is not plain,
    else of the last one. Compares every answer and, after every operation, the complete state."""

    def build(self) -> Crossbar:
        self.geometry = max(self.case.experiment.crossbars, key=lambda geometry: (not geometry.plain, geometry.index))
        return Crossbar(geometry=self.geometry, deltas=self.random.choice((1, self.geometry.adcs)))

    async def exercise(self, bench: PinBench) -> None:
        geometry, random = self.geometry, self.random
        driver = CrossbarDriver(bench, geometry, self.component.deltas)
        golden = GoldenCrossbar(geometry, self.case.experiment.seed)
        await driver.load(golden.state())
        expect_state(golden.state(), await driver.state(), geometry.index)

        operations = ["step"] * 7 + ["forward", "program", "apply", "write", "load", "configure"]
        operations += ["backward"] * 2 * geometry.backward
        for number in range(self.case.samples):
            operation = random.choice(operations)
            place = {"layer": geometry.index, "sample": number}
            x, d = random_drive(random, geometry), random_deltas(random, geometry)
            deltas, windows = torch.from_numpy(d).reshape(geometry.positions, geometry.cols), golden.windows
            rate, program = random.randint(*geometry.learning_rate_shifts), random.random() < 0.7
            match operation:
                case "forward":
                    z = golden.forward(windows.gather(torch.from_numpy(x)))
                    expect_outputs(z, await driver.forward(x), **place)
                case "backward" | "step":
                    y = None
                    if geometry.backward:
                        y = np.array([random.getrandbits(geometry.derivative_bits) for _ in x], dtype=np.int64)
                    drive = windows.gather(torch.from_numpy(x))
                    if random.random() < 0.5:
                        expect_outputs(golden.forward(drive), await driver.forward(x, y), **place)
                    else:
                        await driver.select(x, y)
                    if y is not None:
                        e = windows.fold(golden.backward(deltas, windows.gather(torch.from_numpy(y)) != 0)).numpy()
                    if operation == "step":
                        golden.update(drive, deltas, rate, program)
                        sums = await driver.update(d, rate, program)
                    else:
                        sums = await driver.backward(d)
                    if sums is not None:
                        expect_vector("backward", "row", e, sums, **place)
                case "program":
                    golden.program()
                    await driver.program()
                case "apply":
                    dw = random_increments(random, geometry)
                    golden.apply(torch.from_numpy(dw))
                    await driver.apply(dw)
                case "configure":
                    wanted = reconfigured(random, geometry)
                    golden = reconfigured_twin(golden, wanted, self.case.experiment.seed)
                    await driver.configure(wanted)
                case "write":
                    states = random_states(random, geometry)
                    golden.write(torch.from_numpy(states))
                    await driver.write(states)
                case "load":
                    golden.load(random_state(random, geometry))
                    await driver.load(golden.state())
            try:
                expect_state(golden.state(), await driver.state(), geometry.index, sample=number)
            except AssertionError as error:
                error.add_note(f"after {operation}")
                raise


@cocotb.test(timeout_time=1, timeout_unit="sec")
async def agrees_with_golden_twin(dut: Any) -> None:
    await run_in_cocotb(dut, CrossbarBench)
