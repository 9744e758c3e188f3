"""Where golden model and RTL differ first."""

from dataclasses import dataclass

from ..contract.errors import SpinloomError


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One value that differs: what was computed, where, and both answers."""

    operation: str
    expected: object
    """What the golden model says."""
    actual: object
    """What the RTL says."""
    sample: int | None = None
    layer: int | None = None
    row: int | None = None
    col: int | None = None

    def __str__(self) -> str:
        place = "".join(f", {name} {number}" for name in ("sample", "layer", "row", "col")
                        if (number := getattr(self, name)) is not None)
        return f"{self.operation}{place}: expected {self.expected}, actual {self.actual}"


class DifferenceError(SpinloomError, AssertionError):
    """Golden model and RTL differ; ``difference`` says where."""

    def __init__(self, difference: Difference) -> None:
        super().__init__(str(difference))
        self.difference = difference


def expect(operation: str, expected, actual, **place: int | None) -> None:
    """Raise ``DifferenceError`` at ``place`` (fields of ``Difference``) unless both values are equal."""
    if expected != actual:
        raise DifferenceError(Difference(operation=operation, expected=expected, actual=actual, **place))
