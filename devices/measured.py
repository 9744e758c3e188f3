"""Devices given by samples of their steps: a table of the distribution, not a mean and a scatter."""

from fractions import Fraction
from random import Random
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, field_validator

from ..contract.device import QUANTILE_BITS, DeviceTables
from ..contract.widths import signed_bits
from ..render.figure import BLUE, DARK, GREY, RED
from .costs import DeviceCosts
from .figure import legend_above
from .fitting import MIN_PULSES, Fittable, Learned, Options, Recognised, split, sub_bits_for, variation_note
from .incremental import IncrementalDevice, back_and_forth, steps_of
from .measurements import Measurements, Response
from .random_figures import common_fields, figure, variation
from .specification import StateDevice
from .stepping import edges, middles, multiple

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

QUANTILES = 1 << QUANTILE_BITS


def _nested(value: Any) -> Any:
    """``value`` with tuples, as they are here, for lists, as files have them."""
    return tuple(map(_nested, value)) if isinstance(value, list | tuple) else value


Distributions = Annotated[tuple[tuple[float, ...], ...], BeforeValidator(_nested)]
"""For equal parts of the range, figures of equal probability that do not descend: quantiles of a step, in levels."""


class MeasuredDevice(StateDevice, Fittable):
    """A device whose conductance each pulse moves up or down by a step that is drawn from a table: any distribution,
    as it was measured, with tails, two humps, or pulses that do nothing.

    The figures of a part of the range are quantiles of the step: of ``m`` of them, figure ``i`` has the probability
    ``(i + 1/2) / m``. Between them, and between the middles of the parts, is interpolated linearly; beyond the outer
    ones they stay.
    """

    kind: Literal["measured"]
    up: Distributions = ((0.5, 1.0, 1.5),)
    """Steps of a pulse up."""
    down: Distributions = ((0.5, 1.0, 1.5),)
    """Steps of a pulse down; positive ones lower the conductance."""
    variation: float = 0.0
    """Device-to-device variation: standard deviation of what is added to every step of a cell, fixed in each cell."""

    @field_validator("up", "down")
    @classmethod
    def _ascend(cls, value: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
        if not value or not all(value):
            raise ValueError("needs a list for each part of the range, with at least one figure in each")
        for part, row in enumerate(value):
            if any(after < before for before, after in zip(row, row[1:], strict=False)):
                raise ValueError(f"figures of part {part} descend; quantiles must not")
        return value

    def compile(self, certain: bool = False) -> DeviceTables:
        span = (self.states - 1) << self.sub_bits
        for name in ("up", "down"):
            for step in (step for row in getattr(self, name) for step in row):
                if abs(step) >= self.states:
                    raise ValueError(f"{name}: a step of {step:g} levels is longer than the range, "
                                     f"{self.states - 1} levels")
        return DeviceTables(
            pulse="step", sub_bits=self.sub_bits, states=self.states, g_bits=signed_bits(span // 2), span=span,
            quantiles=tuple(map(self._sub_levels, self._steps())),
            variation=self._noise("variation", self.variation), **self._common)

    def physical(self) -> dict[str, tuple[float, ...]]:
        return {"quantiles": tuple(map(float, self._steps())), "variation": (self.variation,), "stuck": (self.stuck,)}

    def _steps(self) -> list[Fraction]:
        """The quantiles of steps up, segment by segment, then of steps down. They are computed as integers, which is
        quick."""
        span, found = (self.states - 1) << self.sub_bits, []
        for distributions in (self.up, self.down):
            unit = max(step.as_integer_ratio()[1] for row in distributions for step in row)  # powers of two
            parts = [[int(step * Fraction(unit)) for step in map(Fraction, row)] for row in distributions]
            columns = [[multiple(row, 2 * i + 1, 2 * QUANTILES) for row in parts] for i in range(QUANTILES)]
            for middle in middles(span):
                full = middle.denominator * span
                found += [Fraction(multiple(column, middle.numerator, full), 2 * full * 4 * QUANTILES * unit)
                          for column in columns]
        return found

    def respond(self, pulses: int, random: np.random.Generator) -> Response:
        """Pulses up until the end of the range is near, then down, and so on."""
        full, displacement = self.states - 1, self.variation * random.standard_normal()

        def step(up: bool, level: float) -> float:
            probability, rows = random.random(), self.up if up else self.down
            steps = [np.interp(probability * len(row) - 0.5, np.arange(len(row)), row) for row in rows]
            return displacement + float(np.interp(level / full * len(rows) - 0.5, np.arange(len(rows)), steps))

        return back_and_forth(pulses, full, step)

    def draw(self, figure: "FigureBase", tables: DeviceTables) -> None:
        above, below = figure.subplots(2, 1, sharex=True)
        for axes, first, label, colour in ((above, 0, "up", BLUE), (below, tables.segments, "down", RED)):
            _draw_fan(axes, self.physical()["quantiles"], tables, first, label, colour)
        below.set_xlabel("conductance of the device (levels from its lowest)")

    @classmethod
    def recognise(cls, measurements: Measurements) -> Recognised | None:
        """Of no measurements: they are taken for those of a kind with fewer figures unless the user says otherwise."""
        return None

    @classmethod
    def learn(cls, measurements: Measurements, options: Options) -> Learned:
        """Quantiles of steps up and down, in equal parts of the range: one for every ``MIN_PULSES`` pulses, at most
        as many as the tables have."""
        found, parts = steps_of(measurements, options), options.segments
        mean, residual, variation = split(found.measurements, found.step, found.group, 2 * parts)
        level, step = found.level, (mean[found.group] + residual) / found.level
        nearest_part = [int(found.nearest[part]) for part in range(2 * parts)]
        rows = []
        for part in nearest_part:
            steps = step[found.group == part]
            count = min(QUANTILES, len(steps) // MIN_PULSES)
            rows.append(tuple(map(float, np.quantile(steps, (np.arange(count) + 0.5) / count))))
        scatter = np.array([np.ptp(row) / 4 for row in rows])
        return Learned(
            level=level, sub_bits=sub_bits_for(scatter),
            figures={"states": found.states, "up": rows[:parts], "down": rows[parts:], "variation": variation / level},
            table=[row | {"figures": len(rows[index]), "median (levels)": float(np.median(rows[index])),
                          "lowest (levels)": rows[index][0], "highest (levels)": rows[index][-1]}
                   for index, row in enumerate(found.table)],
            notes=found.notes + variation_note(found.measurements, variation / level))

    @classmethod
    def costs(cls) -> DeviceCosts:
        return IncrementalDevice.costs()

    @classmethod
    def random_section(cls, random: Random) -> dict[str, Any]:
        common, states = common_fields(random), random.choice((2, 3, random.randint(2, 9), 64))
        low, high = random.choice(((-0.2, min(2.0, states - 1)), (-0.5, states - 1)))

        def row() -> list[float]:
            return sorted(figure(random, low, high) for _ in range(random.choice((1, 3, random.randint(1, 80)))))

        def rows() -> list[list[float]]:
            return [row() for _ in range(random.randint(1, random.choice((3, 20))))]

        return common | {"states": states, "variation": variation(random, common["sub_bits"]), "up": rows(),
                         "down": rows()}


def _draw_fan(axes: "Axes", figures: tuple[float, ...], tables: DeviceTables, first: int, label: str,
              colour: str) -> None:
    """The quantiles of the segments from ``first`` on: the middle 50 and 90 %, and the median."""
    scale, ends = 2**tables.sub_bits, edges(tables)
    middle = (ends[:-1] + ends[1:]) / 2
    entries, exact = (np.array(each).reshape(-1, QUANTILES)[first:first + tables.segments]
                      for each in (tables.quantiles, figures))
    for share, alpha in ((0.9, 0.15), (0.5, 0.3)):
        low, high = (entries[:, int((1 + sign * share) / 2 * QUANTILES - (sign > 0))] / scale for sign in (-1, 1))
        low, high = (np.append(each, each[-1]) for each in (low, high))
        axes.fill_between(ends, low, high, step="post", color=colour, alpha=alpha, linewidth=0,
                          label=f"{label}: the middle {100 * share:.0f} %, integer table")
    axes.stairs(entries[:, QUANTILES // 2] / scale, ends, color=colour, linewidth=2, baseline=None, label="median")
    axes.plot(middle, exact[:, QUANTILES // 2], color=DARK, linewidth=1, marker=".", label="median, figures")
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set_ylabel("change by a pulse (levels)")
    legend_above(axes)
