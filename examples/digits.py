"""Linear layers in arrays of 5-state domain walls, trained in situ on 8x8 handwritten digits or other images."""

import torch
from common import Run, Samples, falling, options, start, train
from spinloom import device, nn, optim

WALL = device("domain_wall", states=5, sigma=0.2)


def in_arrays(inputs: int, wall=WALL) -> torch.nn.Module:
    return torch.nn.Sequential(nn.Flatten(), nn.Linear(inputs, 32, device=wall), nn.ReLU(bits=8),
                               nn.Linear(32, 10, device=wall, weight_step=-1, z_frac=5))


def in_floats(inputs: int) -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(inputs, 32), torch.nn.ReLU(),
                               torch.nn.Linear(32, 10))


def train_arrays(run: Run, model: torch.nn.Module, samples: tuple[Samples, Samples]) -> float:
    """Test accuracy of ``model``. The learning rate is halved three times."""
    return train(run, "arrays", model, samples, size=8, loss=nn.CrossEntropy(), rate=lambda part: 0.5 ** int(4 * part),
                 optimizers={"cells": optim.InSitu(model, learning_rate_shift=4)})


def train_floats(run: Run, samples: tuple[Samples, Samples]) -> float | None:
    """That of the float twin, unless it is left out."""
    if not run.baseline:
        return None
    twin = in_floats(samples[0].images[0].numel()).to(run.torch_device)
    return train(run, "floats", twin, samples, size=16, loss=torch.nn.CrossEntropyLoss(), rate=falling,
                 optimizers={"weights": torch.optim.Adam(twin.parameters(), lr=0.003)})


def main() -> None:
    run = Run(options(__doc__, epochs=20, dataset="mnist").parse_args())
    samples = run.images()
    model = run.placed(in_arrays(samples[0].images[0].numel()), samples[0].images[:8])
    run.answer(model, test_accuracy=train_arrays(run, model, samples), baseline_accuracy=train_floats(run, samples))


if __name__ == "__main__":
    start(main)
