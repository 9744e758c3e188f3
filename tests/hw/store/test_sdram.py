"""The controller of an SDRAM chip, against a dictionary of words and the chip's rules."""

from dataclasses import replace
from random import Random

import pytest
from amaranth.sim import Simulator
from spinloom.hw.store.memory import WORD_BITS, memory_command_layout
from spinloom.hw.store.sdram_chip import TANG_NANO_20K_SDRAM, ULX3S_SDRAM
from spinloom.sim.benches.pins import AmaranthPins
from spinloom.sim.benches.streams import PinBench
from spinloom.sim.sdram import SdramCells, SdramMemory

SOON = {"power_up_us": 1}
"""Of a chip that need not be waited for."""
ULX3S, TANG = replace(ULX3S_SDRAM, **SOON), replace(TANG_NANO_20K_SDRAM, **SOON)
CLOCKS = [(ULX3S, 50), (ULX3S, 133), (TANG, 27), (TANG, 100)]


def simulate(memory, exercise, stall=0.0, seed=1):
    """Run ``exercise(commands, writes, reads, bench)`` on ``memory``, with drivers that stall."""
    simulator = Simulator(memory)
    simulator.add_clock(1e-6)
    SdramCells(simulator, memory)

    async def testbench(ctx):
        bench = PinBench(AmaranthPins(ctx, memory), Random(seed), stall)
        await exercise(bench.source("port__commands", memory_command_layout(memory.controller.chip.address_bits)),
                       bench.source("port__writes", WORD_BITS), bench.sink("port__reads", WORD_BITS), bench)

    simulator.add_testbench(testbench)
    simulator.run()


def random_bursts(chip, random, count):
    """``count`` commands in a few neighbourhoods, so that words are met again, with the words to be written."""
    per_row = 1 << chip.column_bits + 1 - chip.columns_per_word
    places = [0, chip.words - 300, *(random.randrange(chip.words // per_row) * per_row - 4 for _ in range(3))]
    for _ in range(count):
        length = random.choice((1, 1, 2, 3, 9, 40))
        address = max(0, random.choice(places) + random.randrange(8))
        write = random.getrandbits(1)
        yield write, address, [random.getrandbits(WORD_BITS) for _ in range(length)]


@pytest.mark.parametrize("stall", [0.0, 0.3, 0.8])
@pytest.mark.parametrize(("chip", "clock_mhz"), CLOCKS)
def test_reads_what_was_written_before(chip, clock_mhz, stall):
    random, words = Random(clock_mhz), {}

    async def exercise(commands, writes, reads, bench):
        expected = []
        for write, address, burst in random_bursts(chip, random, 150):
            commands.put({"write": write, "address": address, "length": len(burst) - 1})
            if write:
                words.update(enumerate(burst, address))
                writes.put_all(burst)
            else:
                expected += [words.get(place, 0) for place in range(address, address + len(burst))]
        await bench.until(lambda: len(reads) == len(expected) and commands.idle and writes.idle)
        await bench.run(50)
        assert reads.take_all() == expected

    simulate(SdramMemory(chip=chip, timing=chip.timing(clock_mhz)), exercise, stall)
