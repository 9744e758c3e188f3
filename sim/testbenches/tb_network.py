"""Testbench of ``hw.network.Network`` against ``model.network.Network``."""

from random import Random
from typing import Any

import cocotb

from ...hw.network import Network
from ...model.network import Network as GoldenNetwork
from ...model.recorder import Recorder
from ...train.lockstep import Twins
from ..bench import Bench
from ..benches.streams import PinBench
from ..driver import NetworkDriver
from ..reconfigure import reconfigured
from ..stimuli import random_drive, random_increments, random_state, random_states
from .tb_crossbar import reconfigured_twin
from .testbench import Case, Testbench, run_in_cocotb


async def exercise_network(bench: Bench, case: Case, random: Random) -> None:
    """Train the network on ``bench`` on random samples, some of them classified only. Compare every prediction and then
    the complete state.

    Once more after program-and-verify of one layer and increments applied to another, and once more from a random state
    with other run-time parameters.
    """
    experiment = case.experiment
    driver = NetworkDriver(bench, experiment.crossbars, experiment.loss, case.traced)
    twins = Twins(GoldenNetwork(experiment), driver, trace=Recorder() if case.traced else None)
    await twins.load()
    await _train(twins, case, random)

    layer = random.randrange(len(experiment.crossbars))
    await twins.write(layer, random_states(random, experiment.crossbars[layer]))
    layer = random.randrange(len(experiment.crossbars))
    await twins.apply(layer, random_increments(random, experiment.crossbars[layer]))
    await _train(twins, case, random)

    for crossbar in twins.golden.crossbars:
        crossbar.load(random_state(random, crossbar.geometry))
    await twins.load()
    geometries = tuple(reconfigured(random, geometry) for geometry in experiment.crossbars)
    twins.golden.crossbars[:] = [reconfigured_twin(*twin, experiment.seed)
                                 for twin in zip(twins.golden.crossbars, geometries, strict=True)]
    await driver.configure(geometries)
    await _train(twins, case, random)


async def _train(twins: Twins, case: Case, random: Random) -> None:
    experiment = case.experiment
    trained = 0
    for _ in range(case.samples // 3):
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


class NetworkBench(Testbench[None]):
    """``exercise_network`` on the pins of a network."""

    def build(self) -> Network:
        experiment = self.case.experiment
        return Network(geometries=experiment.crossbars, loss=experiment.loss, traced=self.case.traced)

    async def exercise(self, bench: PinBench) -> None:
        await exercise_network(bench, self.case, self.random)


@cocotb.test(timeout_time=1, timeout_unit="sec")
async def agrees_with_golden_twin(dut: Any) -> None:
    await run_in_cocotb(dut, NetworkBench)
