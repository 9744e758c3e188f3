"""Pairs of magnetic tunnel junctions."""

from math import erf, exp, floor, pi, sqrt, tanh
from random import Random
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field, field_validator

from ..contract.device import (
    CURVE_BITS,
    MAX_CURVE_BITS,
    PROBABILITY_BITS,
    DeviceTables,
    SwitchingCurve,
    nominal,
)
from ..contract.errors import ConfigError
from ..contract.widths import signed_bits
from ..render.figure import BLUE, DARK, RED, legend
from .costs import Cost, DeviceCosts
from .figure import beside, legend_above
from .fitting import (
    Fittable,
    Learned,
    Options,
    Recognised,
    Row,
    clusters,
    even_spacing,
    lengths_vary,
    require_enough,
    upward,
)
from .measurements import Measurements, Response
from .random_figures import common_fields, figure, one_or_each, states
from .rounding import nearest
from .specification import PerState, StateDevice

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

LENGTHS = 12
"""Pulse lengths that are tried in measurements, where the length matters."""
UNEVEN = 0.25
"""Distance from even spacing, in levels, up to which the states count as even."""
SURE_PULSES = 100
"""Pulses from which on the look of the conductances is more than a guess."""
STRAY = 0.05
"""Fraction of the pulses that may lead elsewhere than to a neighbouring state."""


