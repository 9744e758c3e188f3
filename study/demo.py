"""The whole of Spinloom on one small network: train, generate, co-simulate, synthesise; a summary and a picture."""

import csv
import json
import sys
import time
from math import ceil
from pathlib import Path

import click
import numpy as np
from tqdm import tqdm

from ..config import Experiment
from ..contract.device import nominal
from ..system.files import replace

SAMPLES = {"verilator": 500, "icarus": 50}
"""Samples that golden model and RTL train on, on each simulator; Icarus is the slower by far."""
TARGET = "ecp5"
RESOURCES = {"luts": "LUTs", "flip_flops": "flip-flops", "block_rams": "block RAMs", "dsps": "multipliers"}


def run(experiment: Experiment, out: Path, data_dir: str | None = None) -> dict:
    """Train, generate, co-simulate on every simulator installed and synthesise; all files go to the folder ``out``.

    Returns ``train``, ``generate``, ``cosim`` (a list, one answer a simulator) and ``synth``, the answers of the
    commands of these names; ``bit_exact``, whether all co-simulations agree; ``picture``, the path of a PNG, of which
    ``summary`` is the text; ``seconds``. The same, as JSON, is left in ``demo.json``.
    """
    from ..hw.export.generate import generate
    from ..hw.export.synth import synthesise
    from ..sim import cosim
    from ..sim.simulators import toolchain
    from ..train import loop as train

    started = time.monotonic()
    simulators = [name for name in SAMPLES if _usable(toolchain, name)]
    if not simulators:
        toolchain.require("verilator")
    _announce(1, f"training {experiment.name} in situ, {experiment.epochs} epochs, and a floating-point baseline")
    answer = {"train": train.run(experiment, data_dir=data_dir, out=out / "run", overwrite=True).to_json()}
    _announce(2, "writing its Verilog")
    answer["generate"] = {"files": [str(path) for path in generate(experiment, out / "verilog")]}
    answer["cosim"] = []
    for simulator in simulators:
        _announce(3, f"training golden model and RTL on the same {SAMPLES[simulator]} samples, on {simulator}")
        answer["cosim"].append(cosim.run(experiment, samples=SAMPLES[simulator], simulator=simulator,
                                         data_dir=data_dir, progress=True).to_json())
    _announce(4, f"mapping the RTL to {TARGET} with Yosys")
    with tqdm(bar_format="yosys, {elapsed}: {desc}", file=sys.stderr) as bar:
        answer["synth"] = synthesise(experiment, TARGET, lambda step: bar.set_description_str(step[:80]))
    answer["bit_exact"] = all(cosimulation["bit_exact"] for cosimulation in answer["cosim"])
    answer["picture"] = str(out / "demo.png")
    answer["seconds"] = round(time.monotonic() - started)
    draw(experiment, answer, Path(answer["train"]["out"]), Path(answer["picture"]))
    replace(out / "demo.json", lambda file: file.write((json.dumps(answer, indent=2) + "\n").encode()))
    return answer


def _usable(toolchain, simulator: str) -> bool:
    try:
        toolchain.require(simulator)
    except toolchain.SimulatorError as error:
        click.echo(f"left out: {error}", err=True)
        return False
    return True


def _announce(step: int, text: str) -> None:
    click.echo(f"[{step}/4] {text}", err=True)


