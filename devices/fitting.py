"""What the fits of all kinds share: what is asked and answered, and statistics.

A fit takes figures in the unit of the measurements to levels. It refuses by name what it cannot learn from too few
pulses.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from math import sqrt
from typing import Any, Literal, NamedTuple

import numpy as np

from ..contract.errors import ConfigError
from .measurements import Measurements

MIN_PULSES = 10
"""Fewest pulses from which a figure is learned."""
MAX_STATES = 64
MAX_CLUSTERS = 8
"""Most separate conductances that are looked for unasked."""
CLEAR_GAP = 3.0
"""States are separate if the gaps between them are so many times wider than any within them."""
FAR = 8.0
"""Robust standard deviations from the median of its kind from which on a pulse is an outlier."""
MOST_OUTLIERS = 0.02
"""Largest part of the pulses that can be outliers; of more, none is: the scatter is the device's."""
RESET_LANDS, RESET_FALLS, RESETS_AT_LEAST = 0.2, 0.25, 0.9
"""A reset ends below the first part of the range and falls by more than the second. Where there are resets, at least
the third part of all pulses down are."""
RESOLUTION = 1e-9
"""Part of a conductance below which nothing is a change."""
NAMED = 5
"""Outliers that are named by their rows."""
Row = dict[str, Any]
"""A row of a table of findings: numbers and text, by the names of the columns. Some names hold the unit."""


