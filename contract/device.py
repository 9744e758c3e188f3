"""Memory devices: physical specifications, and their compilation to the integer tables that the
golden model and the RTL consume.

Physical quantities are in units of one *level*, the spacing of neighbouring nominal states. The
conductance level ``g`` of a cell is an integer in *sub-levels*, ``2**sub_bits`` to a level. Nominal
state ``s`` of ``n`` lies at ``(s - (n - 1) / 2)`` levels, so a device is balanced around zero.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from . import tables

SIGMA_BITS = 8
SIGMA_FRAC = 4
"""Width and fraction bits of the write-noise table, in sub-levels."""


@dataclass(frozen=True, kw_only=True)
class DeviceTables:
    """A device as integers: all that a crossbar, golden or RTL, knows of it.

    A write pulse toward state ``t`` lands at
    ``saturate(mean[t] + round_shift(sigma[t] * normal[u], SIGMA_FRAC + NORMAL_FRAC), g_bits)``
    where ``u`` is the low ``NORMAL_INDEX_BITS`` bits of one drawn word.
    """

    sub_bits: int
    """log2 of the sub-levels in a level."""
    g_bits: int
    """Width of the signed conductance level."""
    mean: tuple[int, ...]
    """Mean landing point of each state, signed, sub-levels."""
    sigma: tuple[int, ...]
    """Write noise toward each state, unsigned, sub-levels times ``2**SIGMA_FRAC``."""

    @property
    def states(self) -> int:
        """Number of nominal states."""
        return len(self.mean)

    @property
    def origin(self) -> int:
        """Conductance level of nominal state 0."""
        return nominal(0, self.states, self.sub_bits)

    @property
    def lowest_top(self) -> int:
        """Lowest conductance level at which a cell is in its last state."""
        return nominal(self.states - 1, self.states, self.sub_bits) - (1 << self.sub_bits - 1)

    @property
    def highest_bottom(self) -> int:
        """Highest conductance level at which a cell is in its first state."""
        return self.origin + (1 << self.sub_bits - 1) - 1


def nominal(state: int, states: int, sub_bits: int) -> int:
    """Nominal conductance level of ``state``, in sub-levels; exact, as ``sub_bits >= 1``."""
    return (2 * state - (states - 1)) << sub_bits - 1


class _Device(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    states: Annotated[int, Field(ge=2, le=64)] = 5
    """Number of nominal states."""
    sub_bits: Annotated[int, Field(ge=1, le=6)] = 3
    """log2 of the sub-levels by which the level of one state spacing is resolved."""


class IdealDevice(_Device):
    """Lands exactly on the nominal state it is programmed to."""

    kind: Literal["ideal"]

    def compile(self) -> DeviceTables:
        """The integer tables of this device."""
        return _compile(self, [0.0] * self.states, [0.0] * self.states)


class DomainWallDevice(_Device):
    """A domain wall pinned at one of a few positions. One pulse moves it toward the target
    state, where it comes to rest at N(mean[target], sigma[target]).

    Source: Misba et al., IEEE Access 10:84946, 2022 (arXiv 2111.07284); sizes of the noise are
    the user's.
    """

    kind: Literal["domain_wall"]
    sigma: float | tuple[float, ...] = 0.2
    """Cycle-to-cycle write noise in levels: one figure, or one a state. Noise of less than half a
    sub-level is rounded away; a larger ``sub_bits`` resolves it."""
    offset: float | tuple[float, ...] = 0.0
    """Displacement of the mean landing point from the nominal state in levels: one, or one a state."""

    @model_validator(mode="after")
    def _check(self):
        limit = ((1 << SIGMA_BITS) - 1) / (1 << SIGMA_FRAC + self.sub_bits)
        for name, lowest, highest in (("sigma", 0.0, limit), ("offset", -1.0, 1.0)):
            value = getattr(self, name)
            if isinstance(value, tuple) and len(value) != self.states:
                raise ValueError(f"{name}={value}: give one value, or one for each of the {self.states} states")
            for number in self._per_state(name):
                if not lowest <= number <= highest:
                    raise ValueError(f"{name}={number}: must lie in {lowest:g} to {highest:g} levels")
        means = np.arange(self.states) + np.array(self._per_state("offset"))
        if not (np.diff(means) > 0).all():
            raise ValueError(f"offset={self.offset}: the mean landing points must ascend with the state")
        return self

    def _per_state(self, name: str) -> list[float]:
        value = getattr(self, name)
        return list(value) if isinstance(value, tuple) else [value] * self.states

    def compile(self) -> DeviceTables:
        """The integer tables of this device."""
        return _compile(self, self._per_state("offset"), self._per_state("sigma"))


Device = Annotated[IdealDevice | DomainWallDevice, Field(discriminator="kind")]


def _compile(device: _Device, offset: list[float], sigma: list[float]) -> DeviceTables:
    scale = 1 << device.sub_bits
    mean = [nominal(s, device.states, device.sub_bits) + int(np.floor(offset[s] * scale + 0.5))
            for s in range(device.states)]
    noise = [int(np.floor(value * (scale << SIGMA_FRAC) + 0.5)) for value in sigma]
    shift = SIGMA_FRAC + tables.NORMAL_FRAC
    widest = int(tables.normal_quantiles().max())
    reach = max(abs(m) + (s * widest + (1 << shift - 1) >> shift) for m, s in zip(mean, noise, strict=True))
    return DeviceTables(sub_bits=device.sub_bits, g_bits=reach.bit_length() + 1,
                        mean=tuple(mean), sigma=tuple(noise))
