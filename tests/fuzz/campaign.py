"""How long the fuzzers try, and what they tell."""

import os
import time
from collections.abc import Iterator
from random import Random

SECONDS = float(os.environ.get("SPINLOOM_FUZZ", "2"))
"""Of each fuzzer. More are asked for by the environment variable."""
SEED = int(os.environ.get("SPINLOOM_FUZZ_SEED", "1"))
LEAST = 5
"""Inputs that are tried however slow the machine is."""


class Campaign:
    """A source of random numbers for each input, until the time is up. Input ``n`` of a seed is always the same. At the
    end, and when an input fails, a line says how many were tried."""

    def __init__(self, name: str, seconds: float = SECONDS) -> None:
        self.name, self.seconds = name, seconds
        self.accepted = 0
        """Inputs that were not refused, as the user counts them."""

    def __iter__(self) -> Iterator[Random]:
        begun, number, slowest = time.monotonic(), 0, 0.0
        try:
            while number < LEAST or time.monotonic() < begun + self.seconds:
                started = time.monotonic()
                yield Random(f"{self.name} {SEED} {number}")
                slowest = max(slowest, time.monotonic() - started)
                number += 1
        finally:
            print(f"{self.name}: {number} inputs tried, {self.accepted} accepted, slowest {slowest:.1f} s, seed {SEED}")
