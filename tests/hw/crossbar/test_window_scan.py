"""Feature map and window scan against the definition of what is driven at each position."""

from random import Random

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.sim import Simulator
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from spinloom.hw.crossbar.feature_map import FeatureMap
from spinloom.hw.crossbar.window_scan import WindowScan

from .maps import beats, geometries, geometry, receive, sample, send


def expected(geometry, cells):
    """For each position and fold: the driven rows of each bank, ``[(row, x), ...]``."""
    passes = []
    for touched in geometry.window.touched:
        rows = [(row, cells[cell][0]) for row, cell in enumerate(touched) if cell in cells and cells[cell][0]]
        if geometry.bias:
            rows.append((geometry.inputs, geometry.bias_value))
        banks = [[(row, x) for row, x in rows if row % geometry.forward_reads == bank]
                 for bank in range(geometry.forward_reads)]
        passes += [(fold, banks) for fold in range(geometry.folds)]
    return passes


def check(geometry, cells, items):
    """Whether ``items`` are those of a sample."""
    left = iter(items)
    passes = expected(geometry, cells)
    for number, (fold, banks) in enumerate(passes):
        count = max(1, *map(len, banks))
        for index in range(count):
            item = next(left)
            assert item["fold"] == fold
            assert item["first"] == (index == 0)
            assert item["last"] == (index == count - 1)
            assert item["final"] == (index == count - 1 and number == len(passes) - 1)
            for bank, rows in enumerate(banks):
                assert item["row"][bank] % geometry.forward_reads == bank
                assert item["row"][bank] < geometry.rows
                assert (item["row"][bank], item["x"][bank]) == (
                    rows[index] if index < len(rows) else (item["row"][bank], 0))
    assert next(left, None) is None


def scan(geometry, samples, random, fill=1.0, take=1.0, early=False):
    """The items of each sample, and the clock cycles from its start to its last item."""
    m = Module()
    m.submodules.map = map = FeatureMap(geometry=geometry)
    m.submodules.scan = scan = WindowScan(geometry=geometry)
    wiring.connect(m, map.forward, scan.map)
    answers = []

    async def testbench(ctx):
        for cells in samples:
            ctx.set(map.clear, 1)
            await ctx.tick()
            ctx.set(map.clear, 0)
            sent = beats(geometry, cells, random)
            if early:
                at = random.randrange(len(sent))
                await send(ctx, map.x, sent[:at], random, fill)
                rest["beats"] = sent[at:]
            else:
                await send(ctx, map.x, sent, random, fill)
                await ctx.tick().repeat(geometry.window.cells // 16 + 4)
            ctx.set(scan.start, 1)
            await ctx.tick()
            ctx.set(scan.start, 0)
            answers.append(await receive(ctx, scan.items, lambda taken: taken and taken[-1]["final"], random, take))
            for _ in range(random.randrange(3)):
                assert not ctx.get(scan.items.valid)
                await ctx.tick()

    rest = {}

    async def late(ctx):
        while True:
            if rest:
                await send(ctx, map.x, rest.pop("beats"), random, fill)
            else:
                await ctx.tick()

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.add_testbench(late, background=True)
    simulator.run()
    return answers


@settings(max_examples=25, deadline=None, phases=[Phase.generate])
@given(geometry=geometries(forward_reads=st.sampled_from([1, 1, 2, 3, 4, 5])), seed=st.integers(0, 1 << 16), pace=st.sampled_from([1.0, 0.5]), early=st.booleans(),
       density=st.sampled_from([0.05, 0.4, 1.0]))
def test_answers_with_the_driven_rows(geometry, seed, pace, early, density):
    random = Random(seed)
    samples = [sample(geometry, random, part) for part in (density, 0, density)]
    answers = scan(geometry, samples, random, fill=pace, take=pace, early=early)
    for cells, (items, _) in zip(samples, answers, strict=True):
        check(geometry, cells, items)


MIDDLE = range(4, 24)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("lanes", "layer"), [(16, 0), (4, 0), (32, 1)])
def test_keeps_up_with_one_item_a_clock_cycle(lanes, layer, bias):
    random = Random(lanes + bias)
    if layer == 0:
        lenet = geometry((28, 28, 1), {"cols": 16, "lanes": lanes, "kernel": (5, 5), "bias": bias, "input": "unsigned"})
        cells = sample(lenet, random, 0.25, lambda cell: cell // 28 in MIDDLE and cell % 28 in MIDDLE)
    else:
        lenet = geometry((12, 12, 16), {"cols": 32, "lanes": lanes, "kernel": (5, 5), "bias": bias}, "relu")
        cells = {cell: (random.randint(1, 9), 1) for cell in range(2304) if random.random() < 0.42}
    (items, cycles), = scan(lenet, [cells], random)
    check(lenet, cells, items)
    assert cycles <= 1.05 * len(items)
    print(layer, bias, lanes, len(items), cycles, cycles / len(items))
