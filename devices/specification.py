"""What a kind of device is: the base classes of all kinds.

A kind is one file. Its class is the section ``device`` of an experiment, and has everything else that belongs to the
kind as methods: its integer tables, how it answers to measurement, its picture, its costs and its random examples. A
kind that can be learned from measurements is also derived from `fitting.Fittable`. `kinds` lists all of them.
"""

from abc import ABC, abstractmethod
from fractions import Fraction
from random import Random
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
from pydantic import Field, model_validator

from ..contract.device import SIGMA_BITS, SIGMA_FRAC, DeviceTables
from ..contract.errors import shown
from ..contract.section import Section
from .ageing import Ageing
from .costs import DeviceCosts
from .measurements import Response
from .retention import Retention
from .rounding import nearest

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase

PerState = float | tuple[float, ...]
"""One figure for all states or segments, or one for each."""
MAX_G_BITS = 13
"""Most bits of a conductance."""


class Device(Section, ABC):
    """A device as its physical specification: the section ``device`` of an experiment.

    Quantities are in levels, the spacing of nominal states, unless a field says otherwise. Figures are float64 numbers.
    The integer tables are computed from them exactly, and rounded once. Only the smooth functions of a switching curve
    are computed in float64.
    """

    if TYPE_CHECKING:
        kind: str  # a field of every kind, declared there as the literal that is its name

    sub_bits: Annotated[int, Field(ge=1, le=6)] = 3
    """log2 of the sub-levels into which one level is resolved."""
    stuck: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Fraction of the cells that stay at their initial level for ever."""
    ageing: Ageing | None = None
    """How long cells live. Unless given, they live for ever."""
    retention: Retention | None = None
    """How cells relax while the machine trains. Unless given, they keep their levels."""
    measured: str = ""
    """Where the figures come from, in words; nothing follows from it."""

    @abstractmethod
    def compile(self, certain: bool = False) -> DeviceTables:
        """The integer tables of this device. ``certain`` makes every switching pulse succeed. Raises ``ValueError`` for
        figures that the tables cannot hold."""

    @abstractmethod
    def physical(self) -> dict[str, tuple[float, ...]]:
        """The figures that the integer tables of ``compile()`` stand for, before they are rounded.

        Keys are the names of those fields of ``DeviceTables`` that this kind fills; a single figure is a tuple of one.
        ``curve`` holds the probabilities at the starts of the segments. Figures are in levels; probabilities and
        ``stuck`` are fractions.
        """

    @abstractmethod
    def respond(self, pulses: int, random: np.random.Generator) -> Response:
        """What one such device does under ``pulses`` write pulses, computed from its figures and not from its integer
        tables."""

    @property
    def conductance_unit(self) -> str:
        """The unit in which such devices are measured; empty if their conductances are known in levels only."""
        return ""

    @property
    def conductance_scale(self) -> tuple[float, float]:
        """The conductance of one level and that of the lowest state, in that unit; without one, as they are made up for
        measurements."""
        return 1.0, 1.0

    @abstractmethod
    def draw(self, figure: "FigureBase", tables: DeviceTables) -> None:
        """Fill ``figure``, which has a title: the figures of this device as lines, and ``tables``, which are its own,
        as bars and steps."""

    @classmethod
    @abstractmethod
    def costs(cls) -> DeviceCosts:
        """What its events cost, unless the user gives other costs."""

    @classmethod
    @abstractmethod
    def random_section(cls, random: Random) -> dict[str, Any]:
        """A valid section of this kind, without ``kind``: every field drawn, extremes included."""

    @model_validator(mode="after")
    def _compiles(self) -> Self:
        tables = self.compile()
        width = tables.g_bits
        if width > MAX_G_BITS:
            raise ValueError(f"sub_bits={self.sub_bits}: the conductance level would be {width} bits wide, at most "
                             f"{MAX_G_BITS} are possible; lower it or the number of states")
        if tables.sticks_at is not None and tables.sticks_at >= tables.states:
            raise ValueError(f"ageing.sticks_at={tables.sticks_at}: there are only the states 0 to {tables.states - 1}")
        if self.retention:
            self.retention.require(tables)
        return self

    def _sub_levels(self, levels: float | Fraction) -> int:
        return nearest(levels * (1 << self.sub_bits))

    def _noise(self, name: str, levels: float | Fraction) -> int:
        """``levels``, of the field ``name``, as an entry of a noise table."""
        limit = ((1 << SIGMA_BITS) - 1) / (1 << SIGMA_FRAC + self.sub_bits)
        if not 0 <= levels <= limit:
            raise ValueError(f"{name}={float(levels):g}: must lie in 0 to {limit:g} levels, "
                             "the range of the noise tables")
        return nearest(levels * (1 << self.sub_bits + SIGMA_FRAC))

    @property
    def _common(self) -> dict[str, Any]:
        """The fields of the tables that all kinds have."""
        return {"stuck": nearest(self.stuck * (1 << 16)), "rest": self.retention.rest if self.retention else None,
                } | (self.ageing.compile() if self.ageing else {})


class StateDevice(Device):
    """A device with a number of nominal states."""

    states: Annotated[int, Field(ge=2, le=64)] = 5
    """Number of nominal states."""

    def _per_state(self, name: str) -> list[float]:
        value = getattr(self, name)
        if not isinstance(value, tuple):
            return [value] * self.states
        if len(value) != self.states:
            raise ValueError(f"{name}={shown(value)}: give one value, or one for each of the {self.states} states")
        return list(value)
