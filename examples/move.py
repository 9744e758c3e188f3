"""A model that moves to another backend in mid-training, and ends in the same bits as one that has stayed: ``--epochs``
before, and as many after."""

import copy

import torch
from common import Run, accuracy, options, start
from digits import in_arrays, train_floats
from spinloom import nn, optim
from spinloom.contract.errors import SpinloomError


def step(model: torch.nn.Module, optimizer: optim.InSitu, images: torch.Tensor, labels: torch.Tensor) -> None:
    optimizer.zero_grad()
    nn.CrossEntropy()(model(images), labels).backward()
    optimizer.step()


def require_same(staying: torch.nn.Module, moved: torch.nn.Module) -> None:
    """An error that names the first part of a state that differs, if one does. Hardware does not count the write pulses
    of single cells."""
    for name, here in staying.state_dict().items():
        there = moved.state_dict()[name]
        for part in here:
            if part != "pulses" and not torch.equal(here[part], there[part]):
                raise SpinloomError(f"{name}: {part} differs")


def main() -> None:
    parser = options(__doc__, epochs=1, dataset="mnist")
    parser.set_defaults(backend="rtl", samples=200)
    run = Run(parser.parse_args())
    training, test = samples = run.images()
    staying = in_arrays(training.images[0].numel()).to(run.torch_device)
    optimizer = optim.InSitu(staying, learning_rate_shift=4)
    for _ in run.epochs("before", lambda: accuracy(staying, test), model=staying, optimizer=optimizer):
        for batch in run.batches(*training, size=8):
            step(staying, optimizer, *batch)
    moved = run.placed(copy.deepcopy(staying), training.images[:8])
    moved_optimizer = optim.InSitu(moved, learning_rate_shift=4)
    for _ in run.epochs("after", lambda: accuracy(moved, test), staying=staying, moved=moved):
        for batch in run.batches(*training, size=8):
            step(staying, optimizer, *batch)
            step(moved, moved_optimizer, *batch)
    require_same(staying, moved)
    run.answer(moved, test_accuracy=run.measured, baseline_accuracy=train_floats(run, samples))


if __name__ == "__main__":
    start(main)
