"""``python -m spinloom.study.ageing_figure``: the picture of ageing in docs/devices.md, and the figures beside it.

The preset digits-dw5 is trained on, at one large learning rate, while its cells fail one by one.
"""

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import click
import numpy as np

from ..config import load
from ..model.compiled.trainer import CompiledTrainer
from ..model.network import Network
from ..render import figure as house
from ..system.files import replace
from ..train import data

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PICTURE = Path(__file__).parent.parent / "docs" / "ageing.png"
ENDURANCES = 1e4, 1e5, 1e6
RATE = 3
"""The learning rate shift of all epochs."""
THRESHOLD = 0.75
"""Residual, in levels, from which on a cell is programmed. Both are such that write pulses never cease."""
FEW, MANY = 0.01, 0.05
"""Shares of failed cells: what the question is about, and where a training ends."""
STEP = 1.15
"""Factor between the numbers of samples at which a training is looked at."""


class Look(NamedTuple):
    """What is seen of a training."""

    samples: int
    accuracy: float
    failed: float
    """Share of the cells that have failed."""
    pulses: float
    """Write pulses a cell, on average."""


def course(endurance: float, most: int) -> list[Look]:
    """Train with cells of ``endurance`` until the share ``MANY`` of them has failed, or for ``most`` samples."""
    experiment = load("digits-dw5").replaced(
        learning_rate_shifts=[RATE], update={"threshold": THRESHOLD}, device={"ageing": {"endurance": endurance}})
    found = data.load(experiment)
    train, test = ((data.drive(images, experiment.input.format), labels)
                   for images, labels in (found.train, found.test))
    network = Network(experiment)
    trainer, count = CompiledTrainer(network), len(train[1])
    looks: list[Look] = []
    epoch, due = 0, 1
    while not looks or (looks[-1].failed < MANY and looks[-1].samples < most):
        while epoch < due:
            trainer.train_span(*train, experiment.sample_order(epoch, count), range(count), RATE)
            epoch += 1
        correct = trainer.predict(test[0]).numpy() == test[1]
        looks.append(Look(epoch * count, correct.mean(), (network.arrays["life"] == 0).double().mean().item(),
                          network.pulses.double().mean().item()))
        due = max(epoch + 1, int(epoch * STEP))
    return looks


def first(looks: list[Look], share: float) -> Look | None:
    """The first look at which that ``share`` of the cells has failed."""
    return next((look for look in looks if look.failed >= share), None)


def draw(courses: dict[float, list[Look]], file: BinaryIO) -> None:
    """Write the picture as PNG: accuracy and failed cells over samples."""
    picture = house.new(9, 6)
    house.headline(picture, "digits-dw5 trained on while its cells fail")
    above, below = picture.subplots(2, 1, sharex=True)
    for (endurance, looks), colour in zip(courses.items(), house.SERIES, strict=False):
        samples, accuracy, failed, _ = np.array(looks).T
        above.plot(samples, 100 * accuracy, color=colour, linewidth=1.2, label=f"endurance {endurance:,.0f} pulses")
        below.plot(samples[failed > 0], 100 * failed[failed > 0], color=colour)
        _mark(above, below, looks, colour)
    above.set(ylabel="test accuracy (%)")
    below.set(xscale="log", yscale="log", xlabel="samples trained", ylabel="failed cells (%)")
    below.axhline(100 * FEW, color=house.GREY, linewidth=0.8, linestyle="--")
    house.legend(above, loc="lower left")
    house.plain(above, below)
    house.save(picture, file)


def _mark(above: "Axes", below: "Axes", looks: list[Look], colour: str) -> None:
    """Mark where the first ``FEW`` cells have failed."""
    look = first(looks, FEW)
    if look is not None:
        above.plot(look.samples, 100 * look.accuracy, "o", color=colour)
        below.plot(look.samples, 100 * look.failed, "o", color=colour)


def row(endurance: float, looks: list[Look]) -> str:
    """What is printed of a training."""
    parts = [f"endurance {endurance:9,.0f}"]
    for look in (first(looks, FEW) or looks[-1], first(looks, MANY) or looks[-1]):
        parts.append(f"{100 * look.failed:5.2f} % failed after {look.samples:11,} samples, {look.pulses:8,.0f} pulses "
                     f"a cell: accuracy {100 * look.accuracy:.1f} %")
    return "; ".join(parts)


@click.command(help=__doc__)
@click.option("--endurance", "endurances", type=float, multiple=True, default=ENDURANCES, show_default=True,
              help="Write pulses that half of the cells survive; once for each training.")
@click.option("--most", type=int, default=90_000_000, show_default=True,
              help="Samples after which a training ends at its next look.")
def main(endurances: tuple[float, ...], most: int) -> None:
    """Train, print and draw."""
    courses = {}
    for endurance in endurances:
        courses[endurance] = course(endurance, most)
        click.echo(row(endurance, courses[endurance]))
        replace(PICTURE, lambda file: draw(courses, file))
    click.echo(PICTURE)


if __name__ == "__main__":
    main()
