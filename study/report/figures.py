"""The charts of a report, by what they are about."""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, groupby
from typing import Any

import numpy as np

from ...render.chart import Axis, Cells, Chart, Limit, Series, Value
from ...system.files import safe_name
from ..energy.costs import REFERENCE
from ..energy.results import EnergyResult
from .detail import Detail
from .material import Material
from .measured import measured
from .results import Size
from .table import FIRST_RESULT, SEED, Row, Study, shortened

MOST_FIELDS = 4
"""Fields of a study that get charts of their own, the first ones."""
MOST_PLACES = 30
"""Values of a field along an axis; a field with more of them is drawn run by run."""
MOST_LINES = 8
"""In a chart over one field, or of all runs, for the values of another field."""
MOST_STEPS = 400
"""Of a line in steps."""
ACCURACY = Axis(label="test accuracy", unit="%")
QUANTITIES = {
    FIRST_RESULT: ACCURACY,
    "write_pulses": Axis(label="write pulses", prefixes=True),
    "most_write_pulses": Axis(label="write pulses of the worst cell", prefixes=True),
    "energy_joules": Axis(label="energy of the training", unit="J", prefixes=True),
}
"""Columns that are drawn over fields, with their axes."""
EPOCH, JOULES = Axis(label="epoch", whole=True), Axis(label="energy a sample", unit="J", prefixes=True)


@dataclass(frozen=True, kw_only=True)
class Section:
    """Charts about one thing."""

    title: str
    charts: tuple[Chart, ...]


def sections(material: Material, details: Sequence[Detail]) -> list[Section]:
    """All charts for which there is something to show: of ``material``, and of the runs in ``details``."""
    studies = material.studies
    found = {
        "Accuracy, pulses and energy over what was varied": [chart for study in studies for chart in of_study(study)],
        "Learning": learning(details),
        "Write pulses and wear": [*pulses(details), *wear(details)],
        "Energy": energy(details),
        "After training": drift(material),
        "Size and clock": sizes(material.sizes),
        "Devices": [chart for path, fit in material.fits if (chart := measured(path, fit))],
    }
    taken: dict[str, int] = {}
    return [Section(title=title, charts=tuple(_distinct(chart, taken) for chart in charts))
            for title, charts in found.items() if charts]


def of_study(study: Study) -> list[Chart]:
    """The charts of what was varied: over pairs of fields as heat maps, over one field with a band, and what accuracy
    costs."""
    rows = study.done
    varied = [name for name in study.fields if name != SEED and len(_places(rows, name)) > 1][:MOST_FIELDS]
    placed = [name for name in varied if len(_places(rows, name)) <= MOST_PLACES]
    shown = {name: axis for name, axis in QUANTITIES.items() if any(row.get(name) is not None for row in rows)}
    charts = [heat_map(rows, x, y, FIRST_RESULT) for x, y in map(_longer_first(rows), combinations(placed, 2))]
    if len(placed) == 2:
        x, y = _longer_first(rows)((placed[0], placed[1]))
        charts += [heat_map(rows, x, y, name) for name in shown if name != FIRST_RESULT]
    for name in varied:
        others = [other for other in placed if other != name]
        by = others[0] if len(varied) == 2 and others and len(_places(rows, others[0])) <= MOST_LINES else None
        quantities = shown if len(varied) == 1 else [FIRST_RESULT]
        charts += [over(rows, name, quantity, by) if name in placed else scatter(rows, name, quantity)
                   for quantity in quantities]
    if len(rows) > 2:
        lines = [name for name in placed if len(_places(rows, name)) <= MOST_LINES]
        charts += [scatter(rows, name, FIRST_RESULT, lines[0] if lines else None)
                   for name in ("energy_joules", "write_pulses") if name in shown][:1]
    return charts


def heat_map(rows: Sequence[Row], x: str, y: str, quantity: str) -> Chart:
    """The mean of ``quantity`` over the fields ``x`` and ``y``."""
    across, up = _places(rows, x), _places(rows, y)
    values = [[_mean(row[quantity] for row in rows if row[x] == at and row[y] == height) for at in across]
              for height in up]
    axis = QUANTITIES[quantity]
    return Chart(name=_name(quantity, "map", x, y), title=f"{axis.label} over {x} and {y}", x=Axis(label=x),
                 y=Axis(label=y), cells=Cells(x=across, y=up, values=values, axis=axis), note=_averaged(rows, (x, y)))


def over(rows: Sequence[Row], x: str, quantity: str, by: str | None = None) -> Chart:
    """The mean of ``quantity`` over the field ``x``, with a band of a standard deviation on each side; a line for each
    value of the field ``by``, if it is given."""
    series = [_banded(f"{by} = {value}" if by else "mean", [row for row in rows if by is None or row[by] == value],
                      x, quantity) for value in (_places(rows, by) if by else [None])]
    baselines = [] if quantity != FIRST_RESULT else [
        row["baseline_accuracy"] for row in rows if row.get("baseline_accuracy") is not None]
    axis = QUANTITIES[quantity]
    return Chart(name=_name(quantity, "over", x), title=f"{axis.label} over {x}", x=Axis(label=x), y=axis,
                 series=tuple(series), note="; ".join(filter(None, (
                     _averaged(rows, (x, by) if by else (x,)), "bands: one standard deviation on each side"))),
                 limits=(Limit(name="floating point, mean", value=statistics.mean(baselines)),) if baselines else ())


