"""A network for systems on chip: AXI4-Lite control, AXI4-Stream data."""

import re
from importlib.metadata import version
from typing import Any

from amaranth.hdl import (
    Cat,
    ClockDomain,
    ClockSignal,
    Module,
    ResetInserter,
    ResetSignal,
    Shape,
    ShapeLike,
    Signal,
    Value,
    unsigned,
)
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from ...contract.geometry import CrossbarGeometry, Loss
from ...contract.link import NETWORK
from ...contract.parameters import design_digest
from ..crossbar.layouts import cell_layout, drive_layout, state_bits
from ..layouts import network_command_layout, result_layout
from ..network import Network
from ..store.network import StoredNetwork
from .lite import AxiLiteRegisters, AxiLiteSignature, Response
from .registers import POP_VALID, WORD_BITS, Access, Register, popped, pushed
from .stored import CRC, REPORT, STATUS, Sizes, SystemMemory, stored_registers
from .stream import AxiStreamSignature, StreamInput, StreamOutput, packet_layout

IDENTIFICATION = 0x4D4C5053
"""What ``id`` reads as: the bytes ``SPLM``."""
COUNTERS = {
    "commands": "commands taken by the network",
    "x_beats": "beats of drive taken by the network",
    "results": "samples answered",
    "correct": "samples whose prediction was their label",
    "state_in_words": "words of state taken by the network",
    "state_out_words": "words of state that the network answered with",
    "busy": "clock cycles in which the network was not idle",
}
"""Registers that count, and what."""


class Route(enum.Enum, shape=2):  # type: ignore[call-arg]  # Amaranth's enumerations have one
    """Where results, or words of state, go."""

    STREAM = 0
    """To ``m_axis_<name>``."""
    REGISTER = 1
    """To the register ``<name>``."""
    DISCARD = 2
    """Nowhere: they are counted only."""


def register_table(geometries: tuple[CrossbarGeometry, ...], loss: Loss,
                   store: Sizes | None = None) -> tuple[Register, ...]:
    """The registers of an ``AxiNetwork``; of one that trains from a memory of the sizes ``store``, if it is given."""
    word = unsigned(WORD_BITS)
    major, minor, patch = map(int, re.findall(r"\d+", version("spinloom"))[:3])

    def struct(**fields: ShapeLike) -> data.StructLayout:
        return data.StructLayout(fields)

    width = max(map(state_bits, geometries))
    counters = [Register(offset=0x40 + 4 * index, name=name, access=Access.READ, layout=struct(count=word),
                         meaning=f"{meaning}, since the last reset; wraps")
                for index, (name, meaning) in enumerate(COUNTERS.items())]
    layers = []
    for geometry in geometries:
        base, name = 0x100 + 0x10 * geometry.index, f"layer{geometry.index}"
        facts = (("shape", {"rows": geometry.rows, "cols": geometry.cols}, 16, "rows (the bias is one) and columns"),
                 ("lanes", {"lanes": geometry.lanes, "adcs": geometry.adcs}, 16,
                  "columns worked on, and converted, at a time"),
                 ("cell", {key: place.width for key, place in cell_layout(geometry)}, 8,
                  "widths of the parts of a cell in a state word"))
        layers += [Register(offset=base + 4 * index, name=f"{name}_{what}", access=Access.CONSTANT,
                            layout=struct(**dict.fromkeys(value, width)), value=value,
                            meaning=f"layer {geometry.index}: {meaning}")
                   for index, (what, value, width, meaning) in enumerate(facts)]
    return (
        Register(offset=0x00, name="id", access=Access.CONSTANT, layout=struct(id=word), value={"id": IDENTIFICATION},
                 meaning="tells a Spinloom network: the bytes SPLM"),
        Register(offset=0x04, name="version", access=Access.CONSTANT, layout=struct(patch=8, minor=8, major=8),
                 value={"major": major, "minor": minor, "patch": patch}, meaning="version of Spinloom"),
        Register(offset=0x08, name="digest", access=Access.CONSTANT, layout=struct(digest=word),
                 value={"digest": design_digest(geometries, loss, store)},
                 meaning="tells designs apart, but for what CONFIGURE replaces"),
        Register(offset=0x0C, name="layers", access=Access.CONSTANT, layout=struct(layers=word),
                 value={"layers": len(geometries)}, meaning="layers"),
        Register(offset=0x10, name="status", access=Access.READ,
                 layout=struct(idle=1, command_free=1, result_valid=1, x_free=1, state_in_free=1, state_out_valid=1,
                               **({} if store is None else dict.fromkeys(STATUS, 1))),
                 meaning="every command has been carried out; the register of that name may be written, or holds a "
                         "beat"),
        Register(offset=0x14, name="reset", access=Access.PUSH, layout=struct(reset=1),
                 meaning="1 resets the network, its inputs and the counters; cells and run-time tables stay"),
        Register(offset=0x18, name="command", access=Access.PUSH, layout=network_command_layout(geometries),
                 meaning="an operation, as on the stream of that name"),
        Register(offset=0x1C, name="result", access=Access.POP, layout=result_layout(geometries[-1].cols),
                 meaning="the oldest answer, if results go here"),
        Register(offset=0x20, name="results_to", access=Access.WRITE, layout=struct(route=Route),
                 meaning="where results go"),
        Register(offset=0x24, name="result_packet", access=Access.WRITE, layout=struct(length=word),
                 value={"length": 1}, meaning="results from one TLAST to the next on `m_axis_result`; 0 for no TLAST"),
        Register(offset=0x28, name="state_to", access=Access.WRITE, layout=struct(route=Route),
                 meaning="where words of state go"),
        *counters,
        *pushed(0x60, "x", drive_layout(geometries[0]), "a beat of drive, as on the stream of that name"),
        *pushed(0x68, "state_in", struct(word=width), "a word of state for the commands that take some"),
        *popped(0x70, "state_out", width, "the oldest word of state that the network answered with, if they go here"),
        *(() if store is None else stored_registers(geometries, store)),
        *layers,
    )


