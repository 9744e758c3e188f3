"""The memory in block RAM: random commands against a list of words, its latency and its throughput."""

from random import Random

import pytest
from amaranth.sim import Simulator
from spinloom.hw.store.memory import WORD_BITS, BlockMemory, memory_command_layout
from spinloom.sim.benches.pins import AmaranthPins
from spinloom.sim.benches.streams import PinBench


def simulate(memory, exercise, stall=0.0):
    """Run ``exercise(commands, writes, reads, bench)``, on drivers that stall."""
    simulator = Simulator(memory)
    simulator.add_clock(1e-6)

    async def testbench(ctx):
        bench = PinBench(AmaranthPins(ctx, memory), Random(memory.depth), stall)
        address_bits = memory.port.signature.flip().address_bits
        await exercise(bench.source("port__commands", memory_command_layout(address_bits)),
                       bench.source("port__writes", WORD_BITS), bench.sink("port__reads", WORD_BITS), bench)

    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.parametrize("stall", [0.0, 0.3, 0.7])
@pytest.mark.parametrize("depth", [1, 2, 37, 300])
def test_reads_what_was_written_before(depth, stall):
    random = Random(depth)
    words = [random.getrandbits(WORD_BITS) for _ in range(depth)]
    memory = BlockMemory(depth=depth, init=words[:depth // 2])
    words[depth // 2:] = [0] * (depth - depth // 2)

    async def exercise(commands, writes, reads, bench):
        expected = []
        for _ in range(60):
            address = random.randrange(depth)
            length = min(random.choice((1, 2, 5, 256)), depth - address)
            write = random.getrandbits(1)
            commands.put({"write": write, "address": address, "length": length - 1})
            if write:
                words[address:address + length] = [random.getrandbits(WORD_BITS) for _ in range(length)]
                writes.put_all(words[address:address + length])
            else:
                expected += words[address:address + length]
        await bench.until(lambda: len(reads) == len(expected) and commands.idle and writes.idle)
        await bench.run(5)
        assert reads.take_all() == expected

    simulate(memory, exercise, stall)


def test_a_word_a_clock_cycle_from_command_to_command():
    async def exercise(commands, writes, reads, bench):
        commands.put_all({"write": 0, "address": 3 * burst, "length": burst} for burst in range(5))
        await bench.until(lambda: len(reads) == 15)
        assert reads.cycles == list(range(commands.cycles[0] + 2, commands.cycles[0] + 17))

    simulate(BlockMemory(depth=32, init=range(32)), exercise)


def test_a_memory_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match=r"depth=0: must be at least 1"):
        BlockMemory(depth=0)
    with pytest.raises(ValueError, match=r"depth=2: must be at least 1, and hold the 3 words of init"):
        BlockMemory(depth=2, init=range(3))
