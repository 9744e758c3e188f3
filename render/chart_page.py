"""Charts as figures of plotly: for pages.

A figure is what plotly.js draws, as a document of JSON. Colours of text and lines are those of the page, which knows
whether it is light or dark.
"""

from collections.abc import Sequence
from html import escape
from itertools import cycle
from typing import Any

from . import figure as house
from .chart import MOST_LEGEND, MOST_LETTERS, Axis, Cells, Chart, Series, Value, text
from .text import cut

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "x", "star")
"""Of the series, over and over, as `chart_figure.MARKERS`."""
DASHES = "dot", "dashdot", "dash"
"""Of the limits, over and over, as `chart_figure.DASHES`."""
MOST_TEXT = 80
"""Cells of a heat map that have their value written on them."""
MOST_MARKS = 10
"""Whole numbers that are marked along an axis."""
GREY = "#8a8a8a"
"""Of limits."""


def draw(chart: Chart) -> dict[str, Any]:
    """``chart`` as ``data`` and ``layout``."""
    if chart.cells is not None:
        data = [_cells(chart.cells)]
    else:
        data = [trace for index, each in enumerate(chart.series) for trace in _traces(chart, index, each)]
    shown = len(chart.series) + len(chart.limits) > 1
    limits = list(zip(chart.limits, cycle(DASHES)))
    return {"data": data + [_limit(limit.name, dash) for limit, dash in limits], "layout": {
        "xaxis": _axis(chart.x, chart, along=True), "yaxis": _axis(chart.y, chart, along=False),
        "barmode": "stack" if chart.stacked else "group", "showlegend": shown, "hovermode": "closest",
        "legend": {"title": {"text": _shown(chart.legend)}},
        "shapes": [_shape(limit.value, dash, vertical=limit.vertical) for limit, dash in limits]}}


def _traces(chart: Chart, index: int, series: Series) -> list[dict[str, Any]]:
    """A series, behind its band."""
    color = house.SERIES[index % len(house.SERIES)]
    x = _places(series.x) if chart.names else list(series.x)
    common = {"x": x, "name": _shown(series.name, MOST_LEGEND), "legendgroup": str(index)}
    if series.mark == "bars":
        return [common | {"type": "bar", "y": list(series.y), "marker": {"color": color}}]
    traces = []
    if series.band is not None:
        low, high = (list(end) for end in series.band)
        traces.append(common | {"type": "scatter", "mode": "lines", "x": [*x, *reversed(x)], "y": [*high, *low[::-1]],
                                "fill": "toself", "fillcolor": _faint(color), "line": {"width": 0},
                                "hoverinfo": "skip", "showlegend": False})
    few = len(x) <= 40 and series.mark != "steps"
    mode = "markers" if series.mark == "points" else "lines+markers" if few else "lines"
    trace = common | {"type": "scatter", "mode": mode, "y": list(series.y),
                      "line": {"color": color, "dash": "dash" if series.dashed else "solid",
                               "shape": "hv" if series.mark == "steps" else "linear"},
                      "marker": {"color": color, "symbol": SYMBOLS[index % len(SYMBOLS)], "size": 7}}
    if series.labels:
        trace |= {"text": list(map(_shown, series.labels)), "hovertemplate": "%{x:,}, %{y:,}<br>%{text}"}
    return [*traces, trace]


def _cells(cells: Cells) -> dict[str, Any]:
    prefixes = cells.axis.prefixes
    bar = {"title": {"text": _shown(str(cells.axis)), "side": "right"}, "thickness": 12,
           "tickformat": "~s" if prefixes else ""}
    trace = {"type": "heatmap", "x": _places(cells.x), "y": _places(cells.y),
             "z": [list(row) for row in cells.values], "colorscale": house.COLOURS.capitalize(), "colorbar": bar,
             "xgap": 1, "ygap": 1, "hovertemplate": "%{x}, %{y}: %{z:,.5~g}<extra></extra>"}
    if len(cells.x) * len(cells.y) <= MOST_TEXT:
        trace |= {"texttemplate": "%{z:.3~s}" if prefixes else "%{z:.3~g}"}
    return trace


def _axis(axis: Axis, chart: Chart, *, along: bool) -> dict[str, Any]:
    named = along and bool(chart.names) or chart.cells is not None
    kind = "category" if named else "log" if axis.log else "linear"
    document = {"title": {"text": _shown(str(axis))}, "type": kind, "automargin": True}
    if axis.log and not named:
        document |= {"exponentformat": "power"} | ({} if along and _is_narrow(chart) else {"dtick": 1})
    if not named and (axis.whole or axis.prefixes):
        document |= {"tickformat": "~s" if axis.prefixes else ",d"}
    if along and axis.whole and not named:
        document |= {"dtick": _whole_step(chart)}
    if named and along and chart.names:
        document |= {"categoryorder": "array", "categoryarray": _places(chart.names)}
    places = chart.names if along else ()
    if chart.cells is not None:
        places = list(map(text, chart.cells.x if along else chart.cells.y))
    if any(cut(place, MOST_LETTERS) != place for place in places):
        document |= {"tickmode": "array", "tickvals": _places(places), "ticktext": list(map(_shown, places))}
    return document


def _places(places: Sequence[Value]) -> list[str]:
    """What plotly calls ``places`` that are names: they stay apart, however long they are."""
    return [escape(text(place)) for place in places]


def _shown(name: str, most: int = MOST_LETTERS) -> str:
    """``name`` as plotly shows it: cut, and no markup."""
    return escape(cut(name, most))


def _whole_step(chart: Chart) -> int:
    """Between the whole numbers that are marked along the x axis."""
    places = [place for each in chart.series for place in each.x if not isinstance(place, str)]
    span = max(places, default=0.0) - min(places, default=0.0)
    return next(step for power in range(19) for step in (10**power, 2 * 10**power, 5 * 10**power)
                if span / step <= MOST_MARKS or power == 18)


def _is_narrow(chart: Chart) -> bool:
    """Whether the places along the x axis span so little that powers of ten alone would not mark it."""
    places = [place for each in chart.series for place in each.x if not isinstance(place, str) and place > 0]
    return bool(places) and max(places) < 30 * min(places)


def _shape(value: float, dash: str, *, vertical: bool) -> dict[str, Any]:
    """A straight line across the chart."""
    on, across = ("x", "y") if vertical else ("y", "x")
    return {"type": "line", f"{on}0": value, f"{on}1": value, f"{across}0": 0, f"{across}1": 1,
            f"{across}ref": "paper", "line": {"color": GREY, "dash": dash, "width": 2}}


def _limit(name: str, dash: str) -> dict[str, Any]:
    """The entry of a limit in the legend."""
    return {"type": "scatter", "x": [None], "y": [None], "mode": "lines", "name": _shown(name, MOST_LEGEND),
            "showlegend": True, "line": {"color": GREY, "dash": dash, "width": 2}}


def _faint(color: str) -> str:
    red, green, blue = (int(color[place:place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"
