"""Training in lock-step with a machine that takes its samples from a memory of its own."""

from typing import Any, Protocol

import numpy as np
import torch

from ..contract.store import Report, StoreError
from ..model.network import Network
from .difference import expect
from .lockstep import Machine, Span, Twins

SPAN = 5000
"""Samples between two reports of the machine."""


class DamagedSampleError(StoreError):
    """A sample was not what had been stored. What the machine was trained on since it was last compared counts for
    nothing."""


class StoredMachine(Machine, Protocol):
    """A network with samples in memory. `sim.stored.StoredDriver` drives one."""

    async def train(self, epoch: int, count: int, places: range, *, base: int = 0) -> Report:
        """Train on the samples at ``places`` of ``epoch``, of the ``count`` samples of the set at the word ``base``."""

    async def infer(self, count: int, places: range, *, base: int = 0) -> Report:
        """Classify the samples with the numbers ``places``, of the ``count`` samples of the set at ``base``."""


class StoredTwins(Twins):
    """The golden model and a machine that is told which of its samples to take.

    What the machine predicted correctly is compared span by span, of ``longest`` samples or ``SPAN``. Its training set
    is at the word 0, its test set at ``test_base``. ``DamagedSampleError`` if a sample is not what was stored.
    """

    def __init__(self, golden: Network, machine: StoredMachine, *, test_base: int = 0, longest: int | None = None,
                 **options: Any) -> None:
        super().__init__(golden, machine, **options)
        self._stored = machine
        self._test_base = test_base
        self._longest = longest

    @property
    def longest(self) -> int:
        return self._longest or SPAN

    async def _feed(self, xs: torch.Tensor, labels: np.ndarray, span: Span, expected: np.ndarray) -> tuple[int, int]:
        report = await self._stored.train(span.epoch, len(labels), span.places)
        first, self._samples = self._samples, self._samples + len(span.places)
        _check(report, f"correct predictions for samples {first} to {self._samples - 1}", expected, labels[span.chosen])
        return report.cycles, report.stalls

    async def infer_span(self, xs: torch.Tensor, labels: np.ndarray, places: range, expected: np.ndarray) -> None:
        report = await self._stored.infer(len(labels), places, base=self._test_base)
        chosen = slice(places.start, places.stop)
        _check(report, f"correct inferences of samples {places.start} to {places.stop - 1}", expected[chosen],
               labels[chosen])


def _check(report: Report, what: str, expected: np.ndarray, labels: np.ndarray) -> None:
    """``DifferenceError`` unless the machine reports as many correct predictions as are in ``expected``."""
    if report.damaged:
        raise DamagedSampleError("a sample in the machine's memory was damaged")
    expect(what, int((expected == labels).sum()), report.correct)