@dataclass(frozen=True)
class Options:
    """What the user may decide instead of the data."""

    states: int | None = None
    segments: int = 8
    """Equal parts of the range in which the steps of an ``incremental`` device are learned."""
    sub_bits: int | None = None
    unit: str = ""
    """Name of the unit of conductance, for texts."""

    @property
    def suffix(self) -> str:
        """The unit behind the name of a column."""
        return f" ({self.unit})" if self.unit else ""


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What measurements say about a device."""

    level: float
    """Conductance of one level, in the unit of the measurements."""
    figures: dict[str, Any]
    """The fields of the section that were learned."""
    sub_bits: int
    """The resolution that the figures need."""
    table: list[Row]
    """What was found, a row a state or segment."""
    notes: list[str] = field(default_factory=list)


class Recognised(NamedTuple):
    """That measurements look as if they were of a kind of device."""

    why: str
    certainty: Literal["sure", "likely", "a guess"]


class Fittable(ABC):
    """A kind of device that can be learned from measurements."""

    @classmethod
    @abstractmethod
    def recognise(cls, measurements: Measurements) -> Recognised | None:
        """Why, and how surely, ``measurements`` look as if they were of this kind; None if they do not. No two kinds
        recognise the same measurements."""

    @classmethod
    @abstractmethod
    def learn(cls, measurements: Measurements, options: Options) -> Learned:
        """The figures that ``measurements`` follow best. ``ConfigError`` names what they lack."""


def sub_bits_for(scatter: np.ndarray) -> int:
    """The resolution at which the smallest ``scatter``, in levels, is at least two sub-levels, or the finest."""
    smallest = min((value for value in scatter if value > 0), default=0.25)
    return next((bits for bits in range(4, 6) if smallest * 2**bits >= 2), 6)


def without_far_readings(measurements: Measurements) -> tuple[Measurements, list[str]]:
    """``measurements`` without the rows of readings that lie further from all others than these lie from one another,
    as spikes and overflows do; and what is to be said of them."""
    readings = measurements.readings
    order = np.argsort(readings, kind="stable")
    ordered = readings[order]
    most = min(max(2, int(MOST_OUTLIERS * len(readings))), (len(readings) - 3) // 2)
    # From those in the middle, which are certain, to those next above or below as long as they are near enough.
    low, high = max(most, 0), len(readings) - max(most, 0)
    while True:
        span = ordered[high - 1] - ordered[low]
        above = ordered[high] - ordered[high - 1] if high < len(readings) else np.inf
        below = ordered[low] - ordered[low - 1] if low > 0 else np.inf
        if min(above, below) > span > 0 or min(above, below) == np.inf:
            break
        if above <= below:
            high += 1
        else:
            low -= 1
    if low + len(readings) - high > most:
        return measurements, []
    far = np.zeros(len(readings), dtype=bool)
    far[order[:low]] = far[order[high:]] = True
    return _left_out(measurements, np.asarray(far.reshape(2, -1).any(axis=0)), "readings far from all others")


def without_outliers(measurements: Measurements, value: np.ndarray,
                     group: np.ndarray) -> tuple[Measurements, list[str]]:
    """``measurements`` without the pulses whose ``value`` lies ``FAR`` robust standard deviations or more from the
    median of its ``group``; and what is to be said of them. All are kept if they are more than ``MOST_OUTLIERS``."""
    distance, scale = np.zeros(len(value)), np.zeros(len(value))
    for number in np.unique(group):
        members = group == number
        distance[members] = np.abs(value[members] - np.median(value[members]))
        scale[members] = 1.4826 * np.median(distance[members])
    typical = np.median(scale[scale > 0]) if (scale > 0).any() else 0.0
    far = distance > FAR * np.maximum(scale, typical)
    if typical == 0 or far.mean() > MOST_OUTLIERS:
        return measurements, []
    return _left_out(measurements, far, "unlike the pulses beside it")


def _left_out(measurements: Measurements, far: np.ndarray, why: str) -> tuple[Measurements, list[str]]:
    if not far.any():
        return measurements, []
    rows = [f"row {row} ({before:g} to {after:g})" for row, before, after in zip(
        measurements.row[far], measurements.before[far], measurements.after[far], strict=True)]
    named = ", ".join(rows[:NAMED]) + (f" and {len(rows) - NAMED} more" if len(rows) > NAMED else "")
    return measurements.only(~far), [f"left out, {why}: {named}"]


def resets(measurements: Measurements) -> np.ndarray:
    """Whether each pulse is an abrupt reset: one down that lands near the bottom of the range. None is, unless all
    pulses down are, by far more than steps: as of devices that go up in steps and down at once."""
    down, readings = measurements.pulse < 0, measurements.readings
    lowest, span = readings.min(), np.ptp(readings)
    if not down.any() or down.all() or not span:
        return np.zeros(len(down), dtype=bool)
    fall = (measurements.before - measurements.after)[down]
    abrupt = (measurements.after[down] < lowest + RESET_LANDS * span) & (fall > RESET_FALLS * span)
    return down if abrupt.mean() > RESETS_AT_LEAST else np.zeros(len(down), dtype=bool)


def lengths_vary(measurements: Measurements) -> bool:
    """Whether the pulses have several lengths."""
    return measurements.length is not None and len(np.unique(measurements.length)) > 1


def abrupt_falls(measurements: Measurements) -> np.ndarray:
    """Whether each pulse up ends near the bottom of the range, far below where it began: a reset in its place."""
    readings = measurements.readings
    fall = measurements.before - measurements.after
    return ((measurements.pulse > 0) & (fall > 2 * RESET_FALLS * np.ptp(readings))
            & (measurements.after < readings.min() + RESET_LANDS * np.ptp(readings)))


def quantile_groups(values: np.ndarray, groups: int = 8) -> np.ndarray:
    """The number of the one of ``groups``, about equally large, that each value belongs to by its size."""
    return np.searchsorted(np.quantile(values, np.linspace(0, 1, groups + 1)[1:-1]), values, side="right")


def landing_share(measurements: Measurements) -> float:
    """The part of the scatter of the conductances after the pulses that the states aimed at explain: 1 if every state
    has its own, 0 if the pulses do not matter."""
    target = np.unique(measurements.pulse, return_inverse=True)[1]
    mean = np.bincount(target, measurements.after) / np.bincount(target)
    total = measurements.after.var()
    return float(1 - (measurements.after - mean[target]).var() / total) if total else 0.0


def upward(measurements: Measurements) -> np.ndarray:
    """Whether each pulse goes up; one that goes nowhere is refused."""
    nowhere = measurements.pulse == 0
    if nowhere.any():
        raise ConfigError(f"{measurements.name}: row {measurements.row[nowhere][0]}: pulse=0 has no direction")
    return measurements.pulse > 0


def require_enough(name: str, labels: list[str], counts: np.ndarray, remedy: str = "") -> None:
    """``ConfigError`` if one of the ``counts`` of pulses, each called by its label, is too small to learn from."""
    for label, count in zip(labels, counts, strict=True):
        if count < MIN_PULSES:
            raise ConfigError(f"{name}: pulses {label}: {count}, and at least {MIN_PULSES} are needed{remedy}")


def even_spacing(means: np.ndarray) -> tuple[float, float]:
    """The spacing and the lowest of the evenly spaced conductances that lie nearest to ``means`` (least squares)."""
    spacing, lowest = np.polyfit(np.arange(len(means)), means, 1)
    return float(spacing), float(lowest)


def split(measurements: Measurements, value: np.ndarray, group: np.ndarray,
          groups: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Split ``value`` into ``mean[group] + displacement[device] + residual``.

    Returns the means, the residuals, and the standard deviation of the displacements without what the scatter of the
    residuals adds to it. The deviation is 0 for one device, and where it is not clear.
    """
    count = np.maximum(np.bincount(group, minlength=groups), 1)  # an empty group has the mean 0
    device, devices = measurements.device, len(measurements.devices)
    if device is None or devices < 2:
        mean = np.bincount(group, value, groups) / count
        return mean, value - mean[group], 0.0
    pulses = np.bincount(device, minlength=devices)
    require_enough(measurements.name, [f"on device {label}" for label in measurements.devices], pulses)
    displacement = np.zeros(devices)
    for _ in range(100):
        mean = np.bincount(group, value - displacement[device], groups) / count
        before, displacement = displacement, np.bincount(device, value - mean[group]) / pulses
        displacement = displacement - displacement.mean()
        if np.abs(displacement - before).max() <= 1e-9 * np.abs(value).max():
            break
    residual = value - mean[group] - displacement[device]
    own = (np.bincount(device, residual**2) / (pulses - 1) / pulses).mean()
    between = displacement.var(ddof=1)
    clear = between > own * (1 + 3 * sqrt(2 / (devices - 1)))  # three standard errors of a variance
    return mean, residual, sqrt(between - own) if clear else 0.0


