"""The streams of a network behind AXI, moved by a processor through registers, as a bench that the drivers of
`sim.driver` drive."""

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from amaranth.hdl import ShapeLike

from ..contract.geometry import CrossbarGeometry, Loss
from ..hw.axi.network import Route, register_table
from ..hw.axi.registers import POP_VALID, WORD_BITS, Access
from ..sim.bench import Bench
from ..sim.benches.packing import Packing
from ..sim.benches.words import QueuedSink, WordSource
from .bus import Bus, BusError

PATIENCE = 60.0
"""Seconds in which some beat must move."""


class Registers:
    """The registers of a network for ``geometries`` and ``loss``, by name, at ``base`` on ``bus``."""

    def __init__(self, bus: Bus, geometries: tuple[CrossbarGeometry, ...], loss: Loss, base: int = 0) -> None:
        self._bus, self._base = bus, base
        self._registers = {register.name: register for register in register_table(geometries, loss)}
        self._packings = {name: Packing(register.layout) for name, register in self._registers.items()}

    def __contains__(self, name: str) -> bool:
        return name in self._registers

    def read_word(self, name: str) -> int:
        """The word of a register."""
        return self._bus.read(self._base + self._registers[name].offset)

    def write_word(self, name: str, word: int) -> None:
        """Replace the word of a register."""
        self._bus.write(self._base + self._registers[name].offset, word)

    def read(self, name: str) -> dict[str, int]:
        """The fields of a register."""
        return self._packings[name].unpack(self.read_word(name))

    def write(self, name: str, **fields: Any) -> None:
        """Write all fields of a register."""
        self.write_word(name, self._packings[name].pack(fields))

    def check(self) -> None:
        """``BusError`` unless the design is the one that these registers are of."""
        for name in ("id", "digest"):
            register, word = self._registers[name], self.read_word(name)
            assert register.access is Access.CONSTANT
            if word == register.bits:
                continue
            if name == "id":
                raise BusError(f"no Spinloom network at {self._base:#x}: its register `id` reads {word:#010x}; check "
                               "the address, and that the bitstream is loaded")
            raise BusError(f"the network is another design (digest {word:08x}, of this configuration "
                           f"{register.bits:08x}): generate it again, and load its bitstream")


class RegisterSource(WordSource):
    """Writes beats to the register of the stream's name."""

    def __init__(self, registers: Registers, name: str, shape: ShapeLike) -> None:
        super().__init__(shape)
        self._registers, self._name = registers, name
        self._queue: deque[int] = deque()
        self._wide = f"{name}_high" in registers
        self._high: int | None = None  # what the register of the high bits holds, once known

    def put_words(self, words: Iterable[int]) -> None:
        self._queue.extend(words)

    @property
    def idle(self) -> bool:
        return not self._queue

    def move(self, status: dict[str, int]) -> bool:
        """Write a beat, if there is one and the register is free. Returns whether it was written."""
        if not self._queue or not status[f"{self._name}_free"]:
            return False
        high, low = divmod(self._queue.popleft(), 1 << WORD_BITS)
        if self._wide and high != self._high:
            self._registers.write_word(f"{self._name}_high", high)
            self._high = high
        self._registers.write_word(self._name, low)
        return True


class RegisterSink(QueuedSink):
    """Reads beats from the register of the stream's name."""

    def __init__(self, registers: Registers, name: str, shape: ShapeLike) -> None:
        super().__init__(shape)
        self._registers, self._name = registers, name
        self._wide = f"{name}_high" in registers

    def move(self, status: dict[str, int]) -> bool:
        """Read the beats that are there. Returns whether there were any."""
        found = bool(status[f"{self._name}_valid"])
        while found and (word := self._registers.read_word(self._name)) >> POP_VALID:
            high = self._registers.read_word(f"{self._name}_high") if self._wide else 0
            self._words.append(word & (1 << POP_VALID) - 1 | high << POP_VALID)
        return found


S = TypeVar("S", RegisterSource, RegisterSink)


class RegisterBench(Bench):
    """A network for ``geometries`` and ``loss`` behind the registers at ``base`` on ``bus``. This resets it, and its
    results and words of state go to registers from now on. Its cells stay.

    ``BusError`` if there is no such network, or no beat moves for ``patience`` seconds while one is waited for.
    """

    def __init__(self, bus: Bus, geometries: tuple[CrossbarGeometry, ...], loss: Loss, *, base: int = 0,
                 patience: float = PATIENCE) -> None:
        self.registers = Registers(bus, geometries, loss, base)
        self._patience = patience
        self._streams: dict[str, RegisterSource | RegisterSink] = {}
        self.registers.check()
        self.registers.write("results_to", route=Route.REGISTER)
        self.registers.write("state_to", route=Route.REGISTER)
        self.registers.write("reset", reset=1)

    def source(self, name: str, shape: ShapeLike) -> RegisterSource:
        return self._add(name, RegisterSource(self.registers, name, shape))

    def sink(self, name: str, shape: ShapeLike) -> RegisterSink:
        return self._add(name, RegisterSink(self.registers, name, shape))

    def _add(self, name: str, stream: S) -> S:
        """``stream``, which moves from now on; the one of an earlier driver is forgotten."""
        self._streams[name] = stream
        return stream

    @property
    def idle(self) -> bool:
        return bool(self.registers.read("status")["idle"])

    async def until(self, condition: Callable[[], bool]) -> None:
        since = time.monotonic()
        while not condition():
            status = self.registers.read("status")
            if any([stream.move(status) for stream in self._streams.values()]):
                since = time.monotonic()
            elif time.monotonic() - since > self._patience:
                raise BusError(self._excuse())

    def _excuse(self) -> str:
        """Why nothing moves."""
        if Route(self.registers.read("results_to")["route"]) != Route.REGISTER:
            return "the network was reset, or is used by another program"
        return f"the network has moved no beat for {self._patience:g} s; reset it"
