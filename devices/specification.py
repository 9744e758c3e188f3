"""Physical specifications of memory devices, and their compilation to the tables of `contract.device`.

A specification is the section ``device`` of a configuration. Quantities are in levels, the spacing of nominal states,
unless a field says otherwise. Figures are float64 numbers; from there tables are computed exactly, but for the smooth
functions of a switching curve.
"""

from fractions import Fraction
from math import erf, exp, floor, pi, sqrt, tanh
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from ..contract import tables
from ..contract.device import (
    CURVE_BITS,
    MAX_CURVE_BITS,
    PROBABILITY_BITS,
    SIGMA_BITS,
    SIGMA_FRAC,
    DeviceTables,
    SwitchingCurve,
    nominal,
    segment_shift,
)
from ..contract.section import Section

PerState = float | tuple[float, ...]
"""One figure for all states or segments, or one for each."""
_MAX_G_BITS = 13
_LARGEST_NORMAL = int(tables.normal_quantiles().max())


class _Device(Section):
    sub_bits: Annotated[int, Field(ge=1, le=6)] = 3
    """log2 of the sub-levels by which the level of one state spacing is resolved."""
    stuck: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Fraction of the cells that stay at their initial level for ever."""
    measured: str = ""
    """Where the figures come from, in words; nothing follows from it."""

    def compile(self, certain: bool = False) -> DeviceTables:
        """The integer tables of this device; ``certain`` makes every switching pulse succeed. Raises ``ValueError``."""
        raise NotImplementedError

    def physical(self) -> dict[str, tuple[float, ...]]:
        """What the integer tables of ``compile()`` stand for, before it is rounded: by the name of each field of
        ``DeviceTables`` that this kind of device fills, its entries, one figure as one; ``curve`` are the
        probabilities at the starts of the segments. Levels, but for probabilities and for ``stuck``, a fraction."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _compiles(self):
        width = self.compile().g_bits
        if width > _MAX_G_BITS:
            raise ValueError(f"sub_bits={self.sub_bits}: the conductance level would be {width} bits wide, at most "
                             f"{_MAX_G_BITS} are possible; lower it or the number of states")
        return self

    def _sub_levels(self, levels: float | Fraction) -> int:
        return _round(levels * (1 << self.sub_bits))

    def _noise(self, name: str, levels: float | Fraction) -> int:
        """``levels`` as an entry of a noise table."""
        limit = ((1 << SIGMA_BITS) - 1) / (1 << SIGMA_FRAC + self.sub_bits)
        if not 0 <= levels <= limit:
            raise ValueError(f"{name}={float(levels):g}: must lie in 0 to {limit:g} levels, "
                             "the range of the noise tables")
        return _round(levels * (1 << self.sub_bits + SIGMA_FRAC))

    @property
    def _stuck(self) -> int:
        return _round(self.stuck * (1 << 16))


class _StateDevice(_Device):
    states: Annotated[int, Field(ge=2, le=64)] = 5
    """Number of nominal states."""

    def _per_state(self, name: str) -> list[float]:
        value = getattr(self, name)
        if not isinstance(value, tuple):
            return [value] * self.states
        if len(value) != self.states:
            raise ValueError(f"{name}={value}: give one value, or one for each of the {self.states} states")
        return list(value)

    def _landing_figures(self, offset: list[float], sigma: list[float]) -> dict[str, tuple[float, ...]]:
        middle = (self.states - 1) / 2
        return {"mean": tuple(s - middle + o for s, o in enumerate(offset)), "sigma": tuple(sigma)}

    def _landing(self, offset: list[float], sigma: list[float], variation: float = 0.0) -> DeviceTables:
        mean = [nominal(s, self.states, self.sub_bits) + self._sub_levels(offset[s]) for s in range(self.states)]
        noise = [self._noise("sigma", value) for value in sigma]
        spread = self._noise("variation", variation)
        reach = max(abs(m) + _widest(s) for m, s in zip(mean, noise, strict=True)) + _widest(spread)
        return DeviceTables(pulse="landing", sub_bits=self.sub_bits, states=self.states, g_bits=_signed_bits(reach),
                            mean=tuple(mean), sigma=tuple(noise), variation=spread, stuck=self._stuck)