class MtjDevice(StateDevice, Fittable):
    """A binary or ternary cell: a pair of magnetic tunnel junctions, which a pulse switches to the neighbouring
    state with a probability that depends on its length.

    Sources: the curve ``tanh`` is the update rule of GXNOR-Net (Deng et al., Neural Networks 100:49, 2018, arXiv
    1705.09283); ``switching_time`` is the precessional switching of a junction, as remembered, not checked, from
    Greenberg-Toledo et al., Semicond. Sci. Technol. 36:114003, 2021 (arXiv 1912.12636).
    """

    kind: Literal["mtj"]
    states: Annotated[int, Field(ge=2, le=64)] = 3
    sub_bits: Annotated[int, Field(ge=1, le=6)] = 1
    curve: Literal["tanh", "switching_time"] | None = "tanh"
    """Probability of switching when a fraction ``f`` of a level is asked for: ``tanh(steepness * f)``; or that of a
    pulse of ``t = f * pulse_length``, ``1 - erf(pi / (2 * sqrt(2) * theta) * exp(-t))`` with
    ``theta = sqrt(1 / (2 * thermal_stability))``; None, in TOML "none", where there is no such control."""
    steepness: Annotated[float, Field(gt=0)] = 3.0
    thermal_stability: Annotated[float, Field(gt=0)] = 60.0
    """Energy barrier over thermal energy."""
    pulse_length: Annotated[float, Field(gt=0)] = 5.62
    """Of the pulse for a whole level, in units of the junction's characteristic time."""
    pulse_bits: Annotated[int, Field(ge=1, le=MAX_CURVE_BITS)] | None = None
    """Resolution of the pulse length, rounded down; None resolves it without limit."""
    up: PerState | None = None
    down: PerState | None = None
    """Probability that a write pulse up, or down, switches: one figure or one a state; that of a whole level on the
    curve unless given."""

    @field_validator("curve", mode="before")
    @classmethod
    def _no_curve(cls, value: object) -> object:
        return None if value == "none" else value

    def probability(self, fraction: float) -> float:
        """The curve at ``fraction`` of a level, 0 to 1, with the pulse length resolved as it is."""
        if self.pulse_bits is not None and fraction < 1:
            fraction = floor(fraction * 2**self.pulse_bits) / 2**self.pulse_bits
        if self.curve == "tanh":
            return tanh(self.steepness * fraction)
        barrier = pi / (2 * sqrt(2)) * sqrt(2 * self.thermal_stability)
        return 1 - erf(barrier * exp(-self.pulse_length * fraction))

    def compile(self, certain: bool = False) -> DeviceTables:
        if self.curve is None and (self.up is None or self.down is None):
            raise ValueError("curve=None: give up and down, the probabilities of switching, instead")
        chances = self._chances("up") + self._chances("down")
        if certain:
            chances = [1.0] * len(chances)
        return DeviceTables(
            pulse="switching", sub_bits=self.sub_bits, states=self.states,
            g_bits=signed_bits(-nominal(0, self.states, self.sub_bits)),
            probability=tuple(nearest(p * (1 << PROBABILITY_BITS)) for p in chances), **self._common,
            curve=self._curve() if self.curve else None)

    def physical(self) -> dict[str, tuple[float, ...]]:
        figures = {"probability": tuple(self._chances("up") + self._chances("down")), "stuck": (self.stuck,)}
        if self.curve:
            figures["curve"] = tuple(self.probability(i / 2**self._curve_bits) for i in range(2**self._curve_bits))
        return figures

    def _chances(self, name: str) -> list[float]:
        """The probabilities that ``up`` or ``down`` gives, one a state."""
        values = [self.probability(1)] * self.states if getattr(self, name) is None else self._per_state(name)
        for number in values:
            if not 0 <= number <= 1:
                raise ValueError(f"{name}={number:g}: a probability must lie in 0 to 1")
        return values

    @property
    def _curve_bits(self) -> int:
        return CURVE_BITS if self.pulse_bits is None else self.pulse_bits

    def _curve(self) -> SwitchingCurve:
        bits = self._curve_bits
        points = [nearest(self.probability(i / 2**bits) * (1 << PROBABILITY_BITS)) for i in range(2**bits + 1)]
        if points[0]:
            raise ValueError(f"thermal_stability={self.thermal_stability:g}: a pulse of no length would switch with "
                             f"probability {self.probability(0):.2g}; use at least 5")
        slope = [0] * 2**bits if self.pulse_bits is not None else np.diff(points).tolist()
        return SwitchingCurve(base=tuple(points[:-1]), slope=tuple(slope))

    def respond(self, pulses: int, random: np.random.Generator) -> Response:
        """Pulses up or down at random; of a random length, in the unit of ``pulse_length``, if that is what decides."""
        chances = self.physical()["probability"]
        timed = self.curve == "switching_time"
        rows, state = [], 0
        for direction, part, u in zip(random.choice((-1, 1), pulses), random.integers(1, LENGTHS + 1, pulses),
                                      random.random(pulses), strict=True):
            chance = self.probability(part / LENGTHS) if timed else chances[state + (direction < 0) * self.states]
            after = min(max(state + direction * (u < chance), 0), self.states - 1)
            rows.append((state, direction, after) + ((self.pulse_length * part / LENGTHS,) if timed else ()))
            state = after
        return Response(*np.array(rows, dtype=float).T)

    def draw(self, figure: "FigureBase", tables: DeviceTables) -> None:
        chances, curve = figure.subplots(2, 1, height_ratios=(2, 3))
        self._draw_chances(chances, tables)
        self._draw_curve(curve, tables)

    def _draw_chances(self, axes: "Axes", tables: DeviceTables) -> None:
        """The probability of switching from each state, for as long a pulse as there is."""
        state = np.arange(tables.states)
        chance = np.array(tables.probability).reshape(2, -1) / 2**PROBABILITY_BITS
        exact = np.array(self.physical()["probability"]).reshape(2, -1)
        beside(axes, state[:-1] - 0.2, chance[0][:-1], exact[0][:-1], BLUE, "up")
        beside(axes, state[1:] + 0.2, chance[1][1:], exact[1][1:], RED, "down")
        axes.set_ylim(0, 1.05)
        axes.set_xticks(state)
        axes.set_xlabel("state before the pulse")
        axes.set_ylabel("probability of switching")
        legend_above(axes)

    def _draw_curve(self, axes: "Axes", tables: DeviceTables) -> None:
        """The probability of switching over the fraction of a level that is asked for."""
        axes.set_xlabel("fraction of a level that is asked for")
        axes.set_ylabel("probability of switching")
        axes.set_ylim(0, 1.05)
        if tables.curve is None:
            axes.text(0.5, 0.5, "no switching curve: a pulse cannot be metered", transform=axes.transAxes, ha="center")
            return
        ends = np.arange(2**tables.curve.bits + 1) / 2**tables.curve.bits
        base = np.array(tables.curve.base) / 2**PROBABILITY_BITS
        end = base + np.array(tables.curve.slope) / 2**PROBABILITY_BITS
        axes.plot(np.column_stack([ends[:-1], ends[1:]]).ravel(), np.column_stack([base, end]).ravel(), color=BLUE,
                  linewidth=4, alpha=0.35, label="integer table")
        fraction = np.linspace(0, 1, 1001)
        smooth = self.model_copy(update={"pulse_bits": None})
        axes.plot(fraction, [smooth.probability(value) for value in fraction], color=DARK, linewidth=1,
                  label=f"{self.curve}, any length of pulse")
        legend(axes, loc="lower right")

    @classmethod
    def recognise(cls, measurements: Measurements) -> Recognised | None:
        borders = clusters(measurements.readings)
        if measurements.asked != "direction" or borders is None:
            return None
        why = f"pulses are up and down, and the conductance has {len(borders) + 1} separate values"
        if lengths_vary(measurements):
            return Recognised(f"{why}; the pulses have several lengths", "sure")
        return Recognised(why, "likely" if len(measurements) >= SURE_PULSES else "a guess")

    @classmethod
    def learn(cls, measurements: Measurements, options: Options) -> Learned:
        """Probability of switching to the neighbouring state: from each state, or, where pulse lengths were measured,
        of all states together as the curve ``switching_time``, by maximum likelihood."""
        name, up = measurements.name, upward(measurements)
        start, end, states, level = _states(measurements, options.states)
        moved = np.where(up, end - start, start - end)
        inward = np.where(up, start < states - 1, start > 0)
        stray = (moved < 0) | (moved > 1)
        if stray.mean() > STRAY:
            raise ConfigError(f"{name}: {stray.sum()} of {len(stray)} pulses lead elsewhere than to the neighbouring "
                              f"state, first that of row {measurements.row[stray][0]}; at most {STRAY:.0%} may")
        notes = []
        if measurements.length is not None and not lengths_vary(measurements):
            notes.append("all pulses have the same length: the column 'length' is not used")
        if stray.any():
            notes.append(f"{stray.sum()} pulses that lead elsewhere than to the neighbouring state count as not "
                         "switching")
        if measurements.device is not None:
            notes.append("an mtj has no field for variation from device to device: the column 'device' is not used")
        switched = (moved == 1)[inward]
        if lengths_vary(measurements):
            lengths = np.asarray(measurements.length)[inward]
            figures, table, note = _switching_time(name, lengths, switched,
                                                   measurements.row[inward])
            notes.insert(0, note)
        else:
            figures, table = _chances(name, (start + np.where(up, 0, states))[inward], switched, states)
        return Learned(level=level, sub_bits=1, figures={"states": states} | figures, table=table, notes=notes)

    @classmethod
    def costs(cls) -> DeviceCosts:
        return DeviceCosts(
            read=Cost(picojoules=0.004, standing="placeholder",
                      source="two junctions, 0.2 V across 5 uS for 10 ns each"),
            pulse=Cost(picojoules=0.1, standing="sourced",
                       source="write energy of a bit of STT-RAM (Hu et al., Nat. Commun. 2:553, 2011, table 1)"))

    @classmethod
    def random_section(cls, random: Random) -> dict[str, Any]:
        count, curve = states(random), random.choice(("tanh", "switching_time", None))
        return common_fields(random) | {
            "states": count, "curve": curve, "pulse_bits": random.choice((None, None, 1, 2, 3, 4, 5, 6)),
            "steepness": figure(random, 0.125, 9), "thermal_stability": random.uniform(5, 100),
            "pulse_length": figure(random, 0.5, 9)} | {
            name: one_or_each(random, 0, 1, count) if curve is None or random.random() < 0.5 else None
            for name in ("up", "down")}


