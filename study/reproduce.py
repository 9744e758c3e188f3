"""All published systems at once: every preset on MNIST, and one table of what came out."""

import csv
import io
import json
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from tqdm import tqdm

from ..config import Experiment, load
from ..contract.errors import ConfigError
from ..system.claim import claimed
from ..system.files import read, replace, write_json
from ..train import data, float_probability, run_folder, transfer
from ..train import loop as train
from ..train.identity import Identity
from ..train.results import TrainResult, TransferResult
from ..train.run_folder import OtherRunError
from . import energy

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
"""Seeds over which stochastic rounding is compared with its floating-point simulation."""
COLUMNS = ("preset", "topology", "device", "rule", "epochs", "test_accuracy", "baseline_accuracy", "reported",
           "programming_events", "events_per_cell", "cells_outside_margin", "energy_joules", "digital_joules")


def run(names: tuple[str, ...] = (), *, data_dir: str | Path | None = None, out: str | Path = "runs/reproduce",
        epochs: int | None = None, overwrite: bool = False, progress: bool = True) -> dict:
    """Run the presets ``names`` (all of ``REPORTED`` unless given), each in its folder in ``out``, and write
    ``reproduce.md``, ``reproduce.csv``, ``reproduce.json`` and ``reproduce.png`` there.

    What has run already is not run again, and what was interrupted is continued. What has run there on another
    configuration or other data is refused, or run again if ``overwrite``. ``epochs`` shortens every run. Returns
    ``rows``, a list of dictionaries with the keys ``COLUMNS``, and ``float_probability``: for each preset that rounds
    stochastically the accuracies over ``SEEDS`` seeds of the machine and of the simulation in floating point. Raises
    what `train.run` raises.
    """
    for name in names:
        if name not in REPORTED:
            raise ConfigError(f"{name} is not among the presets to reproduce: {', '.join(REPORTED)}")
    out = Path(out)
    rows, comparisons = [], {}
    with claimed(out):
        for name in names or REPORTED:
            experiment = load(name)
            if epochs is not None:
                experiment = experiment.replaced(epochs=epochs)
            rows.append(_row(experiment, _run(experiment, out / name, data_dir, progress, overwrite), out / name))
            if experiment.update.rounding == "stochastic" and experiment.host:
                comparisons[name] = _compare(experiment, out / name, data_dir, progress, overwrite)
            _write(out, rows, comparisons)
    return {"rows": rows, "float_probability": comparisons, "out": str(out)}


def _run(experiment: Experiment, folder: Path, data_dir, progress: bool, overwrite: bool, **options) -> TrainResult:
    """The result of the run in ``folder``, which is begun, continued or only read."""
    runner = transfer.run if experiment.transfer else train.run
    options |= {"data_dir": data_dir, "progress": progress}
    if not (folder / run_folder.RECORD).exists():
        return runner(experiment, out=folder, overwrite=overwrite, **options)
    try:
        return runner(experiment, resume=folder, **options)
    except OtherRunError as error:
        if not overwrite:
            raise ConfigError(f"{error}; take another folder with --out, or run it again with --overwrite") from None
        return runner(experiment, out=folder, overwrite=True, **options)


def _compare(experiment: Experiment, folder: Path, data_dir, progress: bool, overwrite: bool) -> dict[str, list[float]]:
    """The accuracies of machine and floating-point simulation, a seed each."""
    machine, floating = [], []
    for seed in range(experiment.seed, experiment.seed + SEEDS):
        seeded = experiment.replaced(seed=seed)
        place = folder if seed == experiment.seed else folder / f"seed{seed}"
        result = _run(seeded, place, data_dir, progress, overwrite, baseline=place == folder)
        machine.append(result.test_accuracy)
        floating.append(_float_probability(seeded, place / "float_probability.json", data_dir, progress))
    return {"machine": machine, "floating_point": floating}


def _float_probability(experiment: Experiment, file: Path, data_dir, progress: bool) -> float:
    """The accuracy of the simulation in floating point: from ``file``, if it is that of the same experiment and
    data."""
    dataset = data.load(experiment, data_dir)
    identity = Identity.of("train", experiment, dataset).digest
    if file.exists() and (kept := _kept(file, identity)) is not None:
        return kept
    with tqdm(total=experiment.epochs * len(dataset.train.labels), unit=" samples", unit_scale=True,
              desc=f"floating-point probabilities, seed {experiment.seed}", disable=not progress) as bar:
        accuracy = round(float_probability.accuracy(experiment, dataset, bar.update), 3)
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


