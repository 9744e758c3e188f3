"""What a device is, to look at: its integer tables beside the figures that they stand for, and a picture."""

from statistics import NormalDist
from typing import BinaryIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from ..contract.device import PROBABILITY_BITS, SIGMA_FRAC, DeviceTables
from ..contract.tables import NORMAL_FRAC, normal_quantiles
from ..render.figure import escaped
from .specification import Device, MtjDevice

TRAINS = 200
"""Devices of which the response to a train of pulses is drawn."""
UP, DOWN, PHYSICAL = "tab:blue", "tab:red", "0.15"


def entries(device: Device) -> list[dict]:
    """Every entry of the integer tables: ``table``, ``place``, ``physical`` (levels, probabilities, fractions),
    ``entry``, ``stands_for`` in the unit of ``physical``, and ``error``, the difference."""
    tables = device.compile()
    sub_level = 2.0**-tables.sub_bits
    units = {"sigma": sub_level / 2**SIGMA_FRAC, "variation": sub_level / 2**SIGMA_FRAC,
             "probability": 2.0**-PROBABILITY_BITS, "curve": 2.0**-PROBABILITY_BITS, "stuck": 2.0**-16}
    rows = []
    for name, figures in device.physical().items():
        value = tables.curve.base if name == "curve" else getattr(tables, name)
        value = value if isinstance(value, tuple) else (value,)
        for place, physical, entry in zip(_places(tables, name, len(value)), figures, value, strict=True):
            stands_for = entry * units.get(name, sub_level)
            rows.append({"table": name, "place": place, "physical": physical, "entry": entry, "stands_for": stands_for,
                         "error": stands_for - physical})
    return rows


def _places(tables: DeviceTables, name: str, count: int) -> list[str]:
    if name == "curve":
        return [f"at {index / count:g} of a level" for index in range(count)]
    if count == 1:
        return [""]
    if tables.pulse == "landing":
        return [f"to state {state}" for state in range(count)]
    if tables.pulse == "switching":
        return [f"{direction} from state {state}" for direction in ("up", "down") for state in range(tables.states)]
    edges = _edges(tables)
    directions = ("set",) if tables.pair else ("up", "down")
    return [f"{direction} from {low:g} to {high:g}" for direction in directions
            for low, high in zip(edges, edges[1:], strict=False)]


def _edges(tables: DeviceTables) -> np.ndarray:
    """The ends of the segments of a ``step`` device, in levels from the lowest."""
    edges = np.minimum(np.arange(tables.segments + 1) << tables.segment_shift, tables.span)
    return edges / 2**tables.sub_bits


def draw(file: BinaryIO, device: Device, name: str) -> None:
    """Write a PNG of ``device``: figures as lines, the integer tables that stand for them as bars and steps."""
    tables = device.compile()
    figure = Figure(figsize=(9, 7), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"{escaped(name)}: {device.kind}, {tables.states} states, {2**tables.sub_bits} sub-levels a level")
    {"landing": _landing, "step": _step, "switching": _switching}[tables.pulse](figure, device, tables)
    for axes in figure.axes:
        axes.grid(alpha=0.3)
        axes.set_axisbelow(True)
    figure.savefig(file, format="png", dpi=120)


