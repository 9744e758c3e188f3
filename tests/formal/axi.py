"""Claims about hw/axi: the rules of AXI's handshakes, for every manager, pattern of stalls and reset."""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from spinloom.hw.axi.drain import Drain
from spinloom.hw.axi.lite import AxiLiteRegisters, AxiLiteSignature, Response
from spinloom.hw.axi.network import AnswerPackets
from spinloom.hw.axi.read_master import PAGE_BITS, AxiReadMemory, AxiReadSignature
from spinloom.hw.axi.registers import Access, Register
from spinloom.hw.axi.stream import AxiStreamSignature, StreamOutput
from spinloom.hw.store.memory import WORD_BITS, MemoryInterface

from .prover import Bench, Fault, Proof


class Subordinate(Bench):
    """Registers of every kind, any well-behaved manager, and what must hold of the answers."""

    def __init__(self):
        layout = data.StructLayout({"a": unsigned(12)})
        self.registers = tuple(Register(offset=4 * index, name=access.name.lower(), access=access, layout=layout,
                                        meaning="") for index, access in enumerate(Access))
        super().__init__({"bus": In(AxiLiteSignature()), "read": In(layout), "push_ready": In(1),
                          "pop": In(stream.Signature(layout))})

    def describe(self, m: Module) -> None:
        m.submodules.registers = registers = AxiLiteRegisters(registers=self.registers)
        bus = self.bus
        wiring.connect(m, wiring.flipped(bus), registers.bus)
        wiring.connect(m, wiring.flipped(self.pop), registers.pop)
        m.d.comb += [registers.read.eq(self.read), registers.push.ready.eq(self.push_ready)]

        self.stays(m, self.assume, bus.awvalid, bus.awready, bus.awaddr)
        self.stays(m, self.assume, bus.wvalid, bus.wready, bus.wdata, bus.wstrb)
        self.stays(m, self.assume, bus.arvalid, bus.arready, bus.araddr)
        self.stays(m, self.claim, bus.bvalid, bus.bready, bus.bresp)
        self.stays(m, self.claim, bus.rvalid, bus.rready, bus.rresp, bus.rdata)
        self.stays(m, self.claim, registers.push.valid, registers.push.ready, registers.push.payload.as_value())

        # Transfers that are not answered yet: no answer without both halves of a question, and none late.
        addresses, words, reads = Signal(4), Signal(4), Signal(4)
        for count, taken, answered in ((addresses, bus.awvalid & bus.awready, bus.bvalid & bus.bready),
                                       (words, bus.wvalid & bus.wready, bus.bvalid & bus.bready),
                                       (reads, bus.arvalid & bus.arready, bus.rvalid & bus.rready)):
            m.d.sync += count.eq(count + taken - answered)
            self.claim(m, count <= 2)
        for valid, asked in ((bus.bvalid, (addresses != 0) & (words != 0)), (bus.rvalid, reads != 0)):
            waiting = Signal()
            m.d.sync += waiting.eq(asked & ~valid)
            with m.If(valid):
                self.claim(m, asked)
            with m.If(waiting):
                self.claim(m, valid)
        with m.If(bus.bvalid):
            self.claim(m, (bus.bresp == Response.OKAY) | (bus.bresp == Response.SLVERR))
        with m.If(bus.rvalid & (bus.rresp != Response.OKAY)):
            self.claim(m, (bus.rresp == Response.SLVERR) & (bus.rdata == 0))



