"""A network that trains on stored samples, on a bench."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from amaranth.hdl import Module
from amaranth.lib import wiring

from ..config import Experiment
from ..contract.permutation import permutation_key
from ..contract.results import Result
from ..contract.store import StoreError, crc
from ..hw.operations import NetworkOperation
from ..hw.store.access import access_layout
from ..hw.store.feeder import feed_layout, report_layout
from ..hw.store.memory import WORD_BITS, BlockMemory
from ..hw.store.network import StoredNetwork
from .bench import Bench
from .driver import NetworkDriver, Order
from .sdram import SdramMemory


@dataclass(frozen=True, kw_only=True)
class Report(Result):
    """What the samples of a feed came to."""

    correct: int
    """Samples that were predicted correctly before their update."""
    damaged: bool
    """Whether a sample was not what had been stored."""
    cycles: int
    stalls: int
    """Clock cycles, and those of them in which the network had to wait for a sample."""


class NetworkWithMemory(wiring.Component):
    """A `StoredNetwork` of ``experiment`` and its ``memory``, for sets of up to ``most`` samples.

    Its ports are those of the two, but for those that they share. The memory is a `BlockMemory` or an `SdramMemory`.
    """

    def __init__(self, experiment: Experiment, memory: BlockMemory | SdramMemory, *, most: int) -> None:
        self.memory = memory
        self.network = StoredNetwork(geometries=experiment.crossbars, loss=experiment.loss, most=most,
                                     address_bits=memory.signature.members["port"].signature.address_bits)
        self._owners = {name: part for part, shared in ((self.network, "memory"), (memory, "port"))
                        for name in part.signature.members if name != shared}
        super().__init__({name: part.signature.members[name] for name, part in self._owners.items()})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.network, m.submodules.memory = self.network, self.memory
        wiring.connect(m, self.network.memory, self.memory.port)
        for name, part in self._owners.items():
            outer, inner = getattr(self, name), getattr(part, name)
            if self.signature.members[name].is_port:
                m.d.comb += outer.eq(inner)
            else:
                wiring.connect(m, wiring.flipped(outer), inner)
        return m


class StoredDriver(NetworkDriver):
    """Drives a `StoredNetwork` of ``experiment``, whose memory has ``address_bits`` and whose sets have up to ``most``
    samples: as a `NetworkDriver`, by access to its memory, and by feeds."""

    def __init__(self, bench: Bench, experiment: Experiment, *, address_bits: int, most: int) -> None:
        super().__init__(bench, experiment.crossbars, experiment.loss)
        self.experiment = experiment
        self._feed = bench.source("feed", feed_layout(self.geometries, address_bits, most))
        self._report = bench.sink("report", report_layout(most))
        self._access = bench.source("access", access_layout(address_bits))
        self._words = bench.source("words", WORD_BITS)
        self._digest = bench.sink("digest", WORD_BITS)

    async def upload(self, words: np.ndarray, address: int = 0) -> None:
        """Fill the memory with ``words``, uint32 (n,), from the word ``address`` on. `StoreError` if its digest says
        that something else is there then."""
        self._access.put({"write": 1, "address": address, "count": len(words)})
        self._words.put_all(words.tolist())
        if await self.digest(address, len(words)) != crc(words):
            raise StoreError("the memory does not keep what is written to it")

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
        await self._until(lambda: len(self._report) > 0)
        report = self._report.take()
        return Report(**report | {"damaged": bool(report["damaged"])})
