"""How fast layers of `spinloom.nn` train beside those of PyTorch and aihwkit: forward pass, backward pass and step."""

import importlib.util
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from ... import nn as arrays
from ...config import Experiment
from ...optim import InSitu
from ...train import baseline
from .plan import BATCHES, NETWORK_BATCH, LayersTrainer
from .results import LayersSpeed
from .trainers import LEARNING_RATE, aihwkit_layer, aihwkit_optimizer

SHIFT = 6
"""Learning rate of the arrays, as ``2**-SHIFT``; their speed depends on it by the write pulses alone."""


class _Model(NamedTuple):
    """Layers, and how they learn."""

    modules: nn.Module
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    optimizer: torch.optim.Optimizer


class _Training:
    """A model that trains in mini-batches, over and over on the same samples."""

    def __init__(self, model: _Model, x: torch.Tensor, labels: torch.Tensor, batch: int, threads: int) -> None:
        self._model, self._threads = model, threads
        self._x, self._labels = x.split(batch), labels.split(batch)
        self._next = 0

    def train(self, mini_batches: int) -> np.ndarray:
        """Train on so many; the seconds of all forward passes, backward passes and steps."""
        model, seconds = self._model, np.zeros(3)
        with _threads(self._threads):
            for _ in range(mini_batches):
                x, labels = self._x[self._next].requires_grad_(), self._labels[self._next]
                model.optimizer.zero_grad()
                times = [time.perf_counter()]
                loss = model.loss(model.modules(x), labels)
                times.append(time.perf_counter())
                loss.backward()
                times.append(time.perf_counter())
                model.optimizer.step()
                times.append(time.perf_counter())
                seconds += np.diff(times)
                x.grad = None
                self._next = (self._next + 1) % len(self._x)
        return seconds


def measure(dense: Experiment, samples: tuple[torch.Tensor, np.ndarray], convolutional: Experiment,
            maps: tuple[torch.Tensor, np.ndarray], *, warm_up: int, rounds: int, seconds: float,
            ) -> tuple[LayersSpeed, ...]:
    """The first layer of ``dense`` on ``samples`` at each of ``BATCHES``, and the network ``convolutional`` on
    ``maps`` at ``NETWORK_BATCH``, on one thread and on as many as there are cores. Drives and labels are as
    `measure.samples_of` gives them.

    What is compared takes turns in ``rounds`` of about ``seconds``; the median over them counts. Before, arrays have
    trained on ``warm_up`` samples, so that they are written as often as in the middle of a training.
    """
    x, labels = _floats(dense, *samples)
    labels %= dense.layers[0].cols  # of which a layer may have fewer than there are labels
    found: list[LayersSpeed] = []
    for batch in BATCHES:
        found += _compared(f"Linear {x.shape[1]}-{dense.layers[0].cols}", _linear(dense), x, labels, batch,
                           warm_up, rounds, seconds)
    images, labels = _floats(convolutional, *maps)
    images = images.unflatten(1, convolutional.input.map).movedim(3, 1).contiguous()
    return (*found, *_compared(convolutional.name, _network(convolutional), images, labels, NETWORK_BATCH, warm_up,
                               rounds, seconds))


def _floats(experiment: Experiment, xs: torch.Tensor, labels: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    return xs * torch.tensor(2.0 ** -experiment.input.format.frac), torch.from_numpy(labels)


def _linear(experiment: Experiment) -> dict[LayersTrainer, Callable[[], _Model]]:
    """How to make the first layer of ``experiment``."""
    rows, layer = experiment.input.count, experiment.layers[0]

    def in_arrays() -> _Model:
        module = arrays.Linear(rows, layer.cols, device=experiment.device, weight_step=layer.weight_step,
                               z_frac=layer.z_frac, delta_bits=layer.delta_bits, delta_frac=layer.delta_frac)
        return _Model(module, arrays.CrossEntropy(layer.delta_frac), InSitu(module, SHIFT))

    makers: dict[LayersTrainer, Callable[[], _Model]] = {
        "arrays": in_arrays, "float32": lambda: _descent(nn.Linear(rows, layer.cols, bias=False))}
    return makers | ({"aihwkit": lambda: _aihwkit(rows, layer.cols)} if importlib.util.find_spec("aihwkit") else {})


def _network(experiment: Experiment) -> dict[LayersTrainer, Callable[[], _Model]]:
    """How to make the network of ``experiment``."""
    def in_arrays() -> _Model:
        modules = arrays.model(experiment)
        return _Model(modules, arrays.loss_of(experiment), InSitu(modules, SHIFT))

    def in_floats() -> _Model:
        return _descent(nn.Sequential(arrays.Flatten(), baseline.network(experiment)))

    return {"arrays": in_arrays, "float32": in_floats}


def _descent(modules: nn.Module) -> _Model:
    return _Model(modules, nn.functional.cross_entropy, torch.optim.SGD(modules.parameters(), lr=LEARNING_RATE))


def _aihwkit(inputs: int, outputs: int) -> _Model:
    module = aihwkit_layer(inputs, outputs, bias=False)
    return _Model(module, nn.functional.cross_entropy, aihwkit_optimizer(module))


def _compared(name: str, makers: dict[LayersTrainer, Callable[[], _Model]], x: torch.Tensor, labels: torch.Tensor,
              batch: int, warm_up: int, rounds: int, seconds: float) -> list[LayersSpeed]:
    """The speed of what ``makers`` make, taking turns."""
    keys = [(trainer, threads) for trainer in makers for threads in sorted({1, os.cpu_count() or 1})]
    trainings = {key: _Training(makers[key[0]](), x, labels, batch, key[1]) for key in keys}
    counts = {}
    for key, training in trainings.items():
        training.train(-(-warm_up // batch) if key[0] == "arrays" else 1)
        counts[key] = _count(training, seconds)
    parts: dict[tuple[LayersTrainer, int], list[np.ndarray]] = {key: [] for key in keys}
    for _ in range(rounds):
        for key, training in trainings.items():
            parts[key].append(training.train(counts[key]) / (counts[key] * batch))
    rows = []
    for (trainer, threads), measured in parts.items():
        forward, backward, step = (statistics.median(column) for column in zip(*measured, strict=True))
        rows.append(LayersSpeed(model=name, trainer=trainer, batch=batch, threads=threads, forward_seconds=forward,
                                backward_seconds=backward, step_seconds=step))
    return rows


def _count(training: _Training, seconds: float) -> int:
    """Mini-batches that take about ``seconds``."""
    count = 1
    while (taken := training.train(count).sum()) < seconds / 4:
        count *= 4
    return max(1, round(count * seconds / taken))


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
