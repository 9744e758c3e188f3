"""Charts of what a study varies: accuracy, write pulses and energy over fields of the configuration."""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, combinations
from types import MappingProxyType
from typing import Any

from ...render.chart import Axis, Cells, Chart, Limit, Series, Value, text
from ...system.files import safe_name
from ..sweep.document import Search
from ..sweep.ranges import Range
from .table import FIRST_RESULT, SEED, Row, Study, shortened

MOST_FIELDS = 4
"""Fields of a study that get charts of their own, the first ones."""
MOST_DRAWN = 8
"""Drawn fields that get a chart."""
MOST_PLACES = 30
"""Values of a field along an axis; a field with more of them is drawn run by run."""
MOST_LINES = 8
"""In a chart over one field, or of all runs, for the values of another field."""
FEW = 3
"""Runs that are not drawn as a cloud of points."""
ACCURACY = Axis(label="test accuracy", unit="%")
QUANTITIES = {
    FIRST_RESULT: ACCURACY,
    "write_pulses": Axis(label="write pulses", prefixes=True),
    "most_write_pulses": Axis(label="write pulses of the worst cell", prefixes=True),
    "energy_joules": Axis(label="energy of the training", unit="J", prefixes=True),
}
"""Columns that are drawn over fields, with their axes."""


def of_study(study: Study) -> list[Chart]:
    """The charts of what was varied. Fields are looked at within a configuration: those of different ones say little
    beside each other."""
    groups: dict[str, list[Row]] = {}
    for row in study.done:
        groups.setdefault(str(row["config"]), []).append(row)
    charts = [beside(groups)] if len(groups) > 1 else []
    if study.sweep and study.sweep.search:
        charts += best_so_far(study.rows, study.sweep.search)
    for config, rows in groups.items():
        of = f", {config}" if len(groups) > 1 else ""
        charts += [replace(chart, title=chart.title + of) for chart in of_fields(rows, study.fields, study.drawn)]
    return charts


def best_so_far(rows: Sequence[Row], search: Search) -> list[Chart]:
    """The value of each trial of a search, and the best of those up to it; none without a trial that has a value."""
    fields = list(search.choices)
    trials: dict[tuple[Any, ...], list[Any]] = {}
    for row in rows:
        trials.setdefault(tuple(row.get(name) for name in fields), []).append(row.get(search.of))
    told = [(number, statistics.mean(values)) for number, values in enumerate(trials.values(), start=1)
            if all(isinstance(value, int | float) for value in values)]
    if not told:
        return []
    numbers, values = map(list, zip(*told, strict=True))
    best = list(accumulate(values, max if search.goal == "maximize" else min))
    axis = QUANTITIES.get(search.of, Axis(label=search.of))
    return [Chart(name=_name(search.of, "by-trial"), title=f"{axis.label} over the trials of the search",
                  x=Axis(label="trial", whole=True), y=axis,
                  note="a trial: mean over its runs; repeated ones count once", series=(
                      Series(name="trial", mark="points", x=numbers, y=values),
                      Series(name="best so far", mark="steps", x=numbers, y=best)))]


def beside(groups: Mapping[str, Sequence[Row]]) -> Chart:
    """The mean accuracy of each configuration, beside floating point."""
    means = {name: [_mean(row.get(column) for row in rows) for rows in groups.values()]
             for name, column in (("here", FIRST_RESULT), ("floating point beside them", "baseline_accuracy"))}
    return Chart(name="configurations", title="test accuracy by configuration", x=Axis(label="configuration"),
                 y=ACCURACY, note="mean over the runs of each", series=tuple(
                     Series(name=name, mark="bars", x=list(groups), y=values) for name, values in means.items()
                     if any(value is not None for value in values)))


def of_fields(rows: Sequence[Row], fields: Sequence[str],
              drawn: Mapping[str, Any] = MappingProxyType({})) -> list[Chart]:
    """The charts of ``rows`` over those of ``fields`` that vary: pairs of them as heat maps, each with a band, and what
    accuracy costs. Over those ``drawn`` from a range, accuracy run by run, on a logarithmic axis if they were drawn
    so."""
    ranges = {name: choice for name, choice in drawn.items() if isinstance(choice, Range)}
    varying = [name for name in fields if name != SEED and len(_places(rows, name)) > 1]
    varied = [name for name in varying if name not in ranges][:MOST_FIELDS]
    placed = [name for name in varied if len(_places(rows, name)) <= MOST_PLACES]
    lines = [name for name in placed if len(_places(rows, name)) <= MOST_LINES]
    shown = [name for name in QUANTITIES if any(row.get(name) is not None for row in rows)]
    charts = []
    for x, y in map(_longer_first(rows), combinations(placed, 2)):
        charts += [heat_map(rows, x, y, name) for name in (shown if len(placed) == 2 else [FIRST_RESULT])]
    for name in varied:
        by = next((other for other in lines if other != name), None) if len(varied) == 2 else None
        charts += [over(rows, name, quantity, by) if name in placed else scatter(rows, name, quantity, by)
                   for quantity in (shown if len(varied) == 1 else [FIRST_RESULT])]
    charts += [scatter(rows, name, FIRST_RESULT, lines[0] if lines else None, log=ranges[name].log)
               for name in varying if name in ranges][:MOST_DRAWN]
    cost = next((name for name in ("energy_joules", "write_pulses") if name in shown), None)
    if cost and len(rows) > FEW:
        charts.append(scatter(rows, cost, FIRST_RESULT, lines[0] if lines else None))
    return charts


