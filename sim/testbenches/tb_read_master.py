"""Testbench of ``hw.axi.read_master`` against a public model of AXI4."""

import logging
from dataclasses import dataclass
from random import Random
from typing import Any

import cocotb
from cocotbext.axi import AxiReadBus, AxiResp, AxiSlaveRead

from ...hw.axi.read_master import PAGE_BITS, AxiReadMemory
from ...hw.store.memory import LENGTH_BITS, WORD_BITS, memory_command_layout
from ...train.difference import expect
from ..benches.axi import pauses
from ..benches.streams import PinBench, PinSink, PinSource
from .testbench import Case, Testbench, run_in_cocotb

ADDRESS_BITS = 12
"""Of the words: four pages."""
WORDS = 1 << ADDRESS_BITS
WORD_BYTES = WORD_BITS // 8


@dataclass(frozen=True, kw_only=True)
class ReadCase(Case):
    """Also says how wide a beat is."""

    data_bits: int = 64


class Interconnect:
    """What lies at the addresses from ``base`` on; some of it does not answer, and nothing else does."""

    def __init__(self, base: int, words: list[int]) -> None:
        self.base = base
        self.words = words
        self.broken: set[int] = set()
        """Numbers of words."""
        self.refused = 0
        """Beats that were not answered."""

    async def read(self, address: int, length: int) -> bytes:
        first, count = (address - self.base) // WORD_BYTES, length // WORD_BYTES
        if not 0 <= first <= len(self.words) - count or self.broken & set(range(first, first + count)):
            self.refused += 1
            raise LookupError(f"{address:#x}: nothing there")
        return b"".join(word.to_bytes(WORD_BYTES, "little") for word in self.words[first:first + count])


class ReadMasterBench(Testbench[None]):
    """Random reads, in bursts that may cross 4 KiB, with pauses on every channel. Then answers that are errors, of both
    kinds: nothing waits, the first of them stays, and what follows is right. The model refuses bursts that cross."""

    case: ReadCase

    def build(self) -> AxiReadMemory:
        return AxiReadMemory(address_bits=ADDRESS_BITS, data_bits=self.case.data_bits)

    async def connect(self, dut: Any) -> PinBench:
        bench = await super().connect(dut)
        logging.getLogger(f"cocotb.{dut._name}").setLevel(logging.ERROR)  # the model tells of every burst
        base = self.random.randrange(1, 1 << 32 - PAGE_BITS - 1) << PAGE_BITS
        self.memory = Interconnect(base, [self.random.getrandbits(WORD_BITS) for _ in range(WORDS)])
        bench.pins.set("base", base | self.random.randrange(1 << PAGE_BITS))
        self.model = AxiSlaveRead(AxiReadBus.from_prefix(dut, "axi_"), dut.clk, dut.rst, self.memory)
        for channel in (self.model.ar_channel, self.model.r_channel):
            channel.set_pause_generator(pauses(Random(self.random.random()), self.case.stall))
        self.commands = bench.source("port__commands", memory_command_layout(ADDRESS_BITS))
        self.writes: PinSource = bench.source("port__writes", WORD_BITS)
        self.reads: PinSink = bench.sink("port__reads", WORD_BITS)
        return bench

    def _command(self, crossing: bool = False) -> tuple[int, int]:
        """Address and number of words of a read within the memory; one that is ``crossing`` 4 KiB."""
        count = self.random.choice((1, 2, 3, self.random.randint(1, 1 << LENGTH_BITS), 1 << LENGTH_BITS))
        if not crossing:
            return self.random.randrange(WORDS - count + 1), count
        page = self.random.randrange(1, WORDS * WORD_BYTES >> PAGE_BITS) << PAGE_BITS - 2
        return page - self.random.randrange(max(1, count - 1)), count

    async def _read(self, bench: PinBench, commands: list[tuple[int, int]]) -> list[int]:
        """The words of reads, all queued at once."""
        for address, count in commands:
            self.commands.put({"write": 0, "address": address, "length": count - 1})
        await bench.until(lambda: self.commands.idle and len(self.reads) == sum(count for _, count in commands))
        expect("words too many", 0, len(self.reads) - sum(count for _, count in commands))
        await bench.run(1)
        expect("idle", 1, bench.pins.get("idle"))
        return self.reads.take_all()

    async def exercise(self, bench: PinBench) -> None:
        words, memory, random = self.memory.words, self.memory, self.random
        for number in range(self.case.samples):
            commands = [self._command(crossing=random.random() < 0.5) for _ in range(random.randint(1, 12))]
            expected = [word for address, count in commands for word in words[address:address + count]]
            expect("words", expected, await self._read(bench, commands), sample=number)
        expect("response", int(AxiResp.OKAY), bench.pins.get("response"))
        if not self.case.stall:
            await self._speed(bench)

        self.commands.put({"write": 1, "address": 0, "length": 2})
        self.writes.put_all([1, 2, 3])
        await bench.until(lambda: self.commands.idle and self.writes.idle)
        expect("words after a write", words[:3], await self._read(bench, [(0, 3)]))
        for response, other in ((AxiResp.SLVERR, AxiResp.DECERR), (AxiResp.DECERR, AxiResp.SLVERR)):
            await self._errors(bench, response, other)
        expect("beats refused", True, memory.refused > 4)

    async def _speed(self, bench: PinBench) -> None:
        """A word a clock cycle, from command to command."""
        first = len(self.reads.cycles)
        await self._read(bench, [(number << LENGTH_BITS, 1 << LENGTH_BITS) for number in range(8)])
        cycles = self.reads.cycles[first:]
        expect("clock cycles", len(cycles), cycles[-1] - cycles[0] + 1)

    async def _errors(self, bench: PinBench, response: AxiResp, other: AxiResp) -> None:
        """Answer some words with ``response``, then more with ``other``."""
        send, words, memory = self.model.r_channel.send, self.memory.words, self.memory
        fault = response

        async def answer(beat: Any) -> None:
            if beat.rresp != AxiResp.OKAY:
                beat.rresp = fault
            await send(beat)

        self.model.r_channel.send = answer
        memory.broken = {40, 2000}
        await self._read(bench, [(30, 20), (1990, 100)])
        expect("response", int(response), bench.pins.get("response"))
        fault = other
        actual = await self._read(bench, [(1000, 100), (35, 10), (96, 10)])
        expect("words before an error", words[1000:1100], actual[:100])
        expect("words after an error", words[96:106], actual[-10:])
        expect("first response", int(response), bench.pins.get("response"))
        bench.pins.set("clear", 1)
        await bench.run(1)
        bench.pins.set("clear", 0)
        await bench.run(2)
        expect("response cleared", int(AxiResp.OKAY), bench.pins.get("response"))
        memory.broken, self.model.r_channel.send = set(), send
        expect("words", words[35:45], await self._read(bench, [(35, 10)]))
        expect("response", int(AxiResp.OKAY), bench.pins.get("response"))


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def reads_what_is_there(dut: Any) -> None:
    await run_in_cocotb(dut, ReadMasterBench, ReadCase)
