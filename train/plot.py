"""The pictures of runs: accuracy and write pulses over the epochs, attempts a cell of a transfer."""

from typing import BinaryIO

import numpy as np

from ..render import figure as house
from .results import EpochResult


def plot(file: BinaryIO, name: str, rows: list[EpochResult], baseline_accuracy: float | None) -> None:
    """Write a PNG for the ``rows`` of ``metrics.csv``; the baseline, in percent, is a dashed line."""
    epochs = [row.epoch for row in rows]
    figure = house.new(7, 6)
    accuracy, pulses = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    if baseline_accuracy is not None:
        accuracy.axhline(baseline_accuracy, color=house.GREY, linestyle="--",
                         label=f"floating-point baseline, test: {baseline_accuracy:.2f} %")
    for column, color, label in (("training_accuracy", house.LIGHT_BLUE, "in situ, training"),
                                 ("test_accuracy", house.BLUE, "in situ, test")):
        values = [getattr(row, column) for row in rows]
        accuracy.plot(epochs, values, marker="o", markersize=4, color=color, label=f"{label}: {values[-1]:.2f} %")
    accuracy.set_ylabel("accuracy (%)")
    house.title(accuracy, f"{name}: training in the crossbar")
    house.legend(accuracy, loc="lower right")
    pulses.bar(epochs, [row.write_pulses / row.samples for row in rows], color=house.ORANGE)
    pulses.set_ylabel("write pulses a sample")
    pulses.set_xlabel("epoch")
    house.whole_numbers(pulses)
    pulses.set_xlim(0.4, len(rows) + 0.6)
    house.plain(accuracy, pulses)
    house.save(figure, file)


def plot_attempts(file: BinaryIO, name: str, attempts: np.ndarray) -> None:
    """Write a PNG of how many cells took how many write pulses: ``attempts`` is int64 (cells,)."""
    figure = house.new(7, 4)
    axes = figure.subplots()
    counts = np.bincount(attempts)
    axes.bar(range(len(counts)), counts, color=house.ORANGE)
    axes.set_yscale("log")
    axes.set_xlabel("write pulses")
    axes.set_ylabel("cells")
    house.whole_numbers(axes)
    house.title(axes, f"{name}: program-and-verify, {attempts.mean():.2f} pulses a cell")
    house.plain(axes, grid="y")
    house.save(figure, file)
