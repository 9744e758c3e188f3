"""Testbench that trains a network and its golden model on the samples of a data set."""

from dataclasses import dataclass
from pathlib import Path

import cocotb

from ..contract.hashing import sample_order
from ..hw.network import Network
from ..model import data
from .streams import Bench
from .tb_network import Twins
from .testbench import Parameters, Testbench, run_in_cocotb

AHEAD = 8
"""Samples that wait in front of the design, so that it never waits for one."""


@dataclass(frozen=True, kw_only=True)
class TrainingParameters(Parameters):
    """Also says where the data set is."""

    data_dir: str | None = None
    progress: str | None = None
    """A file that tells how many samples have been trained."""


class TrainingBench(Testbench):
    """Trains on the first ``samples`` samples of the first epoch, epoch after epoch if there are fewer, and compares
    every prediction and, at the end, the complete state.

    Returns ``cycles``, from the first sample to the last effect of the last, and ``bound_cycles``.
    """

    parameters: TrainingParameters

    def build(self) -> Network:
        experiment = self.parameters.experiment
        return Network(geometries=experiment.crossbars, loss=experiment.loss)

    async def exercise(self, bench: Bench) -> dict[str, int]:
        parameters, experiment = self.parameters, self.parameters.experiment
        train = data.load(experiment, parameters.data_dir).train
        xs = data.drive(train.images, experiment.input.format).numpy()
        twins = Twins(bench, experiment)
        await twins.load()
        start = bench.cycle
        for number in range(parameters.samples):
            epoch, place = divmod(number, len(xs))
            if place == 0:
                order = sample_order(experiment.seed, epoch, len(xs))
            sample = order[place]
            twins.train(xs[sample], int(train.labels[sample]), experiment.learning_rate_shift(epoch),
                        program=experiment.batch == 1)
            if experiment.batch > 1 and (place % experiment.batch == experiment.batch - 1 or place == len(xs) - 1):
                twins.program()
            await twins.catch_up(leave=AHEAD)
            self._report(number + 1)
        await twins.catch_up()
        cycles = bench.cycle - start
        await twins.compare()
        return {"cycles": cycles, "bound_cycles": twins.golden.bound_cycles}

    def _report(self, done: int):
        if self.parameters.progress:
            Path(self.parameters.progress).write_text(str(done), encoding="ascii")


@cocotb.test
async def agrees_with_golden_model(dut):
    await run_in_cocotb(dut, TrainingBench, TrainingParameters)
