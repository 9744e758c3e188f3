"""hw.programmer and its parts against model.programmer."""

from random import Random

import pytest
from amaranth.sim import Simulator
from spinloom.config import parse
from spinloom.contract.hashing import mix32
from spinloom.devices.kinds import KINDS
from spinloom.hw.crossbar.cell_hash import CellHash
from spinloom.hw.crossbar.programmer import StochasticProgrammer
from spinloom.hw.export.verilog import to_verilog
from spinloom.random_experiment import random_experiment
from spinloom.sim.testbenches.tb_programmer import ProgrammerBench
from spinloom.sim.testbenches.testbench import Case


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", KINDS)
def test_agrees_with_golden_twin(kind, seed):
    experiment = random_experiment(Random(seed), layers=1, kind=kind)
    ProgrammerBench(Case(experiment=experiment, seed=seed, stall=seed * 0.25)).simulate()


SEVERAL = [
    ({"kind": "domain_wall", "states": 2, "sigma": 0.1, "variation": 0.1, "stuck": 0.1}, {"slices": [8, 4, 2, 1]}),
    ({"kind": "domain_wall", "states": 3, "sigma": 0.4}, {"slices": [4, 2, 1]}),
    ({"kind": "incremental", "states": 5, "variation": 0.1}, {"slices": [4, 1]}),
    ({"kind": "incremental", "states": 9}, {"turns": 3}),
    ({"kind": "mtj", "states": 2, "stuck": 0.1}, {"slices": [2, 1]}),
    ({"kind": "domain_wall", "states": 2, "sigma": 0.3}, {"turns": 8}),
]
"""Devices, and how several of them are in a cell."""


@pytest.mark.parametrize(("device", "synapse", "residual"), [
    (*each, residual) for each, residual in zip(SEVERAL, ("verified", "nominal") * 3, strict=True)], ids=str)
def test_devices_of_a_cell_agree_with_the_golden_twin(device, synapse, residual):
    experiment = parse({"input": {"count": 9}, "device": device, "synapse": synapse, "update": {"residual": residual},
                        "write": {"margin": 0.125, "max_attempts": 4}, "learning_rate_shifts": [8],
                        "layers": [{"cols": 4, "lanes": 2, "chi_frac": 8, "chi_bits": 12}]}, "several")
    ProgrammerBench(Case(experiment=experiment, seed=len(str(device)), stall=0.25, samples=60)).simulate()


def test_levels_narrower_than_the_nominal_ones():
    """A device that lands short of its outermost states is still written toward their nominal levels."""
    experiment = parse({"input": {"count": 9}, "layers": [{"cols": 4, "chi_frac": 8}], "device": {
        "kind": "domain_wall", "states": 2, "sub_bits": 1, "sigma": 0.0, "offset": [0.4, -0.4]}}, "short")
    device = experiment.crossbars[0].device
    assert -device.origin >= 1 << device.g_bits - 1
    ProgrammerBench(Case(experiment=experiment, samples=40)).simulate()


def geometry(device: dict, lanes: int = 4, **update):
    return parse({"input": {"count": 9}, "device": device, "update": update,
                  "layers": [{"cols": 12, "lanes": lanes}]}, "programmer").crossbars[0]


def cycles_of_requests(machine: StochasticProgrammer, requests: list[tuple[dict, dict]]) -> list[int]:
    """The clock cycles from one replacement to the next, for requests in a row, each with its cell."""
    taken = []

    async def testbench(ctx):
        ctx.set(machine.replace.ready, 1)
        ctx.set(machine.fetch.ready, 1)
        waiting, fetched = list(requests), []
        for cycle in range(600):
            if ctx.get(machine.replace.valid):
                taken.append(cycle)
            ctx.set(machine.request.valid, bool(waiting))
            if waiting:
                ctx.set(machine.request.payload, waiting[0][0])
            ctx.set(machine.fetched, bool(fetched))
            if fetched:
                ctx.set(machine.cell, fetched.pop(0))
            if waiting and ctx.get(machine.request.ready):
                fetched.append(waiting.pop(0)[1])
            await ctx.tick()

    simulator = Simulator(machine)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    assert len(taken) == len(requests)
    return [after - before for before, after in zip(taken, taken[1:], strict=False)]


