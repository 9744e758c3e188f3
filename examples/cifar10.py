"""Six convolutions and a linear layer, every one in an array of 5-state domain walls, four a weight or one, for
CIFAR-10 or for enlarged digits in colours. Batch normalisation is PyTorch's; Adam makes the increments."""

from functools import partial

import torch
from common import Run, Samples, falling, options, spread_residuals, start, train
from spinloom import device, nn, optim

CELLS = {"device": device("domain_wall", states=5, sigma=0.2), "update": {"threshold": 0.6}, "z_bits": 12,
         "delta_bits": 15}
WALLS = {1: {"init_spread": 1.0}, 4: {"synapse": {"slices": (64, 16, 4, 1)}, "init_spread": 24.0}}
"""Further settings of the cells, by the number of walls of a weight."""
WIDTHS = {True: (48, 96, 192), False: (8, 16, 32)}
"""Channels of each pair of convolutions: for a data set that is given, and for digits."""
RATE = 0.002
"""Learning rate at first, in arrays and outside of them."""


class Vary(torch.nn.Module):
    """In training, half the images mirrored, and all moved by up to 4 pixels."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return images
        down, right = torch.randint(0, 9, (2,)).tolist()
        moved = torch.nn.functional.pad(images, (4, 4, 4, 4))[:, :, down:down + 32, right:right + 32]
        return torch.where(torch.rand(len(images), 1, 1, 1).to(images.device) < 0.5, moved.flip(3), moved)


def network(first: torch.nn.Module, widths: tuple[int, ...], convolution, relu, linear) -> torch.nn.Module:
    modules, before = [first], 3
    for width in widths:
        for inputs in (before, width):
            modules += [convolution(inputs, width, 3, padding=1), torch.nn.BatchNorm2d(width), relu()]
        modules.append(torch.nn.MaxPool2d(2))
        before = width
    return torch.nn.Sequential(*modules, torch.nn.AvgPool2d(4), torch.nn.Flatten(), linear(before, 10),
                               torch.nn.BatchNorm1d(10))


def in_arrays(widths: tuple[int, ...], first: torch.nn.Module, walls: int) -> torch.nn.Module:
    cells = CELLS | WALLS[walls]
    return network(first, widths, partial(nn.Conv2d, **cells), nn.ReLU, partial(nn.Linear, **cells))


def in_floats(widths: tuple[int, ...], first: torch.nn.Module) -> torch.nn.Module:
    return network(first, widths, torch.nn.Conv2d, torch.nn.ReLU, torch.nn.Linear)


def loss(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(outputs, labels, reduction="sum")


def adam(model: torch.nn.Module, spread: float) -> optim.Host:
    """Adam for arrays whose weights begin within ``spread`` levels. Weights of PyTorch begin within
    ``1 / sqrt(inputs)``, so ``RATE`` times ``spread * sqrt(inputs)`` is the same rate in levels."""
    return optim.Host(lambda cells: torch.optim.Adam(
        [{"params": [levels], "lr": RATE * spread * len(levels) ** 0.5} for levels in cells]), model)


def _train(run: Run, name: str, model: torch.nn.Module, samples: tuple[Samples, Samples], optimizers: dict) -> float:
    return train(run, name, model, samples, loss=loss, optimizers=optimizers, rate=falling,
                 size=min(100, max(10, len(samples[0].labels) // 60)))


def train_arrays(run: Run, model: torch.nn.Module, samples: tuple[Samples, Samples]) -> float:
    images, labels = (tensor[:100] for tensor in samples[0])
    nn.calibrate(model, images, lambda outputs: loss(outputs, labels), headroom=4)
    spread_residuals(model)
    model = run.placed(model, images)
    return _train(run, "arrays", model, samples, {
        "cells": adam(model, WALLS[run.options.walls]["init_spread"]),
        "normalisation": torch.optim.Adam(model.parameters(), lr=RATE)})


def train_floats(run: Run, twin: torch.nn.Module, samples: tuple[Samples, Samples]) -> float:
    return _train(run, "floats", twin, samples, {"all": torch.optim.Adam(twin.parameters(), lr=RATE)})


def main() -> None:
    parser = options(__doc__, epochs=3, dataset="cifar-10")
    parser.add_argument("--walls", type=int, choices=tuple(WALLS), default=4,
                        help="domain walls of a weight (%(default)s)")
    run = Run(parser.parse_args())
    given = bool(run.options.data)
    samples, first = run.images(3, 32), Vary() if given else torch.nn.Identity()
    model = in_arrays(WIDTHS[given], first, run.options.walls).to(run.torch_device)
    reached = train_arrays(run, model, samples)
    twin = in_floats(WIDTHS[given], first).to(run.torch_device)
    run.answer(model, test_accuracy=reached,
               baseline_accuracy=train_floats(run, twin, samples) if run.baseline else None)


if __name__ == "__main__":
    start(main)
