"""How many of an array's numbers are limited to their formats, and a warning if those are many."""

from ..system.notice import warn

FEW = 10_000
"""Numbers that are seen before anything is said."""
SHARE = 0.05
"""Share of limited numbers from which on it is said."""
REMEDIES = {"drive": "give it a drive with fewer fraction bits", "output": "lower z_frac", "delta": "lower delta_frac"}
"""What there is to be limited, and what to do about it."""


class Saturation:
    """Counts of one array, in training."""

    def __init__(self) -> None:
        self._counts = {what: [0, 0] for what in REMEDIES}
        self._said: set[str] = set()

    @property
    def shares(self) -> dict[str, float]:
        """The share of drives, outputs and deltas that have been limited."""
        return {what: limited / total if total else 0.0 for what, (limited, total) in self._counts.items()}

    def count(self, name: str, what: str, limited: int, total: int) -> None:
        """Count ``limited`` numbers of ``total``, and say once if they are many. ``name`` is that of the array."""
        counts = self._counts[what]
        counts[0], counts[1] = counts[0] + limited, counts[1] + total
        if what not in self._said and counts[1] >= FEW and counts[0] > SHARE * counts[1]:
            self._said.add(what)
            warn(f"{name}: {100 * counts[0] / counts[1]:.0f} % of its {what}s are limited to their format; "
                 f"{REMEDIES[what]}, as nn.calibrate does")