@pytest.mark.parametrize(("device", "pulses", "cycles"), [
    ({"kind": "ideal"}, 1, 5),
    ({"kind": "incremental", "states": 17}, 2, 10),
    ({"kind": "mtj", "states": 5}, 2, 6),
    ({"kind": "pcm_pair"}, 2, 13),
    ({"kind": "ideal", "stuck": 0.1}, 1, 11),
], ids=str)
def test_clock_cycles_of_a_request(device, pulses, cycles):
    made = geometry(device, threshold=2.0)
    position = {"address": 1, "lane": 2} | ({"row": 1, "fold": 0} if made.device.differs else {})
    cell = {"g": 0, "chi": 2 * pulses << made.chi_frac} | ({"g_minus": 0} if made.device.pair else {})
    request = {"position": position, "write": 0, "state": 0}
    assert cycles_of_requests(StochasticProgrammer(geometry=made), [(request, cell)] * 8)[3:] == [cycles] * 4


@pytest.mark.parametrize(("g", "synapse", "pulses"), [
    (-4, {"slices": [8, 4, 2, 1]}, 4), (-12, {"slices": [8, 4, 2, 1]}, 1), (-4, {"turns": 4}, 1)], ids=str)
def test_clock_cycles_of_a_cell_of_several_devices(g, synapse, pulses):
    made = parse({"input": {"count": 9}, "device": {"kind": "ideal", "states": 2}, "synapse": synapse,
                  "layers": [{"cols": 12, "lanes": 4}]}, "programmer").crossbars[0]
    cell = {"g": g, "slices": [-4, 4, 4] if "slices" in synapse else [4, -4, -4], "chi": 1 << made.chi_frac}
    request = {"position": {"address": 1, "lane": 2}, "write": 0, "state": 0}
    machine = StochasticProgrammer(geometry=made)
    assert cycles_of_requests(machine, [(request, cell)] * 8)[3:] == [4 + 4 * 3 + pulses * 4] * 4


@pytest.mark.parametrize("lanes", [1, 3, 4, 12])
def test_cell_hash(lanes):
    made = geometry({"kind": "domain_wall", "stuck": 0.1}, lanes)
    machine, random = CellHash(geometry=made), Random(lanes)
    places = [(random.randrange(made.rows), random.randrange(made.folds), random.randrange(lanes)) for _ in range(30)]

    async def testbench(ctx):
        ctx.set(machine.hash.ready, 1)
        for row, fold, lane in places:
            ctx.set(machine.position.payload, {"address": 0, "row": row, "fold": fold, "lane": lane})
            ctx.set(machine.position.valid, 1)
            assert ctx.get(machine.position.ready)
            for _ in range(10):
                assert not ctx.get(machine.hash.valid)
                await ctx.tick()
            assert ctx.get(machine.hash.valid)
            assert ctx.get(machine.hash.payload) == mix32(made.cell_seed + (row << 16) + fold * lanes + lane)
            await ctx.tick()

    simulator = Simulator(machine)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()


def test_the_hashes_of_several_devices():
    made = parse({"input": {"count": 9}, "device": {"kind": "domain_wall", "stuck": 0.1}, "synapse": {"turns": 3},
                  "layers": [{"cols": 12, "lanes": 4}]}, "programmer").crossbars[0]
    machine = CellHash(geometry=made)

    async def testbench(ctx):
        ctx.set(machine.hash.ready, 1)
        for row, fold, lane in [(1, 2, 3), (8, 0, 1)]:
            ctx.set(machine.position.payload, {"address": 0, "row": row, "fold": fold, "lane": lane})
            ctx.set(machine.position.valid, 1)
            for device in range(3):
                while not ctx.get(machine.hash.valid):
                    await ctx.tick()
                    ctx.set(machine.position.valid, 0)
                place = (row << 16) + (device << 11) + fold * 4 + lane
                assert ctx.get(machine.hash.payload) == mix32(made.cell_seed + place)
                await ctx.tick()
            assert ctx.get(machine.position.ready)

    simulator = Simulator(machine)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.parametrize(("device", "update", "parts"), [
    ({"kind": "domain_wall"}, {}, ["quantile", "threshold"]),
    ({"kind": "ideal", "stuck": 0.1}, {}, ["quantile", "threshold", "cell_hash"]),
    ({"kind": "pcm_pair"}, {}, ["quantile", "threshold", "refresh_high"]),
    ({"kind": "mtj"}, {"rounding": "stochastic", "residual": "none"}, []),
], ids=str)
def test_only_what_the_device_needs_is_generated(device, update, parts):
    verilog = to_verilog(StochasticProgrammer(geometry=geometry(device, **update)), "programmer")
    assert [part for part in ("quantile", "threshold", "cell_hash", "refresh_high") if part in verilog] == parts
