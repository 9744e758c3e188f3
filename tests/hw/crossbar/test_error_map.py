"""The errors of a feature map against sums in Python."""

from random import Random

import pytest
from amaranth.hdl import ResetInserter, Signal
from amaranth.sim import Simulator
from spinloom.config import parse
from spinloom.hw.crossbar.error_map import WORD, ErrorMap


def geometry_of(shape, neuron="relu", reads=1, lanes=None):
    """A layer that reads windows of 2 x 2 of a map of that shape, which neurons drive, or data if there are none."""
    kernel = [min(side, 2) for side in shape[:2]]
    before = {"kind": "conv", "kernel": 1, "cols": shape[2], "neuron": neuron}
    layer = {"kind": "conv", "kernel": kernel, "drop": True, "cols": 4, "lanes": lanes, "second_reads": reads,
             "neuron": "relu"}
    behind = {"cols": 2, "z_frac": 4, "chi_frac": 8}
    given, layers = (shape, [layer, behind]) if neuron is None else ([*shape[:2], 1], [before, layer, behind])
    return parse({"input": {"map": given}, "device": {"kind": "domain_wall"}, "layers": layers}, "errors").crossbars[-2]


def random_errors(random, geometry):
    """What comes in each clock cycle: an error or None for each of the reads; cells come again soon, and late."""
    cells, width = geometry.window.cells, (geometry.lanes << geometry.device.g_bits - 1 + geometry.delta_bits - 1)
    bits = max(1, geometry.derivative_bits)
    few = random.sample(range(cells), random.randint(1, min(cells, random.choice((2, 5, cells)))))
    derivatives = [random.choice((0, (1 << bits) - 1, random.getrandbits(bits))) for _ in range(cells)]
    passes = []
    for _ in range(random.choice((0, 3, 30, 4 * len(few)))):
        cell, beat = random.choice(few), []
        for read in range(geometry.second_reads):
            near = (cell + read * random.choice((1, 1, 3))) % cells
            if random.random() < 0.2 or any(error and error["cell"] == near for error in beat):
                beat.append(None)
                continue
            # A cell is in few windows: the sum of all of its errors fits.
            limit = (width - 1) // (4 if len(few) > 1 else 16)
            beat.append({"cell": near, "derivative": derivatives[near],
                         "e": random.choice((-limit, limit, random.randint(-limit, limit)))})
        passes.append(beat)
    return passes


def wrapped(value, bits):
    return (value + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)


def expected_beats(geometry, errors):
    sums, derivatives = {}, {}
    for error in (error for beat in errors for error in beat if error and error["derivative"]):
        sums[error["cell"]] = wrapped(sums.get(error["cell"], 0) + error["e"], geometry.error_bits)
        derivatives[error["cell"]] = error["derivative"]
    beats = [{"row": cell, "e": sums[cell], "derivative": derivatives[cell], "last": 0} for cell in sorted(sums)] or [
        {"row": 0, "e": 0, "derivative": 0, "last": 0}]
    beats[-1]["last"] = 1
    return beats if geometry.derivative_bits else [{name: value for name, value in beat.items() if name != "derivative"}
                                                   for beat in beats]


def simulate(component, testbench):
    simulator = Simulator(component)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.parametrize("stall", [0, 0.4])
