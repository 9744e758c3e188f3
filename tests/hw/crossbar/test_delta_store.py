"""The deltas of a crossbar, alone: whatever the stream and the scan do, each fold answers with its deltas."""

from random import Random

import pytest
from amaranth.sim import Simulator
from spinloom.config import parse
from spinloom.hw.crossbar.delta_store import DeltaStore
from spinloom.hw.crossbar.timing import READ


@pytest.mark.parametrize("waiting", [True, False])
@pytest.mark.parametrize(("cols", "lanes", "deltas"), [
    (1, 1, 1), (6, 6, 1), (6, 6, 3), (40, 40, 8), (6, 2, 1), (40, 20, 4), (12, 4, 4),
])
def test_answers_with_the_deltas_of_a_fold(cols, lanes, deltas, waiting):
    layer = {"cols": cols, "lanes": lanes, "weight_step": -1, "z_bits": 8, "z_frac": 4}
    geometry, = parse({"input": {"count": 3}, "device": {"kind": "domain_wall"}, "layers": [layer]}, "store").crossbars
    random, store = Random(cols * lanes), DeltaStore(geometry=geometry, deltas=deltas)
    highest = (1 << geometry.delta_bits - 1) - 1
    samples = []
    for _ in range(30):
        sent = sorted(random.sample(range(0, cols, deltas), random.randint(1, cols // deltas)))
        samples.append({col: [random.choice([0, random.randint(-highest, highest)]) for _ in range(deltas)]
                        for col in sent})
    state = {"previous": [0] * cols}

    async def offer(ctx, beats):
        """Send a sample's beats; with ``waiting`` each is there before it can be taken."""
        for position, (col, delta) in enumerate(beats.items()):
            for _ in range(0 if waiting else random.choice([0, 0, 1, 3])):
                await ctx.tick()
            ctx.set(store.d.payload, {"col": col, "delta": delta, "last": position == len(beats) - 1})
            ctx.set(store.d.valid, 1)
            await ctx.tick().until(store.d.ready)
            ctx.set(store.d.valid, 0)

    async def scan(ctx, expected):
        """Ask for every fold in turn, one a clock cycle."""
        for cycle in range(geometry.folds + READ):
            if cycle < geometry.folds:
                ctx.set(store.fold, cycle)
            if cycle >= READ:
                first = (cycle - READ) * lanes
                assert list(ctx.get(store.word)) == expected[first:first + lanes]
            await ctx.tick()

    async def source(ctx):
        for beats in samples:
            if not waiting:
                await ctx.tick().until(store.start)
            await offer(ctx, beats)

    async def testbench(ctx):
        for beats in samples:
            expected = [0] * cols
            for col, delta in beats.items():
                expected[col:col + deltas] = delta
            # What was asked for in the clock cycle before the start is answered with the deltas before.
            asked = random.randrange(geometry.folds)
            ctx.set(store.fold, asked)
            await ctx.tick()
            ctx.set(store.start, 1)
            await ctx.tick()
            ctx.set(store.start, 0)
            for _ in range(READ - 2):
                await ctx.tick()
            first = asked * lanes
            assert list(ctx.get(store.word)) == state["previous"][first:first + lanes]
            if not ctx.get(store.complete):
                await ctx.tick().until(store.complete)
            else:
                await ctx.tick()
            assert ctx.get(store.zero) == (not any(expected))
            await scan(ctx, expected)
            state["previous"] = expected

    simulator = Simulator(store)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.add_testbench(source, background=True)
    simulator.run()
