"""All published systems at once: every preset on MNIST, and one table of what came out."""

import csv
import io
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace as replaced
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from ..config import Experiment, load
from ..contract.errors import ConfigError, SpinloomError
from ..contract.results import Result
from ..render import figure as house
from ..render import markdown
from ..system.claim import claimed
from ..system.files import read, replace, write_json
from ..system.notice import warn
from ..system.progress import bar
from ..train import data, float_probability
from ..train.identity import Identity
from . import sweep
from .report import page
from .sweep import table

REPORTED = {
    "mnist-dw2": "",
    "mnist-dw3": "",
    "mnist-dw5": "about 96.67 in situ, baseline about 97.1 (5-layer networks) [1]",
    "mnist-dw5-deep": "about 96.67 in situ, baseline about 97.1 (5-layer networks) [1]",
    "mnist-dw5-exsitu": "about 96.63 ex situ, baseline about 97.1 (5-layer networks) [1]",
    "mnist-mtj3": "",
    "mnist-mtj3-gxnor": "98.61 (convolutional network) [2]",
    "mnist-mtj2": "",
    "mnist-pcm": "97.73 [3]",
    "mnist-conv-dw5": "",
    "mnist-lenet-dw3": "",
    "mnist-lenet-dw5": "",
    "mnist-lenet-mtj3": "",
    "mnist-lenet-pcm": "",
}
"""The presets, in the order of the table, and what a paper's abstract reports of the system on MNIST, in percent."""
SOURCES = (
    "[1] Misba et al., IEEE Access 10:84946, 2022 (arXiv 2111.07284)",
    "[2] Greenberg-Toledo et al., Semicond. Sci. Technol. 36:114003, 2021 (arXiv 1912.12636)",
    "[3] Nandakumar et al., Front. Neurosci. 14:406, 2020 (arXiv 2001.11773)",
)
MOST_BYTES = 1 << 20
"""Of a file that holds one accuracy."""
SEEDS = 3
"""Seeds of each preset, from its own on."""


class FailedRunsError(SpinloomError):
    """Runs have failed, so there is no table."""


@dataclass(frozen=True, kw_only=True)
class PresetResult(Result):
    """What came out of one preset: a row of the table."""

    old_keys: ClassVar[dict[str, str]] = {"programming_events": "write_pulses",
                                          "events_per_cell": "write_pulses_per_cell"}

    preset: str
    topology: str
    """As ``784-250-10`` or ``16C5-MP2-32C5-MP2-128-10``."""
    device: str
    """The kind of device and its number of states."""
    rule: str
    """How it was trained: rounding and residual of the update, or ex situ."""
    epochs: int
    """Epochs trained."""
    seeds: int
    """Runs, a seed each. What follows are means over them, unless it says so."""
    test_accuracy: float
    """Percent of the test samples that the machine predicts correctly."""
    test_accuracy_deviation: float | None
    """Standard deviation of it; None with one seed."""
    baseline_accuracy: float | None
    """The same of a floating-point network of the same topology; None if none was trained."""
    reported: str
    """What a paper's abstract reports of the system, in words."""
    write_pulses: int
    """Write pulses of the training; ex situ, of writing the cells."""
    write_pulses_per_cell: float
    """Write pulses over the number of cells."""
    most_write_pulses: int | None
    """Write pulses of the cell that was given most in any of the runs; None if a run does not tell."""
    cells_outside_margin: int | None
    """Ex situ: cells that were given up outside the margin, in all runs; None in situ."""
    energy_joules: float
    """Energy by `study.energy`, memories banked."""
    digital_joules: float | None
    """Energy of a dense 32-bit digital implementation of the same training, memories banked; None where there is
    nothing to compare."""


@dataclass(frozen=True, kw_only=True)
class Comparison(Result):
    """Test accuracies of a preset that rounds stochastically, in percent, a seed each."""

    machine: list[float]
    floating_point: list[float]
    """With exact probabilities in floating point."""


@dataclass(frozen=True, kw_only=True)
class ReproduceResult(Result):
    """What came out of all presets."""

    rows: tuple[PresetResult, ...]
    float_probability: dict[str, Comparison]
    """By preset: those that round stochastically and are trained by a host."""
    out: str
    """The folder of the runs and the table."""
    page: str | None = None
    """The page of all runs; None if it could not be made."""


