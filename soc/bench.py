"""The streams of a network behind AXI, moved by a processor through registers, as a bench that the drivers of
`sim.driver` drive."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from amaranth.hdl import ShapeLike
from amaranth.lib import data

from ..contract.geometry import CrossbarGeometry, Loss
from ..hw.axi.network import Route, register_table
from ..hw.axi.registers import POP_VALID, WORD_BITS, Access
from ..hw.axi.stored import CRC, Sizes
from ..sim.bench import Bench
from ..sim.benches.packing import Packing
from ..sim.benches.words import QueuedSink, WordSource
from .bus import Bus, BusError

PATIENCE = 60.0
"""Seconds in which some beat must move."""


class Registers:
    """The registers of a network for ``geometries`` and ``loss``, by name, at ``base`` on ``bus``; of one that trains
    from a memory of the sizes ``store``, if it is given."""

    def __init__(self, bus: Bus, geometries: tuple[CrossbarGeometry, ...], loss: Loss, base: int = 0,
                 store: Sizes | None = None) -> None:
        self._bus, self._base = bus, base
        self._registers = {register.name: register for register in register_table(geometries, loss, store)}
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
        return self.unpack(name, self.read_word(name))

    def write(self, name: str, **fields: Any) -> None:
        """Write all fields of a register."""
        self.write_word(name, self.pack(name, fields))

    def pack(self, name: str, fields: dict[str, Any]) -> int:
        """The word of a register, of its own fields among ``fields``."""
        own = self._registers[name].layout.members
        return self._packings[name].pack({field: fields[field] for field in own})

    def unpack(self, name: str, word: int) -> dict[str, int]:
        """The fields of a register, of its ``word``."""
        return self._packings[name].unpack(word)

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


class BeatRegisters:
    """The registers of the beats of a stream: ``name``, which moves one, and those of what that has no room for.

    These are ``<name>_high``, or a register ``<name>_<field>`` for some of the fields of a beat.
    """

    def __init__(self, registers: Registers, name: str, shape: ShapeLike) -> None:
        self._registers, self.name, self._packing = registers, name, Packing(shape)
        self._apart = [field for field in (shape.members if isinstance(shape, data.StructLayout) else ())
                       if f"{name}_{field}" in registers]
        self._high = f"{name}_high" in registers
        self._held: dict[str, int] = {}  # what registers hold, once known

    def write(self, word: int) -> None:
        """Send a beat."""
        for name, part in self._split(word):
            if self._held.get(name) != part:
                self._registers.write_word(name, part)
                self._held[name] = part
        self._held.pop(self.name)

    def _split(self, word: int) -> Iterator[tuple[str, int]]:
        """What is written to which registers, in this order."""
        registers = self._registers
        if self._apart:
            fields = self._packing.unpack(word)
            for field in self._apart:
                yield f"{self.name}_{field}", registers.pack(f"{self.name}_{field}", fields)
            yield self.name, registers.pack(self.name, fields)
            return
        high, low = divmod(word, 1 << WORD_BITS)
        if self._high:
            yield f"{self.name}_high", high
        yield self.name, low

    def read(self) -> int | None:
        """Take a beat; None if there is none."""
        registers = self._registers
        apart = {field: registers.read(f"{self.name}_{field}")[field] for field in self._apart}
        word = registers.read_word(self.name)
        if not word >> POP_VALID:
            return None
        if self._apart:
            return self._packing.pack(apart | registers.unpack(self.name, word))
        high = registers.read_word(f"{self.name}_high") if self._high else 0
        return word & (1 << POP_VALID) - 1 | high << POP_VALID


class RegisterSource(WordSource):
    """Writes beats to the registers ``name``."""

    def __init__(self, registers: Registers, name: str, shape: ShapeLike) -> None:
        super().__init__(shape)
        self.beats = BeatRegisters(registers, name, shape)
        self._queue: deque[int] = deque()

    def put_words(self, words: Iterable[int]) -> None:
        self._queue.extend(words)

    @property
    def idle(self) -> bool:
        return not self._queue

    def move(self, status: dict[str, int]) -> bool:
        """Write a beat, if there is one and the register is free. Returns whether it was written."""
        if not self._queue or not status[f"{self.beats.name}_free"]:
            return False
        self.beats.write(self._queue.popleft())
        return True


class RegisterSink(QueuedSink):
    """Reads beats from the registers ``name``."""

    def __init__(self, registers: Registers, name: str, shape: ShapeLike) -> None:
        super().__init__(shape)
        self.beats = BeatRegisters(registers, name, shape)

    def move(self, status: dict[str, int]) -> bool:
        """Read the beats that are there. Returns whether there were any."""
        found = bool(status[f"{self.beats.name}_valid"])
        while found and (word := self.beats.read()) is not None:
            self._words.append(word)
        return found


S = TypeVar("S", RegisterSource, RegisterSink)


class RegisterBench(Bench):
    """A network for ``geometries`` and ``loss`` behind the registers at ``base`` on ``bus``; one that trains from a
    memory of the sizes ``store``, if it is given. This resets it, and its results and words of state go to registers
    from now on. Its cells stay.

    ``BusError`` if there is no such network, or no beat moves for ``patience`` seconds while one is waited for.
    """

    def __init__(self, bus: Bus, geometries: tuple[CrossbarGeometry, ...], loss: Loss, *, base: int = 0,
                 patience: float = PATIENCE, store: Sizes | None = None) -> None:
        self.registers = Registers(bus, geometries, loss, base, store)
        self._patience = patience
        self._streams: dict[str, RegisterSource | RegisterSink] = {}
        self.registers.check()
        self.registers.write("results_to", route=Route.REGISTER)
        self.registers.write("state_to", route=Route.REGISTER)
        self.registers.write("reset", reset=1)

    def source(self, name: str, shape: ShapeLike) -> RegisterSource:
        return self._add(name, RegisterSource(self.registers, name, shape))

    def sink(self, name: str, shape: ShapeLike) -> RegisterSink:
        return self._add(name, RegisterSink(self.registers, CRC if name == "digest" else name, shape))

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
