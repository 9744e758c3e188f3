"""Feature map, deltas of positions and row scan against the definition of the second pass."""

from random import Random

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.sim import Simulator
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from spinloom.hw.crossbar.feature_map import FeatureMap
from spinloom.hw.crossbar.position_deltas import PositionDeltas
from spinloom.hw.crossbar.row_scan import RowScan
from spinloom.hw.crossbar.timing import READ

from .maps import beats, geometries, geometry, receive, sample, send

READS = st.sampled_from([1, 1, 2, 3, 4, 5])


def deltas(geometry, random, positions):
    """Beats of deltas at ``positions``, and what they add up to: ``{(position, col): delta}``."""
    limit = 1 << geometry.delta_bits - 1
    overlaps = geometry.window.pool_stride < geometry.window.pool and geometry.positions > 1
    sent, sums = [], {}
    for position in positions:
        for col in random.sample(range(geometry.cols), random.randint(1, geometry.cols)):
            several = [random.choice([random.randrange(-limit, limit), 0, limit - 1, -limit])]
            if overlaps and random.random() < 0.5:  # that cancel out, or saturate
                several += random.choice([[-several[0]] if several[0] > -limit else [], several])
            sums[position, col] = max(-limit, min(limit - 1, sum(several)))
            sent += [{"position": position, "col": col, "delta": delta, "last": 0} for delta in several]
    random.shuffle(sent)
    sent = sent or [{"position": 0, "col": 0, "delta": 0, "last": 0}]
    sent[-1]["last"] = 1
    return sent, sums


def expected(geometry, cells, errors, everything=False):
    """For each step and fold, of each position with a part: ``{position: [(x, derivative, cell) or None, ...]}``."""
    reads = geometry.second_reads
    passes = []
    ones = (1 << max(1, geometry.derivative_bits)) - 1
    for first in range(0, geometry.rows, reads):
        parts = {}
        for position in range(geometry.positions) if everything else errors:
            touched = geometry.window.touched[position]
            found = []
            for row in range(first, first + reads):
                part = None
                if row < geometry.inputs:
                    cell = touched[row]
                    if everything:
                        part = (0, ones, cell) if cell >= 0 else None
                    elif cell in cells:
                        part = (*cells[cell], cell)
                elif row < geometry.rows and not everything:
                    part = (geometry.bias_value, 0, None)
                found.append(part)
            if any(found):
                parts[position] = found
        if parts:
            passes += [(first, fold, parts) for fold in range(geometry.folds)]
    return passes


def check(geometry, items, passes):
    """Whether ``items`` are those of a second pass."""
    left = iter(items)
    for row, fold, parts in passes:
        seen, update = set(), [0] * geometry.second_reads
        for index in range(len(parts)):
            item = next(left)
            position = item["delta"] // geometry.folds
            assert (item["row"], item["fold"], item["delta"] % geometry.folds) == (row, fold, fold)
            assert (item["first"], item["last"]) == (index == 0, index == len(parts) - 1)
            assert position in parts and position not in seen
            seen.add(position)
            for read, part in enumerate(parts[position]):
                x, derivative, cell = part or (0, 0, None)
                assert (item["x"][read], item["derivative"][read]) == (x, derivative), (item, parts[position])
                assert not derivative or item["cell"][read] == cell
                update[read] |= x != 0
        assert item["update"] == update
    assert next(left, None) is None


