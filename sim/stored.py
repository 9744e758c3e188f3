"""A network that trains on stored samples, on a bench."""

from collections.abc import Callable
from functools import cached_property
from typing import ClassVar

import numpy as np

from ..config import Experiment, Store
from ..contract.errors import ConfigError
from ..contract.permutation import permutation_key
from ..contract.store import Report, StoreError, crc, pack
from ..hw.operations import NetworkOperation
from ..hw.store.access import access_layout
from ..hw.store.feeder import feed_layout, report_layout
from ..hw.store.memory import WORD_BITS, BlockMemory
from ..hw.store.network import NetworkWithMemory
from ..hw.store.sdram_chip import TANG_NANO_20K_SDRAM, ULX3S_SDRAM
from ..train.data import Samples
from .bench import Bench, Source, complete
from .benches.compiled import CompiledBench
from .driver import NetworkDriver, Order
from .sdram import SdramMemory

PART = 1 << 14
"""Words of an upload that have a digest of their own."""
CHIPS = {chip.words: chip for chip in (ULX3S_SDRAM, TANG_NANO_20K_SDRAM)}
"""The SDRAM chips that there are, by the words that they hold."""
CLOCK_MHZ = 50
"""For which the SDRAM of a simulated board waits as its chip demands."""


def simulated_memory(store: Store) -> BlockMemory | SdramMemory:
    """The memory that ``store`` describes. That of a system on chip is block RAM here. ``ConfigError`` if there is no
    such chip."""
    if store.memory != "sdram":
        return BlockMemory(depth=store.words)
    if store.words not in CHIPS:
        raise ConfigError(f"store.words={store.words}: chips of SDRAM have {' or '.join(map(str, CHIPS))}")
    chip = CHIPS[store.words]
    return SdramMemory(chip=chip, timing=chip.timing(CLOCK_MHZ))


def packed(what: str, samples: Samples, store: Store) -> np.ndarray:
    """The words of the ``what`` set, uint32 (n,), of ``samples``; ``ConfigError`` if ``store`` has no room for it."""
    count = len(samples.labels)
    if count > store.samples:
        raise ConfigError(f"store.samples={store.samples}: the {what} set has {count:,}; raise it")
    words = pack(*samples)
    if len(words) > store.words:
        raise ConfigError(f"store.words={store.words}: the {what} set takes {len(words):,}; raise it, or "
                          "choose a smaller data set")
    return words


def fill(columns: np.ndarray, words: np.ndarray, store: Store) -> None:
    """Let the ``columns`` of a simulated SDRAM, which ``store`` describes, hold ``words``, uint32 (n,), from its first
    word on."""
    contents = words.astype("<u4").view(f"<u{CHIPS[store.words].data_bits // 8}")
    columns[:len(contents)] = contents


class StoredDriver(NetworkDriver):
    """Drives a `StoredNetwork` of ``experiment``, whose memory has ``address_bits`` and whose sets have up to ``most``
    samples: as a `NetworkDriver`, by access to its memory, and by feeds."""

    stoppable: ClassVar[bool] = False
    """Whether its feeds are (`hw.store.feeder.Feeder`)."""

    def __init__(self, bench: Bench, experiment: Experiment, *, address_bits: int, most: int) -> None:
        super().__init__(bench, experiment.crossbars, experiment.loss)
        self.experiment = experiment
        self._feed = bench.source("feed", feed_layout(self.geometries, address_bits, most))
        self._report = bench.sink("report", report_layout(most, stoppable=self.stoppable))
        self._access = bench.source("access", access_layout(address_bits))
        self._digest = bench.sink("digest", WORD_BITS)

    async def upload(self, words: np.ndarray, address: int = 0,
                     passed: Callable[[int], object] = lambda words: None) -> int:
        """Fill the memory with ``words``, uint32 (n,), from the word ``address`` on, and return how many had to be
        sent: no part of ``PART`` words whose digest says that it is there. ``passed`` is told the words of each part.
        `StoreError` if its digest says that something else is there in the end."""
        sent = 0
        for first in range(0, len(words), PART):
            part, place = words[first:first + PART], address + first
            if await self.digest(place, len(part)) != crc(part):
                self._write(place, part)
                sent += len(part)
                if await self.digest(place, len(part)) != crc(part):
                    raise StoreError("the memory does not keep what is written to it")
            passed(len(part))
        return sent

    def _write(self, address: int, words: np.ndarray) -> None:
        """Let the memory hold ``words`` from the word ``address`` on."""
        self._access.put({"write": 1, "address": address, "count": len(words)})
        self._words.put_words(words.tolist())

    @cached_property
    def _words(self) -> Source:
        return self.bench.source("words", WORD_BITS)

    async def digest(self, address: int, count: int) -> int:
        """The CRC-32 of ``count`` words from the word ``address`` on, as `contract.store.crc` computes it."""
        self._access.put({"write": 0, "address": address, "count": count})
        await self._until(lambda: len(self._digest) > 0)
        return self._digest.take()

    async def train(self, epoch: int, count: int, places: range, *, base: int = 0) -> Report:
        """Train on the samples at ``places`` of ``epoch``, of the ``count`` samples of the set at ``base``."""
        batch = self.experiment.batch
        operation = NetworkOperation.TRAIN if batch == 1 else NetworkOperation.ACCUMULATE
        return await self._fed(operation, count, places, base, epoch=epoch, batch=batch)

    async def infer(self, count: int, places: range, *, base: int = 0) -> Report:
        """Classify the samples with the numbers ``places``, of the ``count`` samples of the set at ``base``."""
        return await self._fed(NetworkOperation.INFER, count, places, base)

    async def _fed(self, operation: Order, count: int, places: range, base: int, *, epoch: int | None = None,
                   batch: int = 1) -> Report:
        """Feed samples: as ``epoch`` orders them, or as they are numbered."""
        permute, shift = epoch is not None, self.experiment.learning_rate_shift(epoch or 0)
        self._feed.put({
            "base": base, "operation": operation, "boost": self.geometries[0].learning_rate_shifts[1] - shift,
            "batch": batch, "filled": places.start % batch, "count": count, "first": places[0], "last": places[-1],
            "permute": permute, "key": permutation_key(self.experiment.seed, epoch or 0)})
        await self._until(self._reported)
        report = {"samples": len(places)} | self._report.take()
        return Report(**report | {"damaged": bool(report["damaged"])})

    def _reported(self) -> bool:
        """Whether the feed has been reported."""
        return len(self._report) > 0


def stored_machine(experiment: Experiment, words: np.ndarray) -> tuple[CompiledBench, StoredDriver]:
    """A compiled simulation of the network of ``experiment`` with its memory, which holds ``words``, uint32 (n,), and a
    driver of it. ``ConfigError`` if it has no memory; ``SimulatorError`` if Verilator cannot be used.

    The cells of an SDRAM are set directly: to write and check them as a host does takes longer than to train on them.
    """
    store = experiment.require_store()
    address_bits, most = store.sizes
    bench = CompiledBench(NetworkWithMemory(geometries=experiment.crossbars, loss=experiment.loss,
                                            memory=simulated_memory(store), most=most))
    driver = StoredDriver(bench, experiment, address_bits=address_bits, most=most)
    if store.memory == "sdram":
        fill(bench.columns, words, store)
    else:
        complete(driver.upload(words))
    return bench, driver
