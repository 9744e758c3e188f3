"""A network in a system on chip that trains on the samples in a buffer of that system's memory."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ..config import Experiment
from ..contract.store import Report, StoreError
from ..hw.axi.lite import Response
from ..hw.axi.read_master import PAGE_BITS
from ..hw.axi.registers import WORD_BITS
from ..hw.axi.stored import REPORT
from ..sim.driver import Order
from ..sim.stored import StoredDriver
from .bench import RegisterBench
from .bus import Buffer, Bus, BusError


class MemoryAnswerError(StoreError):
    """The memory of the system has answered with an error. ``report`` says what the feed came to before; the next one
    can begin with the sample behind these. None if there was no feed."""

    def __init__(self, message: str, report: Report | None = None) -> None:
        super().__init__(message)
        self.report = report


class SystemDriver(StoredDriver):
    """Drives the network of ``experiment`` behind registers on ``bus``, whose memory is ``buffer``: as every
    `StoredDriver` does. Feeds can be stopped. ``options`` are those of `RegisterBench`.

    ``BusError`` if there is no such network, or the buffer begins in the midst of a page; ``ConfigError`` if the
    experiment has no memory for samples.
    """

    stoppable: ClassVar[bool] = True

    def __init__(self, bus: Bus, experiment: Experiment, buffer: Buffer, **options: Any) -> None:
        sizes = experiment.require_store().sizes
        bench = RegisterBench(bus, experiment.crossbars, experiment.loss, store=sizes, **options)
        super().__init__(bench, experiment, address_bits=sizes[0], most=sizes[1])
        self.registers = bench.registers
        self.watch: Callable[[dict[str, int]], bool] | None = None
        """Is told now and then what the feed has come to (`counts`), and says whether it goes on."""
        self._buffer = buffer
        address = buffer.physical_address
        if address % (1 << PAGE_BITS):
            raise BusError(f"the buffer is at {address:#x}: it must begin at a multiple of 4 KiB")
        high, low = divmod(address, 1 << WORD_BITS)
        self.registers.write("memory_base", address=low)
        self.registers.write("memory_base_high", address=high)

    def counts(self) -> dict[str, int]:
        """Samples, correct ones, clock cycles and stalls of the feed that goes on; 0 if there is none."""
        return {field: self.registers.read(f"report_{field}")[field] for field in REPORT}

    def stop(self) -> None:
        """Let the feed that goes on end after the samples that were begun."""
        self.registers.write("stop", stop=1)

    async def digest(self, address: int, count: int) -> int:
        digest = await super().digest(address, count)
        self._check()
        return digest

    async def upload(self, words: np.ndarray, address: int = 0,
                     passed: Callable[[int], object] = lambda words: None) -> int:
        if address + len(words) > len(self._buffer):
            raise StoreError(f"the buffer has {len(self._buffer):,} words, and {address + len(words):,} are needed: "
                             "take a larger one")
        return await super().upload(words, address, passed)

    def _write(self, address: int, words: np.ndarray) -> None:
        self._buffer[address:address + len(words)] = words

    async def _fed(self, operation: Order, count: int, places: range, base: int, *, epoch: int | None = None,
                   batch: int = 1) -> Report:
        report = await super()._fed(operation, count, places, base, epoch=epoch, batch=batch)
        self._check(report, len(places))
        return report

    def _reported(self) -> bool:
        if super()._reported():
            return True
        if self.watch is not None and not self.watch(self.counts()):
            self.stop()
        return False

    def _check(self, report: Report | None = None, samples: int = 0) -> None:
        """``MemoryAnswerError`` if the memory has not answered with OKAY."""
        response = Response(self.registers.read("memory_response")["response"])
        if response != Response.OKAY:
            done = f" after {report.samples} of {samples} samples" if report else ""
            raise MemoryAnswerError(f"the memory has answered with {response.name}{done}: check that the network may "
                                    f"read from {self._buffer.physical_address:#x} on", report)
