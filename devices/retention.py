"""Retention: cells relax while the machine trains."""

from math import ceil, floor, log2
from typing import Annotated

from pydantic import Field

from ..contract.device import SHARE_BITS, DeviceTables
from ..contract.section import Section
from .rounding import nearest


class Retention(Section):
    """How long cells keep their levels. The distance of a cell from its rest is halved in ``half_life`` samples.

    Its clock is the samples trained. After each of them, or after each mini-batch, one row of an array is drawn, and
    each cell of that row loses a share of its distance (arithmetic 3.6).
    """

    half_life: Annotated[float, Field(gt=0)]
    """Training samples in which the mean distance of a cell from its rest is halved; in which half of the cells of a
    switching device leave their state."""
    rest: Annotated[int, Field(ge=0)] | None = None
    """State toward which cells relax; unless given, the middle of the range, which is weight 0."""

    def __str__(self) -> str:
        """What becomes of levels, in words."""
        rest = "weight 0" if self.rest is None else f"state {self.rest}"
        return f"half of the way to {rest} is lost in {self.half_life:,.10g} training samples"

    def require(self, tables: DeviceTables) -> None:
        """``ValueError`` if cells of the device of ``tables`` cannot relax so."""
        if tables.pair and self.rest is not None:
            raise ValueError(f"retention.rest={self.rest}: both devices of a pair relax to 0; leave it out")
        if self.rest is not None and self.rest >= tables.states:
            raise ValueError(f"retention.rest={self.rest}: there are only the states 0 to {tables.states - 1}")
        if tables.pulse == "switching" and self.rest is None and tables.states % 2 == 0:
            raise ValueError(f"retention.rest: with {tables.states} states none is in the middle; give the state to "
                             f"which cells relax, 0 to {tables.states - 1}")

    def share(self, rows: int, batch: int) -> int:
        """The share of its distance that a cell of an array of ``rows`` rows loses each time its row is drawn, in units
        of ``2**-SHARE_BITS``, for mini-batches of ``batch`` samples. ``ValueError`` if there is none that fits."""
        share = nearest(rows * (1 - 2.0 ** (-batch / self.half_life)) * (1 << SHARE_BITS))
        if share > 1 << SHARE_BITS:
            fault = "short", f"least {ceil(-batch / log2(1 - 1 / rows)):,}"
        elif not share:
            fault = "long", f"most {floor(-0.999 * batch / log2(1 - 0.5 / (rows << SHARE_BITS))):,}"
        else:
            return share
        raise ValueError(f"device.retention.half_life={self.half_life:g}: too {fault[0]} for an array of {rows} rows, "
                         f"of which one is drawn after every {batch} samples; use at {fault[1]}")
