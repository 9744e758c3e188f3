"""Short runs of every preset end in the states that they always ended in.

The samples are made up, so that no data set is needed; the digests were recorded once. They change only when the
arithmetic does, and `docs/arithmetic.md` with it.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from spinloom.config import PRESETS, Experiment, load
from spinloom.contract.hashing import hash32, sample_order
from spinloom.model.compiled.trainer import CompiledTrainer
from spinloom.model.network import Network
from spinloom.train import data
from spinloom.train.host import HostTrainer
from spinloom.train.lockstep import digest

SAMPLES, EPOCHS, CLASSES = 300, 2, 10
DIGESTS = json.loads(Path(__file__).with_name("preset_digests.json").read_text(encoding="utf-8"))


def samples(experiment: Experiment):
    """Drives and labels: every class has pixels of its own that are never dark, the others are dark nine times in
    ten."""
    inputs = experiment.input.count
    labels = (hash32(7, 1, np.arange(SAMPLES, dtype=np.uint64)) % CLASSES).astype(np.int64)
    noise = hash32(7, 2, np.arange(SAMPLES * inputs, dtype=np.uint64)).astype(np.int64).reshape(SAMPLES, inputs)
    shapes = hash32(7, 3, np.arange(CLASSES * inputs, dtype=np.uint64)).reshape(CLASSES, inputs) % 10 == 0
    images = np.where(shapes[labels] | ((noise >> 8) % 10 == 0), noise & 255, 0).astype(np.uint8)
    return data.drive(images, experiment.input.format), labels


def train(experiment: Experiment):
    """The network after ``EPOCHS`` epochs, and what else has a state."""
    network = Network(experiment)
    trainer = HostTrainer(network) if experiment.host else CompiledTrainer(network)
    xs, labels = samples(experiment)
    for epoch in range(EPOCHS):
        trainer.train_span(xs, labels, sample_order(experiment.seed, epoch, SAMPLES), range(SAMPLES),
                           experiment.learning_rate_shift(epoch))
    return network, trainer


def final_state(experiment: Experiment) -> dict[str, np.ndarray]:
    if not experiment.transfer:
        network, trainer = train(experiment)
        return network.state() | (trainer.state() if experiment.host else {})
    source, _ = train(experiment.precursor)
    network = Network(experiment)
    for crossbar, trained in zip(network.crossbars, source.crossbars, strict=True):
        crossbar.write(trained.states())
    return network.state()


def test_every_preset_has_a_digest():
    assert sorted(DIGESTS) == sorted(path.stem for path in PRESETS.glob("*.toml"))


@pytest.mark.parametrize("preset", sorted(DIGESTS))
def test_a_preset_ends_in_the_state_that_it_always_ended_in(preset):
    assert digest(final_state(load(preset))) == DIGESTS[preset]
