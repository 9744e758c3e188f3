"""A LeNet, 16C5-MP2-32C5-MP2-128-10, in arrays of 5-state domain walls, trained in situ in mini-batches: on MNIST, or
on enlarged digits."""

import sys

import torch
from common import Run, Samples, falling, options, start, train
from spinloom import device, nn, optim

WALL = device("domain_wall", states=5, sigma=0.2)
SHIFTS = (6, 6, 6, 6, 7, 7, 7, 8, 8, 9)
"""Learning rates, as 2**-shift, of the tenths of the training."""


def in_arrays() -> torch.nn.Module:
    return torch.nn.Sequential(
        nn.Conv2d(1, 16, 5, device=WALL, weight_step=-2, delta_bits=8, rate_offset=1),
        torch.nn.MaxPool2d(2), nn.ReLU(bits=8),
        nn.Conv2d(16, 32, 5, device=WALL, weight_step=-3, z_frac=5, delta_bits=10, delta_frac=10, rate_offset=1),
        torch.nn.MaxPool2d(2), nn.ReLU(bits=8, frac=5), nn.Flatten(),
        nn.Linear(512, 128, device=WALL, weight_step=-4, z_frac=5, delta_bits=11, delta_frac=10),
        nn.ReLU(bits=8, frac=5),
        nn.Linear(128, 10, device=WALL, weight_step=-2, z_frac=4))


def in_floats() -> torch.nn.Module:
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 16, 5), torch.nn.MaxPool2d(2), torch.nn.ReLU(),
        torch.nn.Conv2d(16, 32, 5), torch.nn.MaxPool2d(2), torch.nn.ReLU(), torch.nn.Flatten(),
        torch.nn.Linear(512, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))


def train_arrays(run: Run, model: torch.nn.Module, samples: tuple[Samples, Samples]) -> float:
    return train(run, "arrays", model, samples, size=16, loss=nn.CrossEntropy(),
                 optimizers={"cells": optim.InSitu(model, SHIFTS[0])},
                 rate=lambda part: 2.0 ** (SHIFTS[0] - SHIFTS[int(10 * part)]))


def train_floats(run: Run, twin: torch.nn.Module, samples: tuple[Samples, Samples], name: str = "floats",
                 epochs: int | None = None) -> float:
    return train(run, name, twin, samples, size=16, loss=torch.nn.CrossEntropyLoss(), rate=falling,
                 optimizers={"weights": torch.optim.Adam(twin.parameters(), lr=0.001)}, epochs=epochs)


def features(run: Run, samples: tuple[Samples, Samples]) -> torch.nn.Module:
    """All but the last layer of the float twin, trained for three epochs; its accuracy is printed."""
    twin = in_floats().to(run.torch_device)
    print(f"classifier: {train_floats(run, twin, samples, 'classifier', epochs=3):.2f} %", file=sys.stderr)
    return twin[:-1]


def main() -> None:
    run = Run(options(__doc__, epochs=10, dataset="mnist").parse_args())
    samples = run.images(1, 28)
    model = run.placed(in_arrays(), samples[0].images[:16])
    reached = train_arrays(run, model, samples)
    twin = in_floats().to(run.torch_device)
    run.answer(model, test_accuracy=reached,
               baseline_accuracy=train_floats(run, twin, samples) if run.baseline else None)


if __name__ == "__main__":
    start(main)