def _landing(figure: Figure, device: Device, tables: DeviceTables) -> None:
    figures = device.physical()
    landing, offsets = figure.subplots(2, 1, height_ratios=(3, 2))
    scale = 2**tables.sub_bits
    colors = _colors(tables.states)
    normal = normal_quantiles()
    top = 0.0
    for state, (mean, sigma) in enumerate(zip(tables.mean, tables.sigma, strict=True)):
        shift = SIGMA_FRAC + NORMAL_FRAC
        levels, counts = np.unique(mean + (sigma * normal + (1 << shift - 1) >> shift), return_counts=True)
        density = counts / counts.sum() * scale
        top = max(top, density.max() if len(levels) > 1 else 0.0)
        landing.bar(levels / scale, density, width=1 / scale, color=colors[state], alpha=0.45, linewidth=0)
        exact, spread = figures["mean"][state], figures["sigma"][state]
        if spread > 1e-6:  # a curve that can be seen
            x = np.linspace(exact - 4 * spread, exact + 4 * spread, 200)
            landing.plot(x, [NormalDist(exact, spread).pdf(value) for value in x], color=colors[state], linewidth=1.5)
    landing.set_ylim(0, 1.3 * top if top else 1.2 * scale)
    for state in range(tables.states):
        place = state - (tables.states - 1) / 2
        landing.axvline(place, color="0.6", linestyle=":", linewidth=1)
        if tables.states <= 16:
            landing.annotate(f"state {state}", (place, 1), xycoords=("data", "axes fraction"), xytext=(0, -5),
                             textcoords="offset points", ha="center", va="top", color=colors[state], fontsize="small",
                             bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5})
    landing.set_xlabel("conductance (levels)")
    landing.set_ylabel("density")
    landing.set_title("Where a pulse toward each state lands: integer tables (bars), figures (lines); nominal states "
                      "(dotted)", fontsize="medium")
    state = np.arange(tables.states)
    nominal = state - (tables.states - 1) / 2
    _beside(offsets, state - 0.2, np.array(tables.mean) / scale - nominal, np.array(figures["mean"]) - nominal, UP,
            "offset")
    _beside(offsets, state + 0.2, np.array(tables.sigma) / scale / 2**SIGMA_FRAC, figures["sigma"], DOWN, "sigma")
    if tables.variation:
        offsets.axhline(tables.variation / scale / 2**SIGMA_FRAC, color="tab:green",
                        label=f"variation from cell to cell, {device.variation:.3g}")
    offsets.set_xlabel("state")
    offsets.set_ylabel("levels")
    offsets.set_xticks(state if tables.states <= 16 else state[::4])
    offsets.axhline(0, color="0.5", linewidth=0.8)
    _legend_above(offsets)


def _beside(axes: Axes, x: np.ndarray, table: np.ndarray, physical, color: str, label: str) -> None:
    """Entries of a table as bars, the figures behind them as dots."""
    axes.bar(x, table, width=0.35, color=color, alpha=0.35, label=f"{label}, integer table")
    axes.plot(x, physical, linestyle="none", marker="o", markersize=5, color=color, label=label)


def _legend_above(axes: Axes) -> None:
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=5, fontsize="small", frameon=False)


def _step(figure: Figure, device: Device, tables: DeviceTables) -> None:
    figures = device.physical()
    steps, lower = figure.subplots(2, 1)
    scale, edges = 2**tables.sub_bits, _edges(tables)
    middles = np.minimum((np.arange(tables.segments) + 0.5) * 2**tables.segment_shift, tables.span) / scale
    directions = [("set" if tables.pair else "up", UP, 0)] + ([] if tables.pair else [("down", DOWN, tables.segments)])
    for label, color, first in directions:
        part = slice(first, first + tables.segments)
        mean, sigma = np.array(tables.mean[part]) / scale, np.array(tables.sigma[part]) / scale / 2**SIGMA_FRAC
        sign = -1 if label == "down" else 1
        steps.stairs(sign * mean, edges, color=color, linewidth=2, baseline=None,
                     label=f"{label}: mean, and one sigma, integer tables")
        steps.fill_between(edges, *(sign * np.append(value, value[-1]) for value in (mean - sigma, mean + sigma)),
                           step="post", color=color, alpha=0.2, linewidth=0)
        steps.plot(middles, sign * np.array(figures["mean"][part]), color=PHYSICAL, linewidth=1, marker=".")
    steps.plot([], [], color=PHYSICAL, linewidth=1, marker=".", label="mean, figures at the middles of the segments")
    steps.axhline(0, color="0.5", linewidth=0.8)
    steps.set_xlabel("conductance of the device (levels from its lowest)")
    steps.set_ylabel("change by a pulse (levels)")
    steps.legend(fontsize="small")
    (_refresh if tables.pair else _train)(lower, device, tables)


def _refresh(axes: Axes, device: Device, tables: DeviceTables) -> None:
    """The plane of the two devices, and where they are refreshed."""
    scale = 2**tables.sub_bits
    full, high, low = (value / scale for value in (tables.span, tables.refresh_high, tables.refresh_low))
    corners = [(low, full), (low, high), (high, high), (high, low), (full, low), (full, full)]
    if high < low:  # the larger is above both then
        corners = [(low, full), (low, low), (full, low), (full, full)]
    axes.add_patch(Polygon(corners, color="tab:orange", alpha=0.4, linewidth=0,
                           label=f"refreshed: one above {high:.4g}, the other above {low:.4g}"))
    for value in np.linspace(-full, full, 9):
        axes.plot([max(value, 0), full + min(value, 0)], [max(-value, 0), full - max(value, 0)], color="0.75",
                  linewidth=0.8)
    axes.plot([0, 0, full], [full, 0, 0], color="tab:green", linewidth=3, label="after a refresh one device is at 0")
    axes.set_xlim(-0.02 * full, full)
    axes.set_ylim(-0.02 * full, full)
    axes.set_xlabel("plus device (levels)")
    axes.set_ylabel("minus device (levels)")
    axes.set_title(f"The pair; its difference is constant along a grey line. One level is {device.level:g} uS",
                   fontsize="medium")
    axes.legend(loc=(0.27, 0.3), fontsize="small", framealpha=0.95)