def scatter(rows: Sequence[Row], x: str, y: str, by: str | None = None) -> Chart:
    """A point for each run: the column ``y`` over the column ``x``, by the values of the field ``by`` if given."""
    shown = [row for row in rows if row.get(x) is not None and row.get(y) is not None]
    groups = [(f"{by} = {value}" if by else "runs", [row for row in shown if by is None or row[by] == value])
              for value in (_places(shown, by) if by else [None])]
    axis = QUANTITIES.get(x, Axis(label=x))
    return Chart(name=_name(y, "against", x), title=f"{QUANTITIES[y].label} against {axis.label}", x=axis,
                 y=QUANTITIES[y], note="one point a run", series=tuple(
                     Series(name=name, mark="points", x=[row[x] for row in group], y=[row[y] for row in group],
                            labels=[shortened(row["run"]) for row in group]) for name, group in groups))


def learning(details: Sequence[Detail]) -> list[Chart]:
    """Accuracy over the epochs: in situ, in floating point, and of what was written ex situ."""
    trained = [each for each in details if each.epochs]
    if not trained:
        return []
    series = [Series(name=f"{each.name}, {'precursor' if each.experiment.transfer else 'in situ'}",
                     x=[row.epoch for row in each.epochs], y=[row.test_accuracy for row in each.epochs])
              for each in trained]
    if len(trained) == 1:
        only = trained[0]
        series.append(Series(name="training samples, each before its update", dashed=True,
                             x=[row.epoch for row in only.epochs], y=[row.training_accuracy for row in only.epochs]))
    floating = dict.fromkeys(each.result.baseline_accuracy for each in trained)
    limits = [Limit(name="floating point, test, at the end", value=value) for value in floating if value is not None]
    if len(limits) > 1:
        limits = [Limit(name="floating point, mean at the end",
                        value=statistics.mean(limit.value for limit in limits))]
    limits += [Limit(name=f"{each.name}, written ex situ", value=each.result.test_accuracy)
               for each in trained if each.experiment.transfer]
    return [Chart(name="learning", title="accuracy over the epochs", x=EPOCH, y=ACCURACY, series=tuple(series),
                  limits=tuple(limits))]


def pulses(details: Sequence[Detail]) -> list[Chart]:
    """Write pulses over the epochs, and by layer."""
    trained = [each for each in details if each.epochs]
    charts = []
    if trained:
        charts.append(Chart(
            name="pulses-by-epoch", title="write pulses a sample over the epochs", x=EPOCH,
            y=Axis(label="write pulses a sample"), series=tuple(Series(
                name=each.name, x=[row.epoch for row in each.epochs],
                y=[row.write_pulses / row.samples for row in each.epochs]) for each in trained)))
    told = [each for each in details if each.pulses]
    if told:
        charts.append(Chart(
            name="pulses-by-layer", title="write pulses a cell by layer", x=Axis(label="layer"),
            y=Axis(label="write pulses a cell"), series=tuple(Series(
                name=each.name, mark="bars", x=_layers(each), y=[float(layer.mean()) for layer in each.pulses])
                for each in told), note="mean over the cells of a layer, over the whole training"))
    return charts


def wear(details: Sequence[Detail]) -> list[Chart]:
    """Of each run, how the write pulses are distributed over its cells."""
    return [_wear(each) for each in details if each.pulses and any(layer.any() for layer in each.pulses)]


def _wear(detail: Detail) -> Chart:
    """Trajectories of cells, from a trace of the training, would stand beside this one."""
    counts, layers = detail.pulses, _layers(detail)
    worst = max(range(len(counts)), key=lambda layer: counts[layer].max())
    row, column = np.unravel_index(counts[worst].argmax(), counts[worst].shape)
    return Chart(
        name=f"wear-{safe_name(detail.name)}", title=f"write pulses a cell, {detail.name}",
        x=Axis(label="write pulses", log=True), y=Axis(label="cells with at least as many", unit="%", log=True),
        series=tuple(_survival(name, each) for name, each in zip(layers, counts, strict=True) if each.any()),
        limits=(Limit(name=f"worst cell: {counts[worst].max():,}", value=float(counts[worst].max()), vertical=True),),
        note=f"worst cell: row {row}, column {column} of layer {layers[worst]}; cells without a pulse: "
             f"{sum(int((each == 0).sum()) for each in counts):,} of {sum(each.size for each in counts):,}")