def _states(measurements: Measurements, count: int | None) -> tuple[np.ndarray, np.ndarray, int, float]:
    """The state before and after each pulse, the number of states, ``count`` unless it is None, and their spacing."""
    name, everything = measurements.name, np.concatenate([measurements.before, measurements.after])
    borders = clusters(everything, count)
    if borders is None:
        raise ConfigError(f"{name}: the conductances do not fall into separate states; --states N takes the N widest "
                          "apart, --kind incremental has none")
    states = len(borders) + 1
    start, end = (np.searchsorted(borders, values) for values in (measurements.before, measurements.after))
    centres = np.array([everything[np.searchsorted(borders, everything) == state].mean() for state in range(states)])
    level, lowest = even_spacing(centres)
    uneven = np.abs((centres - lowest) / level - np.arange(states))
    if uneven.max() > UNEVEN:
        raise ConfigError(f"{name}: state {uneven.argmax()}, at {centres[uneven.argmax()]:g}, lies {uneven.max():.2f} "
                          f"level from where evenly spaced states have it; a switching device allows {UNEVEN:g}")
    return start, end, states, level


def _chances(name: str, group: np.ndarray, switched: np.ndarray, states: int) -> tuple[dict[str, Any], list[Row]]:
    """The fields and the table of the probability of each ``group`` of pulses: up from each state, then down."""
    label = [f"{direction} from state {state}" for direction in ("up", "down") for state in range(states)]
    inner = [index for index in range(2 * states) if index not in (states - 1, states)]  # not outward from an end
    count = np.bincount(group, minlength=2 * states)
    require_enough(name, [label[index] for index in inner], count[inner])
    chance = np.bincount(group, switched, minlength=2 * states) / np.maximum(count, 1)
    table = [{"pulses": label[index], "number": int(count[index]), "switched": chance[index],
              "standard error": sqrt(chance[index] * (1 - chance[index]) / count[index])} for index in inner]
    return {"curve": None, "up": chance[:states], "down": chance[states:]}, table