def _row(experiment: Experiment, result: TrainResult, folder: Path) -> dict:
    cells = sum(geometry.rows * geometry.cols for geometry in experiment.crossbars)
    spent = energy.run(folder)
    rule = ("ex situ" if experiment.transfer else
            f"{experiment.update.rounding}, {experiment.update.residual}" + (", host" if experiment.host else ""))
    return {
        "preset": experiment.name,
        "topology": "-".join(map(str, [experiment.input.count, *(layer.cols for layer in experiment.layers)])),
        "device": f"{experiment.device.kind}, {experiment.device_tables.states} states",
        "rule": rule,
        "epochs": result.epochs,
        "test_accuracy": result.test_accuracy,
        "baseline_accuracy": result.baseline_accuracy,
        "reported": REPORTED.get(experiment.name, ""),
        "programming_events": result.write_pulses,
        "events_per_cell": round(result.write_pulses / cells, 3),
        "cells_outside_margin": result.cells_outside_margin if isinstance(result, TransferResult) else None,
        "energy_joules": spent["joules"],
        "digital_joules": None if experiment.host or experiment.transfer else spent["digital_joules"],
    }


def _write(out: Path, rows: list[dict], comparisons: dict) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    replace(out / "reproduce.csv", lambda file: file.write(text.getvalue().encode()))
    replace(out / "reproduce.md", lambda file: file.write(table(rows, comparisons).encode()))
    document = json.dumps({"rows": rows, "float_probability": comparisons}, indent=2)
    replace(out / "reproduce.json", lambda file: file.write(document.encode()))
    replace(out / "reproduce.png", lambda file: _plot(file, rows))


def table(rows: list[dict], comparisons: dict) -> str:
    """The table in Markdown, with its sources."""
    lines = ["| preset | network | device | rule | epochs | test accuracy (%) | float baseline (%) "
             "| the paper reports (%) | write pulses | a cell | energy (J) | digital float32 (J) |",
             "|---|---|---|---|--:|--:|--:|---|--:|--:|--:|--:|"]
    for row in rows:
        lines.append("| " + " | ".join([
            row["preset"], row["topology"], row["device"], row["rule"], str(row["epochs"]),
            f"{row['test_accuracy']:.2f}",
            f"{row['baseline_accuracy']:.2f}" if row["baseline_accuracy"] is not None else "",
            row["reported"], f"{row['programming_events']:,}", f"{row['events_per_cell']:.2f}",
            f"{row['energy_joules']:.3g}",
            f"{row['digital_joules']:.3g}" if row["digital_joules"] is not None else ""]) + " |")
    lines += ["", *(f"{source}  " for source in SOURCES)]
    for name, pair in comparisons.items():
        machine, floating = np.array(pair["machine"]), np.array(pair["floating_point"])
        lines += ["", f"{name}, {len(machine)} seeds: {machine.mean():.2f} % (standard deviation "
                      f"{machine.std(ddof=1):.2f}); with exact probabilities in floating point {floating.mean():.2f} % "
                      f"(standard deviation {floating.std(ddof=1):.2f})."]
    return "\n".join(lines) + "\n"


def _plot(file, rows: list[dict]) -> None:
    figure = Figure(figsize=(9, 6), layout="constrained")
    FigureCanvasAgg(figure)
    accuracy, events = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    places, names = np.arange(len(rows)), [row["preset"].removeprefix("mnist-") for row in rows]
    accuracy.plot(places, [row["baseline_accuracy"] or np.nan for row in rows], "_", markersize=40, color="0.45",
                  label="floating-point baseline, same topology")
    accuracy.plot(places, [row["test_accuracy"] for row in rows], "o", markersize=8, color="tab:orange",
                  label="machine")
    accuracy.set_ylabel("test accuracy (%)")
    accuracy.set_title("MNIST, trained in crossbars of stochastic devices")
    accuracy.legend(loc="best")
    events.bar(places, [row["events_per_cell"] for row in rows], 0.6, color="tab:green")
    events.set_yscale("log")
    events.set_ylabel("write pulses a cell")
    events.set_xticks(places, names, rotation=20)
    for axes in (accuracy, events):
        axes.grid(alpha=0.3, axis="y")
        axes.set_axisbelow(True)
    figure.savefig(file, format="png", dpi=120)