class Transmitter(Bench):
    """Answers in packets on an AXI4-Stream: nothing withdrawn, nothing lost, TLAST where an answer ends."""

    def __init__(self):
        super().__init__({"i": In(stream.Signature(4)), "end": In(1),
                          "axis": Out(AxiStreamSignature(4, last=True))})

    def describe(self, m: Module) -> None:
        m.submodules.packets = packets = AnswerPackets(unsigned(4))
        m.submodules.output = output = StreamOutput(unsigned(4))
        wiring.connect(m, wiring.flipped(self.i), packets.i)
        wiring.connect(m, packets.packets, output.i)
        wiring.connect(m, output.axis, wiring.flipped(self.axis))
        axis, into = self.axis, self.i
        m.d.comb += packets.end.eq(self.end)
        self.stays(m, self.assume, into.valid, into.ready, into.payload)
        self.stays(m, self.claim, axis.tvalid, axis.tready, axis.tdata, axis.tlast)

        # Words are numbered, so that one lost, doubled or overtaken would show; an answer ends with no word on offer.
        came, went, unfinished = Signal(4), Signal(4), Signal()
        self.assume(m, into.payload == came)
        self.assume(m, ~self.end | ~into.valid | into.ready)
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
            self.claim(m, axis.tdata == went)
            self.claim(m, axis.tlast == ends[went])
        with m.If(axis.tvalid & axis.tready):
            m.d.sync += went.eq(went + 1)
        self.claim(m, came - went <= 3)


class Reader(Bench):
    """Reads of memory by AXI4: no burst withdrawn or across 4 KiB, as many words as were asked for, the right ones."""

    OUTSTANDING = 2

    def __init__(self):
        self.memory = AxiReadMemory(address_bits=11, axi_address_bits=13, outstanding=self.OUTSTANDING)
        super().__init__({"port": In(MemoryInterface(11)), "base": In(13), "clear": In(1), "response": Out(Response),
                          "axi": Out(AxiReadSignature(address_bits=13, data_bits=64))})

    def describe(self, m: Module) -> None:
        m.submodules.memory = memory = self.memory
        port, axi = self.port, self.axi
        commands, reads = port.commands, port.reads
        for name in ("port", "axi"):
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(memory, name))
        m.d.comb += [memory.base.eq(self.base), memory.clear.eq(self.clear), self.response.eq(memory.response)]
        base = self.base
        self.keep(m, base)
        self.assume(m, axi.rresp.as_value() != 1)
        self.stays(m, self.assume, commands.valid, commands.ready, commands.payload)
        self.stays(m, self.assume, axi.rvalid, axi.rready, axi.rdata, axi.rlast, axi.rresp)
        self.stays(m, self.claim, axi.arvalid, axi.arready, axi.araddr, axi.arlen)
        self.stays(m, self.claim, reads.valid, reads.ready, reads.payload)

        # The interconnect: one burst after the other, each word with its address in it.
        asked, answered, beat = Signal(2), Signal(2), Signal(2)
        bursts = Signal(data.ArrayLayout(data.StructLayout({"address": 13, "length": 2}), 4))
        burst = bursts[answered]
        with m.If(axi.arvalid & axi.arready):
            m.d.sync += [asked.eq(asked + 1), bursts[asked].address.eq(axi.araddr), bursts[asked].length.eq(axi.arlen)]
        here = Signal(11)
        m.d.comb += here.eq((burst.address >> 2) + (beat << 1))
        with m.If(axi.rvalid):
            self.assume(m, asked != answered)
            self.assume(m, axi.rlast == (beat == burst.length))
            self.assume(m, axi.rdata == here + (here + 1 << WORD_BITS))
        with m.If(axi.rvalid & axi.rready):
            m.d.sync += beat.eq(beat + 1)
            with m.If(axi.rlast):
                m.d.sync += [beat.eq(0), answered.eq(answered + 1)]
        self.claim(m, (asked - answered)[:2] <= self.OUTSTANDING)
        with m.If(axi.arvalid):
            self.claim(m, axi.araddr[:3] == 0)
            self.claim(m, axi.araddr[3:PAGE_BITS] + axi.arlen < 1 << PAGE_BITS - 3)

        # The words of commands: at most three each, so that several are done in time.
        due = Signal(data.ArrayLayout(data.StructLayout({"address": 11, "length": 2}), 4))
        taken, done, place = Signal(2), Signal(2), Signal(2)
        self.assume(m, commands.payload.length < 3)
        self.assume(m, ~commands.payload.write)
        with m.If(commands.valid & commands.ready):
            m.d.sync += [taken.eq(taken + 1), due[taken].eq(Cat(commands.payload.address, commands.payload.length[:2]))]
        expected = Signal(11)
        m.d.comb += expected.eq((base[PAGE_BITS:] << PAGE_BITS - 2) + (due[done].address + place)[:11])
        with m.If(reads.valid):
            self.claim(m, taken != done)
            self.claim(m, reads.payload == expected)
        with m.If(reads.valid & reads.ready):
            m.d.sync += place.eq(place + 1)
            with m.If(place == due[done].length):
                m.d.sync += [place.eq(0), done.eq(done + 1)]
        self.claim(m, ~memory.idle | (taken == done))


