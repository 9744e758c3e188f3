"""Ageing: cells fail after a number of write pulses."""

from math import exp
from statistics import NormalDist
from typing import Annotated, Any

from pydantic import Field, model_validator

from ..contract.device import PROBABILITY_BITS
from ..contract.section import Section
from ..contract.tables import NORMAL_FRAC, normal_quantiles
from .rounding import nearest

MAX_QUANTUM = PROBABILITY_BITS
"""log2 of the most write pulses that one unit of a life stands for."""


class Ageing(Section):
    """How long cells live. The write pulses that a cell survives are drawn for it from a log-normal distribution.

    A cell holds what is left of its life in ``bits`` bits. Where that cannot count single pulses, a unit stands for
    ``2**n`` of them: a pulse takes one off with the probability ``2**-n``.
    """

    endurance: Annotated[float, Field(ge=1)]
    """Write pulses that half of the cells survive."""
    spread: Annotated[float, Field(ge=0, le=4)] = 0.5
    """Standard deviation of the natural logarithm of the pulses that cells survive; 0 if all are alike."""
    sticks_at: Annotated[int, Field(ge=0)] | None = None
    """State at which a failed cell sticks; unless given, it stays where it is."""
    bits: Annotated[int, Field(ge=1, le=15)] = 12
    """Bits that a cell holds of its life."""

    @model_validator(mode="after")
    def _fits(self) -> "Ageing":
        self.compile()
        return self

    def __str__(self) -> str:
        """What becomes of cells, in words."""
        first = self.endurance * exp(self.spread * NormalDist().inv_cdf(0.01))
        unit = (1 << PROBABILITY_BITS) // self.compile()["wear"]
        where = "stays where it is" if self.sticks_at is None else f"sticks at state {self.sticks_at}"
        return (f"half of the cells fail after {self.endurance:,.10g} write pulses, one in a hundred after "
                f"{first:,.0f}; a life counts {unit:,} at a time; a failed cell {where}")

    def compile(self) -> dict[str, Any]:
        """The fields of `contract.device.DeviceTables` that follow. ``ValueError`` if lives are too long."""
        most = (1 << self.bits) - 1
        pulses = [self.endurance * exp(self.spread * number / (1 << NORMAL_FRAC))
                  for number in normal_quantiles().tolist()]
        for quantum in range(MAX_QUANTUM + 1):
            if nearest(pulses[-1] / (1 << quantum)) <= most:
                lives = tuple(max(1, nearest(number / (1 << quantum))) for number in pulses)
                return {"life_bits": self.bits, "lifetimes": lives, "wear": 1 << PROBABILITY_BITS - quantum,
                        "sticks_at": self.sticks_at}
        raise ValueError(f"endurance={self.endurance:g}: some cells would survive {pulses[-1]:.3g} pulses, and bits="
                         f"{self.bits} hold {most << MAX_QUANTUM:.3g} at most; raise bits (15 at most), or lower "
                         "endurance or spread")
