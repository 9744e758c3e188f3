"""What a report takes from the trace of a run: pulses by epoch and layer, and the trajectories of a few cells."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...train.trace import Trace

LOOKED_AT = {"worst": 1.0, "99th percentile": 0.99, "90th percentile": 0.9, "median": 0.5}
"""The cells that are looked at: quantiles of the write pulses, over the cells that got any."""


class Place(NamedTuple):
    """A cell, or a device of a cell; all numbers from 0."""

    layer: int
    row: int
    col: int
    device: int = 0


@dataclass(frozen=True, kw_only=True)
class Trajectory:
    """The course of a cell."""

    name: str
    """Why it is looked at: of ``LOOKED_AT``."""
    place: Place
    pulses: np.ndarray
    """All its write pulses, `train.trace.SELECTED` (n,), in their order."""


@dataclass(frozen=True, kw_only=True)
class Traced:
    """A trace, in short."""

    pulses: np.ndarray
    """Write pulses, int64 (epochs, layers)."""
    ends: Sequence[int]
    """The number of the last sample of each epoch."""
    trajectories: tuple[Trajectory, ...]


def read(trace: Trace, counts: Sequence[np.ndarray], samples: Sequence[int]) -> Traced:
    """``trace`` in short, in one pass. ``counts`` are the write pulses of each cell, by layer; ``samples`` those of
    each epoch. ``ConfigError`` if the trace is damaged."""
    ends, layers, cells = np.cumsum(samples), len(counts), _looked_at(counts)
    pulses = np.zeros(len(ends) * layers, dtype=np.int64)
    courses: dict[Place, list[np.ndarray]] = {place: [] for place in cells}
    for part in trace.parts(samples=range(int(ends[-1]) + 1)):
        pulses += np.bincount(np.searchsorted(ends, part["sample"]) * layers + part["layer"], minlength=len(pulses))
        for place, course in courses.items():
            there = np.logical_and.reduce([part[name] == number for name, number in place._asdict().items()])
            course.append(part[there])
    return Traced(pulses=pulses.reshape(-1, layers), ends=ends.tolist(), trajectories=tuple(
        Trajectory(name=cells[place], place=place, pulses=np.concatenate(course))
        for place, course in courses.items() if any(map(len, course))))


def _looked_at(counts: Sequence[np.ndarray]) -> dict[Place, str]:
    """The cells whose trajectories are shown, and why; each once, so that they may be fewer than ``LOOKED_AT``."""
    every = np.concatenate([count.ravel() for count in counts])
    pulsed = every[every > 0]
    cells: dict[Place, str] = {}
    for name, share in LOOKED_AT.items() if len(pulsed) else ():
        cells.setdefault(_first(counts, np.quantile(pulsed, share, method="inverted_cdf")), name)
    return cells


def _first(counts: Sequence[np.ndarray], pulses: int) -> Place:
    """The first cell with as many ``pulses``; there is one."""
    return next(Place(layer, *map(int, place)) for layer, count in enumerate(counts)
                for place in np.argwhere(count == pulses)[:1])
