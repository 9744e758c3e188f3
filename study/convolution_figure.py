"""``python -m spinloom.study.convolution_figure``: the picture of docs/convolutions.md.

A small layer is computed, in integers, on a small map: what is drawn is what it does.
"""

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click
import numpy as np

from ..contract.window import Window
from ..render import figure as house
from ..system.files import replace

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PICTURE = Path(__file__).parent.parent / "docs" / "convolutions.svg"
WINDOW = Window(map=(6, 6, 1), cols=2, kernel=(3, 3), pool=(2, 2), pool_stride=(2, 2))
DRIVES = np.array([
    [0, 0, 0, 0, 0, 0],
    [0, 0, 3, 3, 2, 0],
    [0, 0, 0, 0, 3, 0],
    [0, 0, 0, 3, 1, 0],
    [0, 0, 2, 3, 0, 0],
    [0, 0, 3, 0, 0, 0],
])
"""The map: a seven."""
CONDUCTANCES = np.array([[-1, 0, 1, -1, 2, 0, 1, 0, -2], [1, 1, 1, 0, 0, 0, -1, -1, -2]]).T
"""(row, column) of the crossbar."""
POSITION, ROW = 6, 4
"""What is shown of the forward pass, and of the second pass."""
SLOTS = 34
"""Clock cycles that are shown of each pass."""


def draw(file: BinaryIO) -> None:
    """Write the picture as SVG: above, one position of a forward pass; below, the order of the slots of both passes."""
    picture = house.new(11, 6.6, layout=None)
    above = picture.add_gridspec(1, 4, left=0.03, right=0.985, top=0.87, bottom=0.42, wspace=0.28,
                                 width_ratios=(1, 0.72, 1, 1))
    below = picture.add_gridspec(2, 1, left=0.03, right=0.985, top=0.30, bottom=0.05, hspace=0.95)
    house.headline(picture, "One crossbar, applied at 16 positions of a map")
    cells = DRIVES.ravel()[WINDOW.touched]
    outputs = cells @ CONDUCTANCES
    erring = _erring(outputs)
    _draw_map(picture.add_subplot(above[0]))
    _draw_crossbar(picture.add_subplot(above[1]), cells[POSITION])
    _draw_outputs(picture.add_subplot(above[2]), outputs)
    _draw_row(picture.add_subplot(above[3]), erring)
    forward = [(position, np.flatnonzero(cells[position]).tolist()) for position in range(WINDOW.positions)]
    second = [(row, slots) for row in range(WINDOW.inputs) if (slots := [p for p in erring if cells[p, row]])]
    _draw_slots(picture.add_subplot(below[0]), forward, "p", house.BLUE, POSITION,
                "forward: position by position (p); in each, the rows that are driven, a clock cycle each")
    _draw_slots(picture.add_subplot(below[1]), second, "r", house.ORANGE, ROW,
                "backward and update: row by row (r); in each, the positions with an error at which it is driven; "
                "behind the last, the row is rounded and visited")
    house.save_svg(picture, file)


def _winners(outputs: np.ndarray) -> np.ndarray:
    """(places of the pooled map, columns): the position that wins."""
    places = WINDOW.pool_windows
    return np.take_along_axis(places, outputs[places].argmax(axis=1), axis=1)


def _erring(outputs: np.ndarray) -> list[int]:
    """The positions with an error: those whose output has won, and is above 0, as a neuron without a derivative passes
    no delta back."""
    winners = _winners(outputs)
    return sorted({int(p) for place in winners for column, p in enumerate(place) if outputs[p, column] > 0})


def _grid(axes: "Axes", height: int, width: int, text: str) -> None:
    """Empty ``axes`` for a table of cells, the first one above left, under the title ``text``."""
    axes.set(xlim=(-0.1, width + 0.1), ylim=(height + 0.1, -0.1), aspect="equal", xticks=[], yticks=[])
    axes.axis("off")
    axes.set_title(text, loc="left", fontsize=house.SMALL)


def _cell(axes: "Axes", row: float, column: float, text: object = "", colour: str = "white") -> None:
    """A cell with ``text`` in it."""
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((column, row), 1, 1, facecolor=colour, edgecolor="0.75", linewidth=0.8))
    axes.text(column + 0.5, row + 0.53, str(text), ha="center", va="center", fontsize=house.SMALL, color=house.DARK)


