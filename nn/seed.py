"""What tells arrays apart: the master seed, and the index of each."""

from ..contract.errors import ConfigError, shown
from ..contract.lfsr import numbered

_next = [1, 0]
"""The master seed, and the number of the next array."""


def manual_seed(seed: int) -> None:
    """Set the master seed, 0 .. 2**32-1, of the arrays that are made from now on, of which the next is the first.

    Arrays are numbered in the order in which they are made. Array ``i`` starts in the state of layer ``i`` of an
    experiment with that seed. An experiment has no more than 15 layers: the arrays from there on are, 15 by 15, those
    of other seeds, which follow from this one. Unless it is called, the seed is 1.
    """
    if type(seed) is not int or not 0 <= seed < 1 << 32:
        raise ConfigError(f"seed={shown(seed)}: must be a whole number from 0 to 2**32-1")
    _next[:] = seed, 0


def upcoming() -> tuple[int, int]:
    """The seed and the index that the next array will have."""
    return numbered(*_next)


def take() -> tuple[int, int]:
    """The seed and the index of the next array."""
    seed, number = _next
    _next[1] += 1
    return numbered(seed, number)
