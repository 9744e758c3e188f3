"""Charts as figures of matplotlib: for notebooks and papers."""

from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np

from . import figure as house
from .chart import MOST_LEGEND, MOST_LETTERS, MOST_TITLE, Axis, Cells, Chart, Limit, Series, text
from .text import cut

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 6.4, 4.2
"""Inches."""
MARKERS = "osD^vPX*"
"""Of the series, over and over: they are told apart without colours, too."""
DASHES = ":", "-.", "--"
"""Of the limits, over and over."""
MOST_TEXT = 80
"""Cells of a heat map that have their value written on them."""
LIGHT = 0.55
"""Part of the range from which on the colours of heat maps are light."""
MOST_NAMES = 6
"""Names along an axis that are written level."""


def draw(chart: Chart) -> "Figure":
    """``chart`` as a figure of ``WIDTH`` x ``HEIGHT`` inches."""
    figure = house.new(WIDTH, HEIGHT)
    axes = figure.subplots()
    if chart.cells is not None:
        _draw_cells(figure, axes, chart.cells)
    else:
        _draw_series(axes, chart)
    for limit, dashes in zip(chart.limits, cycle(DASHES)):
        _draw_limit(axes, limit, dashes)
    _name(axes, chart)
    return figure


def _draw_series(axes: "Axes", chart: Chart) -> None:
    places = {name: place for place, name in enumerate(chart.names)}
    bars = [each for each in chart.series if each.mark == "bars"]
    width = 0.8 / (1 if chart.stacked else max(len(bars), 1))
    floor = np.zeros(len(places))
    for index, each in enumerate(chart.series):
        color = house.SERIES[index % len(house.SERIES)]
        x = np.array([places[text(place)] for place in each.x] if places else each.x, dtype=float)
        y = np.array([np.nan if value is None else value for value in each.y], dtype=float)
        if each.mark == "bars":
            at = x.astype(int)
            offset = 0.0 if chart.stacked else (bars.index(each) - (len(bars) - 1) / 2) * width
            axes.bar(x + offset, y, width, bottom=floor[at] if chart.stacked else None, color=color,
                     label=_name_of(each.name, MOST_LEGEND))
            floor[at] += np.nan_to_num(y)
        else:
            _draw_line(axes, each, x, y, color, MARKERS[index % len(MARKERS)])
    if places:
        level = len(places) <= MOST_NAMES
        axes.set_xticks(range(len(places)), [_name_of(name) for name in places], rotation=0 if level else 30,
                        ha="center" if level else "right")


def _draw_line(axes: "Axes", series: Series, x: np.ndarray, y: np.ndarray, color: str, marker: str) -> None:
    if series.band is not None:
        axes.fill_between(x, *series.band, color=color, alpha=0.18, linewidth=0)
    few = len(x) <= 40 and series.mark != "steps" or series.mark == "points"
    line = "none" if series.mark == "points" else "--" if series.dashed else "-"
    axes.plot(x, y, color=color, linestyle=line, marker=marker if few else None, markersize=4,
              drawstyle="steps-post" if series.mark == "steps" else "default", label=_name_of(series.name, MOST_LEGEND))


def _draw_cells(figure: "Figure", axes: "Axes", cells: Cells) -> None:
    values = np.array([[np.nan if value is None else value for value in row] for row in cells.values], dtype=float)
    image = axes.imshow(values, cmap=house.COLOURS, aspect="auto", origin="lower")
    axes.set_xticks(range(len(cells.x)), [_name_of(text(place)) for place in cells.x])
    axes.set_yticks(range(len(cells.y)), [_name_of(text(place)) for place in cells.y])
    bar = figure.colorbar(image, label=_name_of(str(cells.axis)))
    if cells.axis.prefixes:
        house.prefixes(bar.ax.yaxis)
    if values.size <= MOST_TEXT:
        middle = np.nanmin(values) + LIGHT * (np.nanmax(values) - np.nanmin(values))
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value):
                axes.text(column, row, house.prefixed(value) if cells.axis.prefixes else f"{value:.3g}", ha="center",
                          va="center", fontsize=house.SMALL - 1, color="black" if value > middle else "white")


def _draw_limit(axes: "Axes", limit: Limit, dashes: str) -> None:
    across = axes.axvline if limit.vertical else axes.axhline
    across(limit.value, color=house.GREY, linestyle=dashes, label=_name_of(limit.name, MOST_LEGEND))


def _name(axes: "Axes", chart: Chart) -> None:
    """Title, axes and legend."""
    house.title(axes, cut(chart.title, MOST_TITLE))
    for side, axis in (("x", chart.x), ("y", chart.y)):
        axes.set(**{f"{side}label": _name_of(str(axis))})
        if chart.cells is None:
            _scale(axes, side, axis, bool(chart.names))
    if chart.cells is not None:
        return
    house.plain(axes, grid="y" if chart.names else "both")
    if len(chart.series) + len(chart.limits) > 1:
        behind = {"frameon": True, "edgecolor": "none", "framealpha": 0.9} if chart.names else {}  # bars may be
        house.legend(axes, title=_name_of(chart.legend) or None, title_fontsize=house.SMALL, **behind)


def _scale(axes: "Axes", side: str, axis: Axis, named: bool) -> None:
    if axis.log and not (named and side == "x"):
        axes.set(**{f"{side}scale": "log"})
    elif axis.whole and side == "x" and not named:
        house.whole_numbers(axes)
    if axis.prefixes and not (named and side == "x"):
        house.prefixes(axes.xaxis if side == "x" else axes.yaxis)


def _name_of(name: str, most: int = MOST_LETTERS) -> str:
    """``name`` as matplotlib shows it: cut, and no formula."""
    return house.escaped(cut(name, most))
