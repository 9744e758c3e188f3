"""What trains on the CPU, side by side: the golden model, and PyTorch in floating point."""

import statistics
import time
from collections.abc import Callable, Hashable
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import nn

from ...config import Experiment
from ...model.compiled.trainer import CompiledTrainer
from ...model.network import Network
from ...train import baseline
from .results import Speed

LEARNING_RATE = 0.01
"""Of the floating-point descents, whose speed does not depend on it."""
Name = TypeVar("Name", bound=Hashable)


class Training(Protocol):
    """What can train."""

    def train(self, count: int) -> None:
        """Train on ``count`` samples."""


class Golden:
    """The golden model, ``compiled`` or not, always from the state after ``warm_up`` samples."""

    def __init__(self, experiment: Experiment, xs: torch.Tensor, labels: np.ndarray, warm_up: int,
                 compiled: bool) -> None:
        self._network = Network(experiment)
        self._experiment, self._xs, self._labels = experiment, xs, labels
        self._trainer: CompiledTrainer | Network = CompiledTrainer(self._network)
        self._train(range(warm_up))
        self._state, self._start = self._network.state(), warm_up
        if not compiled:
            self._trainer = self._network

    def train(self, count: int) -> None:
        self._network.load(self._state)
        self._train(range(self._start, self._start + count))

    def _train(self, span: range) -> None:
        size, first = len(self._labels), span.start
        while first < span.stop:
            epoch, sample = divmod(first, size)
            stop = min(size, sample + span.stop - first)
            self._trainer.train_span(self._xs, self._labels, self._experiment.sample_order(epoch, size),
                                     range(sample, stop), self._experiment.learning_rate_shift(epoch))
            first += stop - sample


class Descent:
    """Gradient descent on cross-entropy by PyTorch, in mini-batches of ``batch``; ``step`` takes the loss of each."""

    def __init__(self, network: nn.Module, step: Callable[[torch.Tensor], None], x: torch.Tensor, labels: torch.Tensor,
                 batch: int) -> None:
        self._network, self._step, self._batch = network, step, batch
        self._x, self._labels = x.split(batch), labels.split(batch)
        self._next = 0

    def train(self, count: int) -> None:
        for _ in range(-(-count // self._batch)):
            z = self._network(self._x[self._next])
            self._step(nn.functional.cross_entropy(z, self._labels[self._next]))
            self._next = (self._next + 1) % len(self._x)


def float32(experiment: Experiment, x: torch.Tensor, labels: torch.Tensor, batch: int) -> Descent:
    """The same topology in float32. The weights are changed in place, which is quicker than any ``torch.optim.SGD``."""
    network = baseline.network(experiment)
    weights = list(network.parameters())

    def step(loss: torch.Tensor) -> None:
        gradients = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for weight, gradient in zip(weights, gradients, strict=True):
                weight.sub_(gradient, alpha=LEARNING_RATE)

    return Descent(network, step, x, labels, batch)


def aihwkit(experiment: Experiment, x: torch.Tensor, labels: torch.Tensor, batch: int) -> Descent:
    """The same topology in aihwkit: its mixed-precision compound of soft-bounds devices."""
    from aihwkit.nn import AnalogSequential

    modules: list[nn.Module] = []
    inputs = experiment.input.count
    for layer in experiment.layers:
        modules += [aihwkit_layer(inputs, layer.cols, layer.bias), nn.ReLU()]
        inputs = layer.cols
    network = AnalogSequential(*modules[:-1])
    optimizer = aihwkit_optimizer(network)

    def step(loss: torch.Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return Descent(network, step, x, labels, batch)


def aihwkit_layer(inputs: int, outputs: int, bias: bool) -> nn.Module:
    """A layer of aihwkit: its mixed-precision compound of soft-bounds devices."""
    from aihwkit.nn import AnalogLinear
    from aihwkit.simulator.configs import DigitalRankUpdateRPUConfig, MixedPrecisionCompound, SoftBoundsDevice

    rule = DigitalRankUpdateRPUConfig(device=MixedPrecisionCompound(device=SoftBoundsDevice()))
    return AnalogLinear(inputs, outputs, bias=bias, rpu_config=rule)


def aihwkit_optimizer(network: nn.Module) -> torch.optim.Optimizer:
    """What trains layers of aihwkit."""
    from aihwkit.optim import AnalogSGD

    optimizer = AnalogSGD(network.parameters(), lr=LEARNING_RATE)
    optimizer.regroup_param_groups(network)
    return optimizer


def speeds(trainers: dict[Name, Training], rounds: int, seconds: float) -> dict[Name, Speed]:
    """The speed of each trainer: the median over ``rounds`` of about ``seconds`` each, in which they take turns."""
    counts = {name: _calibrate(trainer, seconds) for name, trainer in trainers.items()}
    rates: dict[Name, list[tuple[float, float]]] = {name: [] for name in trainers}
    for _ in range(rounds):
        for name, trainer in trainers.items():
            wall, cpu = time.perf_counter(), time.process_time()
            trainer.train(counts[name])
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            rates[name].append((counts[name] / wall, counts[name] / max(cpu, 1e-9)))
    return {name: Speed(samples_per_second=statistics.median(wall for wall, _ in pairs),
                        samples_per_cpu_second=statistics.median(cpu for _, cpu in pairs))
            for name, pairs in rates.items()}


def _calibrate(trainer: Training, seconds: float) -> int:
    """Samples, a multiple of the largest mini-batch's 32, that take about ``seconds``."""
    count = 32
    while True:
        started = time.perf_counter()
        trainer.train(count)
        elapsed = time.perf_counter() - started
        if elapsed >= seconds / 4:
            return max(32, round(count * seconds / elapsed / 32) * 32)
        count *= 4
