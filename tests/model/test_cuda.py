"""The golden model on CUDA tensors: the same bits as on the CPU. Skipped where there is no CUDA device."""

from random import Random

import numpy as np
import pytest
import torch
from spinloom import config
from spinloom.contract.hashing import sample_order
from spinloom.model.compiled.gpu import GpuCrossbar
from spinloom.model.crossbar import Crossbar
from spinloom.model.network import Network
from spinloom.model.samples import SampleCrossbar
from spinloom.random_experiment import random_experiment
from spinloom.train.host import HostTrainer

from .experiments import random_samples
from .test_compiled_crossbar import operands
from .test_convolution import DEVICES, network_of

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


def expect_the_same_bits(experiment, samples, seed=1):
    """Train on the CPU and on CUDA tensors, in two epochs, and compare everything that can be seen."""
    xs, labels = random_samples(experiment, samples, seed)
    trained = []
    for torch_device in ("cpu", "cuda"):
        network = Network(experiment, torch_device)
        trainer = HostTrainer(network) if experiment.host else network
        placed, predictions = xs.to(torch_device), []
        for epoch in range(2):
            order = sample_order(experiment.seed, epoch, samples)
            shift = experiment.learning_rate_shift(epoch)
            predictions.append(trainer.train_span(placed, labels, order, range(samples), shift).tolist())
        state = network.state() | (trainer.state() if experiment.host else {})
        trained.append((predictions, network.predict(placed).tolist(), network.pulses.tolist(), network.row_reads,
                        {name: array.tolist() for name, array in state.items()}))
    assert trained[0] == trained[1]


@pytest.mark.parametrize("convolutions", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_random_experiments(seed, convolutions):
    expect_the_same_bits(random_experiment(Random(seed), convolutions=convolutions, wires=True), 12)


@pytest.mark.parametrize("kind", DEVICES)
@pytest.mark.parametrize("also", [{}, {"batch": 4, "converters": {"read_noise": 1.0}}])
def test_convolutions_on_every_kind_of_device(kind, also):
    expect_the_same_bits(network_of(**DEVICES[kind], **also), 20)


@pytest.mark.parametrize("preset", ["mnist-lenet-dw5", "mnist-lenet-pcm", "mnist-mtj3-gxnor"])
def test_presets(preset):
    expect_the_same_bits(config.load(preset), 100)


@pytest.mark.parametrize("convolutions", [False, True])
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kind", [SampleCrossbar, GpuCrossbar])
def test_many_samples_in_a_call(kind, seed, convolutions):
    for geometry in random_experiment(Random(seed), convolutions=convolutions, wires=True).crossbars:
        maps, d = (torch.from_numpy(array) for array in operands(Random(seed), geometry, 5))
        found = []
        for torch_device in ("cpu", "cuda"):
            crossbar = Crossbar(geometry, seed, torch_device)
            samples, x, deltas = kind(crossbar), maps.to(torch_device), d.to(torch_device)
            answers = [samples.forward(x), samples.evaluate(x), samples.backward(deltas),
                       samples.backward(deltas, x != 0), samples.row_sums(deltas)]
            for program in (False, True):
                samples.update(x, deltas, geometry.learning_rate_shifts[0], program)
            samples.program()
            found.append([answer.tolist() for answer in answers]
                         + [array.tolist() for array in crossbar.state().values()] + [crossbar.pulses.tolist()])
        assert found[0] == found[1]


def test_a_state_moves_between_devices():
    experiment = network_of(**DEVICES["pcm_pair"])
    xs, labels = random_samples(experiment, 20, 3)
    whole, first, second = Network(experiment), Network(experiment), Network(experiment, "cuda")
    order = np.arange(20)
    whole.train_span(xs, labels, order, range(20), 2)
    first.train_span(xs, labels, order, range(10), 2)
    second.load(first.state())
    second.train_span(xs.cuda(), labels, order, range(10, 20), 2)
    expected, actual = whole.state(), second.state()
    assert all((expected[name] == actual[name]).all() for name in expected)
