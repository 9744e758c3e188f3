"""How the figures of a device become integers."""

from fractions import Fraction


def nearest(value: float | Fraction) -> int:
    """The nearest integer, halves up; exact."""
    numerator, denominator = value.as_integer_ratio()
    return (2 * numerator + denominator) // (2 * denominator)
