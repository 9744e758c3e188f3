"""Drivers of streams: they put beats into a design and take beats out of it, with random stalls."""

from collections import deque
from collections.abc import Callable, Iterable
from random import Random

from ..contract.errors import SpinloomError
from .packing import Packing
from .pins import Pins


class SimulationStuckError(SpinloomError, RuntimeError):
    """A condition that a bench waited for did not come true in time."""


class ProtocolError(SpinloomError, AssertionError):
    """A design broke the rules of a stream."""


class Source:
    """Puts beats into the In stream ``name``. Made by ``Bench.source``."""

    def __init__(self, pins: Pins, name: str, shape, random: Random, stall: float) -> None:
        self.name = name
        self.packing = Packing(shape)
        self.cycles: list[int] = []
        """The cycle in which each beat was transferred."""
        self._pins = pins
        self._payload, self._valid, self._ready = f"{name}__payload", f"{name}__valid", f"{name}__ready"
        self._random, self._stall = random, stall
        self._queue: deque[int] = deque()
        self._offered = False

    def put(self, beat) -> None:
        """Queue one beat: a dictionary, list or integer, as ``Packing.pack`` takes it."""
        self._queue.append(self.packing.pack(beat))

    def put_all(self, beats: Iterable) -> None:
        """Queue beats in order."""
        self._queue.extend(map(self.packing.pack, beats))

    def put_words(self, words: Iterable[int]) -> None:
        """Queue packed beats in order."""
        self._queue.extend(words)

    @property
    def idle(self) -> bool:
        """Whether every beat has been transferred."""
        return not self._queue and not self._offered

    def step(self, cycle: int) -> None:
        """Act on the clock edge to come."""
        if self._offered:
            if not self._pins.get(self._ready):
                return
            self.cycles.append(cycle)
        offer = bool(self._queue) and (not self._stall or self._random.random() >= self._stall)
        if offer:
            self._pins.set(self._payload, self._queue.popleft())
        if offer != self._offered:
            self._pins.set(self._valid, int(offer))
            self._offered = offer

    def __str__(self) -> str:
        return f"{self.name}: {len(self.cycles)} beats sent, {len(self._queue) + self._offered} waiting"


class Sink:
    """Takes beats out of the Out stream ``name``, and raises ``ProtocolError`` if it withdraws or changes one that
    it has offered. Made by ``Bench.sink``."""

    def __init__(self, pins: Pins, name: str, shape, random: Random, stall: float) -> None:
        self.name = name
        self.packing = Packing(shape)
        self.cycles: list[int] = []
        """The cycle in which each beat was transferred."""
        self._pins = pins
        self._payload, self._valid, self._ready = f"{name}__payload", f"{name}__valid", f"{name}__ready"
        self._random, self._stall = random, stall
        self._beats: deque[int] = deque()
        self._accepting = False
        self._refused: int | None = None

    def __len__(self) -> int:
        """Beats received and not yet taken."""
        return len(self._beats)

    def take(self):
        """The oldest beat, unpacked."""
        return self.packing.unpack(self._beats.popleft())

    def take_all(self) -> list:
        """All beats received, unpacked, oldest first."""
        return [self.take() for _ in range(len(self._beats))]

    def step(self, cycle: int) -> None:
        """Act on the clock edge to come."""
        payload = self._pins.get(self._payload) if self._pins.get(self._valid) else None
        if self._refused not in (None, payload):
            raise ProtocolError(f"{self.name}: changed or withdrew a beat before it was taken, in cycle {cycle}")
        if self._accepting and payload is not None:
            self._beats.append(payload)
            self.cycles.append(cycle)
        self._refused = None if self._accepting else payload
        accept = not self._stall or self._random.random() >= self._stall
        if accept != self._accepting:
            self._pins.set(self._ready, int(accept))
            self._accepting = accept

    def __str__(self) -> str:
        return f"{self.name}: {len(self.cycles)} beats received"


class Bench:
    """Runs a design under ``pins`` cycle by cycle, and with it the drivers of its streams.

    ``stall`` is the probability with which a driver that could transfer a beat does not, cycle by cycle; stalls
    are drawn from ``random``, so a run can be repeated.
    """

    def __init__(self, pins: Pins, random: Random, stall: float = 0.0) -> None:
        self.pins = pins
        self.random = random
        self.stall = stall
        self.cycle = 0
        """Clock edges passed."""
        self._agents: list[Callable[[int], None]] = []
        self._streams: list[Source | Sink] = []

    def source(self, name: str, shape) -> Source:
        """A driver of the In stream ``name`` with payloads of ``shape``."""
        return self._add(Source(self.pins, name, shape, self.random, self.stall))

    def sink(self, name: str, shape) -> Sink:
        """A driver of the Out stream ``name`` with payloads of ``shape``."""
        return self._add(Sink(self.pins, name, shape, self.random, self.stall))

    def _add(self, driver):
        self._streams.append(driver)
        self.agent(driver.step)
        return driver

    def agent(self, step: Callable[[int], None]) -> None:
        """Call ``step(cycle)`` once a cycle, when it may read and drive pins."""
        self._agents.append(step)

    async def run(self, cycles: int) -> None:
        """Pass ``cycles`` clock edges."""
        for _ in range(cycles):
            for step in self._agents:
                step(self.cycle)
            await self.pins.tick()
            self.cycle += 1

    async def until(self, condition: Callable[[], bool], limit: int = 10_000) -> None:
        """Run until ``condition()`` holds; ``SimulationStuckError`` if no beat moves for ``limit`` cycles."""
        moved, since = -1, self.cycle
        while not condition():
            await self.run(1)
            if self.cycle - since >= limit:
                count = sum(len(driver.cycles) for driver in self._streams)
                if count == moved:
                    streams = "; ".join(map(str, self._streams))
                    raise SimulationStuckError(f"no beat moved for {limit} cycles: {streams}")
                moved, since = count, self.cycle
