"""Testbench that trains a network and its golden model on the samples of a data set."""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cocotb

from ...contract.geometry import POSITION_COUNTERS
from ...contract.results import Result
from ...hw.network import Network
from ...model.network import Network as GoldenNetwork
from ...model.recorder import Recorder
from ...train import data
from ...train.host import HostTrainer
from ...train.lockstep import Plan, Twins
from ..benches.streams import PinBench
from ..driver import NetworkDriver
from .testbench import Case, Testbench, run_in_cocotb

AHEAD = 8
"""Samples that wait in front of the design, so that it never waits for one."""


@dataclass(frozen=True, kw_only=True)
class TrainingCase(Case):
    """Also says where the data set is."""

    data_dir: str | None = None
    progress: str | None = None
    """A file that tells how many samples have been trained."""


@dataclass(frozen=True, kw_only=True)
class Trained(Result):
    """What a training that was bit-exact took."""

    cycles: int
    """Clock cycles, from the first sample to the last effect of the last."""
    bound_cycles: int
    """See `model.network.Network`."""
    counters: dict[str, int]
    """Of the golden model, by name, summed over the layers."""
    compared: dict[str, int]
    """Numbers that were compared: ``predictions``, and the arrays of the final states by name, all layers together."""


class TrainingBench(Testbench[Trained]):
    """Trains on the first ``samples`` samples of the first epoch, epoch after epoch if there are fewer. Compares every
    prediction and, at the end, the complete state.

    With a ``transfer``, the golden model trains a precursor on as many samples, which is written into both first. With
    a ``host``, that trains both.
    """

    answer = Trained
    case: TrainingCase

    def build(self) -> Network:
        experiment = self.case.experiment
        return Network(geometries=experiment.crossbars, loss=experiment.loss, traced=self.case.traced)

    async def exercise(self, bench: PinBench) -> Trained:
        case, experiment = self.case, self.case.experiment
        train = data.load(experiment, case.data_dir).train
        golden = GoldenNetwork(experiment)
        twins = Twins(golden, NetworkDriver(bench, experiment.crossbars, experiment.loss, case.traced),
                      trace=Recorder() if case.traced else None)
        await twins.load()
        if experiment.transfer:
            await self._write_precursor(twins, Plan(experiment, train, case.samples))
        start, done = bench.cycle, 0
        host = HostTrainer(golden) if experiment.host else None
        plan = Plan(experiment, train, case.samples, cut=True)
        for span in plan.spans(experiment.batch):
            if host:
                await twins.train_batch_by(host, plan.xs, plan.labels, span)
            else:
                await twins.train_span(plan.xs, plan.labels, span, ahead=AHEAD)
            done += len(span.places)
            self._report(done)
        await twins.catch_up()
        cycles = bench.cycle - start
        compared = Counter(predictions=case.samples)
        for name, array in (await twins.compare()).items():
            compared[name.partition("_")[2]] += array.size
        return Trained(cycles=cycles, bound_cycles=golden.bound_cycles, compared=dict(compared), counters={
            name: sum(crossbar.counters[name] for crossbar in golden.crossbars if name in crossbar.counters)
            for name in POSITION_COUNTERS if any(name in crossbar.counters for crossbar in golden.crossbars)})

    async def _write_precursor(self, twins: Twins, plan: Plan) -> None:
        """Train a precursor as planned, and write its states into both."""
        precursor = GoldenNetwork(plan.experiment.precursor)
        for span in plan.spans(len(plan.labels)):
            precursor.train_span(plan.xs, plan.labels, span.order, span.places, span.learning_rate_shift)
        for layer, crossbar in enumerate(precursor.crossbars):
            await twins.write(layer, crossbar.states().numpy())

    def _report(self, done: int) -> None:
        if self.case.progress:
            with suppress(OSError):  # nobody's results depend on it
                Path(self.case.progress).write_text(str(done), encoding="ascii")


@cocotb.test
async def agrees_with_golden_model(dut: Any) -> None:
    await run_in_cocotb(dut, TrainingBench, TrainingCase)