class AxiNetwork(wiring.Component):
    """A ``Network`` behind AXI. `hw.network.Network` says what the streams carry, and when.

    What the network takes comes by stream or by the register of that name. Each of the two keeps its order. Of two
    beats that wait, the register's goes first; whoever needs another order between them waits for ``idle``. What it
    answers goes where ``results_to`` and ``state_to`` say.

    On ``s_axis_x``, TLAST or the field ``last`` ends a sample. A packet on ``m_axis_state_out`` is the answer to one
    command. A packet on ``m_axis_result`` has as many results as ``result_packet`` says.

    The register ``reset`` resets the network, what waits at its inputs, and the counters. It leaves the other
    registers. It withdraws no beat that is offered on an output: up to ``DEPTH`` beats may still come.

    If ``store`` is given, it trains from a memory of these sizes too, which it reads through ``m_axi``. A feed is
    stopped by the register ``stop``, by a sample that is not what had been stored, and by an answer of the memory that
    is not OKAY; no sample is begun that such an answer is a part of. `Feeder` says what that means.

    No output depends on an input within a clock cycle. Cost: a register file, and two words of distributed memory a
    stream.
    """

    def __init__(self, *, geometries: tuple[CrossbarGeometry, ...], loss: Loss, store: Sizes | None = None) -> None:
        self.network: Network | StoredNetwork
        if store is None:
            self.memory = None
            self.network = Network(geometries=geometries, loss=loss)
        else:
            self.memory = SystemMemory(address_bits=store[0])
            self.network = StoredNetwork(geometries=geometries, loss=loss, address_bits=store[0], most=store[1],
                                         stoppable=True)
        self.registers = register_table(geometries, loss, store)
        self.shapes = {name: member.signature.members["payload"].shape
                       for name, member in self.network.signature.members.items()
                       if name in (*NETWORK.sources, *NETWORK.sinks)}
        """The payloads of the network's streams on AXI4-Stream."""
        #: The registers.
        ports = {"s_axi_ctrl": In(AxiLiteSignature())}
        for name, shape in self.shapes.items():
            width = Shape.cast(shape).width
            if self.is_input(name):
                ports[f"s_axis_{name}"] = In(AxiStreamSignature(width, last=name == "x"))
            else:
                ports[f"m_axis_{name}"] = Out(AxiStreamSignature(width, last=True))
        if self.memory is not None:
            ports["m_axi"] = self.memory.signature.members["axi"]
        super().__init__(ports | {
            #: No command waits, and every command taken has been carried out.
            "idle": Out(1),
        })

    def is_input(self, name: str) -> bool:
        """Whether the network takes the beats of the stream ``name``."""
        return self.network.signature.members[name].flow is In

    @staticmethod
    def _connect_pushed(m: Module, registers: AxiLiteRegisters, name: str, beats: wiring.FlippedInterface) -> None:
        """Let what is written to the register ``name`` be one of ``beats``."""
        word, high = getattr(registers, name), getattr(registers, f"{name}_high", None)
        parts = [word.payload] if high is None else [word.payload, high]
        m.d.comb += [Value.cast(beats.payload).eq(Cat(parts)), beats.valid.eq(word.valid), word.ready.eq(beats.ready)]

    @staticmethod
    def _connect_popped(m: Module, registers: AxiLiteRegisters, name: str, beats: wiring.FlippedInterface) -> None:
        """Let reads of the register ``name`` take ``beats``."""
        word, high = getattr(registers, name), getattr(registers, f"{name}_high")
        rest = Signal.like(high.as_value())
        m.d.comb += [word.payload.low.eq(beats.payload), word.valid.eq(beats.valid), beats.ready.eq(word.ready),
                     high.high.eq(rest)]
        with m.If(word.valid & word.ready):
            m.d.sync += rest.eq(beats.payload[POP_VALID:])

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        reset = Signal()
        resettable = ResetInserter(reset)
        m.submodules.network = resettable(self.network)
        m.submodules.registers = registers = AxiLiteRegisters(registers=self.registers)
        wiring.connect(m, wiring.flipped(self.s_axi_ctrl), registers.bus)
        m.d.comb += [registers.reset.ready.eq(1), reset.eq(registers.reset.valid & registers.reset.payload.reset)]

        inputs, outputs = {}, {}
        for name, shape in self.shapes.items():
            if self.is_input(name):
                inputs[name] = StreamInput(shape, last=name == "x")
                m.submodules[name] = resettable(inputs[name])
                wiring.connect(m, wiring.flipped(getattr(self, f"s_axis_{name}")), inputs[name].axis)
            else:
                m.submodules[name] = outputs[name] = StreamOutput(shape)
                wiring.connect(m, outputs[name].axis, wiring.flipped(getattr(self, f"m_axis_{name}")))

        result, answer = ResultPackets(self.shapes["result"]), AnswerPackets(self.shapes["state_out"])
        routers = {name: Router(self.shapes[name]) for name in outputs}
        packets: ResultPackets | AnswerPackets
        for name, packets in (("result", result), ("state_out", answer)):
            m.submodules[f"{name}_packets"] = resettable(packets)
            m.submodules[f"{name}_router"] = resettable(routers[name])
            wiring.connect(m, getattr(self.network, name), routers[name].i)
            wiring.connect(m, routers[name].o, packets.i)
            wiring.connect(m, packets.packets, outputs[name].i)
        for name, entrance in inputs.items():
            wiring.connect(m, entrance.o, getattr(self.network, name))
            self._connect_pushed(m, registers, name, entrance.register)
            with m.If(reset):
                m.d.comb += getattr(registers, name).ready.eq(1)  # into nowhere
        wiring.connect(m, routers["result"].register, registers.result)
        self._connect_popped(m, registers, "state_out", routers["state_out"].register)
        taken = {name: Signal(name=f"{name}_taken") for name in self.shapes}
        m.d.comb += [taken[name].eq(getattr(self.network, name).valid & getattr(self.network, name).ready)
                     for name in self.shapes]
        m.d.comb += [
            routers["result"].route.eq(registers.results_to.route),
            routers["state_out"].route.eq(registers.state_to.route),
            result.length.eq(registers.result_packet.length),
            answer.end.eq(taken["command"]),
            registers.status.idle.eq(self.idle),
            *(registers.status[f"{name}_free"].eq(~getattr(registers, name).valid) for name in inputs),
            *(registers.status[f"{name}_valid"].eq(getattr(registers, name).valid) for name in outputs),
        ]

        idle = self.network.idle & ~inputs["command"].o.valid & ~registers.command.valid
        if self.memory is not None:
            idle &= self._connect_memory(m, registers, reset, self.memory)
        m.d.comb += self.idle.eq(idle)

        counted = {"commands": taken["command"], "x_beats": taken["x"], "results": taken["result"],
                  "correct": taken["result"] & self.network.result.payload.correct,
                  "state_in_words": taken["state_in"], "state_out_words": taken["state_out"], "busy": ~self.idle}
        for name in COUNTERS:
            count = Signal(WORD_BITS, name=name)
            m.d.sync += count.eq(count + counted[name])
            with m.If(reset):
                m.d.sync += count.eq(0)
            m.d.comb += getattr(registers, name).count.eq(count)
        return m

    def _connect_memory(self, m: Module, registers: AxiLiteRegisters, reset: Signal, memory: SystemMemory) -> Value:
        """Feeds, reports and digests, by registers, and the memory. Returns whether none of them waits."""
        network = self.network
        m.submodules.memory = memory
        wiring.connect(m, network.memory, memory.port)
        wiring.connect(m, memory.axi, wiring.flipped(self.m_axi))
        begins = [self._connect_apart(m, registers, name, reset, memory.busy) for name in ("feed", "access")]
        report = network.report
        self._connect_popped(m, registers, CRC, network.digest)
        m.d.comb += [
            network.words.valid.eq(0),
            memory.base.eq(Cat(registers.memory_base.address, registers.memory_base_high.address)),
            memory.drop.eq(network.drop | reset),
            memory.clear.eq(begins[0] | begins[1]),
            registers.memory_response.response.eq(memory.response),
            registers.report.payload.damaged.eq(report.payload.damaged),
            registers.report.valid.eq(report.valid),
            report.ready.eq(registers.report.ready),
            *(getattr(registers, f"report_{field}")[field].eq(report.payload[field]) for field in REPORT),
            *(registers.status[f"{name}_free"].eq(~getattr(registers, name).valid) for name in ("feed", "access")),
            *(registers.status[f"{name}_valid"].eq(getattr(registers, name).valid) for name in ("report", CRC)),
        ]

        running, stop = Signal(), Signal()
        ends = report.valid & report.ready
        m.d.sync += running.eq((running | begins[0]) & ~ends & ~reset)
        m.d.comb += [registers.stop.ready.eq(1), network.stop.eq(stop | (memory.response != Response.OKAY))]
        m.d.sync += stop.eq((stop | registers.stop.valid & registers.stop.payload.stop)
                            & (running | registers.feed.valid) & ~ends & ~reset)
        return ~registers.feed.valid & ~registers.access.valid & ~memory.busy

    def _connect_apart(self, m: Module, registers: AxiLiteRegisters, name: str, reset: Signal, wait: Signal) -> Value:
        """Let the registers of ``name`` give beats of that stream, but for the time of ``wait``. Returns whether one
        moves."""
        beats, word = getattr(self.network, name), getattr(registers, name)
        for field in beats.payload.shape().members:
            apart = getattr(registers, f"{name}_{field}", None)
            if apart is not None:
                m.d.comb += beats.payload[field].eq(apart[field])
            elif field in word.payload.shape().members:
                m.d.comb += beats.payload[field].eq(word.payload[field])
        m.d.comb += [beats.valid.eq(word.valid & ~wait), word.ready.eq(beats.ready & ~wait | reset)]
        return beats.valid & beats.ready


