"""GXNOR, 32C5-MP2-64C5-MP2-512-10: ternary weights and activations. Pairs of tunnel junctions round the increments of
Adam by themselves, beside no accumulator; batch normalisation is PyTorch's."""

import torch
from common import Run, Samples, options, start, train
from spinloom import device, nn, optim

RATES = {"tanh": 0.03, "switching_time": 10.0}
"""Learning rates of the cells at first, in levels, by the curve. With the second, a pulse for less than 0.4 of a level
hardly switches: so the cells whose gradients agree most are switched, and ever fewer of them."""
RATE, LAST = 0.03, 1 / 300
"""Learning rate of the batch normalisation at first, and the part of all rates that is left in the end."""
BETAS = 0.99, 0.999


def in_arrays(curve: str) -> torch.nn.Module:
    cells = {"device": device("mtj", states=3, curve=curve), "z_bits": 12, "delta_bits": 12,
             "update": {"rounding": "stochastic", "residual": "none"}}
    return torch.nn.Sequential(
        nn.Conv2d(1, 32, 5, **cells), torch.nn.MaxPool2d(2), torch.nn.BatchNorm2d(32), nn.Ternary(),
        nn.Conv2d(32, 64, 5, **cells), torch.nn.MaxPool2d(2), torch.nn.BatchNorm2d(64), nn.Ternary(), nn.Flatten(),
        nn.Linear(1024, 512, **cells), torch.nn.BatchNorm1d(512), nn.Ternary(),
        nn.Linear(512, 10, **cells), torch.nn.BatchNorm1d(10))


def in_floats() -> torch.nn.Module:
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 32, 5), torch.nn.MaxPool2d(2), torch.nn.BatchNorm2d(32), torch.nn.ReLU(),
        torch.nn.Conv2d(32, 64, 5), torch.nn.MaxPool2d(2), torch.nn.BatchNorm2d(64), torch.nn.ReLU(),
        torch.nn.Flatten(), torch.nn.Linear(1024, 512), torch.nn.BatchNorm1d(512), torch.nn.ReLU(),
        torch.nn.Linear(512, 10), torch.nn.BatchNorm1d(10))


def train_arrays(run: Run, model: torch.nn.Module, samples: tuple[Samples, Samples]) -> float:
    images, labels = (tensor[:250] for tensor in samples[0])
    nn.calibrate(model, images, lambda outputs: nn.SquaredHinge()(outputs, labels))
    model = run.placed(model, images)
    return _train(run, "arrays", model, samples, {
        "cells": optim.Host(torch.optim.Adam, model, lr=RATES[run.options.curve], betas=BETAS),
        "normalisation": torch.optim.Adam(model.parameters(), lr=RATE, betas=BETAS)})


def train_floats(run: Run, samples: tuple[Samples, Samples]) -> float:
    twin = in_floats().to(run.torch_device)
    return _train(run, "floats", twin, samples, {"weights": torch.optim.Adam(twin.parameters(), lr=RATE / 10)})


def _train(run: Run, name: str, model: torch.nn.Module, samples: tuple[Samples, Samples], optimizers: dict) -> float:
    return train(run, name, model, samples, loss=nn.SquaredHinge(), optimizers=optimizers,
                 size=min(250, max(10, len(samples[0].labels) // 30)), rate=lambda part: LAST**part)


def main() -> None:
    parser = options(__doc__, epochs=6, dataset="mnist")
    parser.add_argument("--curve", choices=("tanh", "switching_time"), default="tanh", help="how junctions switch")
    run = Run(parser.parse_args())
    samples = run.images(1, 28)
    model = in_arrays(run.options.curve).to(run.torch_device)
    run.answer(model, test_accuracy=train_arrays(run, model, samples),
               baseline_accuracy=train_floats(run, samples) if run.baseline else None)


if __name__ == "__main__":
    start(main)
