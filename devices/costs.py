"""What an event of a device costs, and what stands behind the figure."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from ..contract.section import Section

Standing = Literal["sourced", "derived", "placeholder"]
"""Of a figure: its source says it; it follows from sourced figures, as told; it is an order of magnitude of ours."""


LEAST = 1e-12
"""Least picojoules, or nanoseconds, of an event that costs anything: far below the heat of a bit that is erased."""


def _possible(number: float) -> float:
    if 0 < number < LEAST:
        raise ValueError(f"must be 0, or at least {LEAST:g}")
    return number


Number = Annotated[float, Field(ge=0), AfterValidator(_possible)]
"""What an event costs, in the unit that the field is named after."""


class Figure(Section):
    """A figure, and what stands behind it."""

    number: ClassVar[str]
    """The field that it is in, which is named after its unit."""
    standing: Standing
    source: str
    """Where the figure comes from, in words."""


class Cost(Figure):
    """The energy of one event."""

    number = "picojoules"
    picojoules: Number


class Duration(Figure):
    """The time of one event."""

    number = "nanoseconds"
    nanoseconds: Number


ANY_PULSE = Duration(nanoseconds=10, standing="placeholder", source="order of magnitude of a write pulse")


class DeviceCosts(Section):
    """What the events of one kind of device cost."""

    read: Cost
    """A cell contributes to a sum."""
    pulse: Cost
    """A write pulse."""
    reset: Cost | None = None
    """One device of a pair is reset; None where a device cannot be."""
    pulse_time: Duration = ANY_PULSE
    """A write pulse."""
    reset_time: Duration = ANY_PULSE
    """The devices of a pair are reset, both at once."""
