"""Charts: what a figure shows, as data with axes, units and names.

A `Chart` is drawn by matplotlib (`render.chart_figure`: notebooks, papers) and by plotly (`render.chart_page`: pages),
and is written as CSV. So a figure, the page that shows it and its table of data cannot say different things.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Value = float | str
"""A place along an axis: a number, or a name."""
Mark = Literal["line", "points", "bars", "steps"]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """What is told along an axis, or by colour."""

    label: str
    unit: str = ""
    log: bool = False
    """Whether the scale is logarithmic."""
    whole: bool = False
    """Whether only whole numbers are marked."""
    prefixes: bool = False
    """Whether numbers get the prefixes of units: ``5n`` for 5e-9."""

    def __str__(self) -> str:
        return f"{self.label} ({self.unit})" if self.unit else self.label


@dataclass(frozen=True, kw_only=True)
class Series:
    """Values that belong together: a line, points, bars, or a line in steps, which holds a value until the next."""

    name: str
    x: Sequence[Value]
    y: Sequence[float | None]
    """Of each ``x``; None leaves a gap."""
    band: tuple[Sequence[float], Sequence[float]] | None = None
    """Lower and upper end of what is shaded around ``y``."""
    mark: Mark = "line"
    dashed: bool = False
    labels: Sequence[str] = ()
    """What a page tells of each point."""


@dataclass(frozen=True, kw_only=True)
class Cells:
    """A heat map."""

    x: Sequence[Value]
    y: Sequence[Value]
    values: Sequence[Sequence[float | None]]
    """A row for each of ``y``, with an entry for each of ``x``; None where nothing is known."""
    axis: Axis
    """What the colours tell."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A straight line across the chart, with a name: something to compare with."""

    name: str
    value: float
    vertical: bool = False


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A figure: ``cells``, or else ``series``, with ``limits``."""

    name: str
    """Of its files, without suffix: letters, digits and ``-``."""
    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...] = ()
    cells: Cells | None = None
    limits: tuple[Limit, ...] = ()
    legend: str = ""
    """What the names of the series are values of."""
    stacked: bool = False
    """Whether bars stand on one another."""
    note: str = ""
    """What the reader should know: what is averaged, what is left out."""

    @property
    def names(self) -> list[str]:
        """The places along the x axis that are names, in their order; empty if they are numbers. Bars stand at names in
        any case."""
        bars = any(each.mark == "bars" for each in self.series)
        places = [place for each in self.series for place in each.x]
        named = bars or any(isinstance(place, str) for place in places)
        return list(dict.fromkeys(map(text, places))) if named else []

    def csv(self) -> bytes:
        """The data in UTF-8, a value a line, under the names of the axes."""
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows(self._lines())
        return file.getvalue().encode(errors="backslashreplace")

    def _lines(self) -> Iterator[Sequence[Any]]:
        if self.cells is not None:
            yield str(self.x), str(self.y), str(self.cells.axis)
            for y, row in zip(self.cells.y, self.cells.values, strict=True):
                yield from ((x, y, _empty(value)) for x, value in zip(self.cells.x, row, strict=True))
            return
        yield self.legend or "series", str(self.x), str(self.y), "lower", "upper", "label"
        for each in self.series:
            nothing = [None] * len(each.x)
            for line in zip(each.x, each.y, *(each.band or (nothing, nothing)), each.labels or nothing, strict=True):
                yield each.name, *map(_empty, line)
        yield from ((limit.name, *((limit.value, "") if limit.vertical else ("", limit.value)), "", "", "")
                    for limit in self.limits)


def _empty(value: Any) -> Any:
    return "" if value is None else value


MOST_LETTERS, MOST_LEGEND, MOST_TITLE = 40, 64, 80
"""Of a name along an axis, of one in a legend, and of a title, as they are drawn; the data have them whole."""


def text(place: Value) -> str:
    """``place`` as it stands at an axis."""
    return place if isinstance(place, str) else f"{place:g}"
