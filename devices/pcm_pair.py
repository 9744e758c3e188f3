"""Pairs of phase-change devices."""

from fractions import Fraction
from math import pi, sqrt
from random import Random
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from ..contract.device import DeviceTables
from ..contract.errors import ConfigError
from ..contract.widths import signed_bits
from ..render.figure import GREEN, ORANGE, legend, title
from .costs import Cost, DeviceCosts, Duration
from .fitting import (
    MIN_PULSES,
    RESOLUTION,
    Fittable,
    Learned,
    Options,
    Recognised,
    abrupt_falls,
    clusters,
    quantile_groups,
    require_enough,
    resets,
    split,
    sub_bits_for,
    upward,
    variation_note,
    without_outliers,
)
from .measurements import Measurements, Response
from .random_figures import common_fields, extreme, figure, variation, widest_noise
from .rounding import nearest
from .specification import MAX_G_BITS, Device
from .stepping import draw_steps, middles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

CUT = 2.0
"""Sigmas by which a pulse must stay away from the ends of the range for its step to count as whole."""
SURELY_SIEMENS = 1e-3
"""Conductances below this, without a unit, are in siemens rather than in microsiemens."""
NEARLY_FULL = 0.97
"""Part of the range from which on a device that is measured is reset."""


class PcmPairDevice(Device, Fittable):
    """Two phase-change devices a cell, of which the difference counts. A pulse sets one of them by a random step that
    depends on its conductance. When both have grown, the pair is refreshed: reset, and rewritten to its difference.

    Source of the defaults: pulse model, refresh and drift in the public reference code of Nandakumar et al., Front.
    Neurosci. 14:406, 2020 (arXiv 2001.11773).
    """

    kind: Literal["pcm_pair"]
    sub_bits: Annotated[int, Field(ge=1, le=6)] = 4
    level: Annotated[float, Field(ge=1e-12)] = 0.77
    """Conductance of one level, uS: about the mean step of a pulse."""
    g_max: Annotated[float, Field(gt=0)] = 12.0
    """Largest conductance of a device, uS; the smallest counts as 0."""
    step_mean: tuple[float, float] = (0.892, -0.084)
    """Mean step of a pulse, uS: ``a + b * G`` for a device at ``G`` uS."""
    step_sigma: tuple[float, float] = (0.575, 0.09)
    """Its standard deviation, cycle to cycle, uS: ``a + b * G``."""
    refresh_high: Annotated[float, Field(ge=0, le=1)] = 0.75
    refresh_low: Annotated[float, Field(ge=0, le=1)] = 0.25
    """A pair is refreshed when its larger conductance is above the one and its smaller above the other fraction of
    ``g_max``."""
    variation: float = 0.0
    """Device-to-device variation, in levels: standard deviation of what is added to every step of a cell, fixed in each
    cell."""
    drift_exponent: Annotated[float, Field(ge=0, lt=1)] = 0.04
    drift_time: Annotated[float, Field(gt=0)] = 38.6
    """Conductance falls as ``(t / drift_time) ** -drift_exponent``, ``t`` in seconds after programming."""

    def compile(self, certain: bool = False) -> DeviceTables:
        span = self._sub_levels(Fraction(self.g_max) / Fraction(self.level))
        if not 1 << self.sub_bits <= span < 1 << MAX_G_BITS - 1:
            raise ValueError(f"g_max={self.g_max:g}: must be 1 to {(1 << MAX_G_BITS - 1) - 1 >> self.sub_bits} levels "
                             f"of {self.level:g} uS")
        mean, sigma = self._steps(span)
        for number in mean:
            if abs(self._sub_levels(number)) > span:
                raise ValueError(f"step_mean={self.step_mean}: a step of {float(number):g} levels is longer than the "
                                 "range")
        return DeviceTables(
            pulse="step", pair=True, sub_bits=self.sub_bits, states=2 * (span >> self.sub_bits) + 1,
            g_bits=signed_bits(span), span=span, mean=tuple(map(self._sub_levels, mean)),
            sigma=tuple(self._noise("step_sigma", v) for v in sigma),
            variation=self._noise("variation", self.variation), **self._common,
            refresh_high=nearest(Fraction(self.refresh_high) * span),
            refresh_low=nearest(Fraction(self.refresh_low) * span))

    def physical(self) -> dict[str, tuple[float, ...]]:
        mean, sigma = self._steps(self._sub_levels(Fraction(self.g_max) / Fraction(self.level)))
        full = self.g_max / self.level
        return {"mean": tuple(map(float, mean)), "sigma": tuple(map(float, sigma)), "span": (full,),
                "refresh_high": (self.refresh_high * full,), "refresh_low": (self.refresh_low * full,),
                "variation": (self.variation,), "stuck": (self.stuck,)}

    def _steps(self, span: int) -> tuple[list[Fraction], list[Fraction]]:
        """Mean and standard deviation of a step at the middle of each segment, in levels."""
        level = Fraction(self.level)
        conductances = [level * u / (1 << self.sub_bits) for u in middles(span)]  # uS
        mean, sigma = ([(Fraction(a) + Fraction(b) * g) / level for g in conductances]
                       for a, b in (self.step_mean, self.step_sigma))
        return mean, sigma

    def respond(self, pulses: int, random: np.random.Generator) -> Response:
        """Pulses up until the end of the range is near, then a reset, and so on."""
        full = self.g_max / self.level
        displacement = self.variation * random.standard_normal()
        rows, level = [], 0.0
        for normal in random.standard_normal(pulses):
            if level > NEARLY_FULL * full:
                level = 0.0
            mean, sigma = (figure[0] / self.level + figure[1] * level for figure in (self.step_mean, self.step_sigma))
            rows.append((level, 1.0, min(max(level + mean + displacement + sigma * normal, 0.0), full)))
            level = rows[-1][2]
        return Response(*np.array(rows).T)

    @property
    def conductance_unit(self) -> str:
        return "uS"

    @property
    def conductance_scale(self) -> tuple[float, float]:
        """In uS, from 0: one device of the pair is measured."""
        return self.level, 0.0

    def draw(self, figure: "FigureBase", tables: DeviceTables) -> None:
        steps, refresh = figure.subplots(2, 1)
        draw_steps(steps, self.physical(), tables)
        _draw_refresh(refresh, tables)
        title(refresh, f"the pair; its difference is constant along a grey line; one level is {self.level:g} uS")

    @classmethod
    def recognise(cls, measurements: Measurements) -> Recognised | None:
        if measurements.asked == "up":
            return Recognised("every pulse is positive: a device that can only be set", "likely")
        if clusters(measurements.readings) is None and resets(measurements).any():
            return Recognised("pulses up are steps, and pulses down reset the device at once", "likely")
        return None

    @classmethod
    def learn(cls, measurements: Measurements, options: Options) -> Learned:
        """Step and scatter of a device that can only be set, each a straight line over its conductance, which counts
        from the lowest. A level is the mean step in the lower quarter of the range."""
        name, reset = measurements.name, resets(measurements) | abrupt_falls(measurements)
        notes = []
        if reset.any():
            notes.append(f"{reset.sum():,} pulses are resets, to the bottom of the range at once: left out")
        measurements = measurements.only(~reset)
        up = upward(measurements)
        if not up.all():
            raise ConfigError(f"{name}: row {measurements.row[~up][0]}: a pulse down; devices of a pcm_pair are only "
                              "set")
        if options.states:
            raise ConfigError("states is not a field of pcm_pair; its range and level say how many there are")
        require_enough(name, ["up"], np.array([len(measurements)]))
        if not measurements.unit and measurements.readings.max() < SURELY_SIEMENS:
            raise ConfigError(f"{name}: conductances reach only {measurements.readings.max():g}, and the fields of a "
                              "pcm_pair are in uS; --unit says which unit they have (S, mS, uS, nS or pS)")
        measurements, outliers = without_outliers(
            measurements, measurements.after - measurements.before, quantile_groups(measurements.before))
        lowest = min(measurements.before.min(), measurements.after.min())
        conductance, step = measurements.before - lowest, measurements.after - measurements.before
        full = max(conductance.max(), measurements.after.max() - lowest)
        if np.ptp(conductance) <= RESOLUTION * full:
            raise ConfigError(f"{name}: every pulse starts at the same conductance; steps along the range are needed")
        (start, slope), (base, widen), whole = _lines(conductance, step, full)
        level = start + slope * full / 8
        if level <= 0:
            raise ConfigError(f"{name}: pulses change the conductance by {level:g} in the lower quarter of its range; "
                              "they must raise it")
        residual = step - start - slope * conductance
        variation = split(measurements, residual, np.zeros(len(step), dtype=int), 1)[2]
        return Learned(
            level=level, sub_bits=sub_bits_for(np.array([base, base + widen * full]) / level),
            figures={"level": level, "g_max": full, "step_mean": (start, slope), "step_sigma": (base, widen),
                     "variation": variation / level},
            table=[{f"conductance{options.suffix}": g, f"step{options.suffix}": start + slope * g,
                    f"sigma{options.suffix}": base + widen * g} for g in np.linspace(0, full, 5)],
            notes=[*notes, *outliers,
                   f"{whole.sum():,} of {len(whole):,} pulses count: the others start so near an end that it may cut "
                   "them", *variation_note(measurements, variation / level)])

    @classmethod
    def costs(cls) -> DeviceCosts:
        return DeviceCosts(
            read=Cost(picojoules=0.004, standing="placeholder", source="two devices, 0.2 V across 5 uS for 10 ns each"),
            pulse=Cost(picojoules=5, standing="placeholder",
                       source="order of magnitude of a SET pulse: 1 V, 100 uA, 50 ns"),
            reset=Cost(picojoules=10, standing="placeholder",
                       source="order of magnitude of a RESET pulse: 2 V, 200 uA, 25 ns"),
            pulse_time=Duration(nanoseconds=50, standing="placeholder", source="the SET pulse behind the energy"),
            reset_time=Duration(nanoseconds=25, standing="placeholder", source="the RESET pulse behind the energy"))

    @classmethod
    def random_section(cls, random: Random) -> dict[str, Any]:
        common = common_fields(random)
        noise = min(0.6, widest_noise(common["sub_bits"]))
        if random.random() < 0.7:  # a range of few or many levels, steps of about one, that scatter much
            level = figure(random, 0.2, 2)
            steps = {"level": level, "g_max": level * extreme(random, 2, 20),
                     "step_mean": [level, random.uniform(-0.1, 0)], "step_sigma": [noise * level, 0.0]}
        else:  # any steps, down to none and up to the whole range
            steps = {"level": figure(random, 0.375, 2), "g_max": figure(random, 2, 20),
                     "step_mean": [figure(random, 0, 2), figure(random, -0.1, 0)],
                     "step_sigma": [figure(random, 0, 0.1), figure(random, 0, 0.005)]}
        return common | steps | {"variation": variation(random, common["sub_bits"]),
                                 "refresh_high": random.choice((0.0, 0.0, 0.5, 0.75, random.random())),
                                 "refresh_low": random.choice((0.0, 0.0, 0.25, random.random()))}


