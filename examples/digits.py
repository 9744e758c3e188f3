"""Linear layers in arrays of 5-state domain walls, trained in situ on 8x8 handwritten digits or other
images."""

import torch
from common import Run, Samples, accuracy, options, start
from spinloom import device, nn, optim

WALL = device("domain_wall", states=5, sigma=0.2)


def in_arrays(inputs: int, wall=WALL) -> torch.nn.Module:
    return torch.nn.Sequential(nn.Flatten(), nn.Linear(inputs, 32, device=wall), nn.ReLU(bits=8),
                               nn.Linear(32, 10, device=wall, weight_step=-1, z_frac=5))


def in_floats(inputs: int) -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(inputs, 32), torch.nn.ReLU(),
                               torch.nn.Linear(32, 10))


def train(run: Run, name: str, model, optimizer, criterion, batch: int, training: Samples, test: Samples) -> float:
    """Test accuracy after the epochs, of which every quarter has half the learning rate of the one before."""
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, max(1, run.options.epochs // 4), gamma=0.5)
    for _ in run.epochs(name, lambda: accuracy(model, test), model=model, optimizer=optimizer, scheduler=scheduler):
        for images, labels in run.batches(*training, size=batch):
            optimizer.zero_grad()
            criterion(model(images), labels).backward()
            optimizer.step()  # write pulses happen here
        scheduler.step()
    return accuracy(model, test)


def train_arrays(run: Run, model, *samples: Samples) -> float:
    return train(run, "arrays", model, optim.InSitu(model, learning_rate_shift=4), nn.CrossEntropy(), 8, *samples)


def train_floats(run: Run, *samples: Samples) -> float | None:
    """That of the float twin, unless it is left out."""
    if not run.baseline:
        return None
    twin = in_floats(samples[0].images[0].numel())
    adam = torch.optim.Adam(twin.parameters(), lr=0.003)
    return train(run, "floats", twin, adam, torch.nn.CrossEntropyLoss(), 16, *samples)


def main() -> None:
    run = Run(options(__doc__, epochs=20, dataset="mnist").parse_args())
    samples = run.images()
    model = run.placed(in_arrays(samples[0].images[0].numel()))
    run.answer(model, test_accuracy=train_arrays(run, model, *samples), baseline_accuracy=train_floats(run, *samples))


if __name__ == "__main__":
    start(main)
