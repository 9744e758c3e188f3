"""A bench of an AXI-wrapped network in cocotb, whose streams are driven by cocotbext-axi's models of AXI.

``AxiBench`` is a bench like any other: whatever drives a network drives a wrapped one.
"""

import logging
from collections import deque
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

import cocotb
from amaranth.hdl import ShapeLike
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp, AxiStreamBus, AxiStreamSink, AxiStreamSource

from ...hw.axi.network import AxiNetwork
from ...hw.axi.registers import POP_VALID, WORD_BITS, Access, Register
from ..bench import ProtocolError
from .cycles import CycleBench, StreamSink, StreamSource
from .packing import Packing

PERIOD = 10
"""Of the clock, in nanoseconds."""


def pauses(random: Random, stall: float) -> Iterator[bool]:
    """Whether a driver pauses, clock cycle by clock cycle: with probability ``stall``."""
    while True:
        yield random.random() < stall


class AxiSource(StreamSource):
    """Puts beats into the port ``s_axis_<name>``. What one call of ``put...`` gives is a packet.

    Where TLAST ends a sample, the field ``last`` of every other packet is left 0, so that TLAST alone must do.
    """

    def __init__(self, dut: Any, name: str, shape: ShapeLike) -> None:
        super().__init__(name, shape)
        self.model = AxiStreamSource(AxiStreamBus.from_prefix(dut, f"s_axis_{name}"), dut.aclk, dut.aresetn,
                                     reset_active_level=False)
        self._size = len(self.model.bus.tdata) // 8
        self._last = 1 << shape["last"].offset if hasattr(self.model.bus, "tlast") else 0
        self._packets = 0

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


class AxiSink(StreamSink):
    """Takes beats out of the port ``m_axis_<name>``. Beats are seen when their packet is complete."""

    def __init__(self, dut: Any, name: str, shape: ShapeLike) -> None:
        super().__init__(name, shape)
        self.model = AxiStreamSink(AxiStreamBus.from_prefix(dut, f"m_axis_{name}"), dut.aclk, dut.aresetn,
                                   reset_active_level=False)
        self._size = len(self.model.bus.tdata) // 8
        self._valid, self._ready = self.model.bus.tvalid, self.model.bus.tready
        self._refused: tuple[int, int] | None = None
        self.packets: list[int] = []
        """The number of beats in each packet received."""

    def step(self, cycle: int) -> None:
        """Between two edges: whatever was refused at the last one must still be offered, unchanged."""
        offered = (int(self.model.bus.tdata.value), int(self.model.bus.tlast.value)) if int(self._valid.value) else None
        if self._refused not in (None, offered):
            raise ProtocolError(f"{self.name}: changed or withdrew a beat before it was taken, in cycle {cycle}")
        self._refused = None if int(self._ready.value) else offered
        if offered is not None and int(self._ready.value):
            self.cycles.append(cycle)
        while not self.model.empty():
            data = bytes(self.model.recv_nowait().tdata)
            words = [int.from_bytes(data[at:at + self._size], "little") for at in range(0, len(data), self._size)]
            if any(word >> self.packing.shape.width for word in words):
                raise ProtocolError(f"{self.name}: bits above the payload are not zero")
            self._words.extend(words)
            self.packets.append(len(words))

    def forget(self) -> None:
        """Drop what has been received, and what was being offered."""
        self.model.clear()
        self._words.clear()
        self.packets.clear()
        self._refused = None


