"""What an event of a device costs, and what stands behind the figure."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ..contract.section import Section

Standing = Literal["sourced", "derived", "placeholder"]
"""Of a figure: its source says it; it follows from sourced figures, as told; it is an order of magnitude of ours."""


LEAST = 1e-12
"""Least picojoules of an event that costs anything: far below the heat of a bit that is erased."""


def _possible(picojoules: float) -> float:
    if 0 < picojoules < LEAST:
        raise ValueError(f"must be 0, or at least {LEAST:g}")
    return picojoules


class Cost(Section):
    """What one event costs."""

    picojoules: Annotated[float, Field(ge=0), AfterValidator(_possible)]
    standing: Standing
    source: str
    """Where the figure comes from, in words."""


class DeviceCosts(Section):
    """What the events of one kind of device cost."""

    read: Cost
    """A cell contributes to a sum."""
    pulse: Cost
    """A write pulse."""
    reset: Cost | None = None
    """One device of a pair is reset; None where a device cannot be."""
