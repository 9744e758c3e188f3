"""How fast a network trains in a simulation. The golden model checks it on the way."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from ..config import Experiment
from ..contract.results import Result
from ..model.compiled.trainer import CompiledTrainer
from ..model.network import Network
from ..train.lockstep import Span, Twins
from .bench import ClockedBench
from .driver import NetworkDriver


@dataclass(frozen=True, kw_only=True)
class RtlSpeed(Result):
    """What it took to train a network on some samples."""

    pretrained: int
    """Samples that the golden model had trained on before."""
    samples: int
    cycles: int
    """Clock cycles of the design."""
    bound_cycles: int
    read_cycles: int
    """See `model.network.Network`."""
    seconds: float
    cpu_seconds: float
    """Of the simulation, samples queued in advance."""

    @property
    def cycles_per_second(self) -> float:
        return self.cycles / self.seconds

    @property
    def samples_per_second(self) -> float:
        return self.samples / self.seconds

    @property
    def samples_per_cpu_second(self) -> float:
        return self.samples / max(self.cpu_seconds, 1e-9)

    @property
    def of_bound(self) -> float:
        """Clock cycles as a multiple of the bound."""
        return self.cycles / self.bound_cycles


async def measure(bench: ClockedBench, experiment: Experiment, xs: torch.Tensor, labels: np.ndarray,
                  pretrained: Iterable[int], samples: int) -> list[RtlSpeed]:
    """Train the network behind ``bench`` on ``samples`` samples: once after each number in ``pretrained``, ascending,
    of samples that the golden model has trained on before. They are those of the first epoch on ``xs`` (n, inputs) and
    ``labels`` (n,).

    ``DifferenceError`` at the first prediction, or the first place in the final states, in which golden model and
    design differ.
    """
    golden = Network(experiment)
    trainer = CompiledTrainer(golden)
    driver = NetworkDriver(bench, experiment.crossbars, experiment.loss)
    order, shift = experiment.sample_order(0, len(labels)), experiment.learning_rate_shift(0)
    results, trained = [], 0
    for start in pretrained:
        trainer.train_span(xs, labels, order, range(trained, start), shift)
        trained = start + samples
        twins = Twins(golden, driver, trainer=trainer, sample=start, meter=lambda: bench.cycle)
        await twins.load()
        effort = await twins.train_span(xs, labels, Span(order, range(start, trained), shift))
        await twins.compare()
        results.append(RtlSpeed(pretrained=start, samples=samples, cycles=effort.metered,
                             bound_cycles=effort.bound_cycles, read_cycles=effort.read_cycles, seconds=effort.seconds,
                             cpu_seconds=effort.cpu_seconds))
    return results
