"""Drivers of an AXI-wrapped network in cocotb: those of `sim.streams`, by way of cocotbext-axi's models of AXI.

With ``AxiBench`` in place of a ``Bench``, whatever drives a network drives a wrapped one.
"""

import logging
from collections import deque
from collections.abc import Iterable, Iterator
from random import Random

import cocotb
from amaranth.hdl import Shape
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp, AxiStreamBus, AxiStreamSink, AxiStreamSource

from ..hw.axi.network import AxiNetwork
from ..hw.axi.registers import POP_VALID, WORD_BITS, Access, Register
from .packing import Packing
from .streams import Bench, ProtocolError


class AxiPins:
    """``Pins`` of a top level with ``aclk`` and ``aresetn``; the ports of AXI belong to their drivers."""

    #: Nanoseconds.
    period = 10

    def __init__(self, dut) -> None:
        self._dut = dut
        self._falling = FallingEdge(dut.aclk)

    async def start(self) -> None:
        """Start the clock and reset."""
        self._dut.aresetn.value = 0
        Clock(self._dut.aclk, self.period, unit="ns").start()
        await self.reset()

    async def reset(self) -> None:
        """Hold the reset for two clock edges."""
        self._dut.aresetn.value = 0
        for _ in range(2):
            await RisingEdge(self._dut.aclk)
        self._dut.aresetn.value = 1
        await self._falling

    async def tick(self) -> None:
        await self._falling

    def get(self, name: str) -> int:
        return int(getattr(self._dut, name).value)


def pauses(random: Random, stall: float) -> Iterator[bool]:
    """In each clock, whether a driver pauses: with probability ``stall``."""
    while True:
        yield random.random() < stall


class StreamDriver:
    """What sources and sinks share: ``cycles``, the cycle in which each beat was known to have been transferred."""

    def __init__(self, name: str, shape) -> None:
        self.name = name
        self.packing = Packing(shape)
        self.width = Shape.cast(shape).width
        self.cycles: list[int] = []

    def step(self, cycle: int) -> None:
        """Act on the clock edge to come."""

    def __str__(self) -> str:
        return f"{self.name}: {len(self.cycles)} beats moved"


class AxiSource(StreamDriver):
    """A ``sim.streams.Source`` for the port ``s_axis_<name>``. What one call of ``put...`` gives is a packet.

    Where TLAST ends a sample, the field ``last`` of every other packet is left 0."""

    def __init__(self, dut, name: str, shape) -> None:
        super().__init__(name, shape)
        self.model = AxiStreamSource(AxiStreamBus.from_prefix(dut, f"s_axis_{name}"), dut.aclk, dut.aresetn,
                                     reset_active_level=False)
        self._size = len(self.model.bus.tdata) // 8
        self._last = 1 << shape["last"].offset if hasattr(self.model.bus, "tlast") else 0
        self._packets = 0

    def put(self, beat) -> None:
        self.put_words([self.packing.pack(beat)])

    def put_all(self, beats: Iterable) -> None:
        self.put_words(map(self.packing.pack, beats))

    def put_words(self, words: Iterable[int]) -> None:
        words = list(words)
        if self._packets % 2:
            words[-1] &= ~self._last
        self._packets += 1
        self.send(words)

    def send(self, words: list[int]) -> None:
        """Queue a packet as it is."""
        self.model.send_nowait(b"".join(word.to_bytes(self._size, "little") for word in words))

    @property
    def idle(self) -> bool:
        return self.model.idle()

    def step(self, cycle: int) -> None:
        if self.model.active:
            self.cycles.append(cycle)


class AxiSink(StreamDriver):
    """A ``sim.streams.Sink`` for the port ``m_axis_<name>``. Beats are seen when their packet is complete."""

    def __init__(self, dut, name: str, shape) -> None:
        super().__init__(name, shape)
        self.model = AxiStreamSink(AxiStreamBus.from_prefix(dut, f"m_axis_{name}"), dut.aclk, dut.aresetn,
                                   reset_active_level=False)
        self._size = len(self.model.bus.tdata) // 8
        self._valid, self._ready = self.model.bus.tvalid, self.model.bus.tready
        self._refused: tuple[int, int] | None = None
        self._beats: deque[int] = deque()
        self.packets: list[int] = []
        """The number of beats in each packet received."""

    def __len__(self) -> int:
        return len(self._beats)

    def take(self):
        return self.packing.unpack(self._beats.popleft())

    def take_all(self) -> list:
        return [self.take() for _ in range(len(self._beats))]

    def step(self, cycle: int) -> None:
        """Between two edges: nothing that was refused at the last may have been withdrawn or changed."""
        offered = (int(self.model.bus.tdata.value), int(self.model.bus.tlast.value)) if int(self._valid.value) else None
        if self._refused not in (None, offered):
            raise ProtocolError(f"{self.name}: changed or withdrew a beat before it was taken, in cycle {cycle}")
        self._refused = None if int(self._ready.value) else offered
        if offered is not None and int(self._ready.value):
            self.cycles.append(cycle)
        while not self.model.empty():
            data = bytes(self.model.recv_nowait().tdata)
            words = [int.from_bytes(data[at:at + self._size], "little") for at in range(0, len(data), self._size)]
            if any(word >> self.width for word in words):
                raise ProtocolError(f"{self.name}: bits above the payload are not zero")
            self._beats.extend(words)
            self.packets.append(len(words))

    def forget(self) -> None:
        """Drop what has been received, and what was being offered."""
        self.model.clear()
        self._beats.clear()
        self.packets.clear()
        self._refused = None


