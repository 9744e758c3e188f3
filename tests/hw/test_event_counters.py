"""The event counters: every pulse is counted, however many come at once; counters are read, replaced, and wrap."""

from random import Random

import pytest
from amaranth.sim import Simulator
from spinloom.contract.geometry import COUNTER_BITS, COUNTERS
from spinloom.hw.event_counters import PENDING_BITS, EventCounters


@pytest.mark.parametrize("density", [1.0, 0.5, 0.05])
def test_every_pulse_is_counted(density):
    random, dut = Random(1), EventCounters()
    expected = dict.fromkeys(COUNTERS, 0)

    async def settle(ctx):
        for _ in range(4 * len(COUNTERS)):
            if ctx.get(dut.settled):
                return
            await ctx.tick()
        raise AssertionError("counters do not settle")

    async def compare(ctx):
        await settle(ctx)
        for index, name in enumerate(COUNTERS):
            ctx.set(dut.index, index)
            await ctx.tick()
            assert ctx.get(dut.value) == expected[name] % (1 << COUNTER_BITS), name

    async def testbench(ctx):
        assert ctx.get(dut.settled)
        await compare(ctx)
        for clock in range(3):
            for _ in range(10 * len(COUNTERS) + clock):
                pulses = {name: int(random.random() < density) for name in COUNTERS}
                ctx.set(dut.count, pulses)
                for name, pulse in pulses.items():
                    expected[name] += pulse
                await ctx.tick()
            ctx.set(dut.count, dict.fromkeys(COUNTERS, 0))
            await compare(ctx)
            for index, name in enumerate(COUNTERS):  # some near their end
                expected[name] = random.choice(((1 << COUNTER_BITS) - 3, random.getrandbits(COUNTER_BITS)))
                ctx.set(dut.index, index)
                ctx.set(dut.word, expected[name])
                ctx.set(dut.load, 1)
                await ctx.tick()
            ctx.set(dut.load, 0)
            await compare(ctx)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()


def test_pulses_fit_between_two_turns():
    assert 2 * len(COUNTERS) < 1 << PENDING_BITS
