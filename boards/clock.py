"""``python -m spinloom.boards.clock``: the clock over lanes and seeds, as docs/boards.md shows it.

Draws what ``clocks.json`` and ``calibration.json`` hold of placed designs on a ULX3S. With ``--lanes`` it places first:
a design for each number of lanes and each seed that is not recorded yet. That takes minutes each.
"""

import json
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import BinaryIO

import click

from ..config import Experiment
from ..hw.export.tool import SynthesisError
from ..render import figure
from ..system import progress
from ..system.files import replace
from . import calibrate, calibration
from .catalogue import find
from .place import clocks

FILE = Path(__file__).with_name("clocks.json")
PICTURE = Path(__file__).parent.parent / "docs" / "clock.png"
BOARD = "ulx3s"
SERIES = {"64-10": "one layer, 2 lanes", "64-128-10": "128 columns, 16 lanes"}
"""Networks that are placed with several numbers of lanes in their first layer: keys of `calibrate.DESIGNS`."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A network that was placed and routed once."""

    network: str
    """A key of ``SERIES``."""
    lanes: int
    """Of its first layer."""
    seed: int
    """Of nextpnr."""
    fmax_mhz: float
    """The clock that it reached."""
    tool_versions: dict[str, str]
    """By package."""


def read(file: Path = FILE) -> list[Placed]:
    """What ``file`` holds; nothing if there is none."""
    return [Placed(**entry) for entry in json.loads(file.read_text(encoding="utf-8"))] if file.is_file() else []


def write(placed: Iterable[Placed], file: Path = FILE) -> None:
    """Put ``placed`` into ``file``, in order."""
    entries = sorted(map(asdict, placed), key=lambda entry: (entry["network"], entry["lanes"], entry["seed"]))
    replace(file, lambda target: target.write(json.dumps(entries, indent=1).encode() + b"\n"))


def experiment(network: str, lanes: int) -> Experiment:
    """The ``network`` with so many ``lanes`` in its first layer; ``ConfigError`` if it cannot have them."""
    return calibrate.experiment(SERIES[network]).replaced(layers={0: {"lanes": lanes}})


def place(network: str, lanes: int, seeds: Iterable[int], file: Path = FILE) -> None:
    """Place ``network`` with each of the ``seeds`` that is not recorded in ``file``, and record what it reaches."""
    known = {entry.seed for entry in read(file) if (entry.network, entry.lanes) == (network, lanes)}
    wanted = [seed for seed in seeds if seed not in known]
    with tempfile.TemporaryDirectory(prefix="spinloom-clock-") as folder, progress.bar(
            bar_format="{elapsed} {desc}", desc=f"{network}, {lanes} lanes") as bar:
        reached = clocks(experiment(network, lanes), find(BOARD), folder, wanted, progress=lambda step:
                         bar.set_description_str(f"{network}, {lanes} lanes: {step}"[:110])) if wanted else ()
        for seed, (fmax, tools) in zip(wanted, reached, strict=bool(wanted)):
            write([*read(file), Placed(network=network, lanes=lanes, seed=seed, fmax_mhz=fmax, tool_versions=tools)],
                  file)


def draw(file: BinaryIO, placed: list[Placed]) -> None:
    """Clocks over lanes as PNG: each placement of ``placed`` with the medians of its series, and the designs of the
    calibration, each of which was placed once."""
    picture = figure.new(7, 4)
    axes = picture.subplots()
    for network, colour in zip(SERIES, figure.SERIES, strict=False):
        points = [(entry.lanes, entry.fmax_mhz) for entry in placed if entry.network == network]
        if points:
            axes.scatter([lanes for lanes, _ in points], [fmax for _, fmax in points], s=22, color=colour, zorder=3,
                         label=f"{network}, by seed")
            middle = {lanes: median(fmax for each, fmax in points if each == lanes) for lanes, _ in sorted(points)}
            axes.plot(list(middle), list(middle.values()), color=colour, linewidth=1, alpha=0.6)
    once = [(calibrate.experiment(design.design).crossbars[0].lanes, design.fmax_mhz)
            for design in calibration.current().designs if design.board == BOARD and design.fmax_mhz]
    axes.scatter([lanes for lanes, _ in once], [fmax for _, fmax in once], s=26, facecolors="none",
                 edgecolors=figure.GREY, zorder=2, label="other designs, placed once")
    axes.axhline(find(BOARD).clock_mhz, color=figure.RED, linewidth=1, label="the board's clock")
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set(xlabel="lanes of the first layer", ylabel="clock reached, MHz", ylim=(40, None))
    figure.plain(axes)
    figure.legend(axes)
    figure.save(picture, file)


@click.command(help=__doc__.partition("\n")[0])
@click.option("--network", type=click.Choice(list(SERIES)), default="64-10", show_default=True, help="What is placed.")
@click.option("--lanes", multiple=True, type=click.IntRange(1), help="Place it with so many lanes.")
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1), help="How often.")
def main(network: str, lanes: tuple[int, ...], seeds: int) -> None:
    """Place what is asked for and not recorded, and draw the picture."""
    for number in lanes:
        try:
            place(network, number, range(1, seeds + 1))
        except SynthesisError as error:
            raise click.ClickException(f"{network}, {number} lanes: {error}") from None
    replace(PICTURE, lambda file: draw(file, read()))


if __name__ == "__main__":
    main()