def run(names: tuple[str, ...] = (), *, data_dir: str | Path | None = None, out: str | Path = "runs/reproduce",
        seeds: int = SEEDS, epochs: int | None = None, workers: int | None = None, cluster: str | None = None,
        retry: bool = False, progress: bool = True) -> ReproduceResult:
    """Train the presets ``names`` (all of ``REPORTED`` unless given) with ``seeds`` seeds each, as a sweep in ``out``,
    and write ``reproduce.md``, ``reproduce.csv``, ``reproduce.json`` and ``reproduce.png`` there,
    and a page of the runs, ``report.html``, unless what a report needs is missing.

    What has run already is not run again, and what was interrupted is continued; a table with presets or seeds that
    are not among these is not replaced. ``epochs`` shortens every run. The other arguments are those of `sweep.run`,
    and so are the errors raised; ``FailedRunsError`` if a run has failed.
    """
    if seeds < 1:
        raise ConfigError(f"seeds={seeds}: must be at least 1")
    for name in names:
        if name not in REPORTED:
            raise ConfigError(f"{name} is not among the presets to reproduce: {', '.join(REPORTED)}")
    experiments = {name: load(name).replaced(**{} if epochs is None else {"epochs": epochs})
                   for name in names or REPORTED}
    folder = Path(out)
    points: list[dict[str, Any]] = [{"config": name, "seed": experiment.seed + index}
                                    for name, experiment in experiments.items() for index in range(seeds)]
    source = {"list": points} | ({} if epochs is None else {"fixed": {"epochs": epochs}})
    swept = sweep.run(source, out=folder, data_dir=data_dir, workers=workers, cluster=cluster, retry=retry,
                      progress=progress)
    if swept.failures:
        first = swept.failures[0]
        raise FailedRunsError(f"{swept.failed} of {swept.runs} runs have failed, the first {first.fields['config']} "
                              f"with seed {first.fields['seed']}: {first.error}; try again with --retry")
    ended = {name: [row for row in table.read(folder) if row["config"] == name] for name in experiments}
    with claimed(folder):
        result = ReproduceResult(
            rows=tuple(_row(experiment, ended[name]) for name, experiment in experiments.items()),
            float_probability={name: _compared(experiment, ended[name], folder, data_dir, progress)
                               for name, experiment in experiments.items()
                               if experiment.update.rounding == "stochastic" and experiment.host},
            out=str(out))
        _write(folder, result)
    return replaced(result, page=_page(folder))


def _page(folder: Path) -> str | None:
    """A report of ``folder``, which is written there; None, after a line on standard error, if that is impossible."""
    try:
        return str(page.run([folder], folder / "report.html").out)
    except SpinloomError as error:
        warn(f"no page: {error}; everything else is complete")
        return None


def _compared(experiment: Experiment, rows: Sequence[table.Row], folder: Path, data_dir: str | Path | None,
              progress: bool) -> Comparison:
    """The accuracies of the runs of ``rows``, of a preset that rounds stochastically, beside those of the simulation in
    floating point."""
    floating = [_float_probability(experiment.replaced(seed=row["seed"]),
                                   folder / sweep.RUNS / row["run"] / "float_probability.json", data_dir, progress)
                for row in rows]
    return Comparison(machine=[row["test_accuracy"] for row in rows], floating_point=floating)


def _float_probability(experiment: Experiment, file: Path, data_dir: str | Path | None, progress: bool) -> float:
    """The accuracy of the simulation in floating point: from ``file``, if it is that of the same experiment and
    data."""
    dataset = data.load(experiment, data_dir)
    identity = Identity.of("train", experiment, dataset).digest
    if file.exists() and (kept := _kept(file, identity)) is not None:
        return kept
    with bar(show=progress, total=experiment.epochs * len(dataset.train.labels), unit=" samples", unit_scale=True,
             desc=f"floating-point probabilities, seed {experiment.seed}") as shown:
        def seen(count: int) -> None:
            shown.update(count)

        accuracy = round(float_probability.accuracy(experiment, dataset, seen), 3)
    write_json(file, {"experiment": experiment.model_dump(mode="json"), "identity": identity,
                      "test_accuracy": accuracy})
    return accuracy


def _kept(file: Path, identity: str) -> float | None:
    """The accuracy that ``file`` holds for the experiment and data of ``identity``; None if it holds none."""
    try:
        document = json.loads(read(file, MOST_BYTES))
        accuracy = document["test_accuracy"] if document["identity"] == identity else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return accuracy if isinstance(accuracy, float) else None


