"""A GAN of dense layers, 64-256-256-784 and 784-256-128-1, on MNIST or enlarged digits, with the generator or both in
arrays of pairs of phase-change devices. Biases and batch normalisation stay digital; Adam makes the increments."""

from functools import partial

import lenet
import torch
from common import Apply, Run, descend, falling, frechet, new_file, options, save_picture, schedulers, start
from spinloom import device, nn, optim
from torch.nn.functional import binary_cross_entropy_with_logits

NOISE, SIZE, BETAS, RATES = 64, 100, (0.5, 0.999), (0.0015, 0.0004)
"""Inputs of the generator; samples of a mini-batch; of Adam, decays and first rates, of generator and discriminator."""
CELLS = {"device": device("pcm_pair", refresh_high=0.25, refresh_low=0.05), "update": {"threshold": 0.5}, "z_bits": 12,
         "delta_bits": 16, "weight_step": -7}
"""Pairs are refreshed early, as the steps of a device get small and uncertain where it conducts much."""
Linear, Norm, LEAKY = torch.nn.Linear, torch.nn.BatchNorm1d, partial(torch.nn.LeakyReLU, 0.2)


def generator(relu=torch.nn.ReLU) -> torch.nn.Module:
    """Its last outputs are quadrupled, so that pixels can be black or white with weights that cells can have."""
    return torch.nn.Sequential(Linear(NOISE, 256), Norm(256), relu(), Linear(256, 256), Norm(256), relu(),
                               Linear(256, 784), Apply(lambda z: torch.sigmoid(4 * z).unflatten(1, (1, 28, 28))))


def discriminator(relu=LEAKY) -> torch.nn.Module:
    """One of 128 features is how much the images of the mini-batch differ: it betrays a generator of few kinds."""
    return torch.nn.Sequential(
        torch.nn.Flatten(), Linear(784, 256), torch.nn.Dropout(0.3), relu(), Linear(256, 127), torch.nn.Dropout(0.3),
        Apply(lambda z: torch.cat([z, z.std(0).mean().expand(len(z), 1)], 1)), relu(), Linear(128, 1))


def in_arrays(network) -> torch.nn.Module:
    formats = {"init_spread": 8.0, "delta_frac": 16} if network is generator else {"init_spread": 4.0, "delta_frac": 14}
    return nn.convert(network(partial(nn.ReLU, bits=8, frac=5)), transfer=False, **CELLS, **formats).model


def adams(model: torch.nn.Module, rate: float) -> list[torch.optim.Optimizer]:
    """What trains the cells of ``model``, if it has some, and what trains its parameters, at first at ``rate``."""
    levels = [rate * 2.0**-array.formats.layer.weight_step for array in nn.arrays(model)[:1]]  # the same in all
    return [*(optim.Host(torch.optim.Adam, model, lr=lr, betas=BETAS) for lr in levels),
            torch.optim.Adam(model.parameters(), lr=rate, betas=BETAS)]


def noise(run: Run, count: int, source: torch.Generator | None = None) -> torch.Tensor:
    return (torch.rand(count, NOISE, generator=source) * 2 - 1).to(run.torch_device)


def train(run: Run, name: str, images: torch.Tensor, networks: list[torch.nn.Module], measure) -> float:
    """Train ``networks``, a generator and a discriminator, and return what ``measure`` says of what the first makes."""
    (made, judge), optimizers = networks, [adams(*pair) for pair in zip(networks, RATES, strict=True)]
    parts = {f"{i}.{j}": each for i, pair in enumerate(optimizers) for j, each in enumerate(pair)}
    rates = schedulers(parts, falling, run.options.epochs * -(-len(images) // SIZE))
    for _ in run.epochs(name, lambda: measure(made), generator=made, discriminator=judge, **parts, **rates):
        for (real,) in run.batches(images, size=SIZE):
            with torch.no_grad():
                fake = made(noise(run, len(real)))
            descend(loss(judge(real), 1.0) + loss(judge(fake), 0.0), *optimizers[1])
            descend(loss(judge(made(noise(run, len(real)))), 1.0), *optimizers[0])
            for rate in rates.values():
                rate.step()
    return run.measured


def loss(output: torch.Tensor, wanted: float) -> torch.Tensor:
    return binary_cross_entropy_with_logits(output, torch.full_like(output, wanted), reduction="sum")


def main() -> None:
    parser = options(__doc__, epochs=30, dataset="mnist")
    parser.add_argument("--arrays", choices=("generator", "both"), default="generator", help="(%(default)s)")
    parser.add_argument("--picture", type=new_file, metavar="FILE",
                        help="PNG file for 100 images of arrays and of floats")
    run = Run(parser.parse_args())
    samples = training, test = run.images(1, 28)
    images, features, made = training.images[:len(training.images) // 2 * 2], lenet.features(run, samples), {}

    def distance(model: torch.nn.Module) -> float:
        """The Frechet distance of what ``model`` makes to the test images, by the last features of the classifier."""
        with torch.no_grad():
            made[model] = model.eval()(noise(run, len(test.images), torch.Generator().manual_seed(run.options.seed)))
            model.train()
            return frechet(*(features(images).double() for images in (test.images, made[model])))

    networks = [run.placed(in_arrays(generator), noise(run, SIZE))]
    judge = in_arrays(discriminator) if run.options.arrays == "both" else discriminator()
    networks.append(run.placed(judge, images[:SIZE]))
    reached = train(run, "arrays", images, networks, distance)
    twins = [network().to(run.torch_device) for network in (generator, discriminator)]
    baseline = train(run, "floats", images, twins, distance) if run.baseline else None
    run.answer(torch.nn.ModuleList(networks), frechet=reached, baseline_frechet=baseline)
    if run.options.picture:
        save_picture(run.options.picture, *made.values())


if __name__ == "__main__":
    start(main)
