"""Stochastic rounding as a theorist would simulate it: exact probabilities and floating-point random numbers, no tables
and no LFSR. The machine's integers are compared with it where there is no accumulator."""

from collections.abc import Callable

import numpy as np
import torch

from ..config import Experiment
from ..contract.device import nominal
from ..contract.errors import ConfigError
from ..devices.mtj import MtjDevice
from ..model.network import Network
from . import data
from . import loop as train
from .host import HostTrainer

_POINTS = 1 << 16
"""Points of the switching curve between which it is interpolated."""


@train.one_thread()
def accuracy(experiment: Experiment, dataset: data.Dataset, seen: Callable[[int], None] = lambda count: None) -> float:
    """Test accuracy in percent of ``experiment``, which has a ``host`` and rounds stochastically.

    Network, gradients and optimiser are those of the machine; increments and probabilities are in floating point.
    ``seen`` is told the number of samples of each mini-batch when it is done. ``ConfigError`` if the device does not
    switch by chance.
    """
    if not isinstance(experiment.device, MtjDevice):
        raise ConfigError(f"device.kind={experiment.device.kind!r}: only 'mtj' has a probability of switching")
    probability = experiment.device.probability
    network = Network(experiment)
    host, random = HostTrainer(network), np.random.default_rng(experiment.seed)
    fractions = np.arange(_POINTS + 1) / _POINTS
    curve = np.array([probability(fraction) for fraction in fractions])
    xs = data.drive(dataset.train.images, experiment.input.format).to(torch.int64)
    labels = dataset.train.labels
    for epoch in range(experiment.epochs):
        for chosen in np.split(order := experiment.sample_order(epoch, len(labels)),
                               range(experiment.batch, len(order), experiment.batch)):
            _, increments = host.levels(xs[chosen], labels[chosen], experiment.learning_rate_shift(epoch))
            for crossbar, dw in zip(network.crossbars, increments, strict=True):
                size, device = dw.abs().numpy(), crossbar.geometry.device
                whole = np.floor(size)
                switched = random.random(size.shape) < np.interp(size - whole, fractions, curve)
                states = crossbar.states() + (dw.sign() * torch.from_numpy(whole + switched)).to(torch.int64)
                states = states.clamp(0, device.states - 1)
                crossbar.g.copy_(nominal(states, device.states, device.sub_bits))
            seen(len(chosen))
    return train.test_accuracy(network, dataset)
