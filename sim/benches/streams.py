"""Streams on the pins of a simulated design: beats are put in and taken out with random stalls."""

from collections import deque
from collections.abc import Iterable
from random import Random

from amaranth.hdl import ShapeLike

from ..bench import ProtocolError
from .cycles import CycleBench, StreamSink, StreamSource
from .pins import Pins


class PinSource(StreamSource):
    """Puts beats into the In stream ``name``. Made by ``PinBench.source``."""

    def __init__(self, pins: Pins, name: str, shape: ShapeLike, random: Random, stall: float) -> None:
        super().__init__(name, shape)
        self._pins = pins
        self._payload, self._valid, self._ready = f"{name}__payload", f"{name}__valid", f"{name}__ready"
        self._random, self._stall = random, stall
        self._queue: deque[int] = deque()
        self._offered = False

    def put_words(self, words: Iterable[int]) -> None:
        self._queue.extend(words)

    @property
    def idle(self) -> bool:
        return not self._queue and not self._offered

    def step(self, cycle: int) -> None:
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


class PinSink(StreamSink):
    """Takes beats out of the Out stream ``name``. Made by ``PinBench.sink``.

    Raises ``ProtocolError`` if the design withdraws or changes a beat that it has offered.
    """

    stall: float
    """Probability with which it takes no beat, in each clock cycle; it may change while the design runs."""

    def __init__(self, pins: Pins, name: str, shape: ShapeLike, random: Random, stall: float) -> None:
        super().__init__(name, shape)
        self._pins = pins
        self._payload, self._valid, self._ready = f"{name}__payload", f"{name}__valid", f"{name}__ready"
        self._random, self.stall = random, stall
        self._accepting = False
        self._refused: int | None = None

    def step(self, cycle: int) -> None:
        payload = self._pins.get(self._payload) if self._pins.get(self._valid) else None
        if self._refused not in (None, payload):
            raise ProtocolError(f"{self.name}: changed or withdrew a beat before it was taken, in cycle {cycle}")
        if self._accepting and payload is not None:
            self._words.append(payload)
            self.cycles.append(cycle)
        self._refused = None if self._accepting else payload
        accept = not self.stall or self._random.random() >= self.stall
        if accept != self._accepting:
            self._pins.set(self._ready, int(accept))
            self._accepting = accept

    def __str__(self) -> str:
        return f"{self.name}: {len(self.cycles)} beats received"


class PinBench(CycleBench):
    """Runs a design whose ports are ``pins``; testbenches may read and drive them too."""

    def __init__(self, pins: Pins, random: Random, stall: float = 0.0) -> None:
        super().__init__(random, stall)
        self.pins = pins

    def source(self, name: str, shape: ShapeLike) -> PinSource:
        return self.add(PinSource(self.pins, name, shape, self.random, self.stall))

    def sink(self, name: str, shape: ShapeLike) -> PinSink:
        return self.add(PinSink(self.pins, name, shape, self.random, self.stall))

    @property
    def idle(self) -> bool:
        return bool(self.pins.get("idle"))

    async def tick(self) -> None:
        await self.pins.tick()
