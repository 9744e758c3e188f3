"""Queues against a deque: random pauses at both ends, every depth and storage, to the clock cycle."""

from collections import deque
from itertools import pairwise
from random import Random

import pytest
from amaranth.hdl import signed
from amaranth.lib import data
from amaranth.sim import Simulator
from spinloom.hw.basics.queue import Queue

LAYOUT = data.StructLayout({"number": signed(5), "last": 1})
CASES = [*((depth, storage) for storage in ("distributed", "registers") for depth in (1, 2, 3, 4, 5)),
         *((depth, "block") for depth in (2, 4, 8, 16))]


def simulate(queue, testbench):
    simulator = Simulator(queue)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.parametrize(("depth", "storage"), CASES)
@pytest.mark.parametrize(("offers", "accepts"), [(0.3, 0.9), (0.9, 0.3), (1.0, 1.0), (0.6, 0.6)])
def test_first_in_first_out(depth, storage, offers, accepts):
    queue, random = Queue(shape=LAYOUT, depth=depth, storage=storage), Random(depth)
    seen = {"full": False, "empty": False, "taken": 0}

    async def testbench(ctx):
        waiting = deque()  # beats, each with the clock cycle in which it came
        offered, freed = None, 0  # the beat at the input; since when the register at the output of a block RAM is free
        for cycle in range(400):
            if offered is None and random.random() < offers:
                offered = {"number": random.randrange(-16, 16), "last": random.getrandbits(1)}
            accept = random.random() < accepts
            ctx.set(queue.i.valid, offered is not None)
            ctx.set(queue.i.payload, offered or {"number": random.randrange(-16, 16), "last": 1})
            ctx.set(queue.o.ready, accept)
            room = len(waiting) < depth
            there = bool(waiting) and cycle >= max(waiting[0][1] + queue.latency, freed)
            assert ctx.get(queue.level) == len(waiting)
            assert ctx.get(queue.i.ready) == room
            assert ctx.get(queue.o.valid) == there
            seen["full"] |= not room
            seen["empty"] |= not waiting
            if there:
                beat = waiting[0][0]
                assert {name: ctx.get(queue.o.payload[name]) for name in beat} == beat
            await ctx.tick()
            if there and accept:
                waiting.popleft()
                freed = cycle + 1
                seen["taken"] += 1
            if offered is not None and room:
                waiting.append((offered, cycle))
                offered = None

    simulate(queue, testbench)
    assert seen["taken"] > 60
    assert seen["empty"]
    assert seen["full"] or offers < accepts or depth > queue.latency


@pytest.mark.parametrize(("depth", "storage"), CASES)
def test_throughput(depth, storage):
    queue, taken = Queue(shape=4, depth=depth, storage=storage), []

    async def testbench(ctx):
        ctx.set(queue.i.valid, 1)
        ctx.set(queue.o.ready, 1)
        for cycle in range(40):
            if ctx.get(queue.o.valid):
                taken.append(cycle)
            await ctx.tick()

    simulate(queue, testbench)
    assert taken[0] == queue.latency
    rounds = [cycle for beat, cycle in enumerate(taken) if beat % depth == 0]
    expected = max(depth, queue.latency + 1)
    assert {after - before for before, after in pairwise(rounds)} == {expected}


@pytest.mark.parametrize(("arguments", "message"), [
    ({"depth": 0}, "depth=0: a queue has room for at least 1 beat"),
    ({"depth": 6, "storage": "block"}, "depth=6: in block RAM it must be a power of two and at least 2"),
    ({"depth": 1, "storage": "block"}, "depth=1: in block RAM it must be a power of two and at least 2"),
    ({"depth": 2, "storage": "ram"}, "storage='ram': must be one of distributed, registers, block"),
])
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Queue(shape=4, **arguments)
