"""What writes down the write pulses of a network."""

import numpy as np

from ..contract.pulses import PULSE, Pulse, traced


class Recorder:
    """Keeps write pulses, in the order in which they are given, until they are taken."""

    def __init__(self) -> None:
        self.sample = 0
        """Samples trained, the one under way among them. Whoever trains counts it up."""
        self._parts: list[np.ndarray] = []
        self._pulses: list[Pulse] = []

    def add(self, pulse: Pulse) -> None:
        """Keep one pulse of the sample under way."""
        self._pulses.append(pulse)

    def next_samples(self, count: int = 1) -> None:
        """Let ``count`` more samples have been trained."""
        self._settle()
        self.sample += count

    def extend(self, pulses: np.ndarray) -> None:
        """Keep ``pulses``, ``PULSE`` (n,)."""
        self._settle()
        self._parts.append(pulses)

    def take(self) -> np.ndarray:
        """All pulses that are kept, ``PULSE`` (n,); they are not kept any more."""
        self._settle()
        parts, self._parts = self._parts, []
        return np.concatenate([np.empty(0, PULSE), *parts])

    def _settle(self) -> None:
        """The pulses kept one by one are those of the sample under way."""
        if self._pulses:
            self._parts.append(traced(self.sample, self._pulses))
            self._pulses = []
