"""``python -m spinloom.boards.accuracy``: the estimate beside what was built, as docs/boards.md shows it."""

import re
from pathlib import Path

import click
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from ..system.files import replace
from .calibrate import experiment, fitted
from .catalogue import BOARDS, find
from .estimate import calibration, describe, resources

PAGE = Path(__file__).parent.parent / "docs" / "boards.md"
PICTURE = PAGE.with_suffix(".png")
COMPARED = {"luts": "LUTs", "block_rams": "block RAMs"}


def rows() -> list[dict]:
    """Every design built: what it is, what was built, and what is estimated with weights fitted to the board's other
    designs alone, so that the estimate is a prediction."""
    designs, found = calibration()["designs"], []
    for built in designs:
        network, board = experiment(built["design"]), find(built["board"])
        others = [design for design in designs if design["board"] == board.name and design is not built]
        found.append({"board": board.name, "network": describe(network), "built": built,
                      "estimated": resources(network, board, fitted(board, others))})
    return found


def table(entries: list[dict]) -> str:
    """In Markdown; a clock rate says that the design was placed and routed, not only packed."""
    lines = ["| board | network | LUTs | estimated | block RAMs | estimated | DSPs | clock reached |",
             "|---|---|" + "---:|" * 6]
    for entry in entries:
        built, estimated = entry["built"], entry["estimated"]
        error = 100 * (estimated["luts"] / built["luts"] - 1)
        clock = f"{built['fmax_mhz']:.1f} MHz" if built["placed"] else ""
        cells = (entry["board"], entry["network"], f"{built['luts']:,}", f"{estimated['luts']:,} ({error:+.1f} %)",
                 built["block_rams"], estimated["block_rams"], built["dsps"], clock)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def draw(file, entries: list[dict]) -> None:
    """Estimated over built, with the band of 15 %, as PNG."""
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    for axes, (resource, title) in zip(figure.subplots(1, 2), COMPARED.items(), strict=True):
        for board in BOARDS.values():
            points = [(entry["built"][resource], entry["estimated"][resource]) for entry in entries
                      if entry["board"] == board.name]
            if points:
                axes.scatter(*zip(*points, strict=True), label=board.title, s=28)
        ends = [number for entry in entries for number in (entry["built"][resource], entry["estimated"][resource])]
        line = [0.8 * min(ends), 1.25 * max(ends)]
        axes.plot(line, line, color="grey", linewidth=1)
        axes.fill_between(line, [0.85 * end for end in line], [1.15 * end for end in line], alpha=0.15, color="grey",
                          label="15 %")
        axes.set(xscale="log", yscale="log", xlabel=f"{title}, built", ylabel=f"{title}, estimated")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter("{x:,.0f}")
            axis.set_minor_formatter(NullFormatter())
        axes.legend()
    figure.savefig(file, format="png", dpi=110)


@click.command(help=__doc__)
def main() -> None:
    entries = rows()
    text, number = re.subn(r"^\| board \| network \|.*\n(\|.*\n)*", lambda _: table(entries) + "\n",
                           PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    if number != 1:
        raise click.ClickException(f"{PAGE}: has {number} tables of designs, not one")
    replace(PAGE, lambda file: file.write(text.encode()))
    replace(PICTURE, lambda file: draw(file, entries))
    click.echo(table(entries))


if __name__ == "__main__":
    main()