class IdealDevice(_StateDevice):
    """Lands exactly on the nominal state it is programmed to."""

    kind: Literal["ideal"]

    def compile(self, certain: bool = False) -> DeviceTables:
        return self._landing([0.0] * self.states, [0.0] * self.states)

    def physical(self) -> dict[str, tuple[float, ...]]:
        return self._landing_figures([0.0] * self.states, [0.0] * self.states) | {"stuck": (self.stuck,)}


class DomainWallDevice(_StateDevice):
    """A domain wall pinned at one of a few positions. One pulse moves it toward the target
    state, where it comes to rest at N(mean[target], sigma[target]).

    Source: Misba et al., IEEE Access 10:84946, 2022 (arXiv 2111.07284); sizes of the noise are
    the user's.
    """

    kind: Literal["domain_wall"]
    sigma: PerState = 0.2
    """Cycle-to-cycle write noise: one figure, or one a state. Noise of less than half a sixteenth of a
    sub-level is rounded away; a larger ``sub_bits`` resolves it."""
    offset: PerState = 0.0
    """Displacement of the mean landing point from the nominal state, -1 to 1: one, or one a state."""
    variation: float = 0.0
    """Device-to-device variation: standard deviation of a displacement of all landing points, fixed in each cell."""

    def compile(self, certain: bool = False) -> DeviceTables:
        offset = self._per_state("offset")
        for number in offset:
            if not -1 <= number <= 1:
                raise ValueError(f"offset={number:g}: must lie in -1 to 1 levels")
        if not (np.diff(np.arange(self.states) + np.array(offset)) > 0).all():
            raise ValueError(f"offset={self.offset}: the mean landing points must ascend with the state")
        return self._landing(offset, self._per_state("sigma"), self.variation)

    def physical(self) -> dict[str, tuple[float, ...]]:
        return self._landing_figures(self._per_state("offset"), self._per_state("sigma")) | {
            "variation": (self.variation,), "stuck": (self.stuck,)}


class IncrementalDevice(_StateDevice):
    """A device whose conductance each pulse moves up or down by a random step that depends on where it is: filamentary
    and bulk resistive memories, ferroelectric transistors, or whatever was measured.

    Steps are given over the range of the device, from its lowest to its highest level, as one figure or as many as
    wanted, for equal parts of the range; between their middles they are interpolated linearly, beyond
    the outer ones they stay.
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

    def compile(self, certain: bool = False) -> DeviceTables:
        span = (self.states - 1) << self.sub_bits
        values = self._steps()
        for name in ("up_mean", "down_mean"):
            for number in values[name]:
                if abs(number) > (self.states - 1) / 2:
                    raise ValueError(f"{name}={float(number):g}: must lie within half the range, "
                                     f"{(self.states - 1) / 2:g} levels")
        return DeviceTables(
            pulse="step", sub_bits=self.sub_bits, states=self.states, g_bits=_signed_bits(span // 2), span=span,
            mean=tuple(self._sub_levels(v) for v in values["up_mean"] + values["down_mean"]),
            sigma=tuple(self._noise(name, v) for name in ("up_sigma", "down_sigma") for v in values[name]),
            variation=self._noise("variation", self.variation), stuck=self._stuck)

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
            values[name] = [_interpolate(points, middle / span) for middle in _middles(span)]
        return values


class PcmPairDevice(_Device):
    """Two phase-change devices a cell, of which the difference counts. A pulse sets one of them by a random step
    that depends on its conductance; when both have grown, the pair is refreshed: reset, and rewritten to its
    difference.

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
        if not 1 << self.sub_bits <= span < 1 << _MAX_G_BITS - 1:
            raise ValueError(f"g_max={self.g_max:g}: must be 1 to {(1 << _MAX_G_BITS - 1) - 1 >> self.sub_bits} levels "
                             f"of {self.level:g} uS")
        mean, sigma = self._steps(span)
        for number in mean:
            if abs(self._sub_levels(number)) > span:
                raise ValueError(f"step_mean={self.step_mean}: a step of {float(number):g} levels is longer than the "
                                 "range")
        return DeviceTables(
            pulse="step", pair=True, sub_bits=self.sub_bits, states=2 * (span >> self.sub_bits) + 1,
            g_bits=_signed_bits(span), span=span, mean=tuple(map(self._sub_levels, mean)),
            sigma=tuple(self._noise("step_sigma", v) for v in sigma),
            variation=self._noise("variation", self.variation), stuck=self._stuck,
            refresh_high=_round(Fraction(self.refresh_high) * span),
            refresh_low=_round(Fraction(self.refresh_low) * span))

    def physical(self) -> dict[str, tuple[float, ...]]:
        mean, sigma = self._steps(self._sub_levels(Fraction(self.g_max) / Fraction(self.level)))
        full = self.g_max / self.level
        return {"mean": tuple(map(float, mean)), "sigma": tuple(map(float, sigma)), "span": (full,),
                "refresh_high": (self.refresh_high * full,), "refresh_low": (self.refresh_low * full,),
                "variation": (self.variation,), "stuck": (self.stuck,)}

    def _steps(self, span: int) -> tuple[list[Fraction], list[Fraction]]:
        """Mean and standard deviation of a step at the middle of each segment, in levels."""
        level = Fraction(self.level)
        conductances = [level * u / (1 << self.sub_bits) for u in _middles(span)]  # uS
        mean, sigma = ([(Fraction(a) + Fraction(b) * g) / level for g in conductances]
                       for a, b in (self.step_mean, self.step_sigma))
        return mean, sigma