class Control:
    """Registers by name, over ``s_axi_ctrl``."""

    def __init__(self, dut, registers: tuple[Register, ...]) -> None:
        self.registers = {register.name: register for register in registers}
        self.bus = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi_ctrl"), dut.aclk, dut.aresetn,
                                 reset_active_level=False)

    async def read_word(self, offset: int) -> tuple[int, AxiResp]:
        """The word at ``offset``, or its bytes from there on, and the response."""
        answer = await self.bus.read(offset, WORD_BITS // 8 - offset % (WORD_BITS // 8))
        return int.from_bytes(answer.data, "little"), answer.resp

    async def write_word(self, offset: int, word: int) -> AxiResp:
        """Write ``word`` to ``offset``; the response."""
        return (await self.bus.write(offset, word.to_bytes(WORD_BITS // 8, "little"))).resp

    async def write_channels(self, writes: list[tuple[int, int, int]], ahead: str) -> list[AxiResp]:
        """Write (offset, word, strobes) one right after the other, and return the responses. The channel ``ahead``,
        ``address`` or ``data``, runs ahead as far as it can, until ``resume``; with ``neither`` both run."""
        write = self.bus.write_if
        behind = {"address": write.w_channel, "data": write.aw_channel}.get(ahead)
        if behind is not None:
            self._pauses = behind, behind._pause_generator
            behind.set_pause_generator(None)
            behind.pause = True

        async def feed(channel, beats) -> None:
            for beat in beats:
                await channel.send(beat)

        channels = write.aw_channel._transaction_obj, write.w_channel._transaction_obj
        addresses = [channels[0](awaddr=offset) for offset, *_ in writes]
        words = [channels[1](wdata=word, wstrb=strobes) for _, word, strobes, *_ in writes]
        cocotb.start_soon(feed(write.aw_channel, addresses))
        cocotb.start_soon(feed(write.w_channel, words))
        return [AxiResp(int((await write.b_channel.recv()).bresp)) for _ in writes]

    def resume(self) -> None:
        """Let the channel go on that ``write_channels`` holds back."""
        channel, generator = self._pauses
        channel.set_pause_generator(generator)

    async def read(self, name: str) -> dict[str, int] | None:
        """The fields of a register; None if there is no beat to pop."""
        register = self.registers[name]
        word, response = await self.read_word(register.offset)
        if response != AxiResp.OKAY:
            raise ProtocolError(f"register {name}: reading it was answered with {response!r}")
        if register.access is Access.POP and not word >> POP_VALID:
            return None
        return Packing(register.layout).unpack(word)

    async def write(self, name: str, **fields) -> None:
        """Write all fields of a register."""
        register = self.registers[name]
        response = await self.write_word(register.offset, Packing(register.layout).pack(fields))
        if response != AxiResp.OKAY:
            raise ProtocolError(f"register {name}: writing it was answered with {response!r}")


class RegisterSource(StreamDriver):
    """A ``sim.streams.Source`` that writes beats to a ``PUSH`` register, each when ``status`` says that it may."""

    def __init__(self, control: Control, name: str, shape) -> None:
        super().__init__(name, shape)
        self._control = control
        self._queue: deque[dict] = deque()
        self._task = cocotb.start_soon(self._run())

    def put(self, beat: dict) -> None:
        self._queue.append(beat)

    @property
    def idle(self) -> bool:
        return not self._queue

    async def _run(self) -> None:
        while True:
            status = await self._control.read("status")
            if self._queue and status[f"{self.name}_free"]:
                await self._control.write(self.name, **self._queue[0])
                self._queue.popleft()
                self.cycles.append(0)


class RegisterSink(StreamDriver):
    """A ``sim.streams.Sink`` that polls a ``POP`` register."""

    def __init__(self, control: Control, name: str, shape) -> None:
        super().__init__(name, shape)
        self._control = control
        self._beats: deque[dict] = deque()
        self._task = cocotb.start_soon(self._run())

    def __len__(self) -> int:
        return len(self._beats)

    def take(self) -> dict:
        return self._beats.popleft()

    async def _run(self) -> None:
        while True:
            beat = await self._control.read(self.name)
            if beat is not None:
                self._beats.append(beat)
                self.cycles.append(0)


class AxiBench(Bench):
    """A ``Bench`` of the AXI-wrapped network in ``dut``, with random pauses on every channel."""

    def __init__(self, dut, network: AxiNetwork, random: Random, stall: float) -> None:
        super().__init__(AxiPins(dut), random, stall)
        logging.getLogger(f"cocotb.{dut._name}").setLevel(logging.WARNING)  # the models tell of every beat
        self.control = Control(dut, network.registers)
        self.by_register: set[str] = set()
        """Streams that are driven by the registers of the same name."""
        self._registers: dict[str, RegisterSource | RegisterSink] = {}
        self._ports = {name: (AxiSource if network.is_input(name) else AxiSink)(dut, name, shape)
                       for name, shape in network.shapes.items()}
        write, read = self.control.bus.write_if, self.control.bus.read_if
        models = [write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel]
        for port in self._ports.values():
            self._add(port)
            models.append(port.model)
        for model in models:
            model.set_pause_generator(pauses(Random(random.random()), stall))

    def port(self, name: str) -> AxiSource | AxiSink:
        """The driver of the AXI4-Stream port of a stream."""
        return self._ports[name]

    def source(self, name: str, shape) -> AxiSource | RegisterSource:
        return self._driver(name, shape, RegisterSource)

    def sink(self, name: str, shape) -> AxiSink | RegisterSink:
        return self._driver(name, shape, RegisterSink)

    def _driver(self, name: str, shape, registered: type):
        """A port has one driver, however often it is asked for."""
        if name not in self.by_register:
            return self._ports[name]
        if name not in self._registers:
            self._registers[name] = self._add(registered(self.control, name, shape))
        return self._registers[name]
