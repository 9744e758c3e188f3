"""The benchmark's result as a picture."""

from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from ...render import figure as house
from .plan import BATCHES, SIMULATORS, TRAINERS
from .results import BenchResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(file: BinaryIO, result: BenchResult) -> None:
    """Write a PNG: trainers, cycles, simulators and scaling."""
    figure = house.new(11.5, 7.6)
    (training, cycles), (simulators, scaling) = figure.subplots(2, 2)
    _draw_training(training, result)
    _draw_cycles(cycles, result)
    _draw_simulators(simulators, result)
    _draw_scaling(scaling, result)
    house.plain(training, cycles, simulators, grid=None)
    house.plain(scaling)
    house.save(figure, file)


def _draw_training(axes: "Axes", result: BenchResult) -> None:
    names = [name for name in TRAINERS if any(row.trainer == name and row.speed for row in result.training)]
    for place, (batch, color) in enumerate(zip(BATCHES, (house.BLUE, house.LIGHT_BLUE), strict=True)):
        speeds = [row.speed.samples_per_cpu_second for row in result.training if row.speed and row.batch == batch]
        places = np.arange(len(names)) + (place - 0.5) * 0.38
        bars = axes.barh(places, speeds, 0.36, color=color, label=f"batch {batch}")
        axes.bar_label(bars, [f"{speed:,.0f}" for speed in speeds], padding=3, fontsize=house.SMALL)
    axes.set_yticks(range(len(names)), [TRAINERS[name].replace(", ", ",\n") for name in names])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.margins(x=0.2)
    house.title(axes, f"training {result.preset}: samples a second of CPU time")
    house.legend(axes)


def _draw_cycles(axes: "Axes", result: BenchResult) -> None:
    rows = result.cycles
    for place, (name, color, ratios) in enumerate((
            ("untrained", house.LIGHT_ORANGE, [row.start.of_bound for row in rows]),
            ("steady state", house.ORANGE, [row.steady.of_bound for row in rows]))):
        bars = axes.bar(np.arange(len(rows)) + (place - 0.5) * 0.38, ratios, 0.36, color=color, label=name)
        axes.bar_label(bars, [f"{ratio:.2f}" for ratio in ratios], padding=3, fontsize=house.SMALL,
                       bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5})
    axes.axhline(1, color=house.GREY, linewidth=1)
    axes.set_xticks(range(len(rows)), [f"{row.lanes} lanes" for row in rows])
    axes.margins(y=0.25)
    house.title(axes, "RTL: clock cycles as a multiple of the memories' bound")
    house.legend(axes, loc="upper right")


def _draw_simulators(axes: "Axes", result: BenchResult) -> None:
    rows = [(row, row.speed.cycles_per_second) for row in result.simulators if row.speed]
    preset = rows[0][0].preset
    bars = axes.barh(range(len(rows)), [speed for _, speed in rows], 0.6,
                     color=[house.GREEN if row.preset == preset else house.LIGHT_GREEN for row, _ in rows])
    axes.bar_label(bars, [f"{speed:,.0f}" for _, speed in rows], padding=3, fontsize=house.SMALL)
    axes.set_yticks(range(len(rows)), [f"{SIMULATORS[row.simulator]}\n{row.preset}" for row, _ in rows],
                    fontsize=house.SMALL)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.margins(x=0.2)
    house.title(axes, "simulated clock cycles a second")


def _draw_scaling(axes: "Axes", result: BenchResult) -> None:
    rows = result.scaling
    cols = [row.cols for row in rows]
    for name, color, marker, values in (
        ("golden model: samples/s", house.BLUE, "o", [row.compiled.samples_per_second for row in rows]),
        ("RTL, compiled: cycles/s", house.GREEN, "s", [row.rtl.cycles_per_second for row in rows]),
        ("RTL, compiled: samples/s", house.ORANGE, "^", [row.rtl.samples_per_second for row in rows]),
    ):
        axes.plot(cols, values, color=color, marker=marker, label=name)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(cols, [str(count) for count in cols])
    axes.minorticks_off()
    axes.set_xlabel(f"columns of the first crossbar, {rows[0].lanes} lanes")
    house.title(axes, "scaling with layer size")
    house.legend(axes)
