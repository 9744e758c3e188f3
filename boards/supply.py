"""Samples for a machine on a board: over the line one by one, or in a memory that it trains from."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from ..config import Experiment
from ..contract.link import STORED, Streams
from ..contract.results import Result
from ..sim.bench import complete
from ..sim.driver import NetworkDriver
from ..sim.stored import StoredDriver, fill, packed
from ..system.progress import bar
from ..train.data import Samples
from ..train.lockstep import Effort, Twins
from ..train.stored import StoredTwins
from .link import Link, LinkBench


@dataclass(frozen=True, kw_only=True)
class MemoryFigures(Result):
    """What training from samples in memory took, since the run was started or continued."""

    cycles_per_sample: float | None
    """Clock cycles of training. None if nothing was trained."""
    stalls: float | None
    """Percentage of them in which the network waited for the memory. None if nothing was trained."""
    upload_bytes: int
    """Bytes sent to fill the memory, and to ask what is there."""
    upload_seconds: float
    """How long that took."""
    repairs: int
    """How often stored samples were found damaged, and were sent again."""


class Supply(Protocol):
    """How samples come to the machine behind a link, which is open."""

    twins: Callable[..., Twins]
    """Makes golden model and machine those that are trained in lock-step."""

    def driver(self, link: Link) -> NetworkDriver:
        """The driver of the machine."""

    def provide(self, link: Link, driver: Any, *, test: bool = False, progress: bool = False) -> None:
        """See that the machine can take samples of the training set, or of the ``test`` set."""

    def figures(self, effort: Effort, repairs: int) -> MemoryFigures | None:
        """What it took, if samples are in memory."""


class LineSupply(Supply):
    """Samples come over the line, one by one, to the machine of ``experiment``, which has the ``streams``."""

    twins = Twins

    def __init__(self, experiment: Experiment, streams: Streams) -> None:
        self._experiment, self._streams = experiment, streams

    def driver(self, link: Link) -> NetworkDriver:
        return NetworkDriver(LinkBench(link, self._streams), self._experiment.crossbars, self._experiment.loss)

    def provide(self, link: Link, driver: Any, *, test: bool = False, progress: bool = False) -> None:
        """Nothing is needed."""

    def figures(self, effort: Effort, repairs: int) -> None:
        """There are none."""


class MemorySupply(Supply):
    """The machine takes samples from the memory that ``experiment`` describes. The training set ``train`` is at the
    word 0. The set ``test`` is behind it, or takes its place if there is no room. ``ConfigError`` if a set is too
    large."""

    def __init__(self, experiment: Experiment, train: Samples, test: Samples) -> None:
        self._experiment = experiment
        self._store = store = experiment.require_store()
        self._train, self._test = (packed(what, samples, store)
                                   for what, samples in (("training", train), ("test", test)))
        self._test_base = len(self._train) if len(self._train) + len(self._test) <= store.words else 0
        self._bytes, self._seconds = 0, 0.0
        self._there: set[bool] = set()  # the sets, as `provide` names them, that need not be asked for yet
        self.twins = partial(StoredTwins, test_base=self._test_base)

    def driver(self, link: Link) -> StoredDriver:
        address_bits, most = self._store.sizes
        return StoredDriver(LinkBench(link, STORED), self._experiment, address_bits=address_bits, most=most)

    def provide(self, link: Link, driver: StoredDriver, *, test: bool = False, progress: bool = False) -> None:
        if test in self._there:
            self._there.remove(test)  # if it is wanted again, something has happened to it
            return
        words, base = (self._test, self._test_base) if test else (self._train, 0)
        began, sent = time.monotonic(), link.bytes_sent
        try:
            with bar(show=progress, total=len(words), unit=" words", desc="filling the board's memory") as shown:
                complete(driver.upload(words, base, shown.update))
        finally:
            self._seconds += time.monotonic() - began
            self._bytes += link.bytes_sent - sent

    def fill(self, columns: np.ndarray) -> None:
        """Let the ``columns`` of a simulated SDRAM hold both sets, or the training set alone if they share a place."""
        fill(columns, np.concatenate([self._train, self._test]) if self._test_base else self._train, self._store)
        self._there = {False, True} if self._test_base else {False}

    def figures(self, effort: Effort, repairs: int) -> MemoryFigures:
        trained = effort.samples > 0
        return MemoryFigures(
            cycles_per_sample=round(effort.cycles / effort.samples, 1) if trained else None,
            stalls=round(100 * effort.stalls / effort.cycles, 3) if trained else None,
            upload_bytes=self._bytes, upload_seconds=round(self._seconds, 1), repairs=repairs)
