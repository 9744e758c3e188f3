"""``python -m spinloom.boards.accuracy``: the estimate beside what was built, as docs/boards.md shows it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import click

from ..contract.results import Result
from ..render import figure, markdown
from ..system.files import replace
from . import calibration
from .calibrate import experiment, fitted
from .calibration import Design
from .catalogue import BOARDS, find
from .estimate import describe, resources
from .results import Resources

PAGE = Path(__file__).parent.parent / "docs" / "boards.md"
PICTURE = PAGE.with_suffix(".png")
COMPARED = {"luts": "LUTs", "block_rams": "block RAMs"}
BAND = 0.15
"""Relative error within which an estimate is close."""
COLOURS = (figure.BLUE, figure.ORANGE, figure.GREEN)
"""Of the boards."""


@dataclass(frozen=True, kw_only=True)
class Comparison(Result):
    """A design that was built, and what is estimated for it."""

    network: str
    """Its sizes and lanes."""
    built: Design
    estimated: Resources
    """With weights fitted to all other designs, so that the estimate is a prediction."""


def comparisons() -> list[Comparison]:
    """Every design that was built, with its prediction."""
    designs, found = calibration.current().designs, []
    for built in designs:
        network, board = experiment(built.design), find(built.board)
        others = [design for design in designs if design is not built]
        found.append(Comparison(network=describe(network), built=built,
                                estimated=resources(network, board, fitted(board, others))))
    return found


def table(entries: list[Comparison]) -> str:
    """In Markdown. A clock rate says that the design was placed and routed, not only packed."""
    rows = []
    for entry in entries:
        built, estimated = entry.built.resources, entry.estimated
        error = 100 * (estimated.luts / built.luts - 1)
        rows.append((entry.built.board, entry.network, f"{built.luts:,}", f"{estimated.luts:,} ({error:+.1f} %)",
                     built.block_rams, estimated.block_rams, built.dsps,
                     f"{entry.built.fmax_mhz:.1f} MHz" if entry.built.placed else ""))
    return markdown.table(("board", "network", "LUTs", "estimated", "block RAMs", "estimated", "DSPs", "clock reached"),
                          rows, right=range(2, 8))


def draw(file: BinaryIO, entries: list[Comparison]) -> None:
    """Estimated over built, with the band of 15 %, as PNG."""
    from matplotlib.ticker import LogLocator, NullFormatter

    picture = figure.new(9, 4.2)
    for axes, (resource, title) in zip(picture.subplots(1, 2), COMPARED.items(), strict=True):
        numbers = [(entry.built.board, getattr(entry.built.resources, resource), getattr(entry.estimated, resource))
                   for entry in entries]
        for board, colour in zip(BOARDS.values(), COLOURS, strict=True):
            points = [(built, estimated) for name, built, estimated in numbers if name == board.name]
            if points:
                axes.scatter(*zip(*points, strict=True), label=board.title, s=28, color=colour, zorder=3)
        ends = [number for _, *pair in numbers for number in pair]
        line = [0.8 * min(ends), 1.25 * max(ends)]
        axes.plot(line, line, color=figure.GREY, linewidth=1)
        axes.fill_between(line, [(1 - BAND) * end for end in line], [(1 + BAND) * end for end in line], alpha=0.15,
                          color=figure.GREY, label=f"{100 * BAND:.0f} %")
        axes.set(xscale="log", yscale="log", xlabel=f"{title}, built", ylabel=f"{title}, estimated")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter("{x:,.0f}")
            axis.set_minor_formatter(NullFormatter())
        figure.plain(axes)
        axes.legend()
    figure.save(picture, file)


@click.command(help=__doc__)
def main() -> None:
    """Put the table and the picture into the documents."""
    entries = comparisons()
    text, number = re.subn(r"^\| board \| network \|.*\n(\|.*\n)*", lambda _: table(entries) + "\n",
                           PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    if number != 1:
        raise click.ClickException(f"{PAGE}: has {number} tables of designs, not one")
    replace(PAGE, lambda file: file.write(text.encode()))
    replace(PICTURE, lambda file: draw(file, entries))
    click.echo(table(entries))


if __name__ == "__main__":
    main()
