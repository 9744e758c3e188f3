"""The counters of a crossbar."""

from ..contract.geometry import COUNTER_BITS, COUNTERS


class Counters(dict[str, int]):
    """Counts by name, in the order in which they are dumped; they wrap (arithmetic 4.5)."""

    def __init__(self, names: tuple[str, ...] = COUNTERS) -> None:
        super().__init__(dict.fromkeys(names, 0))

    def count(self, **events: int) -> None:
        """Add to the counters that are named."""
        for name, number in events.items():
            self[name] = self[name] + number & (1 << COUNTER_BITS) - 1