def _lines(conductance: np.ndarray, step: np.ndarray,
           full: float) -> tuple[tuple[float, float], tuple[float, float], np.ndarray]:
    """The straight lines of the mean step and of its scatter over the conductance, each as its value at 0 and its
    slope, and which pulses count. Pulses from where ``CUT`` sigmas would leave the range 0 .. ``full`` do not, because
    their steps may be cut."""
    whole = np.ones(len(step), dtype=bool)
    for _ in range(5):
        slope, start = np.polyfit(conductance[whole], step[whole], 1)
        residual = step - start - slope * conductance
        widen, base = np.polyfit(conductance[whole], np.abs(residual[whole]) * sqrt(pi / 2), 1)  # E|r| is 0.8 sigma
        middle, reach = conductance + start + slope * conductance, CUT * (base + widen * conductance)
        uncut = (middle - reach >= 0) & (middle + reach <= full)
        if uncut.sum() < MIN_PULSES or np.ptp(conductance[uncut]) < full / 4 or (uncut == whole).all():
            break
        whole = uncut
    return (start, slope), (base, widen), whole


def _draw_refresh(axes: "Axes", tables: DeviceTables) -> None:
    """The plane of the two devices, and where they are refreshed."""
    from matplotlib.patches import Polygon

    scale = 2**tables.sub_bits
    full, high, low = (value / scale for value in (tables.span, tables.refresh_high, tables.refresh_low))
    corners = [(low, full), (low, high), (high, high), (high, low), (full, low), (full, full)]
    if high < low:  # the larger is above both then
        corners = [(low, full), (low, low), (full, low), (full, full)]
    axes.add_patch(Polygon(corners, color=ORANGE, alpha=0.4, linewidth=0,
                           label=f"refreshed: one above {high:.4g}, the other above {low:.4g}"))
    for value in np.linspace(-full, full, 9):
        axes.plot([max(value, 0), full + min(value, 0)], [max(-value, 0), full - max(value, 0)], color="0.75",
                  linewidth=0.8)
    axes.plot([0, 0, full], [full, 0, 0], color=GREEN, linewidth=3, label="after a refresh one device is at 0")
    axes.set_xlim(-0.02 * full, full)
    axes.set_ylim(-0.02 * full, full)
    axes.set_xlabel("plus device (levels)")
    axes.set_ylabel("minus device (levels)")
    legend(axes, loc=(0.27, 0.3), frameon=True, framealpha=0.95)
