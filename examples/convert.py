"""A trained LeNet put into arrays: its weights are written into 5-state domain walls with program-and-verify, and what
that has lost is learned back in situ, while the biases, which stay parameters, are trained as usual."""

import sys

import torch
from common import Run, Samples, accuracy, options, start, train
from lenet import WALL, in_floats, train_floats
from spinloom import nn, optim

SHIFT = 8
"""The learning rate in situ is 2**-SHIFT at first."""


def loss(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(outputs, labels, reduction="sum")  # a mean would make coarser deltas


def in_arrays(model: torch.nn.Module, samples: Samples) -> nn.Conversion:
    """``model`` written into arrays; formats are chosen by ``samples``."""
    images, labels = (tensor[:500] for tensor in samples)
    return nn.convert(model, images, lambda outputs: loss(outputs, labels), device=WALL)


def main() -> None:
    run = Run(options(__doc__, epochs=5, dataset="mnist").parse_args())
    samples = run.images(1, 28)
    trained = in_floats().to(run.torch_device)
    baseline = train_floats(run, trained, samples)
    written = in_arrays(trained, samples[0])
    print(written, f"written: {accuracy(written.model, samples[1]):.2f}", sep="\n", file=sys.stderr)
    model = run.placed(written.model, samples[0].images[:16])
    learned = train(run, "arrays", model, samples, size=16, loss=loss, rate=lambda part: 0.5 ** int(3 * part),
                    optimizers={"cells": optim.InSitu(model, SHIFT),
                                "biases": torch.optim.SGD(model.parameters(), lr=2.0**-SHIFT)})
    run.answer(model, test_accuracy=learned, baseline_accuracy=baseline if run.baseline else None)


if __name__ == "__main__":
    start(main)
