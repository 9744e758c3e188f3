"""A bench that runs a design clock cycle by clock cycle, and the drivers of its streams with it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from random import Random
from typing import TypeVar

from amaranth.hdl import ShapeLike

from ..bench import ClockedBench, SimulationStuckError
from .words import QueuedSink, WordSource

PATIENCE = 200_000
"""Clock cycles in which some beat must move; a sample of a large network takes tens of thousands."""


class Stream:
    """The side of a source or a sink that acts in every clock cycle."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.cycles: list[int] = []
        """The clock cycle in which each beat was transferred."""

    def step(self, cycle: int) -> None:
        """Act on the clock edge to come. Does nothing where something else drives the stream."""

    def __str__(self) -> str:
        return f"{self.name}: {len(self.cycles)} beats moved"


class StreamSource(Stream, WordSource):
    """A source that knows when its beats were transferred."""

    def __init__(self, name: str, shape: ShapeLike) -> None:
        Stream.__init__(self, name)
        WordSource.__init__(self, shape)


class StreamSink(Stream, QueuedSink):
    """A sink that knows when its beats were transferred."""

    def __init__(self, name: str, shape: ShapeLike) -> None:
        Stream.__init__(self, name)
        QueuedSink.__init__(self, shape)


S = TypeVar("S", bound=Stream)


class CycleBench(ClockedBench, ABC):
    """Runs a design clock cycle by clock cycle.

    ``stall`` is the probability with which a driver that could transfer a beat does not, in each clock cycle. Stalls
    are drawn from ``random``, so a run can be repeated.
    """

    def __init__(self, random: Random, stall: float = 0.0) -> None:
        self.random = random
        self.stall = stall
        self._cycle = 0
        self._agents: list[Callable[[int], None]] = []
        self._streams: list[Stream] = []

    @abstractmethod
    def source(self, name: str, shape: ShapeLike) -> StreamSource: ...

    @abstractmethod
    def sink(self, name: str, shape: ShapeLike) -> StreamSink: ...

    @property
    @abstractmethod
    def idle(self) -> bool: ...

    @property
    def cycle(self) -> int:
        return self._cycle

    @abstractmethod
    async def tick(self) -> None:
        """Pass one clock edge."""

    def add(self, stream: S) -> S:
        """Let ``stream`` act in every clock cycle."""
        self._streams.append(stream)
        self.agent(stream.step)
        return stream

    def agent(self, step: Callable[[int], None]) -> None:
        """Call ``step(cycle)`` once in every clock cycle, when it may read and drive ports."""
        self._agents.append(step)

    async def run(self, cycles: int) -> None:
        """Pass ``cycles`` clock edges."""
        for _ in range(cycles):
            for step in self._agents:
                step(self._cycle)
            await self.tick()
            self._cycle += 1

    async def until(self, condition: Callable[[], bool], limit: int = PATIENCE) -> None:
        """Run until ``condition()`` holds. ``SimulationStuckError`` if no beat moves for ``limit`` clock cycles."""
        moved, since = -1, self._cycle
        while not condition():
            await self.run(1)
            if self._cycle - since >= limit:
                count = sum(len(stream.cycles) for stream in self._streams)
                if count == moved:
                    streams = "; ".join(map(str, self._streams))
                    raise SimulationStuckError(f"no beat moved for {limit} cycles: {streams}")
                moved, since = count, self._cycle
