"""A memory device as integers: all that golden model and RTL know of it.

The conductance ``g`` of a cell is an integer in *sub-levels*. There are ``2**sub_bits`` of them in a *level*, the
spacing of neighbouring nominal states. Nominal state ``s`` of ``n`` lies at ``(s - (n - 1) / 2)`` levels, so states are
balanced around 0. `devices.specification` makes the tables.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

SIGMA_BITS = 10
SIGMA_FRAC = 4
"""Width and fraction bits of the unsigned entries of noise tables, in sub-levels."""
PROBABILITY_BITS = 16
"""Fraction bits of a probability. Certainty is ``2**PROBABILITY_BITS``: every drawn word is smaller."""
QUANTILE_BITS = 6
"""log2 of the quantiles of a movement, and high bits of a drawn word that choose one."""
SEGMENT_BITS = 4
"""log2 of the most segments into which the range of a ``step`` device is divided."""
CURVE_BITS = 4
"""log2 of the segments of a continuous switching curve."""
MAX_CURVE_BITS = 6
"""Most bits of a pulse length."""
CURVE_REST_BITS = 12
"""Bits of the position within a segment of a switching curve."""

SHARE_BITS = 24
"""Fraction bits of the share of its distance from rest that a cell loses each time its row is drawn."""
SHARE_WORD_BITS = 8
"""Bits of the word drawn before that refine a word to ``SHARE_BITS`` bits."""

PulseLaw = Literal["landing", "step", "switching"]


@dataclass(frozen=True, kw_only=True)
class SwitchingCurve:
    """The probability of switching for a fraction of a level, as a line in each segment (arithmetic 3.2)."""

    base: tuple[int, ...]
    """Probability at the start of each of the ``2**bits`` segments, in units of ``2**-PROBABILITY_BITS``."""
    slope: tuple[int, ...]
    """Change of the probability over each segment, in the same units; not negative."""

    @property
    def bits(self) -> int:
        """log2 of the number of segments."""
        return (len(self.base) - 1).bit_length()


@dataclass(frozen=True, kw_only=True)
class Slices:
    """The devices of a cell that has several (arithmetic 3.4)."""

    weights: tuple[int, ...]
    """By what the conductance of each counts: powers of two, never ascending, the last one 1."""
    in_turn: bool
    """Whether only one of them, which is drawn, is pulsed for a programmed cell."""
    states: int
    """Number of nominal states of one device."""
    g_bits: int
    """Width of its signed conductance."""

    @property
    def count(self) -> int:
        """How many devices there are."""
        return len(self.weights)

    @property
    def shifts(self) -> tuple[int, ...]:
        """log2 of the weights."""
        return tuple(weight.bit_length() - 1 for weight in self.weights)


@dataclass(frozen=True, kw_only=True)
class DeviceTables:
    """A device as its pulse law and integer tables (arithmetic 3). Figures are in sub-levels unless said otherwise.

    With ``slices``, these are the tables of a cell of several such devices: ``states`` and ``g_bits`` are the cell's.
    """

    pulse: PulseLaw
    """What a write pulse does: it lands at a state, steps up or down, or switches to the neighbouring state."""
    sub_bits: int
    """log2 of the sub-levels in a level."""
    states: int
    """Number of nominal states."""
    g_bits: int
    """Width of the signed conductance."""
    pair: bool = False
    """Whether a cell is the difference of two devices that only step up; ``step`` only."""
    span: int = 0
    """``step``: largest conductance of one device; the smallest is 0."""
    mean: tuple[int, ...] = ()
    """Signed, ``g_bits`` wide. ``landing``: the mean landing point of each state. ``step``: the mean step upward in
    each segment, then, unless cells are pairs, the mean step downward in each."""
    sigma: tuple[int, ...] = ()
    """Cycle-to-cycle variation of each entry of ``mean``: unsigned, in units of ``2**-SIGMA_FRAC`` sub-level."""
    quantiles: tuple[int, ...] = ()
    """``step``: in the place of ``mean`` and ``sigma``, ``2**QUANTILE_BITS`` quantiles of the step in each segment,
    signed, a bit wider than ``g_bits``."""
    probability: tuple[int, ...] = ()
    """``switching``: the probability that a pulse up switches, from each state, then that a pulse down does."""
    variation: int = 0
    """Device-to-device variation of the entries of ``mean``, in the units of ``sigma``."""
    stuck: int = 0
    """Fraction of the cells that never move, in units of 2**-16."""
    refresh_high: int = 0
    refresh_low: int = 0
    """A pair is refreshed if the larger conductance is above the first figure and the smaller one above the second."""
    curve: SwitchingCurve | None = None
    """For stochastic rounding; None if the device cannot do it."""
    life_bits: int = 0
    """Width of the unsigned life that is stored beside the conductance of a cell; 0 if cells do not age."""
    lifetimes: tuple[int, ...] = ()
    """Quantiles of the lives of new cells, ascending; 2**`contract.tables.NORMAL_INDEX_BITS` of them."""
    wear: int = 0
    """The probability that a write pulse takes one off the life of its cell, in units of ``2**-PROBABILITY_BITS``."""
    sticks_at: int | None = None
    """The state at which a cell sticks whose life has ended; None if it sticks where it is."""
    rest: int | None = None
    """The state toward which cells relax, if they do; None for conductance 0."""
    slices: Slices | None = None
    """The devices of a cell; None where it has one, or a pair."""

    def sliced(self, weights: tuple[int, ...], in_turn: bool) -> "DeviceTables":
        """The tables of a cell of several such devices, with these ``weights``."""
        most = sum(weights)
        return replace(self, states=(self.states - 1) * most + 1, g_bits=self.g_bits + (most - 1).bit_length(),
                       slices=Slices(weights=weights, in_turn=in_turn, states=self.states, g_bits=self.g_bits))

    @property
    def single(self) -> "DeviceTables":
        """The tables of one of the devices of a cell; of a pair, these."""
        if self.slices is None:
            return self
        return replace(self, states=self.slices.states, g_bits=self.slices.g_bits, slices=None)

    @property
    def devices(self) -> int:
        """Devices of a cell that have a conductance and differences of their own; a pair counts as one."""
        return 1 if self.slices is None else self.slices.count

    @property
    def cell_bits(self) -> int:
        """Width of what a cell holds: its conductance, those beside it, its life."""
        return self.g_bits + self.minus_bits + self.life_bits + (self.devices - 1) * self.single.g_bits

    @property
    def origin(self) -> int:
        """Conductance of nominal state 0."""
        return nominal(0, self.states, self.sub_bits)

    @property
    def lowest_top(self) -> int:
        """Lowest conductance at which a cell is in its last state."""
        return nominal(self.states - 1, self.states, self.sub_bits) - (1 << self.sub_bits - 1)

    @property
    def highest_bottom(self) -> int:
        """Highest conductance at which a cell is in its first state."""
        return self.origin + (1 << self.sub_bits - 1) - 1

    @property
    def g_range(self) -> tuple[int, int]:
        """Smallest and largest conductance that can be loaded into a cell: those of its width, or of a ``step`` device
        those that its tables cover."""
        if self.slices is not None:
            most = sum(self.slices.weights)
            lowest, highest = self.single.g_range
            return most * lowest, most * highest
        if self.pulse == "step":
            highest = self.span if self.pair else self.span // 2
            return -highest, highest
        return -(1 << self.g_bits - 1), (1 << self.g_bits - 1) - 1

    @property
    def average(self) -> tuple[float, ...]:
        """The mean movement in each place of the tables, however it is given."""
        count = 1 << QUANTILE_BITS
        return self.mean or tuple(sum(self.quantiles[first:first + count]) / count
                                  for first in range(0, len(self.quantiles), count))

    @property
    def segment_shift(self) -> int:
        """Right shift from the conductance of a ``step`` device, counted from 0, to its segment."""
        return segment_shift(self.span)

    @property
    def segments(self) -> int:
        """Segments of a ``step`` device's range."""
        return (self.span >> self.segment_shift) + 1

    @property
    def minus_bits(self) -> int:
        """Width of the unsigned conductance ``g_minus`` that is stored beside the ``g`` of a pair; 0 if cells are no
        pairs."""
        return self.span.bit_length() if self.pair else 0

    @property
    def resting(self) -> int:
        """Conductance toward which cells relax, if they do."""
        return 0 if self.rest is None else self._within(self.rest)

    @property
    def failed(self) -> int | None:
        """Conductance of a cell whose life has ended; None if that is the one it had."""
        return None if self.sticks_at is None else self._within(self.sticks_at)

    def _within(self, state: int) -> int:
        """The nominal conductance of ``state``, or the one nearest to it that a cell can have."""
        limit = 1 << self.g_bits - 1
        return min(max(nominal(state, self.states, self.sub_bits), -limit), limit - 1)

    @property
    def differs(self) -> bool:
        """Whether cells differ: by device-to-device variation, or because some are stuck."""
        return bool(self.variation or self.stuck)


def nominal(state: Any, states: int, sub_bits: int) -> Any:
    """Nominal conductance of ``state``, an integer or an array or tensor of them, in sub-levels. It is exact, as
    ``sub_bits >= 1``."""
    return (2 * state - (states - 1)) << sub_bits - 1


def segment_shift(span: int) -> int:
    """Right shift from a conductance in 0 .. ``span`` to one of at most ``2**SEGMENT_BITS`` segments."""
    return max(0, span.bit_length() - SEGMENT_BITS)