class Bench:
    """The blocks of a second pass, and what drives them."""

    def __init__(self, geometry):
        self.geometry = geometry
        self.m = Module()
        self.m.submodules.map = self.map = FeatureMap(geometry=geometry)
        self.m.submodules.deltas = self.deltas = PositionDeltas(geometry=geometry)
        self.m.submodules.scan = self.scan = RowScan(geometry=geometry)
        wiring.connect(self.m, self.map.second, self.scan.map)
        wiring.connect(self.m, self.deltas.positions, self.scan.positions)

    def run(self, *testbenches):
        simulator = Simulator(self.m)
        simulator.add_clock(1e-6)
        for testbench in testbenches:
            simulator.add_testbench(testbench)
        simulator.run()

    async def load(self, ctx, cells, sent, random, pace):
        """A sample and its deltas."""
        ctx.set(self.map.clear, 1)
        ctx.set(self.deltas.start, 1)
        await ctx.tick()
        ctx.set(self.map.clear, 0)
        ctx.set(self.deltas.start, 0)
        assert not ctx.get(self.deltas.complete)
        await send(ctx, self.map.x, beats(self.geometry, cells, random), random, pace)
        await send(ctx, self.deltas.d, sent, random, pace)
        while not ctx.get(self.deltas.complete):
            await ctx.tick()

    async def words(self, ctx):
        """Every word of deltas."""
        answers = []
        for cycle in range(self.geometry.positions * self.geometry.folds + READ):
            if cycle >= READ:
                answers.append(list(ctx.get(self.deltas.word)))
            ctx.set(self.deltas.address, min(cycle, self.geometry.positions * self.geometry.folds - 1))
            await ctx.tick()
        return answers

    async def items(self, ctx, random, pace, everything=False):
        """The items of a second pass, and the clock cycles that it took."""
        ctx.set(self.scan.everything, everything)
        ctx.set(self.scan.start, 1)
        await ctx.tick()
        ctx.set(self.scan.start, 0)
        assert not ctx.get(self.scan.done)
        return await receive(ctx, self.scan.items, lambda taken: ctx.get(self.scan.done), random, pace)


@settings(max_examples=25, deadline=None, phases=[Phase.generate])
@given(geometry=geometries(second_reads=READS, overlap=st.booleans()), seed=st.integers(0, 1 << 16), pace=st.sampled_from([1.0, 0.5]),
       density=st.sampled_from([0.05, 0.4, 1.0]))
def test_answers_with_the_positions_of_each_row(geometry, seed, pace, density):
    random, bench = Random(seed), Bench(geometry)

    async def testbench(ctx):
        for part in (density, 0.5, 0, density):
            cells = sample(geometry, random, part)
            listed = random.sample(range(geometry.positions), round(part * random.random() * geometry.positions))
            sent, sums = deltas(geometry, random, listed)
            errors = sorted({position for (position, _), delta in sums.items() if delta})
            await bench.load(ctx, cells, sent, random, pace)
            assert ctx.get(bench.deltas.zero) == (not errors)
            folds, lanes = range(geometry.folds), geometry.lanes
            assert await bench.words(ctx) == [
                [sums.get((position, fold * lanes + lane), 0) for lane in range(lanes)]
                for position in range(geometry.positions) for fold in folds]
            everything = random.random() < 0.3
            items, _ = await bench.items(ctx, random, pace, everything)
            check(geometry, items, expected(geometry, cells, errors, everything))
            assert ctx.get(bench.deltas.complete)

    bench.run(testbench)


@pytest.mark.parametrize(("lanes", "layer"), [(16, 0), (4, 0), (32, 1)])
def test_keeps_up_with_one_item_a_clock_cycle(lanes, layer):
    random = Random(lanes)
    if layer == 0:
        middle = range(4, 24)
        lenet = geometry((28, 28, 1), {"cols": 16, "lanes": lanes, "kernel": (5, 5), "input": "unsigned"})
        cells = sample(lenet, random, 0.25, lambda cell: cell // 28 in middle and cell % 28 in middle)
        driven = [position for position, touched in enumerate(lenet.window.touched) if cells.keys() & set(touched)]
        listed = random.sample(driven, 46)
    else:
        lenet = geometry((12, 12, 16), {"cols": 32, "lanes": lanes, "kernel": (5, 5)}, "relu")
        cells = {cell: (random.randint(1, 9), 1) for cell in range(2304) if random.random() < 0.42}
        listed = random.sample(range(64), 16)
    bench = Bench(lenet)

    async def testbench(ctx):
        sent = [{"position": position, "col": 1, "delta": 1, "last": position == listed[-1]} for position in listed]
        await bench.load(ctx, cells, sent, random, 1.0)
        items, cycles = await bench.items(ctx, random, 1.0)
        check(lenet, items, expected(lenet, cells, listed))
        print(layer, lanes, len(items), cycles)
        assert cycles <= 1.05 * len(items)

    bench.run(testbench)
