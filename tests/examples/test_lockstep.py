"""The first samples of every example, in simulated hardware: equal to the golden model in every bit of every array."""

from importlib import import_module

import pytest
import torch
from spinloom import nn, optim
from spinloom.train import text

pytestmark = pytest.mark.slow

BETAS = {"betas": (0.5, 0.999)}


def adam(**options):
    return lambda model: optim.Host(torch.optim.Adam, model, **options)


def in_situ(shift):
    return lambda model: optim.InSitu(model, shift)


def images(example, channels=None, side=None, size=1):
    """The first 20 samples, in steps of ``size``."""
    run = example.Run(example.options(None, 1, "mnist").parse_args([]))
    training = run.images(channels, side)[0]
    return list(zip(*(part[:20].split(size) for part in training), strict=True))


def digits(example):
    return example.in_arrays(64), images(example), nn.CrossEntropy(), in_situ(4)


def own_device(example):
    return example.in_arrays(64, example.fitted(None, None, 1).device), images(example), nn.CrossEntropy(), in_situ(4)


def lenet(example):
    return example.in_arrays(), images(example, 1, 28), nn.CrossEntropy(), in_situ(6)


def convert(example):
    samples = images(example, 1, 28)
    all_of_them = example.Samples(*map(torch.cat, zip(*samples, strict=True)))
    return example.in_arrays(example.in_floats(), all_of_them).model, samples, example.loss, in_situ(8)


def gxnor(example):
    samples = images(example, 1, 28, size=10)
    model = example.in_arrays("tanh")
    nn.calibrate(model, samples[0][0], lambda outputs: nn.SquaredHinge()(outputs, samples[0][1]))
    return model, samples, nn.SquaredHinge(), adam(lr=1.0)


def cifar10(example):
    samples = images(example, 3, 32, size=10)
    model = example.in_arrays(example.WIDTHS[False], torch.nn.Identity(), 4)
    nn.calibrate(model, samples[0][0], lambda outputs: example.loss(outputs, samples[0][1]))
    return model, samples, example.loss, adam(lr=1.0)


def lstm(example):
    read = text.load("sonnets")
    x, following = example.stretches(torch.from_numpy(read.train), 1)
    model = example.in_arrays(len(read.characters), "pcm_pair")
    return model, [(x[0, :2], following[0, :2])], lambda outputs, targets: torch.nn.functional.cross_entropy(
        outputs.flatten(0, 1), targets.flatten(), reduction="sum"), adam(lr=1.0)


def gan(example):
    """Both networks; the generator is trained through the discriminator."""
    model = torch.nn.Sequential(example.in_arrays(example.generator), example.in_arrays(example.discriminator))
    run = example.Run(example.options(None, 1, "mnist").parse_args([]))
    return model, [(example.noise(run, 10), torch.ones(10, 1)) for _ in range(2)], (
        torch.nn.BCEWithLogitsLoss(reduction="sum")), adam(lr=1.0)


@pytest.mark.parametrize("recipe", [digits, own_device, lenet, convert, gxnor, cifar10, lstm, gan],
                         ids=lambda recipe: recipe.__name__)
def test_the_first_samples_are_equal(recipe):
    torch.manual_seed(1)
    nn.manual_seed(1)
    model, samples, loss, optimizer = recipe(import_module(recipe.__name__))
    answer = nn.lockstep(model, "rtl", samples=samples, loss=loss, optimizer=optimizer)
    assert answer.first_difference is None
    assert (answer.bit_exact, answer.steps) == (True, len(samples))
