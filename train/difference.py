"""Where golden model and machine differ first."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..contract.errors import SpinloomError
from ..contract.geometry import POSITION_COUNTERS
from ..contract.lfsr import LFSRS
from ..contract.pulses import ATTEMPT_BITS, UP, VERIFY


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One value that differs: what was computed, where, and both answers."""

    operation: str
    expected: object
    """What the golden model says."""
    actual: object
    """What the machine says."""
    sample: int | None = None
    layer: int | None = None
    row: int | None = None
    col: int | None = None

    def __str__(self) -> str:
        place = "".join(f", {name} {number}" for name in ("sample", "layer", "row", "col")
                        if (number := getattr(self, name)) is not None)
        return f"{self.operation}{place}: expected {self.expected}, actual {self.actual}"


class DifferenceError(SpinloomError, AssertionError):
    """Golden model and machine differ. ``difference`` says where."""

    def __init__(self, difference: Difference) -> None:
        super().__init__(str(difference))
        self.difference = difference


def expect(operation: str, expected: object, actual: object, **place: int | None) -> None:
    """Raise ``DifferenceError`` at ``place`` (fields of ``Difference``) unless both values are equal."""
    if expected != actual:
        raise DifferenceError(Difference(operation=operation, expected=expected, actual=actual, **place))


def expect_vector(operation: str, axis: str, expected: np.ndarray, actual: np.ndarray, **place: int | None) -> None:
    """``expect`` of two vectors, entry by entry, along ``axis``: ``row`` or ``col``."""
    for index, (before, after) in enumerate(zip(expected.tolist(), actual.tolist(), strict=True)):
        expect(operation, before, after, **place, **{axis: index})


def expect_pulses(expected: np.ndarray, actual: np.ndarray, layer: int, first: int, cols: int) -> None:
    """``expect`` of the write pulses of ``layer``, `PULSE` (n,) each. Its first cell has the number ``first`` in the
    network, and its rows ``cols`` cells."""
    both = min(len(expected), len(actual))
    differ = np.flatnonzero(expected[:both] != actual[:both])
    place = int(differ[0]) if len(differ) else both
    if place < max(len(expected), len(actual)):
        pulses: list[Any] = [pulses[place] if place < len(pulses) else None for pulses in (expected, actual)]
        pulse = pulses[1] if pulses[0] is None else pulses[0]
        row, col = divmod(int(pulse["cell"]) - first, cols)
        expect("write pulse", *(_told(pulse) for pulse in pulses), sample=int(pulse["sample"]), layer=layer, row=row,
               col=col)


def _told(pulse: Any) -> str:
    """A write pulse, or none, in words."""
    if pulse is None:
        return "none"
    how = int(pulse["attempt"])
    return (f"{pulse['before']} to {pulse['after']}, asked for {pulse['asked']} (cell {pulse['cell']}, sample "
            f"{pulse['sample']}, attempt {how & (1 << ATTEMPT_BITS) - 1}, {'up' if how & UP else 'down'}"
            f"{', verify' if how & VERIFY else ''})")


def expect_state(expected: dict[str, np.ndarray], actual: dict[str, np.ndarray], layer: int, prefix: str = "",
                 sample: int | None = None) -> None:
    """``expect`` of two states of the crossbar ``layer``, whose arrays' names start with ``prefix``."""
    for name in ("g", "g_minus", "slices", "chi"):
        if prefix + name not in expected:
            continue
        differ = np.argwhere(expected[prefix + name] != actual[prefix + name])
        for row, col, *_ in differ[:1].tolist():
            expect(name, expected[prefix + name][row, col].tolist(), actual[prefix + name][row, col].tolist(),
                   sample=sample, layer=layer, row=row, col=col)
    for name in LFSRS:
        if prefix + name in expected:
            expect(name, int(expected[prefix + name]), int(actual[prefix + name]), sample=sample, layer=layer)
    before, after = (state[f"{prefix}counters"].tolist() for state in (expected, actual))
    for name, *counts in zip(POSITION_COUNTERS[:len(before)], before, after, strict=True):
        expect(f"counter {name}", *counts, sample=sample, layer=layer)
