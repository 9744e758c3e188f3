"""Domain walls."""

from random import Random
from typing import Any, Literal

import numpy as np

from ..contract.device import DeviceTables
from ..contract.errors import ConfigError
from .costs import Cost, DeviceCosts
from .fitting import (
    MAX_STATES,
    Fittable,
    Learned,
    Options,
    Recognised,
    even_spacing,
    landing_share,
    require_enough,
    scatter_of,
    split,
    sub_bits_for,
    variation_note,
    without_outliers,
)
from .landing import LandingDevice
from .measurements import Measurements
from .random_figures import common_fields, one_or_each, states, variation, widest_noise
from .specification import PerState

LANDS, SURELY_LANDS = 0.5, 0.85
"""Part of the scatter after the pulses from which on they count as aimed at states, and surely so."""


class DomainWallDevice(LandingDevice, Fittable):
    """A domain wall pinned at one of a few positions. One pulse moves it toward the target
    state, where it comes to rest at N(mean[target], sigma[target]).

    Source: Misba et al., IEEE Access 10:84946, 2022 (arXiv 2111.07284); sizes of the noise are
    the user's.
    """

    kind: Literal["domain_wall"]
    sigma: PerState = 0.2
    """Cycle-to-cycle write noise: one figure, or one a state. Noise of less than half a sixteenth of a sub-level is
    rounded away; a larger ``sub_bits`` resolves it."""
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

    @classmethod
    def recognise(cls, measurements: Measurements) -> Recognised | None:
        if measurements.asked != "state":
            return None
        pulse, share = measurements.pulse, landing_share(measurements)
        if share < LANDS:
            return None
        return Recognised(f"every pulse is a whole number, {pulse.min():g} to {pulse.max():g}, and {100 * share:.0f} % "
                          "of the scatter after it follows from it: the state aimed at",
                          "sure" if share > SURELY_LANDS else "likely")

    @classmethod
    def learn(cls, measurements: Measurements, options: Options) -> Learned:
        """Mean and scatter of where pulses toward each state land. Nominal states are the evenly spaced conductances
        that lie nearest to the means, in the least-squares sense; what remains is the offset."""
        measurements, outliers = without_outliers(measurements, measurements.after, _targets(measurements))
        name, target = measurements.name, _targets(measurements)
        share = landing_share(measurements)
        if share < LANDS:
            outliers.append(f"only {100 * share:.0f} % of the scatter after the pulses follows from the states aimed "
                            "at; are these states?")
        states = options.states or max(2, int(target.max()) + 1)
        if target.max() >= states:
            raise ConfigError(f"{name}: row {measurements.row[target.argmax()]}: pulse={target.max()} is none of the "
                              f"{states} states")
        count = np.bincount(target, minlength=states)
        require_enough(name, [f"toward state {state}" for state in range(states)], count)
        mean, residual, variation = split(measurements, measurements.after, target, states)
        for below, above in zip(range(states - 1), range(1, states), strict=True):
            if mean[above] <= mean[below]:
                raise ConfigError(f"{name}: pulses toward state {above} land at {mean[above]:g} on average, those "
                                  f"toward state {below} at {mean[below]:g}; the means must ascend with the state")
        sigma = scatter_of(measurements, residual, target, states)
        level, lowest = even_spacing(mean)
        offset = (mean - lowest) / level - np.arange(states)
        return Learned(
            level=level, sub_bits=sub_bits_for(sigma / level),
            figures={"states": states, "sigma": sigma / level, "offset": offset, "variation": variation / level},
            table=[{"state": state, "pulses": int(count[state]), f"mean{options.suffix}": mean[state],
                    f"sigma{options.suffix}": sigma[state], "offset (levels)": offset[state],
                    "sigma (levels)": sigma[state] / level} for state in range(states)],
            notes=outliers + variation_note(measurements, variation / level))

    @classmethod
    def costs(cls) -> DeviceCosts:
        return DeviceCosts(
            read=Cost(picojoules=0.002, standing="placeholder", source="0.2 V across 5 uS for 10 ns"),
            pulse=Cost(picojoules=0.005, standing="derived",
                       source="'few fJs' (abstract of arXiv 2010.10076), taken as 5 fJ"))

    @classmethod
    def random_section(cls, random: Random) -> dict[str, Any]:
        common, count = common_fields(random), states(random)
        noise = min(0.9, widest_noise(common["sub_bits"]))
        return common | {"states": count, "sigma": one_or_each(random, 0, noise, count),
                         "offset": one_or_each(random, -0.4, 0.4, count),
                         "variation": variation(random, common["sub_bits"])}


def _targets(measurements: Measurements) -> np.ndarray:
    """The state that each pulse aims at, int64."""
    for row, value in zip(measurements.row, measurements.pulse, strict=True):
        if value < 0 or value != np.floor(value) or value >= MAX_STATES:
            raise ConfigError(f"{measurements.name}: row {row}: pulse={value:g} is no state; states are the whole "
                              f"numbers from 0 to at most {MAX_STATES - 1}")
    return measurements.pulse.astype(int)
