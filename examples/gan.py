"""A GAN of dense layers, 64-256-256-784 and 784-256-128-1, on MNIST or enlarged digits, with the generator or both in
arrays of pairs of phase-change devices. Biases stay digital; Adam makes the increments."""

import sys
from functools import partial
from pathlib import Path

import lenet
import torch
from common import Run, frechet, options, start
from matplotlib.image import imsave
from spinloom import device, nn, optim
from torch.nn.functional import binary_cross_entropy_with_logits

NOISE, SIZE, RATE, BETAS, STEP = 64, 100, 0.001, (0.5, 0.999), -5
"""Inputs of the generator; samples of a mini-batch; learning rate and decays of Adam; log2 of the weight of a level."""
CELLS = {"device": device("pcm_pair"), "weight_step": STEP, "z_frac": 4, "delta_bits": 16, "delta_frac": 12}
DIGITAL, IN_ARRAYS, Linear = torch.nn.ReLU, partial(nn.ReLU, bits=8, frac=5), torch.nn.Linear


def generator(relu) -> torch.nn.Module:
    return torch.nn.Sequential(Linear(NOISE, 256), relu(), Linear(256, 256), relu(), Linear(256, 784),
                               torch.nn.Sigmoid(), torch.nn.Unflatten(1, (1, 28, 28)))


def discriminator(relu) -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Flatten(), Linear(784, 256), relu(), Linear(256, 128), relu(), Linear(128, 1))


def in_arrays(network) -> torch.nn.Module:
    return nn.convert(network(IN_ARRAYS), transfer=False, **CELLS).model  # from random states; biases stay parameters


def adams(model: torch.nn.Module) -> list[torch.optim.Optimizer]:
    """What trains the cells of ``model``, if it has some, and what trains its parameters."""
    cells = [optim.Host(torch.optim.Adam, model, lr=RATE * 2.0**-STEP, betas=BETAS)] if nn.arrays(model) else []
    return [*cells, torch.optim.Adam(model.parameters(), lr=RATE, betas=BETAS)]


def noise(run: Run, count: int, source: torch.Generator | None = None) -> torch.Tensor:
    return (torch.rand(count, NOISE, generator=source) * 2 - 1).to(run.torch_device)


def train(run: Run, name: str, images: torch.Tensor, made: torch.nn.Module, judge: torch.nn.Module, measure) -> float:
    """Train the generator ``made`` and the discriminator ``judge``; return what ``measure`` then says."""
    optimizers = adams(made), adams(judge)
    named = {f"{i}.{j}": each for i, pair in enumerate(optimizers) for j, each in enumerate(pair)}
    for _ in run.epochs(name, measure, generator=made, discriminator=judge, **named):
        for (real,) in run.batches(images, size=SIZE):
            with torch.no_grad():
                fake = made(noise(run, len(real)))
            step(optimizers[1], (judge(real), 1.0), (judge(fake), 0.0))
            step(optimizers[0], (judge(made(noise(run, len(real)))), 1.0))
    return run.measured


def step(optimizers: list[torch.optim.Optimizer], *judged: tuple[torch.Tensor, float]) -> None:
    """Make what is ``judged`` come nearer to what stands beside it."""
    for optimizer in optimizers:
        optimizer.zero_grad()
    sum(binary_cross_entropy_with_logits(output, torch.full_like(output, wanted), reduction="sum")
        for output, wanted in judged).backward()
    for optimizer in optimizers:
        optimizer.step()


def main() -> None:
    parser = options(__doc__, epochs=30, dataset="mnist")
    parser.add_argument("--arrays", choices=("generator", "both"), default="generator", help="(%(default)s)")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="PNG file for 100 images that were generated")
    run = Run(parser.parse_args())
    samples = training, test = run.images(1, 28)
    judging = lenet.in_floats().to(run.torch_device)
    print(f"classifier: {lenet.train_floats(run, judging, samples, 'classifier', epochs=3):.2f} %", file=sys.stderr)

    def distance(model: torch.nn.Module) -> float:
        """The Frechet distance of what ``model`` makes to the test images, by the last features of the classifier."""
        with torch.no_grad():
            made = model.eval()(noise(run, len(test.images), torch.Generator().manual_seed(run.options.seed)))
            model.train()
            if run.options.picture and nn.arrays(model):
                rows = made[:100].reshape(10, 10, 28, 28).transpose(1, 2).reshape(280, 280).cpu()
                imsave(run.options.picture, rows, cmap="gray")
            return frechet(*(judging[:-1](images).double() for images in (test.images, made)))

    model = run.placed(in_arrays(generator), noise(run, SIZE))
    both = run.options.arrays == "both"
    judge = in_arrays(discriminator) if both else discriminator(DIGITAL)
    judge = run.placed(judge, training.images[:SIZE])
    reached = train(run, "arrays", training.images, model, judge, lambda: distance(model))
    baseline = None
    if run.baseline:
        twin, other = (network(DIGITAL).to(run.torch_device) for network in (generator, discriminator))
        baseline = train(run, "floats", training.images, twin, other, lambda: distance(twin))
    run.answer(torch.nn.ModuleList([model, judge]), frechet=reached, baseline_frechet=baseline)


if __name__ == "__main__":
    start(main)
