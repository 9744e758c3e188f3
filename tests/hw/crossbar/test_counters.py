"""The counters: every pulse is counted, however many come at once; counters are read, replaced, and wrap."""

from random import Random

import pytest
from amaranth.sim import Simulator
from spinloom.contract.geometry import COUNTER_BITS, COUNTERS
from spinloom.hw.crossbar.counters import PENDING_BITS, Counters


@pytest.mark.parametrize("density", [1.0, 0.5, 0.05])
def test_every_pulse_is_counted(density):
    random, dut = Random(1), Counters()
    expected = dict.fromkeys(COUNTERS, 0)

    async def walk(ctx, load=False):
        """Compares the counters one after the other; or loads what is expected."""
        ctx.set(dut.access.show, 1)
        ctx.set(dut.access.load, 0)
        for _ in range(2 * len(COUNTERS)):
            await ctx.tick()
            if ctx.get(dut.access.shown):
                break
        for name in COUNTERS:
            for _ in range(random.randrange(3)):
                await ctx.tick()
            assert ctx.get(dut.access.shown)
            assert ctx.get(dut.access.last) == (name == COUNTERS[-1])
            if load:
                ctx.set(dut.access.word, expected[name])
            else:
                assert ctx.get(dut.access.value) == expected[name] % (1 << COUNTER_BITS), name
            ctx.set(dut.access.load, load)
            ctx.set(dut.access.step, 1)
            await ctx.tick()
            ctx.set(dut.access.load, 0)
            ctx.set(dut.access.step, 0)
        assert not ctx.get(dut.access.shown)
        ctx.set(dut.access.show, 0)

    async def testbench(ctx):
        await walk(ctx)
        for cycle in range(3):
            for _ in range(10 * len(COUNTERS) + cycle):
                pulses = {name: int(random.random() < density) for name in COUNTERS}
                ctx.set(dut.count, pulses)
                for name, pulse in pulses.items():
                    expected[name] += pulse
                await ctx.tick()
            ctx.set(dut.count, dict.fromkeys(COUNTERS, 0))
            await walk(ctx)
            for name in COUNTERS:  # some near their end
                expected[name] = random.choice(((1 << COUNTER_BITS) - 3, random.getrandbits(COUNTER_BITS)))
            await walk(ctx, load=True)
            await walk(ctx)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()


def test_pulses_fit_between_two_turns():
    assert len(COUNTERS) < 1 << PENDING_BITS
