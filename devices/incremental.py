"""Devices whose conductance each pulse moves a step."""

from collections.abc import Callable
from fractions import Fraction
from random import Random
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field, field_validator

from ..contract.device import DeviceTables
from ..contract.errors import ConfigError
from ..contract.widths import signed_bits
from .costs import Cost, DeviceCosts, Duration
from .fitting import (
    MAX_STATES,
    MIN_PULSES,
    Fittable,
    Learned,
    Options,
    Recognised,
    Row,
    clusters,
    lengths_vary,
    require_enough,
    resets,
    scatter_of,
    split,
    sub_bits_for,
    upward,
    variation_note,
    without_outliers,
)
from .measurements import Measurements, Response
from .random_figures import common_fields, one_or_each, variation, widest_noise
from .specification import PerState, StateDevice
from .stepping import draw_steps, interpolate, middles

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase

SURE_PULSES = 100
"""Pulses from which on the look of the conductances is more than a guess."""
NEAR_END = 0.03
"""Part of the range at each end in which measurements turn round."""


class IncrementalDevice(StateDevice, Fittable):
    """A device whose conductance each pulse moves up or down by a random step that depends on where it is: filamentary
    and bulk resistive memories, ferroelectric transistors, or whatever was measured.

    Steps are given over the range of the device, from its lowest to its highest level: as one figure, or as many as
    wanted, for equal parts of the range. Between the middles of the parts they are interpolated linearly; beyond the
    outer middles they stay.
    """

    kind: Literal["incremental"]
    states: Annotated[int, Field(ge=2, le=64)] = 17
    """Nominal states; the range of the device is ``states - 1`` levels."""
    up_mean: PerState = 1.0
    up_sigma: PerState = 0.3
    """Mean and standard deviation of the step of a pulse up, cycle to cycle."""
    down_mean: PerState = 1.0
    down_sigma: PerState = 0.3
    """The same of a pulse down; a positive mean lowers the conductance."""
    variation: float = 0.0
    """Device-to-device variation: standard deviation of what is added to every step of a cell, fixed in each cell."""
    conductances: tuple[float, float] | None = None
    """Of the lowest and of the highest level, uS, where they are known; nothing in training follows from them."""

    @field_validator("conductances")
    @classmethod
    def _ascend(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not 0 <= value[0] < value[1]:
            raise ValueError("must be two conductances, the lower one first and not negative")
        return value

    def compile(self, certain: bool = False) -> DeviceTables:
        span = (self.states - 1) << self.sub_bits
        values = self._steps()
        for name in ("up_mean", "down_mean"):
            for number in values[name]:
                if abs(number) > (self.states - 1) / 2:
                    raise ValueError(f"{name}={float(number):g}: must lie within half the range, "
                                     f"{(self.states - 1) / 2:g} levels")
        return DeviceTables(
            pulse="step", sub_bits=self.sub_bits, states=self.states, g_bits=signed_bits(span // 2), span=span,
            mean=tuple(self._sub_levels(v) for v in values["up_mean"] + values["down_mean"]),
            sigma=tuple(self._noise(name, v) for name in ("up_sigma", "down_sigma") for v in values[name]),
            variation=self._noise("variation", self.variation), **self._common)

    def physical(self) -> dict[str, tuple[float, ...]]:
        steps = self._steps()
        return {"mean": tuple(map(float, steps["up_mean"] + steps["down_mean"])),
                "sigma": tuple(map(float, steps["up_sigma"] + steps["down_sigma"])),
                "variation": (self.variation,), "stuck": (self.stuck,)}

    def _steps(self) -> dict[str, list[Fraction]]:
        """The four figures of a step at the middle of each segment."""
        span = (self.states - 1) << self.sub_bits
        values = {}
        for name in ("up_mean", "down_mean", "up_sigma", "down_sigma"):
            value = getattr(self, name)
            points = [Fraction(point) for point in (value if isinstance(value, tuple) else (value,))]
            if not points:
                raise ValueError(f"{name}=(): give at least one value")
            values[name] = [interpolate(points, middle / span) for middle in middles(span)]
        return values

    def respond(self, pulses: int, random: np.random.Generator) -> Response:
        """Pulses up until the end of the range is near, then down, and so on."""
        full = self.states - 1
        displacement = self.variation * random.standard_normal()

        def figure(name: str, level: float) -> float:
            points = np.atleast_1d(getattr(self, name))
            return float(np.interp(level / full * len(points) - 0.5, np.arange(len(points)), points))

        def step(up: bool, level: float) -> float:
            name = "up" if up else "down"
            return figure(f"{name}_mean", level) + displacement + figure(
                f"{name}_sigma", level) * random.standard_normal()

        return back_and_forth(pulses, full, step)

    @property
    def conductance_unit(self) -> str:
        return "uS" if self.conductances else ""

    @property
    def conductance_scale(self) -> tuple[float, float]:
        if self.conductances is None:
            return super().conductance_scale
        lowest, highest = self.conductances
        return (highest - lowest) / (self.states - 1), lowest

    def draw(self, figure: "FigureBase", tables: DeviceTables) -> None:
        draw_steps(figure.subplots(), self.physical(), tables)

    @classmethod
    def recognise(cls, measurements: Measurements) -> Recognised | None:
        if measurements.asked != "direction" or clusters(measurements.readings) is not None:
            return None
        if resets(measurements).any():
            return None
        return Recognised("pulses are up and down, and the conductance is continuous",
                          "likely" if len(measurements) >= SURE_PULSES else "a guess")

    @classmethod
    def learn(cls, measurements: Measurements, options: Options) -> Learned:
        """Mean and scatter of steps up and down, in equal parts of the range. A level is about the mean of these means:
        the range is a whole number of levels."""
        found, parts = steps_of(measurements, options), options.segments
        measurements, group, level = found.measurements, found.group, found.level
        up, mean = upward(measurements), found.mean
        _, residual, variation = split(measurements, found.step, group, 2 * parts)
        for direction, offset in ((up, 0), (~up, parts)):  # the model reads its figures linearly between the middles
            read = np.interp(found.position, np.arange(parts), mean[offset:offset + parts])
            residual[direction] += (mean[group] - read)[direction]
        sigma = _interpolated(scatter_of(measurements, residual, group, 2 * parts), found.filled)
        return Learned(
            level=level, sub_bits=sub_bits_for(sigma / level),
            figures={"states": found.states, "up_mean": mean[:parts] / level, "up_sigma": sigma[:parts] / level,
                     "down_mean": mean[parts:] / level, "down_sigma": sigma[parts:] / level,
                     "variation": variation / level},
            table=[row | {"step (levels)": mean[index] / level, "sigma (levels)": sigma[index] / level}
                   for index, row in enumerate(found.table)],
            notes=found.notes + variation_note(measurements, variation / level))

    @classmethod
    def costs(cls) -> DeviceCosts:
        return DeviceCosts(
            read=Cost(picojoules=0.002, standing="placeholder", source="0.2 V across 5 uS for 10 ns"),
            pulse=Cost(picojoules=1, standing="placeholder",
                       source="order of magnitude of a filamentary memory: 1 V, 50 uA, 20 ns"),
            pulse_time=Duration(nanoseconds=20, standing="placeholder", source="the pulse behind the energy"))

    @classmethod
    def random_section(cls, random: Random) -> dict[str, Any]:
        common, states = common_fields(random), random.choice((2, 3, random.randint(2, 9), 64))
        half = (states - 1) / 2
        figures = {"mean": (-0.2, random.choice((min(2.0, half), half))),
                   "sigma": (0.0, min(0.9, widest_noise(common["sub_bits"])))}
        return common | {"states": states, "variation": variation(random, common["sub_bits"])} | {
            f"{direction}_{name}": one_or_each(random, low, high, random.randint(1, random.choice((5, 20))))
            for direction in ("up", "down") for name, (low, high) in figures.items()}


def back_and_forth(pulses: int, full: float, step: Callable[[bool, float], float]) -> Response:
    """The response of a device to ``pulses`` up until its highest level ``full`` is near, then down until 0 is, and so
    on. ``step`` draws the step of a pulse that goes up, or down, from a level; no step leads out of the range."""
    rows, level, direction = [], 0.0, 1
    for _ in range(pulses):
        if (level > (1 - NEAR_END) * full and direction > 0) or (level < NEAR_END * full and direction < 0):
            direction = -direction
        rows.append((level, direction, min(max(level + direction * step(direction > 0, level), 0.0), full)))
        level = rows[-1][2]
    return Response(*np.array(rows).T)


class Steps(NamedTuple):
    """Measured steps, sorted by parts of the range."""

    measurements: Measurements
    """Without outliers."""
    step: np.ndarray
    """Of each pulse, in its own direction."""
    group: np.ndarray
    """The part that it counts for, those of pulses down behind those of pulses up: the one where it starts, or the
    nearest that has enough pulses."""
    nearest: np.ndarray
    """For each part, the part that it is learned from."""
    filled: np.ndarray
    """Whether each part has enough pulses."""
    position: np.ndarray
    """Where each pulse starts, in parts; 0 is the middle of the first."""
    mean: np.ndarray
    """Of the steps of each part."""
    states: int
    level: float
    """Conductance of a level."""
    table: list[Row]
    """What is to be said of each part, and of the whole."""
    notes: list[str]


def steps_of(measurements: Measurements, options: Options) -> Steps:
    """The steps in ``measurements``, in ``options.segments`` parts of the range. A level is about their mean.
    ``ConfigError`` if they are none, or too few."""
    name, parts = measurements.name, options.segments
    if parts < 1:
        raise ConfigError(f"segments={parts}: must be at least 1")
    reset = resets(measurements)
    if reset.any():
        raise ConfigError(f"{name}: row {measurements.row[reset][0]}: pulses down reset the device to the bottom of "
                          "its range at once, which steps of an incremental device cannot describe; --kind pcm_pair "
                          "learns the pulses up")
    measurements, notes = without_outliers(measurements, *_steps_by_part(measurements, parts))
    lowest, highest = measurements.readings.min(), measurements.readings.max()
    span = highest - lowest
    step, group = _steps_by_part(measurements, parts)
    if step.mean() <= 0:
        raise ConfigError(f"{name}: pulses move the conductance against their sign, by {-step.mean():g} on average; "
                          "are the signs the wrong way round?")
    edges = lowest + span * np.arange(parts + 1) / parts
    count = np.bincount(group, minlength=2 * parts)
    labels = [f"{direction} from {edges[index]:.4g} to {edges[index + 1]:.4g}{options.suffix}, part {index + 1} of "
              f"{parts}" for direction in ("up", "down") for index in range(parts)]
    nearest, filled = _merged(name, labels, count)
    group = nearest[group]
    mean = _interpolated(split(measurements, step, group, 2 * parts)[0], filled)
    states = options.states or int(np.clip(round(span / abs(np.median(mean))) + 1, 2, MAX_STATES))
    if lengths_vary(measurements):
        notes.append("pulses have several lengths, which steps do not depend on in this kind of device: the column "
                     "'length' is not used")
    empty = [labels[index] for index in np.flatnonzero(~filled)]
    if empty:
        notes.append(f"fewer than {MIN_PULSES} pulses, so taken from the parts beside: {'; '.join(empty)}")
    table: list[Row] = [{"pulses": labels[index].split(" ")[0], f"from{options.suffix}": edges[index % parts],
                         f"to{options.suffix}": edges[index % parts + 1], "number": int(count[index])}
                        for index in range(2 * parts)]
    return Steps(measurements, step, group, nearest, filled, (measurements.before - lowest) / span * parts - 0.5, mean,
                 states, span / (states - 1), table, notes)


def _steps_by_part(measurements: Measurements, parts: int) -> tuple[np.ndarray, np.ndarray]:
    """The step of each pulse in its own direction, and its group: the part of the range that it starts in, for pulses
    down plus the number of parts."""
    up, lowest, highest = upward(measurements), measurements.readings.min(), measurements.readings.max()
    step = np.where(up, 1, -1) * (measurements.after - measurements.before)
    part = np.minimum((measurements.before - lowest) / (highest - lowest) * parts, parts - 1).astype(int)
    return step, part + np.where(up, 0, parts)


def _merged(name: str, labels: list[str], count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each part the nearest of its direction that has enough pulses, itself if it has; and which parts have enough.
    ``ConfigError`` unless at least half of them have in each direction."""
    parts, filled, nearest_part = len(labels) // 2, count >= MIN_PULSES, np.arange(len(labels))
    for first, direction in ((0, "up"), (parts, "down")):
        good = np.flatnonzero(filled[first:first + parts]) + first
        total = int(count[first:first + parts].sum())
        require_enough(name, [direction], np.array([total]))
        if 2 * len(good) < parts:
            poor = first + int(np.flatnonzero(~filled[first:first + parts])[0])
            require_enough(name, [labels[poor]], count[poor:poor + 1], "; fewer --segments make larger parts")
        nearest_part[first:first + parts] = [good[np.abs(good - index).argmin()]
                                             for index in range(first, first + parts)]
    return nearest_part, filled


def _interpolated(figures: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """``figures``, one a part up and then one a part down; where they are not ``filled``, between those that are."""
    halves = [np.interp(np.arange(len(half)), np.flatnonzero(good), half[good])
              for half, good in zip(np.split(figures, 2), np.split(filled, 2), strict=True)]
    return np.concatenate(halves)
