"""A host's access to a memory: what was written is read, and its digest is that of zlib."""

from collections import deque
from random import Random
from zlib import crc32

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.sim import Simulator
from spinloom.hw.store.access import MemoryAccess, access_layout
from spinloom.hw.store.memory import WORD_BITS, BlockMemory, memory_command_layout
from spinloom.sim.benches.pins import AmaranthPins
from spinloom.sim.benches.streams import PinBench

ADDRESS_BITS = 10


class WithMemory(wiring.Component):
    """A `MemoryAccess` and a block RAM, whose first words are ``init``."""

    def __init__(self, init):
        self.host = MemoryAccess(address_bits=ADDRESS_BITS)
        self.memory = BlockMemory(depth=1 << ADDRESS_BITS, init=init)
        members = self.host.signature.members
        super().__init__({name: members[name] for name in ("access", "words", "digest", "idle")})

    def elaborate(self, platform):
        m = Module()
        m.submodules.host, m.submodules.memory = self.host, self.memory
        wiring.connect(m, self.host.memory, self.memory.port)
        for name in ("access", "words", "digest"):
            wiring.connect(m, getattr(self.host, name), wiring.flipped(getattr(self, name)))
        m.d.comb += self.idle.eq(self.host.idle)
        return m


def random_words(random):
    """What is in a memory at first."""
    return [random.getrandbits(WORD_BITS) for _ in range(1 << ADDRESS_BITS)]


def digest(words):
    return crc32(b"".join(word.to_bytes(4, "little") for word in words))


def access(design, exercise, random, stall=0.0):
    """Run ``exercise(accesses, words, digests, bench)`` on ``design``, with drivers that stall."""
    simulator = Simulator(design)
    simulator.add_clock(1e-6)

    async def testbench(ctx):
        bench = PinBench(AmaranthPins(ctx, design), random, stall)
        await exercise(bench.source("access", access_layout(ADDRESS_BITS)), bench.source("words", WORD_BITS),
                       bench.sink("digest", WORD_BITS), bench)

    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize("sizes", [(1, 2, 1), (256, 3), (257, 0), (40, 300), (257, 83), (320, 20)])
def test_writes_and_digests(sizes, stall):
    random = Random(sum(sizes))
    content = random_words(random)

    async def exercise(accesses, words, digests, bench):
        expected = []
        for size in filter(None, sizes):
            address = random.randrange((1 << ADDRESS_BITS) - size - 2)
            new = [random.getrandbits(WORD_BITS) for _ in range(size)]
            content[address:address + size] = new
            words.put_all(new)
            accesses.put({"write": 1, "address": address, "count": size})
            read = range(max(0, address - 1), address + size + 2)
            accesses.put({"write": 0, "address": read.start, "count": len(read)})
            expected.append(digest(content[place] for place in read))
        await bench.until(lambda: len(digests) == len(expected))
        assert digests.take_all() == expected
        await bench.run(10)
        assert words.idle
        assert bench.idle

    access(WithMemory(content[:]), exercise, random, stall)


def test_the_second_burst_follows_the_first():
    """Wherever the first one is. Digests are of its last words, of those of the second, and of those behind."""
    random = Random(340)  # as above, of the last sizes: so it is the same design
    content, size = random_words(random), 258

    async def exercise(accesses, words, digests, bench):
        expected = []
        for _ in range(6):
            address = random.randrange((1 << ADDRESS_BITS) - size - 2)
            new = [random.getrandbits(WORD_BITS) for _ in range(size)]
            words.put_all(new)
            accesses.put({"write": 1, "address": address, "count": size})
            accesses.put({"write": 0, "address": address + size - 4, "count": 6})
            content[address:address + size] = new
            expected.append(digest(content[address + size - 4:address + size + 2]))
        await bench.until(lambda: len(digests) == len(expected))
        assert digests.take_all() == expected

    access(WithMemory(content[:]), exercise, random)


def test_a_memory_that_pauses():
    """Words that are written wait for it, and it may keep a host waiting for those that it reads."""
    random, content, expected = Random(1), {}, []
    sizes = (1, 5, 256, 300)

    async def exercise(accesses, words, digests, bench):
        commands = bench.sink("memory__commands", memory_command_layout(ADDRESS_BITS))
        writes, reads = bench.sink("memory__writes", WORD_BITS), bench.source("memory__reads", WORD_BITS)
        places = deque()  # where the words go that are still to be written

        def step(cycle):
            for word in writes.take_all():
                content[places.popleft()] = word
            for command in commands.take_all():
                burst = range(command["address"], command["address"] + command["length"] + 1)
                if command["write"]:
                    places.extend(burst)
                else:
                    reads.put_all(content[place] for place in burst)

        bench.agent(step)
        for size in sizes:
            new = [random.getrandbits(WORD_BITS) for _ in range(size)]
            words.put_all(new)
            accesses.put_all({"write": write, "address": size, "count": size} for write in (1, 0))
            expected.append(digest(new))
        await bench.until(lambda: len(digests) == len(sizes))
        assert digests.take_all() == expected
        assert words.idle
        assert not places

    access(MemoryAccess(address_bits=ADDRESS_BITS), exercise, random, stall=0.5)


def test_throughput():
    async def exercise(accesses, words, digests, bench):
        accesses.put_all({"write": 0, "address": 0, "count": count} for count in (10, 110))
        await bench.until(lambda: len(digests) == 2)
        short, long = (end - begin for begin, end in zip(accesses.cycles, digests.cycles, strict=True))
        assert long - short == 36 * 100
        words.put_all(range(400))
        accesses.put_all({"write": 1, "address": 0, "count": 200} for _ in range(2))
        await bench.until(lambda: words.idle)
        assert words.cycles[199] - words.cycles[0] == 199

    access(WithMemory([]), exercise, Random(1))
