"""The list of active rows against a list in Python, under random puts and moves of its cursor."""

from random import Random

import pytest
from amaranth.sim import Simulator
from spinloom.config import parse
from spinloom.hw.crossbar.active_rows import ActiveRows

LAYERS = [{"cols": 6, "neuron": "sigmoid"}, {"cols": 2, "z_frac": 4, "chi_frac": 8}]


@pytest.mark.parametrize(("inputs", "layer"), [(1, 0), (2, 0), (7, 0), (7, 1)])
def test_keeps_and_reads_the_active_rows(inputs, layer):
    experiment = parse({"input": {"count": inputs}, "device": {"kind": "ideal"}, "layers": LAYERS}, "rows")
    geometry, random = experiment.crossbars[layer], Random(inputs + layer)
    rows, read = ActiveRows(geometry=geometry), 0

    async def testbench(ctx):
        nonlocal read
        entries, cursor = [], 0  # each entry with the clock cycle of its put
        for cycle in range(1500):
            passing = [index for index, (entry, _) in enumerate(entries) if entry.get("derivative")]
            assert ctx.get(rows.empty) == (not entries)
            assert ctx.get(rows.last) == (cursor == len(entries) - 1)
            assert ctx.get(rows.passing) == bool(passing)
            assert ctx.get(rows.last_passing) == (bool(passing) and cursor == passing[-1])
            if cursor < len(entries) and entries[cursor][1] <= cycle - 2:
                read += 1
                for name, value in entries[cursor][0].items():
                    assert ctx.get(rows.entry[name]) == value

            clear, rewind = random.random() < 0.03, random.random() < 0.1
            put = not clear and len(entries) < geometry.inputs and random.random() < 0.5
            advance = cursor + 1 < geometry.inputs and random.random() < 0.6
            drive = {"row": random.randrange(geometry.inputs), "x": random.choice((0, 1, 5))}
            if geometry.derivative_bits:
                drive["derivative"] = random.choice((0, 0, random.getrandbits(geometry.derivative_bits)))
            for name, value in {"clear": clear, "rewind": rewind, "put": put, "advance": advance}.items():
                ctx.set(getattr(rows, name), value)
            ctx.set(rows.drive, drive)
            await ctx.tick()
            if put and any(value for name, value in drive.items() if name != "row"):
                entries.append((drive, cycle))
            if clear:
                entries = []
            cursor = 0 if rewind else cursor + advance

    simulator = Simulator(rows)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    assert read > 200
