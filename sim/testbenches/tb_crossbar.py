"""Testbench of ``hw.crossbar.Crossbar`` against ``model.crossbar.Crossbar``."""

from random import Random

import cocotb
import numpy as np
import torch

from ...contract.geometry import COUNTERS, CrossbarGeometry
from ...hw.crossbar.crossbar import Crossbar
from ...model.crossbar import Crossbar as GoldenCrossbar
from ...train.difference import expect
from ..driver import CrossbarDriver
from ..reconfigure import reconfigured
from ..streams import Bench
from .testbench import Testbench, run_in_cocotb


def random_drive(random: Random, geometry: CrossbarGeometry) -> np.ndarray:
    """A drive int64 (inputs,) of a random density, with the extremes among it."""
    low, high = geometry.x.minimum, geometry.x.maximum
    density = random.choice((0.0, 0.3, 0.7, 1.0))
    return np.array([random.choice((low, high, random.randint(low, high))) if random.random() < density else 0
                     for _ in range(geometry.inputs)], dtype=np.int64)


def random_errors(random: Random, geometry: CrossbarGeometry) -> np.ndarray:
    """Errors int64 (cols,) of a random density and magnitude, with the extremes among them."""
    high = (1 << geometry.delta_bits - 1) - 1
    density, scale = random.choice((0.0, 0.5, 1.0)), random.uniform(0, high)
    return np.array([random.choice((-high - 1, high, round(random.uniform(-scale, scale))))
                     if random.random() < density else 0 for _ in range(geometry.cols)], dtype=np.int64)


def random_state(random: Random, geometry: CrossbarGeometry) -> dict[str, np.ndarray]:
    """A state such as ``model.crossbar.Crossbar.state`` returns, with any value in any place."""
    shape, chi_limit = (geometry.rows, geometry.cols), 1 << geometry.chi_bits - 1

    def array(lowest: int, highest: int, dtype) -> np.ndarray:
        values = [random.randint(lowest, highest) for _ in range(geometry.rows * geometry.cols)]
        return np.array(values, dtype=dtype).reshape(shape)

    state = {"g": array(*geometry.device.g_range, np.int16), "chi": array(-chi_limit, chi_limit - 1, np.int32),
             "counters": np.array([random.getrandbits(40) for _ in COUNTERS], dtype=np.int64)}
    if geometry.device.pair:
        plus, minus = (array(0, geometry.device.span, np.int16) for _ in range(2))
        state |= {"g": plus - minus, "g_minus": minus}
    return state | {name: np.array(random.randrange(1, 1 << 32), dtype=np.uint32)
                    for name in geometry.lfsrs}


def random_increments(random: Random, geometry: CrossbarGeometry) -> np.ndarray:
    """Increments int64 (rows, cols) for ``apply``, most of them small, with the extremes among them."""
    limit = 1 << geometry.chi_bits - 1
    scale = limit * 2.0 ** -random.uniform(0, 6)
    values = [random.choice((0, -limit, limit - 1)) if random.random() < 0.1
              else round(random.uniform(-scale, scale - 1)) for _ in range(geometry.rows * geometry.cols)]
    return np.array(values, dtype=np.int64).reshape(geometry.rows, geometry.cols)


def random_states(random: Random, geometry: CrossbarGeometry) -> np.ndarray:
    """States int64 (rows, cols) for ``write``."""
    values = [random.randrange(geometry.device.states) for _ in range(geometry.rows * geometry.cols)]
    return np.array(values, dtype=np.int64).reshape(geometry.rows, geometry.cols)


def reconfigured_twin(golden: GoldenCrossbar, geometry: CrossbarGeometry, seed: int) -> GoldenCrossbar:
    """``golden`` in its state, with the run-time parameters of ``geometry``."""
    twin = GoldenCrossbar(geometry, seed)
    twin.load(golden.state())
    return twin


