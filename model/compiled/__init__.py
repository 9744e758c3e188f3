"""The golden model compiled for one CPU thread: the same integers, tens of times as fast."""

from ...system import caches

caches.settle()  # before Numba looks
