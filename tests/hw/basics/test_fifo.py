"""The queue in block RAM against a list."""

from collections import deque
from random import Random

import pytest
from amaranth.sim import Simulator
from spinloom.hw.basics.fifo import Fifo


@pytest.mark.parametrize(("depth", "words"), [(1, 2), (2, 2), (5, 8), (16, 16)])
@pytest.mark.parametrize("busy", [0.2, 0.9])
def test_first_in_first_out(depth, words, busy):
    fifo, random, waiting = Fifo(width=8, depth=depth), Random(depth), deque()

    async def testbench(ctx):
        taken = 0
        for _ in range(500):
            assert ctx.get(fifo.level) == len(waiting)
            write, word = len(waiting) < words and random.random() < busy, random.randrange(256)
            read = random.random() < 0.6
            ctx.set(fifo.w_en, write)
            ctx.set(fifo.w_data, word)
            ctx.set(fifo.r_en, read)
            if ctx.get(fifo.r_rdy):
                assert ctx.get(fifo.r_data) == waiting[0]
                if read:
                    waiting.popleft()
                    taken += 1
            if write:
                waiting.append(word)
            await ctx.tick()
        assert taken > 50

    simulator = Simulator(fifo)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()


def test_a_word_is_there_two_clocks_after_it_came():
    fifo, ready = Fifo(width=4, depth=4), []

    async def testbench(ctx):
        ctx.set(fifo.w_data, 9)
        for clock in range(4):
            ctx.set(fifo.w_en, clock == 0)
            ready.append(ctx.get(fifo.r_rdy))
            await ctx.tick()
        assert ctx.get(fifo.r_data) == 9

    simulator = Simulator(fifo)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    assert ready == [0, 0, 1, 1]