def _row(experiment: Experiment, runs: Sequence[table.Row]) -> PresetResult:
    """The row of a preset, from those of its runs."""
    def of(name: str) -> list[Any]:
        """What the runs say; nothing if one of them does not."""
        values = [run.get(name) for run in runs]
        return [] if None in values else values

    def average(name: str, digits: int) -> float | None:
        return round(statistics.mean(of(name)), digits) if of(name) else None

    rule = ("ex situ" if experiment.transfer else
            f"{experiment.update.rounding}, {experiment.update.residual}" + (", host" if experiment.host else ""))
    accuracies, pulses = of("test_accuracy"), statistics.mean(of("write_pulses"))
    return PresetResult(
        preset=experiment.name,
        topology=experiment.topology,
        device=f"{experiment.device.kind}, {experiment.device_tables.states} states",
        rule=rule,
        epochs=runs[0]["epochs"],
        seeds=len(runs),
        test_accuracy=round(statistics.mean(accuracies), 3),
        test_accuracy_deviation=round(statistics.stdev(accuracies), 3) if len(accuracies) > 1 else None,
        baseline_accuracy=average("baseline_accuracy", 3),
        reported=REPORTED.get(experiment.name, ""),
        write_pulses=round(pulses),
        write_pulses_per_cell=round(pulses / sum(shape.cells for shape in experiment.shapes), 3),
        most_write_pulses=max(of("most_write_pulses"), default=None),
        cells_outside_margin=sum(of("cells_outside_margin")) if experiment.transfer else None,
        energy_joules=statistics.mean(of("energy_joules")),
        digital_joules=statistics.mean(of("digital_joules")) if of("digital_joules") else None)


def _write(folder: Path, result: ReproduceResult) -> None:
    document = result.to_json()
    del document["out"], document["page"]
    text = io.StringIO()
    writer = csv.DictWriter(text, document["rows"][0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(document["rows"])
    replace(folder / "reproduce.csv", lambda file: file.write(text.getvalue().encode()))
    replace(folder / "reproduce.md", lambda file: file.write(report(result).encode()))
    replace(folder / "reproduce.json", lambda file: file.write(json.dumps(document, indent=2).encode()))
    house.decorate(folder / "reproduce.png", lambda file: draw(file, result.rows))


def report(result: ReproduceResult) -> str:
    """The table in Markdown, with its sources."""
    header = ("preset", "network", "device", "rule", "epochs", "seeds", "test accuracy (%)", "float baseline (%)",
              "the paper reports (%)", "write pulses", "a cell", "worst cell", "energy (J)", "digital float32 (J)")
    lines = [markdown.table(header, [
        (row.preset, row.topology, row.device, row.rule, row.epochs, row.seeds,
         _spread(row.test_accuracy, row.test_accuracy_deviation),
         f"{row.baseline_accuracy:.2f}" if row.baseline_accuracy is not None else "", row.reported,
         f"{row.write_pulses:,}", f"{row.write_pulses_per_cell:.2f}",
         f"{row.most_write_pulses:,}" if row.most_write_pulses is not None else "", f"{row.energy_joules:.3g}",
         f"{row.digital_joules:.3g}" if row.digital_joules is not None else "")
        for row in result.rows], right=(4, 5, 6, 7, 9, 10, 11, 12, 13))]
    cited = [f"{source}  " for source in SOURCES if any(source[:3] in row.reported for row in result.rows)]
    lines += ["", *cited] if cited else []
    for name, pair in result.float_probability.items():
        means = [_spread(statistics.mean(values), statistics.stdev(values) if len(values) > 1 else None)
                 for values in (pair.machine, pair.floating_point)]
        lines += ["", f"{name}: {means[0]} %; with exact probabilities in floating point {means[1]} %."]
    return "\n".join(lines) + "\n"


def _spread(mean: float, deviation: float | None) -> str:
    return f"{mean:.2f}" + (f" ± {deviation:.2f}" if deviation is not None else "")


def draw(file: BinaryIO, rows: Sequence[PresetResult]) -> None:
    """Write a PNG of accuracies and write pulses."""
    figure = house.new(12, 6)
    accuracy, pulses = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    places, names = range(len(rows)), [row.preset.removeprefix("mnist-") for row in rows]
    known = [(place, row.baseline_accuracy) for place, row in zip(places, rows, strict=True) if row.baseline_accuracy]
    accuracy.hlines([value for _, value in known], [place - 0.3 for place, _ in known],
                    [place + 0.3 for place, _ in known], color=house.GREY,
                    label="floating-point baseline, same topology")
    accuracy.plot(places, [row.test_accuracy for row in rows], "o", markersize=8, color=house.BLUE, label="machine")
    accuracy.set_ylabel("test accuracy (%)")
    house.title(accuracy, "MNIST, trained in crossbars of stochastic devices")
    house.legend(accuracy)
    bars = pulses.bar(places, [row.write_pulses_per_cell for row in rows], 0.6, color=house.ORANGE)
    pulses.bar_label(bars, [f"{row.write_pulses_per_cell:.2f}" for row in rows], padding=2, fontsize=house.SMALL)
    pulses.set_yscale("log")
    pulses.margins(y=0.2)
    pulses.set_ylabel("write pulses a cell")
    pulses.set_xticks(list(places), names, rotation=20)
    house.plain(accuracy, pulses, grid="y")
    house.save(figure, file)
