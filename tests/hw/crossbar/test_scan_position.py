"""The counters of a scan against numbers in Python, under random steps."""

from random import Random

import pytest
from amaranth.sim import Simulator
from spinloom.config import parse
from spinloom.hw.crossbar.scan_position import ScanPosition


@pytest.mark.parametrize(("rows", "cols", "lanes"), [(1, 1, 1), (5, 6, 2), (3, 4, 4), (4, 3, 1)])
def test_steps(rows, cols, lanes):
    document = {"input": {"count": rows}, "device": {"kind": "ideal"}, "layers": [{"cols": cols, "lanes": lanes}]}
    geometry, random = parse(document, "scan").crossbars[0], Random(rows * cols)
    scan = ScanPosition(geometry=geometry)

    async def testbench(ctx):
        lane = fold = row = 0
        for _ in range(400):
            assert (ctx.get(scan.lane), ctx.get(scan.fold), ctx.get(scan.row)) == (lane, fold, row)
            assert ctx.get(scan.base) == fold * rows
            assert ctx.get(scan.last_lane) == (lane == lanes - 1)
            assert ctx.get(scan.last_fold) == (fold == geometry.folds - 1)
            steps = [random.random() < 0.4 for _ in range(3)]
            steps[2] = steps[2] and row + 1 < rows
            rewind = random.random() < 0.05
            for name, value in zip(("next_lane", "next_fold", "next_row", "rewind"), (*steps, rewind), strict=True):
                ctx.set(getattr(scan, name), value)
            await ctx.tick()
            lane, fold, row = (lane + steps[0]) % lanes, (fold + steps[1]) % geometry.folds, row + steps[2]
            if rewind:
                lane = fold = row = 0

    simulator = Simulator(scan)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
