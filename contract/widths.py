"""Widths of integers and indices."""

from math import isqrt


def signed_bits(magnitude: int) -> int:
    """Width of the two's complement format that holds ``-magnitude`` to ``magnitude``."""
    return magnitude.bit_length() + 1


def index_bits(count: int) -> int:
    """Width of an index into ``count`` places; at least 1, as ``range(1)`` would have none."""
    return max(1, (count - 1).bit_length())


def divisors(number: int) -> list[int]:
    """The divisors of ``number`` >= 1, ascending; takes as many steps as the root of ``number``."""
    low = [d for d in range(1, isqrt(number) + 1) if number % d == 0]
    return low + [number // d for d in reversed(low) if d * d != number]
