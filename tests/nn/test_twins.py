from itertools import count, islice
from random import Random

import numpy as np
import pytest
import torch
from spinloom import config, nn, optim
from spinloom.contract.hashing import sample_order
from spinloom.model.compiled.trainer import CompiledTrainer
from spinloom.model.network import Network
from spinloom.random_experiment import random_experiment
from spinloom.train import data

from ..model.experiments import random_samples
from .twins import images, relaxing_by_steps, state


def assert_twins(experiment, xs, labels, dtype=torch.float64):
    """Training of the network and of its twin, mini-batch by mini-batch, ends in the same bits."""
    network = Network(experiment)
    batches = len(xs) // experiment.batch
    order = sample_order(experiment.seed, 0, len(xs))[:batches * experiment.batch]
    shift = experiment.learning_rate_shift(0)
    predictions = CompiledTrainer(network).train_span(xs, labels, order, range(len(order)), shift)

    model, criterion = nn.model(experiment), nn.loss_of(experiment)
    optimizer = optim.InSitu(model, shift)
    inputs, found = images(experiment, xs).to(dtype), []
    for chosen in np.split(order, batches):
        z = model(inputs[chosen])
        optimizer.zero_grad()
        criterion(z, torch.from_numpy(labels[chosen])).backward()
        optimizer.step()
        found += z.argmax(dim=1).tolist()
    assert found == predictions.tolist()
    expected = state(network)
    for name, array in state(model).items():
        assert array == expected[name], name
    model.eval()
    assert model(inputs).argmax(dim=1).tolist() == network.predict(xs).tolist()
    assert state(model) == expected
    return network


@pytest.mark.parametrize("batch", [1, 16])
@pytest.mark.parametrize(("preset", "samples"), [("digits-dw5", 320), ("digits-conv-dw5", 160)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_twins_of_presets_end_in_the_same_state(preset, samples, batch, dtype):
    experiment = config.load(preset).replaced(batch=batch)
    digits = data.load(experiment).train
    xs = data.drive(digits.images[:samples], experiment.input.format)
    network = assert_twins(experiment, xs, digits.labels[:samples], dtype)
    assert all(crossbar.counters["attempts"] for crossbar in network.crossbars)


def possible(experiment):
    """Whether an experiment has a twin. Where windows of a pooling overlap, the machine rounds before it adds up what
    comes back from several of them, and PyTorch does not."""
    overlap = any(stride < pool for window in experiment.windows
                  for pool, stride in zip(window.pool, window.pool_stride, strict=True))
    return not overlap and experiment.learning_rate_shift(0) <= 15


@pytest.mark.parametrize("kind", ["ideal", "domain_wall", "incremental", "pcm_pair", "mtj", "measured"])
def test_twins_of_random_experiments_end_in_the_same_state(kind):
    """Of every neuron, loss and format, with read noise, and with pooling."""
    drawn = (random_experiment(Random(f"{kind} {seed}"), kind=kind, convolutions=seed % 2 == 1) for seed in count())
    for seed, experiment in enumerate(islice(filter(possible, map(relaxing_by_steps, drawn)), 14)):
        xs, labels = random_samples(experiment, 12, seed)
        assert_twins(experiment, xs, labels)
