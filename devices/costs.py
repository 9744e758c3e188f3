"""What an event of a device costs, and what stands behind the figure."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Standing = Literal["sourced", "derived", "placeholder"]
"""Of a figure: its source says it; it follows from sourced figures, as told; it is an order of magnitude of ours."""


class Cost(BaseModel):
    """What one event costs."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    picojoules: Annotated[float, Field(ge=0)]
    standing: Standing
    source: str
    """Where the figure comes from, in words."""


class DeviceCosts(BaseModel):
    """What the events of one kind of device cost."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    read: Cost
    """A cell contributes to a sum."""
    pulse: Cost
    """A write pulse."""
    reset: Cost | None = None
    """One device of a pair is reset; None where a device cannot be."""
