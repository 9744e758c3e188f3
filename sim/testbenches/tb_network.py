"""Testbench of ``hw.network.Network`` against ``model.network.Network``."""

from collections import deque

import cocotb
import numpy as np
import torch

from ...config import Experiment
from ...contract.geometry import CrossbarGeometry
from ...hw.network import Network
from ...model.network import Network as GoldenNetwork
from ...train.difference import expect
from ..driver import NetworkDriver
from ..reconfigure import reconfigured
from ..streams import Bench
from .tb_crossbar import expect_state, random_drive, random_increments, random_state, random_states, reconfigured_twin
from .testbench import Testbench, run_in_cocotb


class Twins:
    """The network in the simulator and the golden model, given the same operations."""

    def __init__(self, bench: Bench, experiment: Experiment) -> None:
        self.golden = GoldenNetwork(experiment)
        self.driver = NetworkDriver(bench, experiment.crossbars, experiment.loss)
        self._predictions: deque[int] = deque()
        self._submitted = 0

    def train(self, x: np.ndarray, label: int, learning_rate_shift: int, program: bool = True) -> None:
        """Train both on a sample; the design may do so later."""
        self.driver.submit(x, label, learning_rate_shift, program)
        self._expect(self.golden.train(torch.from_numpy(x), label, learning_rate_shift, program))

    def infer(self, x: np.ndarray) -> None:
        """Let both classify a sample; the design may do so later."""
        self.expect_inference(x, self.golden.infer(torch.from_numpy(x)))

    def expect_inference(self, x: np.ndarray, prediction: int) -> None:
        """Let the design classify a sample that the golden model has classified; the design may do so later."""
        self.driver.submit_inference(x)
        self._expect(prediction)

    def program(self) -> None:
        """End a mini-batch on both."""
        self.driver.submit_program()
        self.golden.program()

    def _expect(self, prediction: int) -> None:
        self._predictions.append(prediction)
        self._submitted += 1

    async def catch_up(self, leave: int = 0) -> None:
        """Wait until the design has answered all but ``leave`` samples, and compare its predictions; with none left,
        until it has done everything."""
        while len(self._predictions) > leave:
            number = self._submitted - len(self._predictions)
            expect("prediction", self._predictions.popleft(), await self.driver.prediction(), sample=number)
        if not leave:
            await self.driver.finish()

    async def apply(self, layer: int, dw: np.ndarray) -> None:
        """Add ``dw`` (rows, cols) to the residuals of ``layer`` of both."""
        self.golden.apply(layer, torch.from_numpy(dw))
        await self.driver.apply(layer, dw)

    async def write(self, layer: int, states: np.ndarray) -> None:
        """Program-and-verify ``layer`` of both to ``states`` (rows, cols)."""
        self.golden.crossbars[layer].write(torch.from_numpy(states))
        await self.driver.write(layer, states)

    async def configure(self, geometries: tuple[CrossbarGeometry, ...]) -> None:
        """Give both the run-time parameters of ``geometries``."""
        crossbars, seed = self.golden.crossbars, self.golden.experiment.seed
        crossbars[:] = [reconfigured_twin(*twin, seed) for twin in zip(crossbars, geometries, strict=True)]
        await self.driver.configure(geometries)

    async def load(self) -> None:
        """Bring the design into the golden model's state."""
        await self.driver.load(self.golden.state())

    async def compare(self) -> None:
        """Compare the complete states."""
        expected, actual = self.golden.state(), await self.driver.state()
        for layer in range(len(self.golden.crossbars)):
            expect_state(expected, actual, layer, f"layer{layer}_", sample=self._submitted)


class NetworkBench(Testbench):
    """Trains a network on random samples, some of them classified only, compares every prediction and then the
    complete state; and once more after program-and-verify of one layer and increments applied to another, and from a
    random state with other run-time parameters."""

    def build(self) -> Network:
        experiment = self.case.experiment
        return Network(geometries=experiment.crossbars, loss=experiment.loss)

    async def exercise(self, bench: Bench) -> None:
        experiment, random = self.case.experiment, self.random
        twins = Twins(bench, experiment)
        await twins.load()
        await self._train(twins)

        layer = random.randrange(len(experiment.crossbars))
        await twins.write(layer, random_states(random, experiment.crossbars[layer]))
        layer = random.randrange(len(experiment.crossbars))
        await twins.apply(layer, random_increments(random, experiment.crossbars[layer]))
        await self._train(twins)

        for crossbar in twins.golden.crossbars:
            crossbar.load(random_state(random, crossbar.geometry))
        await twins.load()
        await twins.configure(tuple(reconfigured(random, geometry) for geometry in experiment.crossbars))
        await self._train(twins)

    async def _train(self, twins: Twins) -> None:
        experiment, random = self.case.experiment, self.random
        trained = 0
        for _ in range(self.case.samples // 3):
            x = random_drive(random, experiment.crossbars[0])
            if random.random() < 0.2:
                twins.infer(x)
                continue
            label = random.randrange(experiment.crossbars[-1].cols)
            rate = random.randint(*experiment.crossbars[0].learning_rate_shifts)
            twins.train(x, label, rate, program=experiment.batch == 1)
            trained += 1
            if experiment.batch > 1 and trained % experiment.batch == 0:
                twins.program()
        await twins.catch_up()
        await twins.compare()


@cocotb.test(timeout_time=1, timeout_unit="sec")
async def agrees_with_golden_twin(dut) -> None:
    await run_in_cocotb(dut, NetworkBench)