def heat_map(rows: Sequence[Row], x: str, y: str, quantity: str) -> Chart:
    """The mean of ``quantity`` over the fields ``x`` and ``y``."""
    across, up = _places(rows, x), _places(rows, y)
    values = [[_mean(row.get(quantity) for row in rows if row[x] == at and row[y] == height) for at in across]
              for height in up]
    axis = QUANTITIES[quantity]
    return Chart(name=_name(quantity, "map", x, y), title=f"{axis.label} over {x} and {y}", x=Axis(label=x),
                 y=Axis(label=y), cells=Cells(x=across, y=up, values=values, axis=axis), note=_averaged(rows, (x, y)))


def over(rows: Sequence[Row], x: str, quantity: str, by: str | None = None) -> Chart:
    """The mean of ``quantity`` over the field ``x``, with a band of a standard deviation on each side; a line for each
    value of the field ``by``, if it is given."""
    series = [_banded(text(value) if by else "mean", [row for row in rows if by is None or row[by] == value],
                      x, quantity) for value in (_places(rows, by) if by else [""])]
    baselines = [] if quantity != FIRST_RESULT else [
        row["baseline_accuracy"] for row in rows if row.get("baseline_accuracy") is not None]
    axis, notes = QUANTITIES[quantity], [_averaged(rows, (x, by) if by else (x,))]
    if any(each.band for each in series):
        notes.append("bands: one standard deviation on each side")
    return Chart(name=_name(quantity, "over", x), title=f"{axis.label} over {x}", x=Axis(label=x), y=axis,
                 legend=by or "", series=tuple(series), note="; ".join(filter(None, notes)),
                 limits=(Limit(name="floating point, mean of these runs", value=statistics.mean(baselines)),)
                 if baselines else ())


def scatter(rows: Sequence[Row], x: str, y: str, by: str | None = None, log: bool = False) -> Chart:
    """A point for each run: the column ``y`` over the column ``x``, by the values of the field ``by`` if given.
    ``log``: whether the scale of ``x`` is logarithmic."""
    shown = [row for row in rows if row.get(x) is not None and row.get(y) is not None]
    groups = [(text(value) if by else "runs", [row for row in shown if by is None or row[by] == value])
              for value in (_places(shown, by) if by else [""])]
    axis = QUANTITIES.get(x, Axis(label=x, log=log))
    return Chart(name=_name(y, "against", x), title=f"{QUANTITIES[y].label} against {axis.label}", x=axis,
                 y=QUANTITIES[y], note="one point a run", legend=by or "", series=tuple(
                     Series(name=name, mark="points", x=[row[x] for row in group], y=[row[y] for row in group],
                            labels=[shortened(row["run"]) for row in group]) for name, group in groups))


def _banded(name: str, rows: Sequence[Row], x: str, quantity: str) -> Series:
    places = _places(rows, x)
    groups = [[row[quantity] for row in rows if row[x] == place and row.get(quantity) is not None] for place in places]
    told = [(place, group) for place, group in zip(places, groups, strict=True) if group]
    means = [statistics.mean(group) for _, group in told]
    spreads = [statistics.stdev(group) if len(group) > 1 else 0.0 for _, group in told]
    band = ([mean - spread for mean, spread in zip(means, spreads, strict=True)],
            [mean + spread for mean, spread in zip(means, spreads, strict=True)])
    return Series(name=name, x=[place for place, _ in told], y=means, band=band if any(spreads) else None)


def _averaged(rows: Sequence[Row], over: Sequence[str]) -> str:
    """What a mean is taken over."""
    groups: dict[tuple[Any, ...], int] = {}
    for row in rows:
        key = tuple(row[name] for name in over)
        groups[key] = groups.get(key, 0) + 1
    fewest, most = min(groups.values(), default=0), max(groups.values(), default=0)
    if most < 2:
        return ""
    return f"mean of {most} runs each" if fewest == most else f"mean of {fewest} to {most} runs each"


def _longer_first(rows: Sequence[Row]) -> Callable[[tuple[str, str]], tuple[str, str]]:
    """Puts of two fields that with more values first."""
    return lambda pair: pair if len(_places(rows, pair[0])) >= len(_places(rows, pair[1])) else pair[::-1]


def _places(rows: Iterable[Row], name: str) -> list[Value]:
    """The values of the field ``name``, in their order; text if some of them are."""
    values = {row[name] for row in rows if row.get(name) is not None}
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return sorted(values) if numbers else sorted(values, key=str)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None and math.isfinite(value)]
    return statistics.mean(known) if known else None


def _name(*parts: str) -> str:
    return safe_name("-".join(part.replace("_", "-").replace(".", "-") for part in parts if part))
