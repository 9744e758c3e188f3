"""A cycle of potentiation and depression: what pulses up, and then as many down, do to the cells of a device."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ..contract.device import PROBABILITY_BITS, QUANTILE_BITS, DeviceTables
from ..contract.tables import NORMAL_INDEX_BITS, noise
from ..render.figure import BLUE, DARK, RED, legend, title, whole_numbers
from .specification import Device

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CELLS, TRACES = 200, 4
"""Cells that go through the cycle, and those of them that are drawn one by one."""
MOST_PULSES = 400
LONGER = 1.5
"""Times as many pulses up as mean steps reach the highest state."""
WORD_BITS = 16


def draw(axes: "Axes", device: Device, tables: DeviceTables) -> None:
    """The cycle of ``CELLS`` cells of ``tables``, which are those of ``device``: their mean, the middle 80 %, and some
    of them; in levels, and in the unit of ``device`` where it has one."""
    random, half = np.random.default_rng(1), pulses(tables)
    displacement = noise(tables.variation, random.integers(1 << NORMAL_INDEX_BITS, size=CELLS))
    course = cycle(tables, random.integers(1 << WORD_BITS, size=(2 * half, CELLS)), displacement) / 2**tables.sub_bits
    pulse = np.arange(2 * half + 1)
    for part, color, label in ((slice(0, half + 1), BLUE, "up"), (slice(half, None), RED, "down")):
        low, high = np.percentile(course[part], (10, 90), axis=1)
        axes.fill_between(pulse[part], low, high, color=color, alpha=0.2, linewidth=0,
                          label=f"pulses {label}: the middle 80 %")
        axes.plot(pulse[part], course[part, :TRACES], color=color, linewidth=0.7, alpha=0.8)
    axes.plot([], [], color="0.4", linewidth=0.7, label="single cells")
    axes.plot(pulse, course.mean(axis=1), color=DARK, linewidth=2, label="mean")
    axes.set_xlabel("pulse")
    whole_numbers(axes)
    axes.set_ylabel("difference of the pair (levels)" if tables.pair else "conductance (levels from the lowest state)")
    if device.conductance_unit:
        _beside_in_its_unit(axes, device)
    title(axes, f"a cycle of {half} pulses up and {half} down, of {CELLS} cells of the integer tables")
    legend(axes)


def _beside_in_its_unit(axes: "Axes", device: Device) -> None:
    """Number the right side of ``axes``, of which the left counts levels, in the unit of ``device``."""
    level, lowest = device.conductance_scale

    def conductance(levels: Any) -> Any:
        return lowest + level * levels

    def levels(conductance: Any) -> Any:
        return (conductance - lowest) / level

    axes.secondary_yaxis("right", functions=(conductance, levels)).set_ylabel(device.conductance_unit)


def pulses(tables: DeviceTables) -> int:
    """How many pulses up a cycle has, and how many down: so many as reach the highest state, if there are any."""
    if tables.pulse == "landing":
        return tables.states - 1
    if tables.pulse == "step":
        steps = tables.span / max(1.0, float(np.abs(tables.average).mean()))
    else:
        steps = (tables.states - 1) * 2**PROBABILITY_BITS / max(1, *tables.probability)
    return int(min(MOST_PULSES, max(1, LONGER * steps)))


def cycle(tables: DeviceTables, words: np.ndarray, displacement: np.ndarray | int = 0) -> np.ndarray:
    """The conductances of cells in the course of a cycle, in sub-levels from the lowest state: (pulses + 1, cells).

    ``words`` are those that the pulses draw, (pulses, cells); the first half of the pulses goes up, the other down.
    Cells have the ``displacement``, (cells,), and are not stuck. They start at the lowest state. Of pairs, the
    difference is told; it starts at 0, and pulses down set the device that counts negative. Pulses that are aimed at
    states are aimed at the next one by turns.
    """
    half, cells = len(words) // 2, np.zeros((2 if tables.pair else 1, words.shape[1]), dtype=np.int64)
    course = [np.zeros_like(cells[0])]
    for place, word in enumerate(words):
        up, aim = place < half, min(place + 1, 2 * half - place - 1)
        device = 0 if up or not tables.pair else 1
        match tables.pulse:
            case "landing":
                cells[0] = _landed(tables, aim, word, displacement)
            case "step":
                cells[device] = _stepped(tables, cells[device], word, displacement, up)
            case "switching":
                cells[0] = _switched(tables, cells[0], word, up)
        course.append(cells[0] - cells[1] if tables.pair else cells[0].copy())
    return np.array(course)


def _landed(tables: DeviceTables, aim: int, word: np.ndarray, displacement: np.ndarray | int) -> np.ndarray:
    limit = 1 << tables.g_bits - 1
    g = tables.mean[aim] + displacement + noise(tables.sigma[aim], word)
    return np.clip(g, -limit, limit - 1) - tables.origin


def _stepped(tables: DeviceTables, level: np.ndarray, word: np.ndarray, displacement: np.ndarray | int,
             up: bool) -> np.ndarray:
    grows = up or tables.pair
    entry = (level >> tables.segment_shift) + (0 if grows else tables.segments)
    if tables.quantiles:
        step = np.array(tables.quantiles)[(entry << QUANTILE_BITS) + (word >> WORD_BITS - QUANTILE_BITS)] + displacement
    else:
        step = np.array(tables.mean)[entry] + displacement + noise(np.array(tables.sigma)[entry], word)
    return np.clip(level + step if grows else level - step, 0, tables.span)


def _switched(tables: DeviceTables, level: np.ndarray, word: np.ndarray, up: bool) -> np.ndarray:
    state = level >> tables.sub_bits
    switches = word < np.array(tables.probability)[state if up else tables.states + state]
    return np.clip(state + np.where(switches, 1 if up else -1, 0), 0, tables.states - 1) << tables.sub_bits