class MtjDevice(_StateDevice):
    """A binary or ternary synapse of a pair of magnetic tunnel junctions, which a pulse switches to the neighbouring
    state with a probability that depends on its length.

    Sources: the curve ``tanh`` is the update rule of GXNOR-Net (Deng et al., Neural Networks 100:49, 2018, arXiv
    1705.09283); ``switching_time`` the precessional switching of a junction, as remembered, not checked, from
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
    def _no_curve(cls, value):
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
            g_bits=_signed_bits(-nominal(0, self.states, self.sub_bits)),
            probability=tuple(_round(p * (1 << PROBABILITY_BITS)) for p in chances), stuck=self._stuck,
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
        points = [_round(self.probability(i / 2**bits) * (1 << PROBABILITY_BITS)) for i in range(2**bits + 1)]
        if points[0]:
            raise ValueError(f"thermal_stability={self.thermal_stability:g}: a pulse of no length would switch with "
                             f"probability {self.probability(0):.2g}; use at least 5")
        slope = [0] * 2**bits if self.pulse_bits is not None else np.diff(points).tolist()
        return SwitchingCurve(base=tuple(points[:-1]), slope=tuple(slope))


KINDS: dict[str, type[_Device]] = {
    "ideal": IdealDevice, "domain_wall": DomainWallDevice, "incremental": IncrementalDevice, "pcm_pair": PcmPairDevice,
    "mtj": MtjDevice,
}
"""Every kind of device, by the name that its section gives as ``kind``."""
Device = Annotated[IdealDevice | DomainWallDevice | IncrementalDevice | PcmPairDevice | MtjDevice,
                   Field(discriminator="kind")]


def _round(value: float | Fraction) -> int:
    """To the nearest integer, halves up; exact."""
    return floor(Fraction(value) + Fraction(1, 2))


def _signed_bits(magnitude: int) -> int:
    return magnitude.bit_length() + 1


def _widest(sigma: int) -> int:
    """The largest noise that an entry of a noise table makes, in sub-levels."""
    shift = SIGMA_FRAC + tables.NORMAL_FRAC
    return sigma * _LARGEST_NORMAL + (1 << shift - 1) >> shift


def _middles(span: int) -> list[Fraction]:
    """The level at the middle of each segment of a ``step`` device, in sub-levels."""
    shift = segment_shift(span)
    return [min(Fraction(2 * j + 1 << shift, 2), Fraction(span)) for j in range((span >> shift) + 1)]


def _interpolate(points: list[Fraction], place: Fraction) -> Fraction:
    """Point ``k`` of ``n`` holds at ``(k + 1/2) / n``; linear between points, constant beyond them."""
    position = min(max(place * len(points) - Fraction(1, 2), 0), len(points) - 1)
    below = floor(position)
    if position == below:
        return points[below]
    return points[below] + (position - below) * (points[below + 1] - points[below])