def _survival(name: str, counts: np.ndarray) -> Series:
    """Percent of the cells that got at least so many write pulses."""
    places, numbers = np.unique(counts, return_counts=True)
    share = 100 * numbers[::-1].cumsum()[::-1] / counts.size
    places, share = places[places > 0], share[places > 0]
    kept = np.unique(np.linspace(0, len(places) - 1, MOST_STEPS).astype(int))
    return Series(name=name, mark="steps", x=places[kept].tolist(), y=share[kept].tolist())


def energy(details: Sequence[Detail]) -> list[Chart]:
    """Energy a sample: of the first run by event and phase, and of all that can be compared beside digital
    implementations."""
    spent = [(each.name, each.energy) for each in details if each.energy and each.energy.samples]
    beside = [(name, account) for name, account in spent if account.ratio is not None]
    return [*(_by_event(name, account) for name, account in spent[:1]), *([_beside_digital(beside)] if beside else [])]


def _by_event(name: str, account: EnergyResult) -> Chart:
    phases = list(dict.fromkeys(row.phase for row in account.events))
    events: dict[str, dict[str, float]] = {}
    for row in account.events:
        events.setdefault(row.event, dict.fromkeys(phases, 0.0))[row.phase] += row.joules / account.samples
    largest_first = sorted(events.items(), key=lambda each: -sum(each[1].values()))
    return Chart(
        name="energy-by-event", title=f"energy a sample by phase and event, {name}", x=Axis(label="phase"), y=JOULES,
        stacked=True, note=f"memories banked; {100 * account.placeholder_share:.1f} % rest on placeholders",
        series=tuple(Series(name=event, mark="bars", x=phases, y=list(by_phase.values()))
                     for event, by_phase in largest_first if any(by_phase.values())))


def _beside_digital(accounts: Sequence[tuple[str, EnergyResult]]) -> Chart:
    return Chart(
        name="energy-and-digital", title="energy a sample beside digital implementations",
        x=Axis(label="implementation"), y=JOULES, note=f"memories banked on all sides; the reference is {REFERENCE}, dense",
        series=tuple(Series(
            name=name, mark="bars", x=["here", *(row.name for row in account.digital if row.zeros)],
            y=[each / account.samples for each in (account.joules, *(
                row.joules for row in account.digital if row.zeros))]) for name, account in accounts))


def drift(material: Material) -> list[Chart]:
    """Accuracy over the time since programming."""
    drifted = [(name, result) for name, result in material.evaluations if result.drift]
    if not drifted:
        return []
    return [Chart(name="drift", title="accuracy over the time since programming",
                  x=Axis(label="time since programming", unit="s", log=True), y=ACCURACY,
                  series=tuple(Series(name=name, x=[each.seconds for each in points if each.seconds],
                                      y=[each.test_accuracy for each in points if each.seconds])
                               for name, result in drifted
                               for points in [sorted(result.drift, key=lambda each: each.seconds)]))]


def sizes(found: Sequence[Size]) -> list[Chart]:
    """What designs take of an FPGA, and their clock, over lanes."""
    known = [each for each in found if each.all_lanes]
    if len({each.all_lanes for each in known}) < 2:
        return []
    lanes = Axis(label="lanes of all crossbars", whole=True)
    charts = []
    for name, axis, of in (("luts", Axis(label="LUTs"), lambda each: each.luts),
                           ("block-rams", Axis(label="block RAMs"), lambda each: each.block_rams),
                           ("dsps", Axis(label="DSPs"), lambda each: each.dsps),
                           ("clock", Axis(label="highest clock", unit="MHz"), lambda each: each.fmax_mhz)):
        series = _over_lanes(known, of)
        if series:
            charts.append(Chart(name=f"size-{name}", title=f"{axis.label} over lanes", x=lanes, y=axis, series=series))
    return charts


def _over_lanes(found: Sequence[Size], of: Callable[[Size], Any]) -> tuple[Series, ...]:
    """A line a board or family."""
    shown = sorted((each for each in found if of(each) is not None), key=lambda each: (each.of, each.all_lanes or 0))
    return tuple(Series(name=name, x=[each.all_lanes or 0 for each in group], y=[of(each) for each in group],
                        labels=[each.experiment for each in group])
                 for name, members in groupby(shown, lambda each: each.of) for group in [list(members)])


def _distinct(chart: Chart, taken: dict[str, int]) -> Chart:
    """``chart``, with a number behind its name if that is ``taken``."""
    taken[chart.name] = taken.get(chart.name, 0) + 1
    return chart if taken[chart.name] == 1 else replace(chart, name=f"{chart.name}-{taken[chart.name]}")


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


def _layers(detail: Detail) -> list[str]:
    return [f"{index}: {shape}" for index, shape in enumerate(detail.experiment.shapes, start=1)]


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None and math.isfinite(value)]
    return statistics.mean(known) if known else None


def _name(*parts: str) -> str:
    return safe_name("-".join(part.replace("_", "-").replace(".", "-") for part in parts if part))