def scatter_of(measurements: Measurements, residual: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    """Standard deviation of the residuals of each group, for the degrees of freedom that ``split`` leaves."""
    taken = max(len(measurements.devices) - 1, 0) / len(residual)
    count = np.maximum(np.bincount(group, minlength=groups), 2)
    return np.sqrt(np.bincount(group, residual**2, groups) / ((count - 1) * (1 - taken)))


def variation_note(measurements: Measurements, variation: float) -> list[str]:
    """What is to be said about a ``variation`` in levels; nothing of a single device."""
    if len(measurements.devices) < 2:
        return []
    differ = f"differ by {variation:.4g} level (standard deviation)" if variation else "do not differ clearly"
    return [f"{len(measurements.devices)} devices {differ}; the sigmas are those of one device"]


def clusters(values: np.ndarray, states: int | None = None) -> np.ndarray | None:
    """The borders between the separate values that ``values`` scatter about: the middles of the widest gaps.

    None if there are no ``states`` of them; without that, None if there are no 2 to ``MAX_CLUSTERS`` that are clearly
    separate.
    """
    ordered = np.sort(values)
    gaps = np.diff(ordered)
    widest = np.argsort(-gaps, kind="stable")
    if states is None:
        size = np.append(gaps[widest[:MAX_CLUSTERS]], 0.0)
        clear = [(size[n - 2] / max(size[n - 1], 1e-12 * (ordered[-1] - ordered[0])), n)
                 for n in range(2, len(size) + 1) if size[n - 2] > 0.25 * (ordered[-1] - ordered[0]) / (n - 1)]
        if not clear or max(clear)[0] < CLEAR_GAP:
            return None
        states = max(clear)[1]
    if not 2 <= states <= len(ordered) or gaps[widest[states - 2]] == 0:
        return None
    cuts = np.sort(widest[:states - 1])
    return (ordered[cuts] + ordered[cuts + 1]) / 2
