"""A LeNet, 16C5-MP2-32C5-MP2-128-10, in arrays of 5-state domain walls, trained in situ in mini-batches: on MNIST, or
on enlarged digits."""

import torch
from common import Run, Samples, accuracy, options, start
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
        nn.Linear(512, 128, device=WALL, weight_step=-4, z_frac=5, delta_bits=10, delta_frac=10),
        nn.ReLU(bits=8, frac=5),
        nn.Linear(128, 10, device=WALL, weight_step=-2, z_bits=8, z_frac=4))


def in_floats() -> torch.nn.Module:
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 16, 5), torch.nn.MaxPool2d(2), torch.nn.ReLU(),
        torch.nn.Conv2d(16, 32, 5), torch.nn.MaxPool2d(2), torch.nn.ReLU(), torch.nn.Flatten(),
        torch.nn.Linear(512, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))


def train(run: Run, name: str, model, optimizer, scheduler, criterion, training: Samples, test: Samples) -> float:
    """Test accuracy after the epochs."""
    for _ in run.epochs(name, lambda: accuracy(model, test), model=model, optimizer=optimizer, scheduler=scheduler):
        for images, labels in run.batches(*training, size=16):
            optimizer.zero_grad()
            criterion(model(images), labels).backward()
            optimizer.step()
        scheduler.step()
    return accuracy(model, test)


def train_arrays(run: Run, model, *samples: Samples) -> float:
    epochs = run.options.epochs
    optimizer = optim.InSitu(model, SHIFTS[0])
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda epoch: 2.0 ** (SHIFTS[0] - SHIFTS[min(10 * epoch // epochs, 9)]))
    return train(run, "arrays", model, optimizer, scheduler, nn.CrossEntropy(), *samples)


def train_floats(run: Run, twin, *samples: Samples) -> float:
    adam = torch.optim.Adam(twin.parameters(), lr=0.001)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(adam, run.options.epochs)
    return train(run, "floats", twin, adam, scheduler, torch.nn.CrossEntropyLoss(), *samples)


def main() -> None:
    run = Run(options(__doc__, epochs=10, dataset="mnist").parse_args())
    samples = run.images(1, 28)
    model = run.placed(in_arrays())
    run.answer(model, test_accuracy=train_arrays(run, model, *samples),
               baseline_accuracy=train_floats(run, in_floats(), *samples) if run.baseline else None)


if __name__ == "__main__":
    start(main)