def summary(answer: dict) -> str:
    """The answer of ``run`` as a short table."""
    trained, synth = answer["train"], answer["synth"]
    rows = [
        ("test accuracy, in situ", f"{trained['test_accuracy']:.2f} %"),
        ("floating-point baseline", f"{trained['baseline_accuracy']:.2f} %"),
        ("write pulses in training", f"{trained['programming_events']:,}"),
        *((f"golden model = RTL, {cosim['simulator']}", _verdict(cosim)) for cosim in answer["cosim"]),
        (f"size on {synth['part']}", _size(synth)),
        ("Verilog", answer["generate"]["files"][0]),
        ("picture", answer["picture"]),
        ("took", f"{answer['seconds'] // 60} min {answer['seconds'] % 60} s"),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def _verdict(cosim: dict) -> str:
    if not cosim["bit_exact"]:
        return f"NO: {cosim['first_difference']}"
    return (f"yes, every bit, {cosim['samples']} samples, {cosim['cycles_per_sample']:.0f} clocks each "
            f"(bound {cosim['bound_cycles_per_sample']:.0f})")


def _size(synth: dict) -> str:
    return ", ".join(f"{synth[resource]:,} {name}" for resource, name in RESOURCES.items())


def draw(experiment: Experiment, answer: dict, run_folder: Path, path: Path) -> None:
    """Write the picture of a demonstration: learning on the left, the trained cells of the first crossbar in the
    middle, where their writes landed on the right, and the verdict below."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with (run_folder / "metrics.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with np.load(run_folder / "state.npz") as state:
        g = state["layer0_g"]
    figure = Figure(figsize=(12, 5.4), facecolor="white")
    FigureCanvasAgg(figure)
    left, middle, right = figure.add_gridspec(1, 3, width_ratios=(1.0, 1.35, 0.8), left=0.055, right=0.985, top=0.85,
                                              bottom=0.22, wspace=0.22)
    _draw_learning(figure.add_subplot(left), rows, answer["train"])
    _draw_cells(figure, middle, experiment, g)
    _draw_landings(figure.add_subplot(right), experiment, g)

    sizes = "-".join(map(str, [experiment.input.count, *(layer.cols for layer in experiment.layers)]))
    states = experiment.device_tables.states
    figure.text(0.015, 0.945, f"{sizes}, trained in situ in a crossbar of {states}-state stochastic synapses",
                fontsize=15, weight="bold")
    exact = answer["bit_exact"]
    runs = ", ".join(f"{cosim['samples']} samples on {cosim['simulator'].capitalize()}" for cosim in answer["cosim"])
    verdict = f"golden model = RTL in every bit: trained on {runs}" if exact else "golden model and RTL differ"
    figure.text(0.015, 0.075, verdict, fontsize=11, weight="bold", color="white",
                bbox={"boxstyle": "round,pad=0.4", "facecolor": "#1a7f4b" if exact else "#b3261e", "edgecolor": "none"})
    first, size = answer["cosim"][0], f"{answer['synth']['part']} (Yosys, before placement): {_size(answer['synth'])}"
    if exact:
        size += (f"; {first['cycles_per_sample']:.0f} clocks a training sample, "
                 f"bound {first['bound_cycles_per_sample']:.0f}")
    figure.text(0.015, 0.018, size, fontsize=9.5, color="0.3")
    figure.savefig(path, format="png", dpi=110)


def _draw_learning(axes, rows: list[dict], trained: dict) -> None:
    epochs = [int(row["epoch"]) for row in rows]
    accuracy = [float(row["test_accuracy"]) for row in rows]
    axes.axhline(trained["baseline_accuracy"], color="0.45", linestyle="--", linewidth=1.2,
                 label=f"floating point {trained['baseline_accuracy']:.1f} %")
    axes.plot(epochs, accuracy, color="#1f5fa8", marker="o", markersize=3.5,
              label=f"in situ {accuracy[-1]:.1f} %")
    axes.set_xlabel("epoch")
    axes.set_ylabel("test accuracy (%)")
    axes.set_title("learning", loc="left", fontsize=11)
    axes.grid(alpha=0.25)
    axes.set_ylim(min(60.0, min(accuracy) - 3), 100)
    axes.legend(loc="center", fontsize=9.5, frameon=False)
    pulses = axes.twinx()
    pulses.bar(epochs, [int(row["programming_events"]) / int(row["samples"]) for row in rows], color="#e08a2c",
               alpha=0.45, width=0.7)
    top = max(int(row["programming_events"]) / int(row["samples"]) for row in rows)
    pulses.set_ylim(0, 3 * top or 1)
    pulses.set_yticks([0, round(top, 1)])
    pulses.tick_params(colors="#b5651d", labelsize=8)
    pulses.set_ylabel("write pulses a sample", color="#b5651d", fontsize=8.5, loc="bottom")
    axes.set_zorder(pulses.get_zorder() + 1)
    axes.patch.set_visible(False)


def _draw_cells(figure, place, experiment: Experiment, g: np.ndarray) -> None:
    """A tile a column of the first crossbar: its cells in the shape of the image that drives them."""
    geometry = experiment.crossbars[0]
    levels = g[:geometry.inputs] / (1 << geometry.device.sub_bits)
    side = round(geometry.inputs**0.5)
    shape = (side, side) if side * side == geometry.inputs else (1, geometry.inputs)
    across = ceil((1.15 * geometry.cols) ** 0.5)
    down = -(-geometry.cols // across)
    limit = (geometry.device.states - 1) / 2
    tiles = place.subgridspec(down, across, wspace=0.12, hspace=0.12)
    for column in range(geometry.cols):
        axes = figure.add_subplot(tiles[column // across, column % across])
        axes.imshow(levels[:, column].reshape(shape), cmap="RdBu", vmin=-limit, vmax=limit, interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_visible(False)
        if column == 0:
            axes.set_title(f"trained cells, a tile a column: red {-limit:g} to blue {limit:g} levels", loc="left",
                           fontsize=11)


def _draw_landings(axes, experiment: Experiment, g: np.ndarray) -> None:
    """The histogram of the cells over the conductance, beside the nominal states."""
    device = experiment.device_tables
    scale = 1 << device.sub_bits
    reach = 1 << device.g_bits - 1
    counts = np.bincount(g.ravel().astype(int) + reach, minlength=2 * reach)
    places = np.arange(-reach, reach) / scale
    used = np.flatnonzero(counts)
    axes.bar(places[used], counts[used], width=0.9 / scale, color="#1f5fa8")
    for state in range(device.states):
        axes.axvline(nominal(state, device.states, device.sub_bits) / scale, color="#b3261e", linewidth=0.9, alpha=0.7)
    axes.set_yticks([])
    axes.set_xlabel("conductance (levels)")
    axes.set_title("where their writes landed", loc="left", fontsize=11)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