def _train(axes: Axes, device: Device, tables: DeviceTables) -> None:
    """The response to pulses up, then down, of devices drawn with the integer tables."""
    random = np.random.default_rng(1)
    normal, shift = normal_quantiles(), SIGMA_FRAC + NORMAL_FRAC
    mean, sigma = np.array(tables.mean), np.array(tables.sigma)
    size = max(1, int(np.abs(mean).mean()))
    pulses = int(min(400, 1.5 * tables.span / size))
    displacement = tables.variation * normal[random.integers(1024, size=TRAINS)] + (1 << shift - 1) >> shift
    level, levels = np.zeros(TRAINS, dtype=int), []
    for pulse in range(2 * pulses):
        levels.append(level)
        down = pulse >= pulses
        index = (level >> tables.segment_shift) + tables.segments * down
        noise = sigma[index] * normal[random.integers(1024, size=TRAINS)] + (1 << shift - 1) >> shift
        step = mean[index] + displacement + noise
        level = np.clip(level - step if down else level + step, 0, tables.span)
    response = np.array([*levels, level]) / 2**tables.sub_bits
    x = np.arange(2 * pulses + 1)
    for part, color, label in ((slice(0, pulses + 1), UP, "up"), (slice(pulses, None), DOWN, "down")):
        low, middle, high = np.percentile(response[part], (10, 50, 90), axis=1)
        axes.fill_between(x[part], low, high, color=color, alpha=0.2, linewidth=0)
        axes.plot(x[part], middle, color=color, label=f"pulses {label}: median, and the middle 80 %")
        axes.plot(x[part], response[part, 0], color=color, linewidth=0.7, alpha=0.8)
    axes.plot([], [], color="0.4", linewidth=0.7, label="one device")
    axes.set_xlabel("pulse")
    axes.set_ylabel("conductance (levels)")
    axes.set_title(f"{TRAINS} devices of the integer tables under a train of pulses", fontsize="medium")
    axes.legend(fontsize="small")


def _switching(figure: Figure, device: MtjDevice, tables: DeviceTables) -> None:
    chances, curve = figure.subplots(2, 1, height_ratios=(2, 3))
    state = np.arange(tables.states)
    chance = np.array(tables.probability).reshape(2, -1) / 2**PROBABILITY_BITS
    exact = np.array(device.physical()["probability"]).reshape(2, -1)
    for direction, (label, color, inner) in enumerate((("up", UP, state[:-1]), ("down", DOWN, state[1:]))):
        _beside(chances, inner + (-0.2 if label == "up" else 0.2), chance[direction][inner], exact[direction][inner],
                color, label)
    chances.set_ylim(0, 1.05)
    chances.set_xticks(state)
    chances.set_xlabel("state before the pulse")
    chances.set_ylabel("probability of switching")
    _legend_above(chances)
    curve.set_xlabel("fraction of a level that is asked for")
    curve.set_ylabel("probability of switching")
    curve.set_ylim(0, 1.05)
    if tables.curve is None:
        curve.text(0.5, 0.5, "no switching curve: a pulse cannot be metered", transform=curve.transAxes, ha="center")
        return
    ends = np.arange(2**tables.curve.bits + 1) / 2**tables.curve.bits
    base = np.array(tables.curve.base) / 2**PROBABILITY_BITS
    end = base + np.array(tables.curve.slope) / 2**PROBABILITY_BITS
    curve.plot(np.column_stack([ends[:-1], ends[1:]]).ravel(), np.column_stack([base, end]).ravel(), color=UP,
               linewidth=4, alpha=0.35, label="integer table")
    fraction = np.linspace(0, 1, 1001)
    smooth = device.model_copy(update={"pulse_bits": None})
    curve.plot(fraction, [smooth.probability(value) for value in fraction], color=PHYSICAL, linewidth=1,
               label=f"{device.curve}, any length of pulse")
    curve.legend(loc="lower right")


def _colors(count: int) -> list[str]:
    return [f"C{index % 10}" for index in range(count)]
