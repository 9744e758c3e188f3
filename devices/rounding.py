"""How the figures of a device become integers."""

from fractions import Fraction
from math import floor


def nearest(value: float | Fraction) -> int:
    """The nearest integer, halves up; exact."""
    return floor(Fraction(value) + Fraction(1, 2))
