"""Testbench that trains a network and its golden model on the samples of a data set."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cocotb
import numpy as np
import torch

from ...contract.geometry import COUNTERS
from ...contract.hashing import sample_order
from ...hw.network import Network
from ...model.network import Network as GoldenNetwork
from ...train import data
from ...train.host import HostTrainer
from ..streams import Bench
from .tb_network import Twins
from .testbench import Case, Testbench, run_in_cocotb

AHEAD = 8
"""Samples that wait in front of the design, so that it never waits for one."""


@dataclass(frozen=True, kw_only=True)
class TrainingCase(Case):
    """Also says where the data set is."""

    data_dir: str | None = None
    progress: str | None = None
    """A file that tells how many samples have been trained."""


class TrainingBench(Testbench):
    """Trains on the first ``samples`` samples of the first epoch, epoch after epoch if there are fewer, and compares
    every prediction and, at the end, the complete state. With a ``transfer``, a precursor trained on as many samples by
    the golden model is written into both first; with a ``host``, that trains both.

    Returns ``cycles``, from the first sample to the last effect of the last, ``bound_cycles``, and ``counters``: the
    golden model's, summed over the layers.
    """

    parameters: TrainingCase

    def build(self) -> Network:
        experiment = self.case.experiment
        return Network(geometries=experiment.crossbars, loss=experiment.loss)

    async def exercise(self, bench: Bench) -> dict:
        experiment = self.case.experiment
        train = data.load(experiment, self.case.data_dir).train
        xs = data.drive(train.images, experiment.input.format)
        twins = Twins(bench, experiment)
        await twins.load()
        if experiment.transfer:
            source = GoldenNetwork(experiment.precursor)
            for epoch, order, span in self._spans(len(xs)):
                source.train_span(xs, train.labels, order, span, experiment.learning_rate_shift(epoch))
            for layer, crossbar in enumerate(source.crossbars):
                await twins.write(layer, crossbar.states().numpy())
        start = bench.cycle
        host = HostTrainer(twins.golden) if experiment.host else None
        done = 0
        for epoch, order, span in self._spans(len(xs)):
            rate = experiment.learning_rate_shift(epoch)
            for first in range(span.start, span.stop, experiment.batch):
                chosen = order[first:min(first + experiment.batch, span.stop)]
                if host:
                    await self._train_by(host, twins, xs[chosen].to(torch.int64), train.labels[chosen], rate)
                    done += len(chosen)
                    self._report(done)
                    continue
                for sample in chosen:
                    twins.train(xs[sample].numpy(), int(train.labels[sample]), rate, program=experiment.batch == 1)
                    await twins.catch_up(leave=AHEAD)
                    done += 1
                    self._report(done)
                if experiment.batch > 1:
                    twins.program()
        await twins.catch_up()
        cycles = bench.cycle - start
        await twins.compare()
        counters = {name: sum(crossbar.counters[name] for crossbar in twins.golden.crossbars) for name in COUNTERS}
        return {"cycles": cycles, "bound_cycles": twins.golden.bound_cycles, "counters": counters}

    def _spans(self, count: int) -> Iterator[tuple[int, np.ndarray, range]]:
        """The epochs, of ``count`` samples, that the samples make: the number, the order, the samples taken of it."""
        seed = self.case.experiment.seed
        for epoch, first in enumerate(range(0, self.case.samples, count)):
            yield epoch, sample_order(seed, epoch, count), range(min(count, self.case.samples - first))

    async def _train_by(self, host: HostTrainer, twins: Twins, xs: torch.Tensor, labels: np.ndarray, rate: int) -> None:
        """One mini-batch: the design classifies the samples that the golden model has; both apply the increments."""
        predictions, increments = host.increments(xs, labels, rate)
        for x, prediction in zip(xs.numpy(), predictions.tolist(), strict=True):
            twins.expect_inference(x, prediction)
            await twins.catch_up(leave=AHEAD)
        await twins.catch_up()
        for layer, dw in enumerate(increments):
            await twins.apply(layer, dw.numpy())

    def _report(self, done: int) -> None:
        if self.case.progress:
            Path(self.case.progress).write_text(str(done), encoding="ascii")


@cocotb.test
async def agrees_with_golden_model(dut) -> None:
    await run_in_cocotb(dut, TrainingBench, TrainingCase)
