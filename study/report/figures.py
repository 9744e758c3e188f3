"""All charts of a report, by what they are about."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from ...render.chart import Axis, Chart, Series
from .detail import Detail
from .material import Material
from .measured import measured
from .results import Size
from .swept import ACCURACY, of_study
from .table import Study
from .trained import energy, learning, pulses, traces, wear


@dataclass(frozen=True, kw_only=True)
class Section:
    """Charts about one thing."""

    title: str
    charts: tuple[Chart, ...]


def sections(material: Material, details: Sequence[Detail]) -> list[Section]:
    """All charts for which there is something to show: of ``material``, and of the runs in ``details``."""
    studies = material.studies
    found = {
        **_varied(studies),
        "Learning": learning(details),
        "Write pulses and wear": [*pulses(details), *traces(details), *wear(details)],
        "Energy": energy(details),
        "After training": after_training(material),
        "Size and clock": sizes(material.sizes),
        "Devices": [chart for path, fit in material.fits if (chart := measured(path, fit))],
    }
    taken: dict[str, int] = {}
    return [Section(title=title, charts=tuple(_distinct(chart, taken) for chart in charts))
            for title, charts in found.items() if charts]


def _varied(studies: Sequence[Study]) -> dict[str, list[Chart]]:
    """The charts of what was varied, by the titles of their sections, of which each study has its own."""
    title = "Accuracy, pulses and energy over what was varied"
    if len(studies) == 1:
        return {title: of_study(studies[0])}
    return {f"{study.name}: {title[0].lower()}{title[1:]}": of_study(study) for study in studies}


def after_training(material: Material) -> list[Chart]:
    """Accuracy over the time since programming, and over the resistance of wires."""
    time = Axis(label="time since programming", unit="s", log=True)
    ratio = Axis(label="wire resistance / device resistance", log=True)
    return [*_after("drift", "accuracy over the time since programming", time, {
                name: [(each.seconds, each.test_accuracy) for each in found.drift]
                for name, found in material.evaluations}),
            *_after("wires", "accuracy over the resistance of wires", ratio, {
                name: [(each.ratio, each.test_accuracy) for each in found.wires]
                for name, found in material.evaluations})]


def _after(name: str, title: str, axis: Axis, accuracies: dict[str, list[tuple[float, float]]]) -> list[Chart]:
    """A line an evaluation of its ``accuracies`` over what ``axis``, a logarithmic one, shows; nothing without any."""
    lines = {file: sorted(each for each in points if each[0]) for file, points in accuracies.items()}
    return [Chart(name=name, title=title, x=axis, y=ACCURACY, series=tuple(
        Series(name=file, x=[place for place, _ in points], y=[accuracy for _, accuracy in points])
        for file, points in lines.items() if points))] if any(lines.values()) else []


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
