"""The controller of an SDRAM chip, against a dictionary of words and the chip's rules."""

from dataclasses import replace
from random import Random

import pytest
from amaranth.hdl import ResetInserter, Signal
from amaranth.sim import Simulator
from spinloom.hw.store.memory import WORD_BITS, memory_command_layout
from spinloom.hw.store.sdram import MARGIN, PIPELINE, SdramController
from spinloom.hw.store.sdram_chip import TANG_NANO_20K_SDRAM, ULX3S_SDRAM
from spinloom.sim.benches.pins import AmaranthPins
from spinloom.sim.benches.streams import PinBench
from spinloom.sim.sdram import SdramCells, SdramError, SdramMemory

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


FAULTS = {
    "power_up": "power up", "cas": "a mode", "rcd": "tRCD", "rp": "tRP", "ras": "tRAS", "rc": "tRC", "rfc": "tRFC",
    "wr": "tWR", "mrd": "tMRD", "refresh_period": "not been refreshed",
}
"""A time, and what its rule says."""
DEMANDING = replace(ULX3S, ras=66, rc=100, wr=30, refreshes=8, refresh_period_us=20)
"""A chip whose every time decides when something happens."""


@pytest.mark.parametrize("time", FAULTS)
def test_a_controller_that_is_a_clock_cycle_too_soon_is_caught(time):
    """The refresh period is another one: it is too long by what the controller keeps for start-up and delays."""
    timing = DEMANDING.timing(133)
    if time == "ras":
        timing = replace(timing, rc=timing.rc - 5)
    change = MARGIN + timing.power_up if time == "refresh_period" else -1
    assumed = replace(timing, **{time: getattr(timing, time) + change})
    random = Random(time)

    async def exercise(commands, writes, reads, bench):
        for write, address, burst in random_bursts(DEMANDING, random, 200):
            commands.put({"write": write, "address": address, "length": len(burst) - 1})
            writes.put_all(burst if write else [])
        await bench.until(lambda: commands.idle and writes.idle)
        await bench.run(6000)

    with pytest.raises(SdramError, match=FAULTS[time]):
        simulate(SdramMemory(chip=DEMANDING, timing=timing, assumed=assumed), exercise)


@pytest.mark.parametrize("load", ["reads", "writes that wait for their words", "none"])
def test_rows_are_refreshed_under_permanent_load(load):
    """For five refresh periods."""
    chip = replace(ULX3S, refreshes=8, refresh_period_us=25)
    timing = chip.timing(50)

    async def exercise(commands, writes, reads, bench):
        if load != "none":
            commands.put_all({"write": load != "reads", "address": 77 * burst, "length": 255} for burst in range(40))
        await bench.run(5 * timing.refresh_period)
        assert load == "none" or not commands.idle

    simulate(SdramMemory(chip=chip, timing=timing), exercise)


def test_contents_outlive_resets():
    """The controller is reset in the midst of bursts, many times in a refresh period; all that was written is there."""
    chip = replace(ULX3S, refreshes=8, refresh_period_us=25, power_up_us=3)
    memory, words = SdramMemory(chip=chip, timing=chip.timing(50)), list(range(1000, 1050))
    reset = Signal()
    simulator = Simulator(ResetInserter(reset)(memory))
    simulator.add_clock(1e-6)
    SdramCells(simulator, memory)

    async def testbench(ctx):
        bench = PinBench(AmaranthPins(ctx, memory), Random(1))
        commands = bench.source("port__commands", memory_command_layout(chip.address_bits))
        writes, reads = bench.source("port__writes", WORD_BITS), bench.sink("port__reads", WORD_BITS)
        commands.put({"write": 1, "address": 3, "length": 49})
        writes.put_all(words)
        await bench.until(lambda: writes.idle)
        for cycles in (20, 60, 3, *range(1, 60)):
            commands.put({"write": 0, "address": 3, "length": 49})
            await bench.run(cycles)
            ctx.set(reset, 1)
            await bench.run(1)
            ctx.set(reset, 0)
            await bench.run(60)
            reads.take_all()
        commands.put({"write": 0, "address": 3, "length": 49})
        await bench.until(lambda: len(reads) == 50)
        assert reads.take_all() == words

    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.parametrize(("chip", "clock_mhz"), CLOCKS)
def test_latency(chip, clock_mhz):
    """Of a read with no row open, with its row open, and with another one open."""
    timing = chip.timing(clock_mhz)
    latencies = []

    async def exercise(commands, writes, reads, bench):
        await bench.run(timing.power_up + 10 * timing.rfc)
        for address in (0, 1, chip.words // 2):
            commands.put({"write": 0, "address": address, "length": 0})
            await bench.until(lambda: len(reads))
            latencies.append(reads.cycles[-1] - commands.cycles[-1])
            reads.take_all()
            await bench.run(timing.ras)

    simulate(SdramMemory(chip=chip, timing=timing), exercise)
    hit = chip.columns_per_word + timing.cas + PIPELINE + 1
    assert latencies == [hit + timing.rcd, hit, hit + timing.rp + timing.rcd]


@pytest.mark.parametrize(("change", "clock_mhz", "message"), [
    ({}, 150, "clock_mhz=150: the chip allows at most 133"),
    ({"data_bits": 8}, 50, "data_bits=8: must be 16 or 32"),
    ({}, 5, "refresh_period=320000: too few clock cycles for 8192 refreshes"),
])
def test_bad_arguments_are_named(change, clock_mhz, message):
    with pytest.raises(ValueError, match=message):
        SdramController(chip=(chip := replace(ULX3S, **change)), timing=chip.timing(clock_mhz))


def test_times_are_rounded_up():
    timing = ULX3S_SDRAM.timing(50)
    assert (timing.rcd, timing.rp, timing.ras, timing.rc, timing.rfc) == (1, 1, 3, 4, 4)
    assert (timing.cas, timing.rrd, timing.wr, timing.mrd) == (2, 2, 2, 2)
    assert (timing.power_up, timing.refresh_period) == (10_000, 3_200_000)
    assert ULX3S_SDRAM.timing(50.1).rcd == 2
    assert ULX3S_SDRAM.timing(100.5).cas == 3
    assert (ULX3S_SDRAM.words * 4, TANG_NANO_20K_SDRAM.words * 4) == (32 << 20, 8 << 20)