class Control:
    """Registers by name, over ``s_axi_ctrl``."""

    def __init__(self, dut: Any, registers: tuple[Register, ...]) -> None:
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
        ``address`` or ``data``, runs ahead as far as it can, and the other waits for ``resume``. With ``neither`` both
        run."""
        write = self.bus.write_if
        behind = {"address": write.w_channel, "data": write.aw_channel}.get(ahead)
        if behind is not None:
            self._pauses = behind, behind._pause_generator
            behind.set_pause_generator(None)
            behind.pause = True

        async def feed(channel: Any, beats: list[Any]) -> None:
            for beat in beats:
                await channel.send(beat)

        channels = write.aw_channel._transaction_obj, write.w_channel._transaction_obj
        addresses = [channels[0](awaddr=offset) for offset, _, _ in writes]
        words = [channels[1](wdata=word, wstrb=strobes) for _, word, strobes in writes]
        cocotb.start_soon(feed(write.aw_channel, addresses))
        cocotb.start_soon(feed(write.w_channel, words))
        return [AxiResp(int((await write.b_channel.recv()).bresp)) for _ in writes]

    def resume(self) -> None:
        """Let the channel go on that ``write_channels`` has held back."""
        channel, generator = self._pauses
        channel.set_pause_generator(generator)

    async def read(self, name: str) -> dict[str, int] | None:
        """The fields of a register. None if there is no beat to pop."""
        register = self.registers[name]
        word, response = await self.read_word(register.offset)
        if response != AxiResp.OKAY:
            raise ProtocolError(f"register {name}: reading it was answered with {response!r}")
        if register.access is Access.POP and not word >> POP_VALID:
            return None
        return Packing(register.layout).unpack(word)

    async def write(self, name: str, **fields: Any) -> None:
        """Write all fields of a register."""
        register = self.registers[name]
        response = await self.write_word(register.offset, Packing(register.layout).pack(fields))
        if response != AxiResp.OKAY:
            raise ProtocolError(f"register {name}: writing it was answered with {response!r}")


class RegisterSource(StreamSource):
    """Writes beats to the ``PUSH`` register ``name``, each when ``status`` says that it may be written."""

    def __init__(self, control: Control, name: str, shape: ShapeLike) -> None:
        super().__init__(name, shape)
        self._control = control
        self._queue: deque[int] = deque()
        self._task = cocotb.start_soon(self._run())

    def put_words(self, words: Iterable[int]) -> None:
        self._queue.extend(words)

    @property
    def idle(self) -> bool:
        return not self._queue

    async def _run(self) -> None:
        while True:
            status = await self._control.read("status")
            if self._queue and status is not None and status[f"{self.name}_free"]:
                await self._control.write(self.name, **self.packing.unpack(self._queue[0]))
                self._queue.popleft()
                self.cycles.append(0)


class RegisterSink(StreamSink):
    """Polls the ``POP`` register ``name``."""

    def __init__(self, control: Control, name: str, shape: ShapeLike) -> None:
        super().__init__(name, shape)
        self._control = control
        self._task = cocotb.start_soon(self._run())

    async def _run(self) -> None:
        while True:
            beat = await self._control.read(self.name)
            if beat is not None:
                self._words.append(self.packing.pack(beat))
                self.cycles.append(0)


class AxiBench(CycleBench):
    """Runs the AXI-wrapped ``network`` in the cocotb top level ``dut``, with random pauses on every channel."""

    def __init__(self, dut: Any, network: AxiNetwork, random: Random, stall: float) -> None:
        super().__init__(random, stall)
        logging.getLogger(f"cocotb.{dut._name}").setLevel(logging.WARNING)  # the models tell of every beat
        self._dut = dut
        self._falling = FallingEdge(dut.aclk)
        self.control = Control(dut, network.registers)
        self.by_register: set[str] = set()
        """Streams that are driven by the registers of the same name."""
        self._sources = {name: self.add(AxiSource(dut, name, shape)) for name, shape in network.shapes.items()
                         if network.is_input(name)}
        self._sinks = {name: self.add(AxiSink(dut, name, shape)) for name, shape in network.shapes.items()
                       if not network.is_input(name)}
        self._register_sources: dict[str, RegisterSource] = {}
        self._register_sinks: dict[str, RegisterSink] = {}
        write, read = self.control.bus.write_if, self.control.bus.read_if
        models = [write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel]
        models += [(self._sources | self._sinks)[name].model for name in network.shapes]
        for model in models:
            model.set_pause_generator(pauses(Random(random.random()), stall))

    async def start(self) -> None:
        """Start the clock and reset."""
        self._dut.aresetn.value = 0
        Clock(self._dut.aclk, PERIOD, unit="ns").start()
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

    @property
    def idle(self) -> bool:
        return bool(int(self._dut.idle.value))

    def axi_source(self, name: str) -> AxiSource:
        """The driver of the AXI4-Stream port of an In stream."""
        return self._sources[name]

    def axi_sink(self, name: str) -> AxiSink:
        """The driver of the AXI4-Stream port of an Out stream."""
        return self._sinks[name]

    def source(self, name: str, shape: ShapeLike) -> AxiSource | RegisterSource:
        if name not in self.by_register:
            return self._sources[name]
        if name not in self._register_sources:
            self._register_sources[name] = self.add(RegisterSource(self.control, name, shape))
        return self._register_sources[name]

    def sink(self, name: str, shape: ShapeLike) -> AxiSink | RegisterSink:
        if name not in self.by_register:
            return self._sinks[name]
        if name not in self._register_sinks:
            self._register_sinks[name] = self.add(RegisterSink(self.control, name, shape))
        return self._register_sinks[name]
