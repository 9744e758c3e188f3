"""The counters: all is counted, however much comes at once; counters are read, replaced, and wrap."""

from random import Random

import pytest
from amaranth.hdl import ResetInserter, Signal
from amaranth.sim import Simulator
from spinloom.contract.geometry import COUNTER_BITS, COUNTERS, POSITION_COUNTERS
from spinloom.hw.crossbar.counters import Counters

MOST = {
    "pulses": dict.fromkeys(COUNTERS, 1),
    "several": {name: 1 + 4 * place for place, name in enumerate(POSITION_COUNTERS)},
    "same width": dict.fromkeys(POSITION_COUNTERS, 7),
}
"""The most that counters count in a clock cycle."""


@pytest.mark.parametrize("kind", MOST)
@pytest.mark.parametrize("density", [1.0, 0.5, 0.05])
def test_all_is_counted(density, kind):
    counted = MOST[kind]
    names = tuple(counted)
    random, dut = Random(1), Counters(names=names, counted=counted)
    expected = dict.fromkeys(names, 0)

    async def walk(ctx, load=False):
        """Compares the counters one after the other; or loads what is expected."""
        ctx.set(dut.access.show, 1)
        ctx.set(dut.access.load, 0)
        for _ in range(2 * len(names)):
            await ctx.tick()
            if ctx.get(dut.access.shown):
                break
        for name in names:
            for _ in range(random.randrange(3)):
                await ctx.tick()
            assert ctx.get(dut.access.shown)
            assert ctx.get(dut.access.last) == (name == names[-1])
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
            for _ in range(10 * len(names) + cycle):
                pulses = {name: random.choice((1, most)) * int(random.random() < density)
                          for name, most in counted.items()}
                ctx.set(dut.count, pulses)
                for name, pulse in pulses.items():
                    expected[name] += pulse
                await ctx.tick()
            ctx.set(dut.count, dict.fromkeys(names, 0))
            await walk(ctx)
            for name in names:  # some near their end
                expected[name] = random.choice(((1 << COUNTER_BITS) - 3, random.getrandbits(COUNTER_BITS)))
            await walk(ctx, load=True)
            await walk(ctx)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.parametrize("turn", range(len(COUNTERS)))
def test_a_reset_keeps_the_counters(turn):
    reset, dut = Signal(), Counters()
    expected = range(1, len(COUNTERS) + 1)

    async def testbench(ctx):
        for cycle in range(len(COUNTERS)):
            ctx.set(dut.count, {name: cycle < count for name, count in zip(COUNTERS, expected, strict=True)})
            await ctx.tick()
        ctx.set(dut.count, dict.fromkeys(COUNTERS, 0))
        await ctx.tick().repeat(2 * len(COUNTERS) + turn)
        ctx.set(reset, 1)
        await ctx.tick()
        ctx.set(reset, 0)
        ctx.set(dut.access.show, 1)
        await ctx.tick().until(dut.access.shown)
        ctx.set(dut.access.step, 1)
        for count in expected:
            assert ctx.get(dut.access.value) == count
            await ctx.tick()

    simulator = Simulator(ResetInserter(reset)(dut))
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
