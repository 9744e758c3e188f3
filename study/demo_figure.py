"""The picture of the demonstration."""

import csv
from math import ceil, isqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ..config import Experiment
from ..contract.device import nominal
from ..render import figure as house

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import SubplotSpec

    from ..hw.export.synth import Synthesis
    from .demo_result import DemoResult

RESOURCES = {"luts": "LUTs", "flip_flops": "flip-flops", "block_rams": "block RAMs", "dsps": "multipliers"}


def draw(file: BinaryIO, experiment: Experiment, result: "DemoResult", run_folder: Path) -> None:
    """Write a PNG of a demonstration: learning on the left, the trained cells of the first crossbar in the middle,
    where their writes landed on the right, and the verdict below."""
    with (run_folder / "metrics.csv").open(newline="", encoding="utf-8") as metrics:
        rows = list(csv.DictReader(metrics))
    with np.load(run_folder / "state.npz") as state:
        g = state["layer0_g"]
    figure = house.new(12, 5.4, layout=None)
    grid = figure.add_gridspec(1, 3, width_ratios=(1.0, 1.35, 0.8), left=0.055, right=0.985, top=0.85, bottom=0.22,
                               wspace=0.22)
    _draw_learning(figure.add_subplot(grid[0, 0]), rows, result.train.baseline_accuracy)
    _draw_cells(figure, grid[0, 1], experiment, g)
    _draw_landings(figure.add_subplot(grid[0, 2]), experiment, g)
    states = experiment.device_tables.states
    figure.text(0.015, 0.945, f"{experiment.topology}, trained in situ in a crossbar of {states}-state "
                "stochastic cells", fontsize=house.LARGE, weight="bold")
    _write_verdict(figure, result)
    house.save(figure, file)


def size(synth: "Synthesis") -> str:
    """What a design needs of each resource, in words."""
    return ", ".join(f"{getattr(synth, resource):,} {name}" for resource, name in RESOURCES.items())


def _write_verdict(figure: "Figure", result: "DemoResult") -> None:
    """Whether golden model and RTL agree, and the size and speed of the design."""
    exact = result.bit_exact
    runs = ", ".join(f"{each.samples} samples on {each.simulator.capitalize()}" for each in result.cosim)
    verdict = f"golden model = RTL in every bit: trained on {runs}" if exact else "golden model and RTL differ"
    figure.text(0.015, 0.075, verdict, fontsize=house.MEDIUM, weight="bold", color="white",
                bbox={"boxstyle": "round,pad=0.4", "facecolor": house.GREEN if exact else house.RED,
                      "edgecolor": "none"})
    first, text = result.cosim[0], f"{result.synth.part} (Yosys, before placement): {size(result.synth)}"
    if exact:
        text += (f"; {first.cycles_per_sample:.0f} clock cycles a training sample, "
                 f"bound {first.bound_cycles_per_sample:.0f}")
    figure.text(0.015, 0.018, text, fontsize=house.SMALL, color="0.3")


def _draw_learning(axes: "Axes", rows: list[dict[str, Any]], baseline: float | None) -> None:
    """Accuracy over the epochs, and below it the write pulses."""
    epochs = [int(row["epoch"]) for row in rows]
    accuracy = [float(row["test_accuracy"]) for row in rows]
    if baseline is not None:
        axes.axhline(baseline, color=house.GREY, linestyle="--", linewidth=1.2,
                     label=f"floating point {baseline:.1f} %")
    axes.plot(epochs, accuracy, color=house.BLUE, marker="o", markersize=3.5, label=f"in situ {accuracy[-1]:.1f} %")
    axes.set_xlabel("epoch")
    axes.set_ylabel("test accuracy (%)")
    house.title(axes, "learning")
    axes.set_ylim(min(60.0, min(accuracy) - 3), 100)
    house.legend(axes, loc="center")
    pulses = axes.twinx()
    a_sample = [int(row["programming_events"]) / int(row["samples"]) for row in rows]
    pulses.bar(epochs, a_sample, color=house.ORANGE, alpha=0.45, width=0.7)
    pulses.set_ylim(0, 3 * max(a_sample) or 1)
    pulses.set_yticks([0, round(max(a_sample), 1)])
    pulses.tick_params(colors=house.DARK_ORANGE, labelsize=house.SMALL - 1)
    pulses.set_ylabel("write pulses a sample", color=house.DARK_ORANGE, fontsize=house.SMALL, loc="bottom")
    house.plain(axes)
    house.plain(pulses, grid=None)
    axes.set_zorder(pulses.get_zorder() + 1)
    axes.patch.set_visible(False)


def _draw_cells(figure: "Figure", place: "SubplotSpec", experiment: Experiment, g: np.ndarray) -> None:
    """A tile a column of the first crossbar: its cells in the shape of the image, or of the window of it, that drives
    them, channels side by side."""
    geometry = experiment.crossbars[0]
    levels = g[:geometry.inputs] / (1 << geometry.device.sub_bits)
    (height, width), channels = geometry.window.kernel, geometry.window.map[2]
    if (height, width) == (1, 1) and isqrt(channels)**2 == channels:  # an image of which the shape is not given
        height, width, channels = isqrt(channels), isqrt(channels), 1
    across = ceil((1.15 * geometry.cols) ** 0.5)
    down = -(-geometry.cols // across)
    limit = (geometry.device.states - 1) / 2
    tiles = place.subgridspec(down, across, wspace=0.12, hspace=0.12)
    for column in range(geometry.cols):
        axes = figure.add_subplot(tiles[column // across, column % across])
        tile = levels[:, column].reshape(height, width, channels).swapaxes(1, 2).reshape(height, -1)
        axes.imshow(tile, cmap="RdBu", vmin=-limit, vmax=limit, interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_visible(False)
        if column == 0:
            house.title(axes, f"trained cells, a tile a column: red {-limit:g} to blue {limit:g} levels")


def _draw_landings(axes: "Axes", experiment: Experiment, g: np.ndarray) -> None:
    """The histogram of the cells over the conductance, beside the nominal states."""
    device = experiment.device_tables
    scale = 1 << device.sub_bits
    reach = 1 << device.g_bits - 1
    counts = np.bincount(g.ravel().astype(int) + reach, minlength=2 * reach)
    places = np.arange(-reach, reach) / scale
    used = np.flatnonzero(counts)
    axes.bar(places[used], counts[used], width=0.9 / scale, color=house.BLUE)
    for state in range(device.states):
        axes.axvline(nominal(state, device.states, device.sub_bits) / scale, color=house.RED, linewidth=0.9, alpha=0.7)
    axes.set_yticks([])
    axes.set_xlabel("conductance (levels)")
    house.title(axes, "where their writes landed")
    house.plain(axes, grid=None)
    axes.spines["left"].set_visible(False)
