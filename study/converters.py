"""``python -m spinloom.study.converters``: what converters and wires that are not ideal cost in accuracy."""

from statistics import fmean
from typing import Any

import click

from ..cli.common import config_argument, data_option
from ..cli.options import EPOCHS
from ..config import Experiment, load
from ..model.compiled.trainer import CompiledTrainer
from ..model.network import Network
from ..render.text import columns
from ..train import data
from ..train.loop import one_thread, test_accuracy
from ..train.wires import wires

COMPRESSION = [3.0 * (1 - 2 * place / 15) * (1 - abs(1 - 2 * place / 15)) * 4 for place in range(16)]
"""A transfer curve that bends toward 0 on either side of it, by at most 3 least significant bits."""
CONVERTERS: dict[str, dict[str, Any]] = {
    "ideal": {}, "read noise 1": {"read_noise": 1.0}, "offset 1": {"offset": 1.0}, "offset 4": {"offset": 4.0},
    "offset 16": {"offset": 16.0}, "gain 5 %": {"gain": 0.05}, "gain 20 %": {"gain": 0.2},
    "nonlinearity 3": {"nonlinearity": COMPRESSION}, "rows 4 bits": {"row_dac_bits": 4},
    "rows 2 bits": {"row_dac_bits": 2}, "columns 6 bits": {"column_dac_bits": 6},
    "columns 4 bits": {"column_dac_bits": 4}, "wires 1e-5": {"wire_ratio": 1e-5}, "wires 1e-4": {"wire_ratio": 1e-4},
    "wires 1e-3": {"wire_ratio": 1e-3},
}
"""Fields of the section ``converters``, by what they are called."""


def trained(experiment: Experiment, dataset: data.Dataset) -> Network:
    """``experiment`` after its training on ``dataset``."""
    network = Network(experiment)
    trainer = CompiledTrainer(network)
    xs, labels = data.drive(dataset.train.images, experiment.input.format).short(), dataset.train.labels
    for epoch in range(experiment.epochs):
        trainer.train_span(xs, labels, experiment.sample_order(epoch, len(labels)), range(len(labels)),
                           experiment.learning_rate_shift(epoch))
    return network


def moved(network: Network, experiment: Experiment) -> Network:
    """A network of ``experiment`` in the state of ``network``, with wires by `train.wires`, if it has some."""
    ratio = experiment.converters.wire_ratio
    other = Network(experiment.replaced(converters={"wire_ratio": 0.0}))
    for name, array in other.arrays.items():
        array.copy_(network.arrays[name])
    if ratio:
        wires(other, ratio)
    return other


def measure(experiment: Experiment, dataset: data.Dataset, seeds: int) -> list[dict[str, Any]]:
    """For each of ``CONVERTERS``, means over ``seeds``: accuracy in percent if the network was trained with ideal ones
    and gets these afterwards, and if it was trained with them."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in CONVERTERS}
    for seed in range(1, seeds + 1):
        ideal = trained(experiment.replaced(seed=seed), dataset)
        for name, converters in CONVERTERS.items():
            changed = experiment.replaced(seed=seed, converters=converters)
            found[name].append((test_accuracy(moved(ideal, changed), dataset),
                                test_accuracy(trained(changed, dataset), dataset)))
            click.echo(f"seed {seed}, {name}: {found[name][-1][0]:.2f} %, {found[name][-1][1]:.2f} %", err=True)
    return [{"converters": name, "afterwards %": f"{fmean(after for after, _ in both):.2f}",
             "in training %": f"{fmean(during for _, during in both):.2f}",
             "of seeds": " ".join(f"{during:.2f}" for _, during in both)} for name, both in found.items()]


@click.command(help=__doc__)
@config_argument
@click.option("--seeds", type=click.IntRange(1, 100), default=3, show_default=True, metavar="N")
@click.option("--epochs", type=EPOCHS, metavar="N", help="Epochs to train, instead of the configuration's.")
@data_option
@one_thread()
def main(config: str, seeds: int, epochs: int | None, data_dir: str | None) -> None:
    """Print the table."""
    experiment = load(config)
    experiment = experiment.replaced(epochs=epochs or experiment.epochs)
    click.echo(columns(measure(experiment, data.load(experiment, data_dir), seeds)))


if __name__ == "__main__":
    main()
