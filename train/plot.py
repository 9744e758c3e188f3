"""The pictures of runs: accuracy and write pulses over the epochs, attempts a cell of a transfer."""

from typing import BinaryIO

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..render.figure import escaped
from .results import EpochResult


def plot(file: BinaryIO, name: str, rows: list[EpochResult], baseline_accuracy: float | None) -> None:
    """Write a PNG for the ``rows`` of ``metrics.csv``; the baseline, in percent, is a dashed line."""
    epochs = [row.epoch for row in rows]
    figure = Figure(figsize=(7, 6), layout="constrained")
    FigureCanvasAgg(figure)
    accuracy, events = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))

    if baseline_accuracy is not None:
        accuracy.axhline(baseline_accuracy, color="0.45", linestyle="--",
                         label=f"floating-point baseline, test: {baseline_accuracy:.2f} %")
    for column, color, label in (("training_accuracy", "tab:blue", "in situ, training"),
                                 ("test_accuracy", "tab:orange", "in situ, test")):
        values = [getattr(row, column) for row in rows]
        accuracy.plot(epochs, values, marker="o", markersize=4, color=color, label=f"{label}: {values[-1]:.2f} %")
    accuracy.set_ylabel("accuracy (%)")
    accuracy.set_title(f"{escaped(name)}: training in the crossbar")
    accuracy.legend(loc="lower right")

    events.bar(epochs, [row.write_pulses / row.samples for row in rows], color="tab:green")
    events.set_ylabel("write pulses a sample")
    events.set_xlabel("epoch")
    events.xaxis.set_major_locator(MaxNLocator(integer=True))
    events.set_xlim(0.4, len(rows) + 0.6)
    for axes in (accuracy, events):
        axes.grid(alpha=0.3)
        axes.set_axisbelow(True)
    figure.savefig(file, format="png", dpi=120)


def plot_attempts(file: BinaryIO, name: str, attempts: np.ndarray) -> None:
    """Write a PNG of how many cells took how many write pulses: ``attempts`` is int64 (cells,)."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    counts = np.bincount(attempts)
    axes.bar(range(len(counts)), counts, color="tab:green")
    axes.set_yscale("log")
    axes.set_xlabel("write pulses")
    axes.set_ylabel("cells")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title(f"{escaped(name)}: program-and-verify, {attempts.mean():.2f} pulses a cell")
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)
    figure.savefig(file, format="png", dpi=120)