class Dropping(Bench):
    """A user that is reset at any time, and a memory that answers in order, after any time."""

    MOST = 15
    """Words that may be due."""

    def __init__(self) -> None:
        super().__init__({"port": In(MemoryInterface(2)), "memory": Out(MemoryInterface(2)), "drop": In(1)})

    def describe(self, m: Module) -> None:
        m.submodules.drain = drain = Drain(address_bits=2)
        wiring.connect(m, wiring.flipped(self.port), drain.port)
        wiring.connect(m, drain.memory, wiring.flipped(self.memory))
        user, memory = self.port, self.memory
        # Words that the memory owes, and those of them that the user is to see: the latest ones.
        due, seen = Signal(range(self.MOST + 1)), Signal(range(self.MOST + 1))
        asks, takes = memory.commands.valid & memory.commands.ready, memory.reads.valid & memory.reads.ready
        words = Signal(3)
        m.d.comb += [words.eq(Mux(asks, memory.commands.payload.length[:2] + 1, 0)),
                     drain.memory_idle.eq(due == 0), drain.drop.eq(self.drop)]
        self.assume(m, memory.commands.payload.length < 3)
        self.assume(m, due + words <= self.MOST)
        self.assume(m, ~memory.reads.valid | (due != 0))
        m.d.sync += [due.eq(due + words - takes), seen.eq(seen + words - (user.reads.valid & user.reads.ready))]
        with m.If(self.drop):
            m.d.sync += seen.eq(0)
        self.claim(m, (user.commands.valid & user.commands.ready) == asks)
        self.claim(m, ~user.reads.valid | (seen != 0) & (seen == due))
        self.claim(m, ~user.reads.valid | (user.reads.payload == memory.reads.payload))
        self.claim(m, ~takes | drain.busy | user.reads.valid & user.reads.ready)
        self.claim(m, ~drain.busy | ~asks & memory.reads.ready & (seen == 0))
        ends = Signal()
        m.d.sync += ends.eq(drain.busy & (due == 0) & ~self.drop)
        self.claim(m, ~ends | ~drain.busy)


def _proof(block: str, claim: str, size: str, bench: type[Bench], *faults: Fault, **how) -> Proof:
    return Proof(block=block, claim=claim, size=size, bench=bench, faults=faults, **how)


PROOFS = [
    _proof("axi/lite.py", "no answer withdrawn, changed, unasked or late; a refused read gives 0",
           "registers of every kind", Subordinate, Fault(AxiLiteRegisters, "_serve_writes", "(bus.bready | "
                 "~bus.bvalid)", "1")),
    _proof("axi/network.py", "answers as packets: no word lost, repeated or withdrawn; TLAST where an answer ends",
           "words of 4 bits", Transmitter, Fault(AnswerPackets, "elaborate", "held & (last | self.i.valid)", "held")),
    _proof("axi/read_master.py", "no burst withdrawn, changed or across 4 KiB; every command gets its words, in order",
           "64 bits, 2 bursts outstanding, up to 3 words a command", Reader,
           Fault(AxiReadMemory, "_ask", "waiting.eq(crosses)", "waiting.eq(0)"), cycles=9),
    _proof("axi/drain.py", "a user that was reset sees no word that was asked for before; no command is lost or passes "
           "meanwhile; it ends", "up to 15 words due", Dropping, Fault(Drain, "elaborate", "with m.If(self.drop):",
                                                                       "with m.If(self.drop & ~self.memory_idle):")),
]
