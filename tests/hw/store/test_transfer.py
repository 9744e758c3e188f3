"""Transfers between a host and a memory: what was written is read, and its digest is that of zlib."""

from random import Random
from zlib import crc32

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.sim import Simulator
from spinloom.hw.store.memory import WORD_BITS, BlockMemory
from spinloom.hw.store.transfer import Transfer, transfer_layout
from spinloom.sim.benches.pins import AmaranthPins
from spinloom.sim.benches.streams import PinBench

ADDRESS_BITS = 10


class WithMemory(wiring.Component):
    """A `Transfer` and a block RAM, whose first words are ``init``."""

    def __init__(self, init):
        self.transfers = Transfer(address_bits=ADDRESS_BITS)
        self.memory = BlockMemory(depth=1 << ADDRESS_BITS, init=init)
        members = self.transfers.signature.members
        super().__init__({name: members[name] for name in ("transfer", "words", "digest", "idle")})

    def elaborate(self, platform):
        m = Module()
        m.submodules.transfers, m.submodules.memory = self.transfers, self.memory
        wiring.connect(m, self.transfers.memory, self.memory.port)
        for name in ("transfer", "words", "digest"):
            wiring.connect(m, getattr(self.transfers, name), wiring.flipped(getattr(self, name)))
        m.d.comb += self.idle.eq(self.transfers.idle)
        return m


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize("sizes", [(1, 2, 1), (256, 3), (257, 0), (40, 300)])
def test_writes_and_digests(sizes, stall):
    random = Random(sum(sizes))
    content = [random.getrandbits(WORD_BITS) for _ in range(1 << ADDRESS_BITS)]
    design = WithMemory(content)
    simulator = Simulator(design)
    simulator.add_clock(1e-6)

    async def testbench(ctx):
        bench = PinBench(AmaranthPins(ctx, design), random, stall)
        transfers = bench.source("transfer", transfer_layout(ADDRESS_BITS))
        words, digests = bench.source("words", WORD_BITS), bench.sink("digest", WORD_BITS)
        expected = []
        for size in filter(None, sizes):
            address = random.randrange((1 << ADDRESS_BITS) - size - 2)
            content[address:address + size] = [random.getrandbits(WORD_BITS) for _ in range(size)]
            words.put_all(content[address:address + size])
            transfers.put({"write": 1, "address": address, "count": size})
            read = range(max(0, address - 1), address + size + 2)
            transfers.put({"write": 0, "address": read.start, "count": len(read)})
            expected.append(crc32(b"".join(content[place].to_bytes(4, "little") for place in read)))
        await bench.until(lambda: len(digests) == len(expected))
        assert digests.take_all() == expected
        await bench.run(10)
        assert words.idle
        assert bench.idle

    simulator.add_testbench(testbench)
    simulator.run()