def _switching_time(name: str, length: np.ndarray, switched: np.ndarray,
                    row: np.ndarray) -> tuple[dict[str, Any], list[Row], str]:
    """The fields of the curve, a table of measured and fitted probabilities, and a note on their precision.

    With ``z = exp(a - b * length)`` the curve is ``1 - erf(z)``. The maximum of the likelihood over ``a`` and ``b`` is
    found by Fisher scoring, which starts at the straight line through a first estimate. Lengths are scaled by a power
    of two, so that no unit is too large or too small for it.
    """
    if (length <= 0).any():
        raise ConfigError(f"{name}: row {row[length <= 0][0]}: length={length[length <= 0][0]:g} must be positive")
    exponent = int(np.frexp(length.max())[1])
    lengths, group = np.unique(np.ldexp(length, -exponent), return_inverse=True)
    if len(lengths) < 3:
        raise ConfigError(f"{name}: there are {len(lengths)} pulse lengths; a switching curve takes at least 3")
    count = np.bincount(group)
    require_enough(name, ["all lengths together"], np.array([count.sum()]))
    chance = np.bincount(group, switched) / count
    if chance.min() == chance.max():
        raise ConfigError(f"{name}: pulses of every length switch with the same probability, {chance[0]:g}")

    def curve(a: float, b: float) -> tuple[np.ndarray, np.ndarray]:
        z = np.exp(np.clip(a - b * lengths, -30, 3))
        return z, np.clip([1 - erf(value) for value in z], 1e-9, 1 - 1e-9)

    places = np.linspace(0, 3, 3001)  # z of a probability: the curve read backwards
    clipped = np.clip(chance, 0.5 / (count + 1), 1 - 0.5 / (count + 1))
    z = np.interp(1 - clipped, [erf(place) for place in places], places)
    slope, a = np.polyfit(lengths, np.log(np.maximum(z, 1e-3)), 1, w=np.sqrt(count * clipped * (1 - clipped)))
    b = -slope
    if b <= 0:
        raise ConfigError(f"{name}: longer pulses do not switch more often")
    for _ in range(100):
        z, p = curve(a, b)
        gradient = -2 / sqrt(pi) * np.exp(-z * z) * z * np.array([np.ones_like(lengths), -lengths])  # dp/da, dp/db
        weight = count / (p * (1 - p))
        information = (gradient * weight) @ gradient.T
        change = np.linalg.lstsq(information, (gradient * weight) @ (chance - p), rcond=None)[0]
        change *= min(1.0, 0.5 / max(abs(change[0]), abs(change[1]) / b))
        a, b = a + change[0], b + change[1]
        if abs(change[0]) < 1e-9 and abs(change[1]) < 1e-9 * b:
            break
    _, p = curve(a, b)
    table = [{"length": np.ldexp(lengths[index], exponent), "number": int(count[index]), "switched": chance[index],
              "fitted": p[index]} for index in np.unique(np.linspace(0, len(lengths) - 1, 20).astype(int))]
    stability = float(4 * np.exp(min(2 * a, 40.0)) / pi**2)
    error = np.sqrt(np.diag(np.linalg.pinv(information)))
    time, time_error = np.ldexp([1 / b, error[1] / b**2], exponent)
    note = (f"thermal stability {stability:.4g}, standard error {2 * stability * error[0]:.2g}; characteristic time "
            f"{time:.4g}, standard error {time_error:.2g}, in the unit of the column 'length'")
    return {"curve": "switching_time", "thermal_stability": stability, "pulse_length": lengths[-1] * b}, table, note
