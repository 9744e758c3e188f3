"""Testbench that measures how fast a network trains in a simulator; the golden model checks it on the way."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

import cocotb
import numpy as np
import torch

from ...config import Experiment
from ...contract.hashing import sample_order
from ...hw.network import Network
from ...model.compiled.trainer import CompiledTrainer
from ...model.network import Network as GoldenNetwork
from ...train import data
from ...train.difference import expect
from ..compiled import CompiledBench
from ..driver import NetworkDriver
from ..streams import Bench
from .tb_crossbar import expect_state
from .testbench import Case, Testbench, run_in_cocotb


async def measure(bench: Bench | CompiledBench, experiment: Experiment, xs: torch.Tensor, labels: np.ndarray,
                  pretrained: Iterable[int], samples: int) -> list[dict]:
    """Train the network behind ``bench``, in mini-batches of one, on ``samples`` samples: once after each number in
    ``pretrained``, ascending, of samples that the golden model has trained on before. They are those of the first epoch
    on ``xs`` (n, inputs) and ``labels`` (n,).

    Returns, for each, ``pretrained``, ``samples``, ``cycles``, ``bound_cycles`` and ``read_cycles`` (see
    `model.network.Network`), ``seconds`` and ``cpu_seconds``: of training alone, samples queued in advance.
    ``DifferenceError`` at the first prediction, or the first place in the final states, in which golden model and
    design differ.
    """
    golden = GoldenNetwork(experiment)
    trainer = CompiledTrainer(golden)
    driver = NetworkDriver(bench, experiment.crossbars, experiment.loss)
    order, shift = sample_order(experiment.seed, 0, len(labels)), experiment.learning_rate_shift(0)
    results, trained = [], 0
    for start in pretrained:
        trainer.train_span(xs, labels, order, range(trained, start), shift)
        trained = start + samples
        await driver.load(golden.state())
        cycle, bound, reads = bench.cycle, golden.bound_cycles, golden.read_cycles
        wall, cpu = time.perf_counter(), time.process_time()
        for sample in order[start:trained]:
            driver.submit(xs[sample].numpy(), int(labels[sample]), shift)
        await driver.finish()
        wall, cpu, cycles = time.perf_counter() - wall, time.process_time() - cpu, bench.cycle - cycle

        expected = trainer.train_span(xs, labels, order, range(start, trained), shift)
        for sample, prediction in enumerate(expected.tolist(), start):
            expect("prediction", prediction, await driver.prediction(), sample=sample)
        state, actual = golden.state(), await driver.state()
        for layer in range(len(golden.crossbars)):
            expect_state(state, actual, layer, f"layer{layer}_", sample=trained)
        results.append({"pretrained": start, "samples": samples, "cycles": cycles,
                        "bound_cycles": golden.bound_cycles - bound, "read_cycles": golden.read_cycles - reads,
                        "seconds": wall, "cpu_seconds": cpu})
    return results


@dataclass(frozen=True, kw_only=True)
class SpeedCase(Case):
    """Also says how many samples the golden model trains on before."""

    pretrained: int = 0


class SpeedBench(Testbench):
    """Measures on the packaged digits, or another data set that is found without being told where."""

    parameters: SpeedCase

    def build(self) -> Network:
        experiment = self.case.experiment
        return Network(geometries=experiment.crossbars, loss=experiment.loss)

    async def exercise(self, bench: Bench) -> dict:
        """What ``measure`` returns."""
        parameters, experiment = self.case, self.case.experiment
        train = data.load(experiment).train
        xs = data.drive(train.images, experiment.input.format)
        return (await measure(bench, experiment, xs, train.labels, [parameters.pretrained], parameters.samples))[0]


@cocotb.test
async def trains_as_the_golden_model(dut) -> None:
    await run_in_cocotb(dut, SpeedBench, SpeedCase)
