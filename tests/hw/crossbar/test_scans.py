"""Feature map, window scan, row scan and deltas of positions, together, against the definition of what is driven at
each position, and of what has a part in the second pass."""

from random import Random

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.sim import Simulator
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from spinloom.hw.crossbar.feature_map import WORD, FeatureMap
from spinloom.hw.crossbar.position_deltas import PositionDeltas
from spinloom.hw.crossbar.row_scan import RowScan
from spinloom.hw.crossbar.timing import READ
from spinloom.hw.crossbar.window_scan import WindowScan

from .maps import beats, geometries, geometry, receive, sample, send


def forward_pass(geometry, cells):
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


def check_forward(geometry, items, passes):
    """Whether ``items`` are those of a forward pass."""
    left = iter(items)
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


def second_pass(geometry, cells, errors):
    """For each step and fold, of each position with a part: ``{position: [(x, derivative, cell) or None, ...]}``."""
    reads = geometry.second_reads
    passes = []
    for first in range(0, geometry.rows, reads):
        parts = {}
        for position in errors:
            touched = geometry.window.touched[position]
            found = []
            for row in range(first, first + reads):
                part = None
                if row < geometry.inputs:
                    cell = touched[row]
                    if cell in cells:
                        part = (*cells[cell], cell)
                elif row < geometry.rows:
                    part = (geometry.bias_value, 0, None)
                found.append(part)
            if any(found):
                parts[position] = found
        if parts:
            passes += [(first, fold, parts) for fold in range(geometry.folds)]
    return passes


def check_second(geometry, items, passes):
    """Whether ``items`` are those of a second pass."""
    left = iter(items)
    for row, fold, parts in passes:
        seen, update = set(), [0] * geometry.second_reads
        for index in range(len(parts)):
            item = next(left)
            position = item["delta"] // geometry.folds
            assert (item["row"], item["fold"], item["delta"] % geometry.folds) == (row, fold, fold)
            assert (item["first"], item["last"]) == (index == 0, index == len(parts) - 1)
            assert position in parts.keys() - seen
            seen.add(position)
            for read, part in enumerate(parts[position]):
                x, derivative, cell = part or (0, 0, None)
                assert (item["x"][read], item["derivative"][read]) == (x, derivative), (item, parts[position])
                assert not derivative or item["cell"][read] == cell
                update[read] |= x != 0
        assert item["update"] == update
    assert next(left, None) is None


class Bench:
    """The blocks, and what drives them."""

    def __init__(self, geometry, random, pace=1.0):
        self.geometry, self.random, self.pace = geometry, random, pace
        self.m = Module()
        self.m.submodules.map = self.map = FeatureMap(geometry=geometry)
        self.m.submodules.windows = self.windows = WindowScan(geometry=geometry)
        self.m.submodules.deltas = self.deltas = PositionDeltas(geometry=geometry)
        self.m.submodules.rows = self.rows = RowScan(geometry=geometry)
        wiring.connect(self.m, self.map.forward, self.windows.map)
        wiring.connect(self.m, self.map.second, self.rows.map)
        wiring.connect(self.m, self.deltas.positions, self.rows.positions)
        self.filling = []

    def run(self, testbench):
        async def fill(ctx):
            while True:
                if self.filling:
                    await send(ctx, self.map.x, self.filling.pop(0), self.random, self.pace)
                else:
                    await ctx.tick()

        simulator = Simulator(self.m)
        simulator.add_clock(1e-6)
        simulator.add_testbench(testbench)
        simulator.add_testbench(fill, background=True)
        simulator.run()

    async def pulse(self, ctx, *signals):
        for signal in signals:
            ctx.set(signal, 1)
        await ctx.tick()
        for signal in signals:
            ctx.set(signal, 0)

    async def forward(self, ctx, cells, before=0):
        """The items of a forward pass, and the clock cycles that it took. It starts when ``before`` beats of its sample
        have been sent, or, without a number, when the map is complete."""
        sent = beats(self.geometry, cells, self.random)
        await self.pulse(ctx, self.map.clear)
        if before is None:
            self.filling.append(sent)
            cycles = 0
            while not ctx.get(self.map.second.complete):
                await ctx.tick()
                cycles += 1
            if self.pace == 1:
                window = self.geometry.window
                assert cycles <= len(sent) + window.map[0] + window.cells // WORD + 6
        else:
            await send(ctx, self.map.x, sent[:before], self.random, self.pace)
            self.filling += [sent[before:]] * bool(sent[before:])
        await self.pulse(ctx, self.windows.start)
        return await receive(ctx, self.windows.items, lambda taken: taken and taken[-1]["final"], self.random,
                             self.pace)

    async def empty(self, ctx):
        """Starts to gather deltas. What was asked for in the clock cycle before is answered with those before."""
        asked = self.random.randrange(self.geometry.positions * self.geometry.folds)
        ctx.set(self.deltas.address, asked)
        await ctx.tick()
        await self.pulse(ctx, self.deltas.start)
        assert not ctx.get(self.deltas.complete)
        await ctx.tick().repeat(READ - 2)
        return asked, list(ctx.get(self.deltas.word))

    async def gather(self, ctx, sent):
        """Takes deltas."""
        await send(ctx, self.deltas.d, sent, self.random, self.pace)
        while not ctx.get(self.deltas.complete):
            await ctx.tick()

    async def words(self, ctx):
        """Every word of deltas, as they answer one after the other."""
        answers, count = [], self.geometry.positions * self.geometry.folds
        for cycle in range(count + READ):
            if cycle >= READ:
                answers.append(list(ctx.get(self.deltas.word)))
            ctx.set(self.deltas.address, min(cycle, count - 1))
            await ctx.tick()
        return answers

    async def second(self, ctx):
        """The items of a second pass, and the clock cycles that it took."""
        await self.pulse(ctx, self.rows.start)
        assert not ctx.get(self.rows.done)
        return await receive(ctx, self.rows.items, lambda taken: ctx.get(self.rows.done), self.random, self.pace)