class Router(wiring.Component):
    """Sends each beat where ``route`` says in that clock cycle: to ``o``, to ``register``, or nowhere.

    Latency: none. Throughput: a beat a clock cycle. Cost: a few LUTs.
    """

    def __init__(self, shape: ShapeLike) -> None:
        super().__init__({
            "i": In(stream.Signature(shape)),
            "route": In(Route),
            "o": Out(stream.Signature(shape)),
            "register": Out(stream.Signature(shape)),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.d.comb += [self.o.payload.eq(self.i.payload), self.register.payload.eq(self.i.payload)]
        with m.Switch(self.route):
            for route, end in ((Route.STREAM, self.o), (Route.REGISTER, self.register)):
                with m.Case(route):
                    m.d.comb += [end.valid.eq(self.i.valid), self.i.ready.eq(end.ready)]
            with m.Default():
                m.d.comb += self.i.ready.eq(1)
        return m


class ResultPackets(wiring.Component):
    """Marks every result that is the last of ``length``.

    Latency: none. Throughput: a result a clock cycle. Cost: a counter of 32 bits.
    """

    def __init__(self, shape: ShapeLike) -> None:
        super().__init__({
            "i": In(stream.Signature(shape)),
            #: Results of a packet; 0 for packets that never end.
            "length": In(WORD_BITS),
            "packets": Out(stream.Signature(packet_layout(shape))),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        position = Signal(WORD_BITS)  # results since the last one that ended a packet
        following = Signal(WORD_BITS)
        m.d.comb += [
            following.eq(position + 1),
            self.packets.payload.payload.eq(self.i.payload),
            self.packets.payload.last.eq((following >= self.length) & (self.length != 0)),
            self.packets.valid.eq(self.i.valid),
            self.i.ready.eq(self.packets.ready),
        ]
        with m.If(self.packets.valid & self.packets.ready):
            m.d.sync += position.eq(following)
            with m.If(following >= self.length):
                m.d.sync += position.eq(0)
        return m


class AnswerPackets(wiring.Component):
    """Marks the last word of each answer, the one after which its command ``end``s. A network does not take a command
    before the last word that answers it has been taken.

    A word waits here until the next one, or ``end``, has come. Throughput: a word a clock cycle. Cost: a register for a
    word.
    """

    def __init__(self, shape: ShapeLike) -> None:
        super().__init__({
            "i": In(stream.Signature(shape)),
            #: The network takes a command: it has answered.
            "end": In(1),
            "packets": Out(stream.Signature(packet_layout(shape))),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        word, held, last = Signal.like(self.i.payload), Signal(), Signal()
        m.d.comb += [
            self.packets.payload.payload.eq(word),
            self.packets.payload.last.eq(last),
            self.packets.valid.eq(held & (last | self.i.valid)),
            self.i.ready.eq(~held | self.packets.ready),
        ]
        with m.If(self.packets.valid & self.packets.ready):
            m.d.sync += [held.eq(0), last.eq(0)]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [word.eq(self.i.payload), held.eq(1)]
        with m.If(self.end & ((held & ~last) | (self.i.valid & self.i.ready))):
            m.d.sync += last.eq(1)
        return m


class AxiTop(wiring.Component):
    """An ``AxiNetwork`` as tools for systems on chip expect it: its ports are named ``s_axi_ctrl_awaddr``,
    ``s_axis_x_tdata``, ...; the clock is ``aclk``; ``aresetn`` is a synchronous reset, active low."""

    def __init__(self, *, geometries: tuple[CrossbarGeometry, ...], loss: Loss, store: Sizes | None = None) -> None:
        self.inner = AxiNetwork(geometries=geometries, loss=loss, store=store)
        flat = {"_".join(path): member for path, member, _ in self.inner.signature.flatten(self.inner)}
        super().__init__({"aclk": In(1), "aresetn": In(1)} | flat)
        interfaces = [name for name, member in self.inner.signature.members.items() if member.is_signature]
        self.aclk.attrs["X_INTERFACE_INFO"] = "xilinx.com:signal:clock:1.0 aclk CLK"
        self.aclk.attrs["X_INTERFACE_PARAMETER"] = (f"ASSOCIATED_BUSIF {':'.join(interfaces)}, "
                                                    "ASSOCIATED_RESET aresetn")
        self.aresetn.attrs["X_INTERFACE_INFO"] = "xilinx.com:signal:reset:1.0 aresetn RST"
        self.aresetn.attrs["X_INTERFACE_PARAMETER"] = "POLARITY ACTIVE_LOW"

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.domains.sync = ClockDomain()
        m.d.comb += [ClockSignal().eq(self.aclk), ResetSignal().eq(~self.aresetn)]
        m.submodules.inner = self.inner
        for path, member, port in self.inner.signature.flatten(self.inner):
            outer = getattr(self, "_".join(path))
            m.d.comb += port.eq(outer) if member.flow is In else outer.eq(port)
        return m
