"""Charts of runs that are looked at one by one: learning, write pulses, wear, energy."""

import statistics
from collections.abc import Sequence

import numpy as np

from ...render.chart import Axis, Chart, Limit, Series
from ...system.files import safe_name
from ..energy.costs import REFERENCE
from ..energy.results import EnergyResult
from .detail import Detail
from .swept import ACCURACY
from .traced import Traced, Trajectory

MOST_STEPS = 400
"""Of a line in steps."""
EPOCH, JOULES = Axis(label="epoch", whole=True), Axis(label="energy a sample", unit="J", prefixes=True)


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
    floating = [each.result.baseline_accuracy for each in trained if each.result.baseline_accuracy is not None]
    limits = []
    if floating and len({each.experiment.topology for each in trained}) == 1:
        limits.append(Limit(name="floating point at the end, mean of the runs shown", value=statistics.mean(floating)))
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
        alike = len({each.experiment.topology for each in told}) == 1
        charts.append(Chart(
            name="pulses-by-layer", title="write pulses a cell by layer", x=Axis(label="layer"),
            y=Axis(label="write pulses a cell"), series=tuple(Series(
                name=each.name, mark="bars", x=_layers(each) if alike else list(map(str, range(len(each.pulses)))),
                y=[float(layer.mean()) for layer in each.pulses])
                for each in told), note="mean over the cells of a layer, over the whole training"))
    return charts


def wear(details: Sequence[Detail]) -> list[Chart]:
    """Of each run, how the write pulses are distributed over its cells."""
    return [_wear(each) for each in details if each.pulses and any(layer.any() for layer in each.pulses)]


def _wear(detail: Detail) -> Chart:
    counts, layers, ageing = detail.pulses, _layers(detail), detail.experiment.device.ageing
    worst = max(range(len(counts)), key=lambda layer: counts[layer].max())
    row, column = np.unravel_index(counts[worst].argmax(), counts[worst].shape)[:2]
    limits = [Limit(name=f"worst cell: {counts[worst].max():,}", value=float(counts[worst].max()), vertical=True)]
    if ageing:
        limits.append(Limit(name=f"endurance: {ageing.endurance:,g}", value=ageing.endurance, vertical=True))
    cells = sum(each.size for each in counts)
    failed = detail.failed
    aged = f"; failed cells: {failed:,} of {cells:,} ({100 * failed / cells:.3g} %)" if failed is not None else ""
    return Chart(
        name=f"wear-{safe_name(detail.name)}", title=f"write pulses a cell, {detail.name}",
        x=Axis(label="write pulses", log=True), y=Axis(label="cells with at least as many", unit="%", log=True),
        series=tuple(_survival(name, each) for name, each in zip(layers, counts, strict=True) if each.any()),
        limits=tuple(limits),
        note=f"worst cell: row {row}, column {column} of layer {layers[worst]}; cells without a pulse: "
             f"{sum(int((each == 0).sum()) for each in counts):,} of {cells:,}{aged}")


def _survival(name: str, counts: np.ndarray) -> Series:
    """Percent of the cells that got at least so many write pulses."""
    places, numbers = np.unique(counts, return_counts=True)
    share = 100 * numbers[::-1].cumsum()[::-1] / counts.size
    places, share = places[places > 0], share[places > 0]
    kept = _spread(len(places))
    return Series(name=name, mark="steps", x=places[kept].tolist(), y=share[kept].tolist())


def traces(details: Sequence[Detail]) -> list[Chart]:
    """Of each run with a trace, its write pulses by epoch and layer, and the trajectories of a few cells."""
    return [chart for each in details if each.trace for chart in _traced(each, each.trace)]


def _traced(detail: Detail, trace: Traced) -> list[Chart]:
    name, layers = safe_name(detail.name), _layers(detail)
    charts = [Chart(
        name=f"pulses-by-epoch-and-layer-{name}", title=f"write pulses an epoch by layer, {detail.name}", x=EPOCH,
        y=Axis(label="write pulses an epoch"), legend="layer", series=tuple(
            Series(name=layer, x=list(range(1, len(trace.pulses) + 1)), y=pulses)
            for layer, pulses in zip(layers, trace.pulses.T.tolist(), strict=True)))]
    if trace.trajectories:
        shortened = any(len(each.pulses) > MOST_STEPS for each in trace.trajectories)
        charts.append(Chart(
            name=f"trajectories-{name}", title=f"trajectories of cells, {detail.name}",
            x=Axis(label="samples trained", whole=True), y=Axis(label="conductance", unit="levels"),
            series=tuple(_trajectory(each, detail.experiment.crossbars[0].single.device.sub_bits, trace.ends[-1])
                         for each in trace.trajectories),
            note="the cell with most write pulses, and cells at quantiles of those that got any"
                 + (f"; at most {MOST_STEPS} pulses of a cell are shown, evenly chosen" if shortened else "")))
    return charts


def _trajectory(cell: Trajectory, sub_bits: int, end: int) -> Series:
    """The conductance of a cell after each of its write pulses, from before the first to the sample ``end``."""
    pulses, place = cell.pulses[_spread(len(cell.pulses))], cell.place
    states = np.array([pulses["before"][0], *pulses["after"], pulses["after"][-1]]) / (1 << sub_bits)
    return Series(
        name=f"{cell.name}, {len(cell.pulses):,} pulses: layer {place.layer}, row {place.row}, column {place.col}",
        mark="steps", x=[0, *pulses["sample"].tolist(), end], y=states.tolist())


def _spread(count: int) -> np.ndarray:
    """Places of ``MOST_STEPS`` of ``count`` values, evenly from the first to the last; of all, if they are fewer."""
    return np.unique(np.linspace(0, count - 1, MOST_STEPS).astype(int))


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
        x=Axis(label="implementation"), y=JOULES,
        note=f"memories banked on all sides; the reference is {REFERENCE}, dense", series=tuple(Series(
            name=name, mark="bars", x=["here", *(row.name for row in account.digital if row.zeros)],
            y=[each / account.samples for each in (account.joules, *(
                row.joules for row in account.digital if row.zeros))]) for name, account in accounts))


def _layers(detail: Detail) -> list[str]:
    return [f"{index}: {shape}" for index, shape in enumerate(detail.experiment.shapes)]
