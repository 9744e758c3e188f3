"""Twins of presets, trained as in docs/nn.md, end in the ``state.npz`` of `spinloom train`."""

import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from spinloom import config, nn, optim
from spinloom.contract.hashing import sample_order
from spinloom.train import data, loop
from spinloom.train.identity import Identity
from spinloom.train.run_folder import Position

PRESETS = ["mnist-dw5", "mnist-lenet-dw5"]
MNIST = os.environ.get("SPINLOOM_DATA")


def enlarged(samples):
    """The packaged digits as images of 28 x 28 pixels."""
    images = np.kron(samples.images[..., 0], np.ones((1, 3, 3), np.uint8))
    return data.Samples(np.pad(images, ((0, 0), (2, 2), (2, 2)))[..., np.newaxis], samples.labels)


def train(model, experiment, samples):
    """Train a twin on the samples in the order of the machine, at its learning rates."""
    criterion, optimizer = nn.loss_of(experiment), optim.InSitu(model)
    images, labels = torch.from_numpy(samples.images).permute(0, 3, 1, 2) / 256, torch.from_numpy(samples.labels)
    images = images if experiment.input.map else images.flatten(1)
    for epoch in range(experiment.epochs):
        optimizer.param_groups[0]["lr"] = 2.0 ** -experiment.learning_rate_shift(epoch)
        order = torch.from_numpy(sample_order(experiment.seed, epoch, len(labels)))
        for chosen in order.split(experiment.batch):
            optimizer.zero_grad()
            criterion(model(images[chosen]), labels[chosen]).backward()
            optimizer.step()


def assert_ends_as_the_machine(folder, experiment, dataset):
    loop.run(experiment, out=folder, dataset=dataset, baseline=False, progress=False)
    model = nn.model(experiment)
    train(model, experiment, dataset.train)
    with np.load(folder / "state.npz") as file:
        arrays = dict(file)
    ended = Position(experiment.epochs)._asdict()
    identity = Identity.of("train", nn.experiment(model), dataset).digest
    expected = nn.network_state(model) | ended | {"identity": identity}
    assert arrays.keys() == expected.keys()
    for name, array in arrays.items():
        assert array.tolist() == np.asarray(expected[name]).tolist(), name
    assert all(array.crossbar.counters["attempts"] for array in nn.arrays(model))
    resumed = nn.network_state(nn.model(folder))
    assert all((resumed[name] == arrays[name]).all() for name in resumed)


@pytest.mark.parametrize("batch", [1, 16])
@pytest.mark.parametrize("preset", PRESETS)
def test_twins_end_in_the_state_of_a_run(tmp_path, preset, batch):
    digits = data.load(config.load("digits-dw5"))
    dataset = replace(digits, train=enlarged(digits.train), test=enlarged(digits.test)).first(160)
    assert_ends_as_the_machine(tmp_path / "run", config.load(preset).replaced(
        batch=batch, epochs=2, learning_rate_shifts=[4, 5]), dataset)


@pytest.mark.slow
@pytest.mark.skipif(not MNIST, reason="needs MNIST in the folder named by SPINLOOM_DATA")
@pytest.mark.parametrize("preset", PRESETS)
def test_twins_end_in_the_state_of_a_run_on_mnist(tmp_path, preset):
    """An epoch of it."""
    experiment = config.load(preset).replaced(epochs=1)
    assert_ends_as_the_machine(tmp_path / "run", experiment, data.load(experiment))
