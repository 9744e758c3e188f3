"""A memory device as integers: all that golden model and RTL know of it.

The conductance level ``g`` of a cell is an integer in *sub-levels*, ``2**sub_bits`` to a *level*, the spacing of
neighbouring nominal states. Nominal state ``s`` of ``n`` lies at ``(s - (n - 1) / 2)`` levels, so a device is balanced
around zero. Where the tables come from is `contract.specification`'s business.
"""

from dataclasses import dataclass, field
from typing import Literal

SIGMA_BITS = 10
SIGMA_FRAC = 4
"""Width and fraction bits of noise tables, in sub-levels."""
PROBABILITY_BITS = 16
"""Fraction bits of a probability; 1 is ``2**PROBABILITY_BITS``, which a drawn word is always below."""
SEGMENT_BITS = 4
"""log2 of the most segments into which the range of a ``step`` device is divided."""
CURVE_BITS = 4
"""log2 of the segments of a continuous switching curve."""
MAX_CURVE_BITS = 6
"""Finest resolution of a pulse length, in bits."""
CURVE_REST_BITS = 12
"""Bits of the position within a segment of a switching curve."""

PulseLaw = Literal["landing", "step", "switching"]


@dataclass(frozen=True, kw_only=True)
class SwitchingCurve:
    """Probability of switching for a fraction of a level, piecewise linear (arithmetic 3.2)."""

    base: tuple[int, ...]
    """Probability at the start of each of ``2**bits`` segments, in units of ``2**-PROBABILITY_BITS``."""
    slope: tuple[int, ...]
    """Change over each segment; not negative."""

    @property
    def bits(self) -> int:
        """log2 of the number of segments."""
        return (len(self.base) - 1).bit_length()


@dataclass(frozen=True, kw_only=True)
class DeviceTables:
    """A device as its pulse law and integer tables (arithmetic 3). Sub-levels unless said otherwise."""

    pulse: PulseLaw
    """What a write pulse does: lands at a state, steps up or down, or switches to the neighbouring state."""
    sub_bits: int
    """log2 of the sub-levels in a level."""
    states: int
    """Number of nominal states."""
    g_bits: int
    """Width of the signed conductance level."""
    pair: bool = False
    """Whether a cell is the difference of two devices that can only be set; ``step`` only."""
    span: int = 0
    """``step``: largest level of one device, from 0."""
    mean: tuple[int, ...] = ()
    """``landing``: mean landing point of each state. ``step``: mean step of each segment, and after those upward,
    unless it is a pair, those downward; all signed, ``g_bits`` wide."""
    sigma: tuple[int, ...] = ()
    """Cycle-to-cycle noise of each entry of ``mean``: unsigned, times ``2**SIGMA_FRAC``."""
    probability: tuple[int, ...] = ()
    """``switching``: probability of a pulse up from each state, then of a pulse down."""
    variation: int = 0
    """Device-to-device variation of ``mean``, as ``sigma``."""
    stuck: int = 0
    """Fraction of cells that do not move, in units of 2**-16."""
    refresh_high: int = 0
    refresh_low: int = 0
    """A pair is refreshed when its larger level is above the one and its smaller above the other."""
    curve: SwitchingCurve | None = field(default=None)
    """For stochastic rounding, where the device can do it."""

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

    @property
    def g_range(self) -> tuple[int, int]:
        """Least and largest conductance level that a cell can be given: those of its width, or for a ``step`` device
        those that its tables cover."""
        if self.pulse == "step":
            highest = self.span if self.pair else self.span // 2
            return -highest, highest
        return -(1 << self.g_bits - 1), (1 << self.g_bits - 1) - 1

    @property
    def segment_shift(self) -> int:
        """Right shift from the level of a ``step`` device to its segment."""
        return segment_shift(self.span)

    @property
    def segments(self) -> int:
        """Segments of a ``step`` device's range."""
        return (self.span >> self.segment_shift) + 1

    @property
    def minus_bits(self) -> int:
        """Width of the unsigned level ``g_minus`` that is stored beside the ``g`` of a pair; 0 without."""
        return self.span.bit_length() if self.pair else 0

    @property
    def differs(self) -> bool:
        """Whether cells differ from one another: by variation, or in that some are stuck."""
        return bool(self.variation or self.stuck)


def nominal(state: int, states: int, sub_bits: int) -> int:
    """Nominal conductance level of ``state``, in sub-levels; exact, as ``sub_bits >= 1``."""
    return (2 * state - (states - 1)) << sub_bits - 1


def segment_shift(span: int) -> int:
    """Right shift from a level in 0 .. ``span`` to one of at most ``2**SEGMENT_BITS`` segments."""
    return max(0, span.bit_length() - SEGMENT_BITS)
