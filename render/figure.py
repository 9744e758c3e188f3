"""Figures: one style for all of them. Matplotlib is imported when the first one is drawn."""

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from ..contract.errors import one_line
from ..system.files import replace

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, RED, GREY = "#1f5fa8", "#e08a2c", "#1a7f4b", "#b3261e", "0.45"
"""The colours: of the golden model or the first series, of hardware or pulses, of agreement, of failure, and of what
the others are compared with."""
LIGHT_BLUE, LIGHT_ORANGE, LIGHT_GREEN = "#8fb8de", "#f0c48f", "#8cc7a5"
"""The second of a pair of the same kind."""
DPI = 110


def new(width: float, height: float, **options: Any) -> "Figure":
    """An empty figure of ``width`` x ``height`` inches, white, with matplotlib's ``options``; its axes fill it unless
    those say otherwise."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor="white", **({"layout": "constrained"} | options))
    FigureCanvasAgg(figure)
    return figure


def plain(*axes: "Axes", grid: Literal["x", "y", "both"] | None = "both") -> None:
    """Take the frame above and to the right of ``axes`` away, and draw a faint ``grid`` unless it is None."""
    for each in axes:
        for side in ("top", "right"):
            each.spines[side].set_visible(False)
        if grid is not None:
            each.grid(alpha=0.3, axis=grid)
        each.set_axisbelow(True)


def save(figure: "Figure", file: BinaryIO) -> None:
    """Write ``figure`` to ``file`` as PNG."""
    figure.savefig(file, format="png", dpi=DPI)


def escaped(text: str) -> str:
    """``text``, whatever it holds, as matplotlib shows it unchanged: dollar signs do not begin a formula."""
    return text.replace("$", r"\$")


def decorate(path: Path, draw: Callable[[BinaryIO], object]) -> None:
    """Write the picture ``path``, which ``draw`` writes to a file, beside results that are complete without it. If that
    fails, for whatever reason, a line on standard error says so."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of letters that the font lacks
            replace(path, draw)
    except Exception as error:
        print(one_line(f"spinloom: warning: no picture {path}: {error}; everything else is complete"), file=sys.stderr)
