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
    from matplotlib.axis import XAxis, YAxis
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, RED, GREY = "#1f5fa8", "#e08a2c", "#1a7f4b", "#b3261e", "0.45"
"""The colours: of the golden model or the first series, of hardware or pulses, of agreement, of failure, and of what
the others are compared with."""
LIGHT_BLUE, LIGHT_ORANGE, LIGHT_GREEN = "#8fb8de", "#f0c48f", "#8cc7a5"
"""The second of a pair of the same kind."""
DARK = "0.15"
"""Of lines that stand for exact figures, beside coloured tables."""
DARK_ORANGE = "#b5651d"
"""Of text about what is drawn in ``ORANGE``."""
SERIES = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c8c8c", "#a8930a")
"""Of many series of the same kind, over and over: Okabe and Ito's colours, which colour-blind people tell apart."""
COLOURS = "cividis"
"""The map of heat maps: even steps, and the same to colour-blind people."""
DPI, PRINT_DPI = 110, 300
SMALL, MEDIUM, LARGE = 9.0, 11.0, 15.0
"""Sizes of text: of legends and labels within axes, of titles, of the headline of a figure."""


def new(width: float, height: float, **options: Any) -> "Figure":
    """An empty figure of ``width`` x ``height`` inches, white, with matplotlib's ``options``; its axes fill it unless
    those say otherwise."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor="white", **({"layout": "constrained"} | options))
    FigureCanvasAgg(figure)
    return figure


def headline(figure: "Figure", text: str) -> None:
    """Put ``text`` above everything in ``figure``."""
    figure.suptitle(escaped(text), x=0.012, ha="left", fontsize=LARGE - 2, weight="bold")


def title(axes: "Axes", text: str) -> None:
    """Put ``text`` above ``axes``, at its left end."""
    axes.set_title(escaped(text), loc="left", fontsize=MEDIUM)


def legend(axes: "Axes", **options: Any) -> None:
    """Explain the colours and lines of ``axes``, with matplotlib's ``options``; without a frame unless those say
    otherwise."""
    axes.legend(**({"fontsize": SMALL, "frameon": False} | options))


def plain(*axes: "Axes", grid: Literal["x", "y", "both"] | None = "both") -> None:
    """Take the frame above and to the right of ``axes`` away, and draw a faint ``grid`` unless it is None."""
    for each in axes:
        for side in ("top", "right"):
            each.spines[side].set_visible(False)
        if grid is not None:
            each.grid(alpha=0.3, axis=grid)
        each.set_axisbelow(True)


def whole_numbers(axes: "Axes") -> None:
    """Mark whole numbers only along the bottom of ``axes``."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def prefixes(axis: "XAxis | YAxis") -> None:
    """Mark numbers along ``axis`` with the prefixes of units: ``5n`` for 5e-9."""
    from matplotlib.ticker import EngFormatter

    axis.set_major_formatter(EngFormatter(sep=""))


def prefixed(value: float) -> str:
    """``value`` with the prefix of a unit: ``22.9k`` for 22,931."""
    from matplotlib.ticker import EngFormatter

    return EngFormatter(sep="").format_data(float(f"{value:.3g}"))


def save(figure: "Figure", file: BinaryIO, dpi: int = DPI) -> None:
    """Write ``figure`` to ``file`` as PNG, with ``dpi`` pixels an inch."""
    _save(figure, file, format="png", dpi=dpi, metadata={"Software": "Spinloom"})


def is_ours(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is a PNG that `save` has written."""
    return b"Software\0Spinloom" in head


def save_for_print(figure: "Figure", file: BinaryIO) -> None:
    """Write ``figure`` to ``file`` as PNG, as fine as papers ask for."""
    save(figure, file, PRINT_DPI)


def save_svg(figure: "Figure", file: BinaryIO) -> None:
    """Write ``figure`` to ``file`` as SVG: the same figure always as the same bytes."""
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": "spinloom"}):
        _save(figure, file, format="svg", metadata={"Date": None, "Creator": None})


def save_pdf(figure: "Figure", file: BinaryIO) -> None:
    """Write ``figure`` to ``file`` as PDF: the same figure always as the same bytes."""
    _save(figure, file, format="pdf", metadata={"CreationDate": None})


def _save(figure: "Figure", file: BinaryIO, **options: Any) -> None:
    """Write ``figure`` to ``file``. Letters that the font lacks become boxes, without a warning for each."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(file, **options)


SAVERS: dict[str, Callable[["Figure", BinaryIO], None]] = {"png": save_for_print, "svg": save_svg, "pdf": save_pdf}
"""How figures that are files of their own are written, by the suffix of the file."""


def escaped(text: str) -> str:
    """``text``, whatever it holds, as matplotlib shows it unchanged: dollar signs do not begin a formula, and what
    cannot be printed is shown by its code."""
    return "\n".join(map(one_line, text.split("\n"))).replace("$", r"\$")


def decorate(path: Path, draw: Callable[[BinaryIO], object]) -> None:
    """Write the picture ``path``, which ``draw`` writes to a file, beside results that are complete without it. If that
    fails, for whatever reason, a line on standard error says so."""
    try:
        replace(path, draw)
    except Exception as error:
        print(one_line(f"spinloom: warning: no picture {path}: {error}; everything else is complete"), file=sys.stderr)