def _outline(axes: "Axes", row: float, column: float, height: float, width: float, colour: str) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((column, row), width, height, fill=False, edgecolor=colour, linewidth=2.4, zorder=4))


def _draw_map(axes: "Axes") -> None:
    """The map with the window at ``POSITION``."""
    height, width, _ = WINDOW.map
    _grid(axes, height, width, f"the map; the window at position {POSITION}")
    for (i, j), drive in np.ndenumerate(DRIVES):
        _cell(axes, i, j, drive or "", house.LIGHT_BLUE if drive else "white")
    _outline(axes, *divmod(POSITION, WINDOW.outputs[1]), *WINDOW.kernel, house.BLUE)


def _draw_crossbar(axes: "Axes", drives: np.ndarray) -> None:
    """The crossbar, driven by ``drives``."""
    rows, columns = CONDUCTANCES.shape
    _grid(axes, rows, columns + 2, "the crossbar: its rows x,\nthe cells of the window")
    for row in range(rows):
        driven = house.LIGHT_BLUE if drives[row] else "white"
        axes.text(-0.15, row + 0.53, str(row), ha="right", va="center", fontsize=house.SMALL, color=house.GREY)
        _cell(axes, row, 0, drives[row] or "", driven)
        for column in range(columns):
            _cell(axes, row, 1.6 + column, CONDUCTANCES[row, column], driven)


def _draw_outputs(axes: "Axes", outputs: np.ndarray) -> None:
    """The map of outputs of the first column, with the windows of the pooling and their winners."""
    height, width, _ = WINDOW.outputs
    _grid(axes, height, width, "outputs z of column 0;\nthe winner of each window of the pooling")
    winners = {int(place[0]) for place in _winners(outputs)}
    for position in range(WINDOW.positions):
        _cell(axes, *divmod(position, width), outputs[position, 0],
              house.LIGHT_ORANGE if position in winners else "white")
    for i in range(0, height, WINDOW.pool[0]):
        for j in range(0, width, WINDOW.pool[1]):
            _outline(axes, i, j, *WINDOW.pool, "0.45")
    _outline(axes, *divmod(POSITION, width), 1, 1, house.BLUE)


def _draw_row(axes: "Axes", erring: list[int]) -> None:
    """The cells of the map that drive ``ROW``: at the positions ``erring``, numbered; at the others, shaded."""
    height, width, _ = WINDOW.map
    _grid(axes, height, width, f"what drives row {ROW} at each position;\nnumbers: positions with an error")
    for (i, j), drive in np.ndenumerate(DRIVES):
        _cell(axes, i, j, "", house.LIGHT_BLUE if drive else "white")
    for position in erring:
        i, j = divmod(int(WINDOW.touched[position, ROW]), width)
        _cell(axes, i, j, position, house.LIGHT_ORANGE if DRIVES[i, j] else "white")
    first = int(WINDOW.touched[0, ROW])
    _outline(axes, *divmod(first, width), *WINDOW.outputs[:2], house.ORANGE)


def _draw_slots(axes: "Axes", groups: list[tuple[int, list[int]]], name: str, colour: str, shown: int,
                text: str) -> None:
    """The slots of a pass, in order: ``groups`` of a number and what is worked on in it, one a clock cycle. The group
    ``shown`` is the one that the picture is about."""
    light = house.LIGHT_BLUE if colour == house.BLUE else house.LIGHT_ORANGE
    axes.set(xlim=(-0.1, SLOTS), ylim=(1.1, -0.9), xticks=[], yticks=[])
    axes.axis("off")
    axes.set_title(text, loc="left", fontsize=house.SMALL)
    at = 0.0
    for number, members in groups:
        if at + len(members) > SLOTS - 1:
            axes.text(at + 0.1, 0.53, "...", va="center", fontsize=house.MEDIUM)
            return
        for offset, member in enumerate(members):
            _cell(axes, 0, at + offset, member, light if number == shown else "white")
        axes.text(at, -0.18, f"{name}{number}", fontsize=house.SMALL, color=colour, weight="bold", va="bottom")
        _outline(axes, 0, at, 1, len(members), colour)
        at += len(members) + 0.35


@click.command(help=__doc__)
def main() -> None:
    """Put the picture into the documents."""
    replace(PICTURE, draw)
    click.echo(PICTURE)


if __name__ == "__main__":
    main()
