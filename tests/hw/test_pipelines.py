"""The parts of a crossbar without a golden twin: adder tree, lane selection, queue of programming requests."""

from random import Random

import pytest
from amaranth.sim import Simulator
from spinloom.config import parse
from spinloom.hw.crossbar.adder_tree import AdderTree
from spinloom.hw.crossbar.lane_select import LaneSelect
from spinloom.hw.crossbar.programming_queue import ProgrammingQueue


def simulate(component, testbench):
    simulator = Simulator(component)
    simulator.add_clock(1e-6, if_exists=True)  # one lane needs none
    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 16, 17, 33, 64])
def test_adder_tree_adds_exactly_at_its_latency(count):
    random, tree = Random(count), AdderTree(count=count, width=6)
    extremes = [[-32] * count, [31] * count]
    words = extremes + [[random.randrange(-32, 32) for _ in range(count)] for _ in range(30)]

    async def testbench(ctx):
        for cycle in range(len(words) + tree.latency):
            if cycle < len(words):
                ctx.set(tree.i, words[cycle])
            if cycle >= tree.latency:
                assert ctx.get(tree.o) == sum(words[cycle - tree.latency])
            if tree.latency:
                await ctx.tick()

    simulate(tree, testbench)


@pytest.mark.parametrize("lanes", [1, 2, 4, 5, 16, 21, 64])
def test_lane_select_answers_at_its_latency(lanes):
    random, select = Random(lanes), LaneSelect(lanes=lanes, width=7)
    requests = [([random.randrange(-64, 64) for _ in range(lanes)], random.randrange(lanes)) for _ in range(40)]

    async def testbench(ctx):
        ctx.set(select.lane, requests[0][1])
        if select.latency:
            await ctx.tick()
        for cycle in range(len(requests) + select.latency):
            if cycle < len(requests):
                ctx.set(select.i, requests[cycle][0])
            if cycle + 1 < len(requests):
                ctx.set(select.lane, requests[cycle + 1][1])
            if cycle >= select.latency:
                word, lane = requests[cycle - select.latency]
                assert ctx.get(select.o) == word[lane]
            if select.latency:
                await ctx.tick()

    simulate(select, testbench)


def programming_queue(lanes):
    experiment = parse({"input": {"count": 20}, "device": {"kind": "ideal"}, "layers": [{"cols": lanes}]}, "queue")
    return ProgrammingQueue(geometry=experiment.crossbars[0])


@pytest.mark.parametrize("lanes", [1, 16, 17, 40])
def test_programming_queue_offers_the_first_cell_at_its_latency(lanes):
    queue, offered = programming_queue(lanes), []

    async def testbench(ctx):
        ctx.set(queue.fired, 1 << lanes - 1)
        for cycle in range(10):
            ctx.set(queue.valid, cycle == 0)
            offered.append(ctx.get(queue.request.valid))
            await ctx.tick()

    simulate(queue, testbench)
    assert offered.index(1) == queue.latency


@pytest.mark.parametrize("lanes", [1, 16, 17, 40])
def test_programming_queue_keeps_the_order_and_loses_nothing(lanes):
    random, queue = Random(lanes), programming_queue(lanes)
    words = [(random.randrange(20), random.choice((0, random.getrandbits(lanes), 1 << random.randrange(lanes))))
             for _ in range(60)]
    expected = [(address, lane) for address, fired in words for lane in range(lanes) if fired >> lane & 1]

    async def testbench(ctx):
        received, offered = [], 0
        while offered < len(words) or not ctx.get(queue.empty):
            # The issuer may offer a word in every clock cycle in which there is room.
            offer = offered < len(words) and ctx.get(queue.room) and random.random() < 0.8
            ctx.set(queue.valid, offer)
            if offer:
                ctx.set(queue.word.address, words[offered][0])
                ctx.set(queue.fired, words[offered][1])
                offered += 1
            ctx.set(queue.request.ready, random.random() < 0.6)
            if ctx.get(queue.request.valid) and ctx.get(queue.request.ready):
                received.append((ctx.get(queue.request.payload.address), ctx.get(queue.request.payload.lane)))
            await ctx.tick()
        assert received == expected

    simulate(queue, testbench)


@pytest.mark.parametrize("make", [lambda: AdderTree(count=0, width=4), lambda: LaneSelect(lanes=3, width=0)])
def test_sizes_must_be_positive(make):
    with pytest.raises(ValueError, match="both must be at least 1"):
        make()