@settings(max_examples=15, phases=[Phase.generate])
@given(geometry=geometries(reads=st.sampled_from([1, 1, 2, 3, 4, 5]), overlap=st.booleans()),
       seed=st.integers(0, 1 << 16), pace=st.sampled_from([1.0, 0.5]), density=st.sampled_from([0.05, 0.4, 1.0]))
def test_answers_with_what_is_driven(geometry, seed, pace, density):
    random = Random(seed)
    bench = Bench(geometry, random, pace)
    folds, lanes = geometry.folds, geometry.lanes

    async def testbench(ctx):
        words = []
        for part in (density, 0, density):
            asked, word = await bench.empty(ctx)
            assert not words or word == words[asked]
            cells = sample(geometry, random, part)
            items, _ = await bench.forward(ctx, cells, random.choice([None, 0, len(cells) // 2]))
            check_forward(geometry, items, forward_pass(geometry, cells))
            assert not ctx.get(bench.windows.items.valid)
            if random.random() < 0.2:
                words = []
                continue
            listed = random.sample(range(geometry.positions), round(part * random.random() * geometry.positions))
            sent, sums = deltas(geometry, random, listed)
            errors = {position for (position, _), delta in sums.items() if delta}
            await bench.gather(ctx, sent)
            assert ctx.get(bench.deltas.zero) == (not errors)
            words = [[sums.get((position, fold * lanes + lane), 0) for lane in range(lanes)]
                     for position in range(geometry.positions) for fold in range(folds)]
            assert await bench.words(ctx) == words
            if errors:
                items, _ = await bench.second(ctx)
                check_second(geometry, items, second_pass(geometry, cells, errors))
            assert ctx.get(bench.deltas.complete)

    bench.run(testbench)


MIDDLE = range(4, 24)
"""Lines and places of an image outside its border."""


@pytest.mark.parametrize(("layer", "lanes", "reads", "bias"), [
    (0, 16, (1, 1), False), (0, 4, (1, 1), True), (0, 16, (2, 2), True),
    *(pytest.param(1, 32, reads, True, marks=pytest.mark.slow) for reads in ((1, 1), (4, 2)))])
def test_keeps_up_with_an_item_a_clock_cycle(layer, lanes, reads, bias):
    """With maps that are as sparse as those of LeNet."""
    random = Random(lanes)
    chosen = {"lanes": lanes, "kernel": (5, 5), "bias": bias, "forward_reads": reads[0], "second_reads": reads[1]}
    if layer == 0:
        lenet = geometry((28, 28, 1), {"cols": 16, "input": "unsigned"} | chosen)
        cells = sample(lenet, random, 0.25, lambda cell: cell // 28 in MIDDLE and cell % 28 in MIDDLE)
    else:
        lenet = geometry((12, 12, 16), {"cols": 32} | chosen, "relu")
        cells = {cell: (random.randint(1, 9), 1) for cell in range(2304) if random.random() < 0.42}
    driven = [position for position, touched in enumerate(lenet.window.touched) if cells.keys() & set(touched)]
    listed = random.sample(driven, (46, 16)[layer])
    bench = Bench(lenet, random)

    async def testbench(ctx):
        await bench.empty(ctx)
        items, cycles = await bench.forward(ctx, cells, None)
        check_forward(lenet, items, forward_pass(lenet, cells))
        assert cycles <= 1.05 * len(items)
        await bench.gather(ctx, [{"position": position, "col": 1, "delta": 1, "last": position == listed[-1]}
                                 for position in listed])
        items, cycles = await bench.second(ctx)
        check_second(lenet, items, second_pass(lenet, cells, listed))
        assert cycles <= 1.05 * len(items)

    bench.run(testbench)