def expect_state(expected: dict[str, np.ndarray], actual: dict[str, np.ndarray], layer: int, prefix: str = "",
                 sample: int | None = None) -> None:
    """Compare two states of a crossbar, whose arrays' names start with ``prefix``."""
    for name in ("g", "g_minus", "chi"):
        if prefix + name not in expected:
            continue
        differ = np.argwhere(expected[prefix + name] != actual[prefix + name])
        for row, col in differ[:1].tolist():
            expect(name, int(expected[prefix + name][row, col]), int(actual[prefix + name][row, col]),
                   sample=sample, layer=layer, row=row, col=col)
    for name in ("lfsr", "rounding_lfsr", "read_lfsr"):
        if prefix + name in expected:
            expect(name, int(expected[prefix + name]), int(actual[prefix + name]), sample=sample, layer=layer)
    for name, before, after in zip(COUNTERS, expected[f"{prefix}counters"].tolist(),
                                   actual[f"{prefix}counters"].tolist(), strict=True):
        expect(f"counter {name}", before, after, sample=sample, layer=layer)


def expect_vector(operation: str, axis: str, expected: np.ndarray, actual: np.ndarray, layer: int, sample: int) -> None:
    """Compare two vectors along ``axis``, ``row`` or ``col``."""
    for place, (before, after) in enumerate(zip(expected.tolist(), actual.tolist(), strict=True)):
        expect(operation, before, after, layer=layer, sample=sample, **{axis: place})


class CrossbarBench(Testbench):
    """Random sequences of a crossbar's primitives, on its last layer's geometry; every answer and, after every
    operation that changes it, the complete state."""

    def build(self) -> Crossbar:
        self.geometry = self.case.experiment.crossbars[-1]
        return Crossbar(geometry=self.geometry, backward=self.geometry.source is not None,
                        deltas=self.random.choice((1, self.geometry.adcs)))

    async def exercise(self, bench: Bench) -> None:
        geometry, random = self.geometry, self.random
        driver = CrossbarDriver(bench, geometry, self.component.backward, self.component.deltas)
        golden = GoldenCrossbar(geometry, self.case.experiment.seed)
        await driver.load(golden.state())
        expect_state(golden.state(), await driver.state(), geometry.index)

        operations = ["step"] * 7 + ["forward", "program", "apply", "write", "load", "configure"]
        operations += ["backward"] * self.component.backward
        for number in range(self.case.samples):
            operation = random.choice(operations)
            place = {"layer": geometry.index, "sample": number}
            x, d = random_drive(random, geometry), random_errors(random, geometry)
            rate, program = random.randint(*geometry.learning_rate_shifts), random.random() < 0.7
            match operation:
                case "forward":
                    z = golden.forward(torch.from_numpy(x)).numpy()
                    expect_vector("forward", "col", z, await driver.forward(x), **place)
                case "backward":
                    e = golden.backward(torch.from_numpy(d)).numpy()
                    expect_vector("backward", "row", e, await driver.backward(d), **place)
                case "step":
                    y = None
                    if geometry.source is not None:
                        y = np.array([random.getrandbits(geometry.derivative_bits) for _ in x], dtype=np.int64)
                    if random.random() < 0.5:
                        z = golden.forward(torch.from_numpy(x)).numpy()
                        expect_vector("forward", "col", z, await driver.forward(x, y), **place)
                    else:
                        await driver.select(x, y)
                    if self.component.backward:
                        e = golden.backward(torch.from_numpy(d), torch.from_numpy(y != 0)).numpy()
                    golden.update(torch.from_numpy(x), torch.from_numpy(d), rate, program)
                    sums = await driver.update(d, rate, program)
                    if self.component.backward:
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
                expect_state(golden.state(), await driver.state(), **place)
            except AssertionError as error:
                error.add_note(f"after {operation}")
                raise


@cocotb.test(timeout_time=1, timeout_unit="sec")
async def agrees_with_golden_twin(dut) -> None:
    await run_in_cocotb(dut, CrossbarBench)
