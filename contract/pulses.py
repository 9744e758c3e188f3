"""Write pulses as a trace holds them: 16 bytes each (docs/trace.md)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

PULSE = np.dtype([("sample", "<u4"), ("cell", "<u4"), ("before", "<i2"), ("asked", "<i2"), ("after", "<i2"),
                  ("attempt", "<u2")])
"""A write pulse in a trace. ``attempt`` also holds ``UP`` and ``VERIFY``."""
PULSE_WORDS = PULSE.itemsize // 8
"""Words of 64 bits of a write pulse in a trace."""
SAMPLE_BITS = 32
"""Width of the number of the sample."""
ATTEMPT_BITS = 12
"""Width of the number of the attempt: no device has more states, and ``max_attempts`` is less."""
UP, VERIFY = 1 << ATTEMPT_BITS, 2 << ATTEMPT_BITS


class Pulse(NamedTuple):
    """A write pulse."""

    cell: int
    """The number of its cell in the network: layer by layer, row-major."""
    before: int
    """The cell's conductance before it, in sub-levels."""
    asked: int
    """The conductance that was to be reached."""
    after: int
    """The conductance after it."""
    attempt: int
    """Its number among those that program or rewrite the cell this time, from 1."""
    up: bool
    """Whether it went up. Of a pair: whether it was given to the device that counts positive."""
    verify: bool = False
    """Whether it was one of program-and-verify."""


def traced(sample: int, pulses: Sequence[Pulse]) -> np.ndarray:
    """``pulses`` that were given when ``sample`` samples had been trained, the one that caused them among them, as a
    trace holds them: ``PULSE`` (n,)."""
    return np.array([(sample, *pulse[:4], pulse.attempt | pulse.up * UP | pulse.verify * VERIFY) for pulse in pulses],
                    dtype=PULSE)
