"""A trained LeNet put into arrays: its weights are written into 5-state domain walls with program-and-verify, and what
that has lost is learned back in situ, while the biases, which stay parameters, are trained as usual."""

import sys

import torch
from common import Run, Samples, accuracy, options, start
from lenet import WALL, in_floats, train_floats
from spinloom import nn, optim

SHIFT = 8
"""The learning rate in situ is 2**-SHIFT."""


def loss(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(outputs, labels, reduction="sum")  # a mean would make coarser deltas


def in_arrays(model: torch.nn.Module, samples: Samples) -> nn.Conversion:
    """``model`` written into arrays; formats are chosen by ``samples``."""
    images, labels = (tensor[:500] for tensor in samples)
    return nn.convert(model, images, lambda outputs: loss(outputs, labels), device=WALL)


def train(run: Run, model: torch.nn.Module, training: Samples, test: Samples) -> float:
    """Test accuracy after the epochs in situ."""
    cells, biases = optim.InSitu(model, SHIFT), torch.optim.SGD(model.parameters(), lr=2.0**-SHIFT)
    for _ in run.epochs("arrays", lambda: accuracy(model, test), model=model, cells=cells, biases=biases):
        for images, labels in run.batches(*training, size=16):
            cells.zero_grad()
            biases.zero_grad()
            loss(model(images), labels).backward()
            cells.step()
            biases.step()
    return accuracy(model, test)


def main() -> None:
    run = Run(options(__doc__, epochs=5, dataset="mnist").parse_args())
    training, test = run.images(1, 28)
    trained = in_floats()
    baseline = train_floats(run, trained, training, test)
    written = in_arrays(trained, training)
    print(written, f"written: {accuracy(written.model, test):.2f}", sep="\n", file=sys.stderr)
    model = run.placed(written.model)
    run.answer(model, test_accuracy=train(run, model, training, test),
               baseline_accuracy=baseline if run.baseline else None)


if __name__ == "__main__":
    start(main)