@pytest.mark.parametrize(("shape", "fields"), [
    ((1, 1, 1), {}), ((3, 3, 1), {}), ((4, 4, 1), {"lanes": 2}), ((5, 7, 3), {"neuron": "sigmoid"}),
    ((4, 4, 4), {"neuron": "hard_tanh"}), ((5, 4, 2), {"neuron": None}), ((9, 9, 5), {"reads": 3}),
    ((2, 2, 8), {"neuron": "sigmoid", "reads": 4}),
])
def test_answers_with_the_sums_of_cells(shape, fields, stall):
    geometry, random = geometry_of(shape, **fields), Random(f"{shape} {fields}")
    errors = ErrorMap(geometry=geometry)

    async def testbench(ctx):
        await ctx.tick().until(errors.idle)
        for _ in range(12):
            sent = random_errors(random, geometry)
            at_once = sent and random.random() < 0.5
            for number, beat in enumerate(sent):
                while random.random() < stall:
                    await ctx.tick()
                ctx.set(errors.valid, sum(1 << read for read, error in enumerate(beat) if error))
                ctx.set(errors.error, [error or {"cell": random.randrange(geometry.window.cells), "derivative": 1}
                                       for error in beat])
                ctx.set(errors.drain, at_once and number == len(sent) - 1)
                assert ctx.get(errors.idle)
                await ctx.tick()
                ctx.set(errors.valid, 0)
            if not at_once:
                ctx.set(errors.drain, 1)
                await ctx.tick()
            ctx.set(errors.drain, 0)
            for beat in expected_beats(geometry, sent):
                while random.random() < stall:
                    await ctx.tick()
                ctx.set(errors.e.ready, 1)
                _, _, valid, payload = await ctx.tick().sample(errors.e.valid, errors.e.payload)
                while not valid:
                    _, _, valid, payload = await ctx.tick().sample(errors.e.valid, errors.e.payload)
                assert {name: getattr(payload, name) for name in beat} == beat
                ctx.set(errors.e.ready, 0)
            assert ctx.get(errors.idle)
            assert not ctx.get(errors.e.valid)

    simulate(errors, testbench)


def test_latency_and_throughput():
    geometry = geometry_of((12, 12, 4))
    errors = ErrorMap(geometry=geometry)
    cells = geometry.window.cells

    async def drained(ctx, sent):
        """The clock cycles, counted from that of `drain`, in which the errors of these cells are answered."""
        for cell in sent:
            ctx.set(errors.valid, 1)
            ctx.set(errors.error, [{"cell": cell, "derivative": 1, "e": 1}])
            ctx.set(errors.drain, cell == sent[-1])
            await ctx.tick()
        ctx.set(errors.valid, 0)
        ctx.set(errors.drain, 0)
        ctx.set(errors.e.ready, 1)
        cycles, cycle = [], 1
        while len(cycles) < len(sent):
            if ctx.get(errors.e.valid):
                cycles.append(cycle)
            await ctx.tick()
            cycle += 1
        return cycles

    async def testbench(ctx):
        cycle = 0
        while not ctx.get(errors.idle):
            await ctx.tick()
            cycle += 1
        assert cycle == cells + 3
        assert await drained(ctx, list(range(cells))) == list(range(ErrorMap.latency, ErrorMap.latency + cells))
        every = [*range(0, cells, 7)]
        assert await drained(ctx, every) == list(range(ErrorMap.latency, ErrorMap.latency + len(every)))
        assert (await drained(ctx, [0, cells - 1]))[-1] == ErrorMap.latency + cells // WORD - 1

    simulate(errors, testbench)


@pytest.mark.parametrize("draining", [0, 1])
def test_a_reset_empties_the_map(draining):
    errors, reset = ErrorMap(geometry=geometry_of((6, 6, 1))), Signal()

    async def add(ctx, cell, drain):
        ctx.set(errors.valid, 1)
        ctx.set(errors.error, [{"cell": cell, "derivative": 1, "e": 5}])
        ctx.set(errors.drain, drain)
        await ctx.tick()
        ctx.set(errors.valid, 0)
        ctx.set(errors.drain, 0)

    async def testbench(ctx):
        await ctx.tick().until(errors.idle)
        for cell in range(36):
            await add(ctx, cell, draining and cell == 35)
        await ctx.tick().repeat(10)
        ctx.set(reset, 1)
        await ctx.tick()
        ctx.set(reset, 0)
        assert not ctx.get(errors.idle)
        await ctx.tick().until(errors.idle)
        await add(ctx, 20, 1)
        await ctx.tick().until(errors.e.valid)
        answer = ctx.get(errors.e.payload)
        assert (answer.row, answer.e, answer.last) == (20, 5, 1)

    simulate(ResetInserter(reset)(errors), testbench)
