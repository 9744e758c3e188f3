"""The clock cycles between the passes of a training sample, measured on the slots of a network's crossbars."""

from itertools import groupby, pairwise
from random import Random

import pytest
from amaranth.sim import Simulator
from spinloom.boards import speed
from spinloom.config import parse
from spinloom.contract.geometry import COUNTERS
from spinloom.hw import latencies
from spinloom.hw.crossbar import crossbar
from spinloom.hw.crossbar.crossbar import answers_depth
from spinloom.hw.network import Network
from spinloom.hw.operations import NetworkOperation

INPUTS = 24
SAMPLES = 3
LAYER = {"weight_step": -3, "z_bits": 8, "z_frac": 2, "chi_frac": 10}
EXPERIMENTS = {
    "one fold": [{"cols": 12, "neuron": "sigmoid"}, {"cols": 4}],
    "several groups": [{"cols": 12, "neuron": "sigmoid", "adcs": 3}, {"cols": 6, "adcs": 2}],
    "derivatives of one bit": [{"cols": 12, "neuron": "hard_tanh"}, {"cols": 5}],
    "bias": [{"cols": 12, "neuron": "sigmoid", "bias": True}, {"cols": 4, "bias": True}],
    "three layers": [{"cols": 12, "neuron": "sigmoid"}, {"cols": 10, "neuron": "hard_tanh"}, {"cols": 2}],
    "many lanes": [{"cols": 12, "neuron": "sigmoid"}, {"cols": 17}],
    "read noise": [{"cols": 12, "neuron": "sigmoid"}, {"cols": 4}],
    "mismatch": [{"cols": 12, "neuron": "sigmoid"}, {"cols": 4}],
    "nonlinearity": [{"cols": 12, "neuron": "sigmoid", "lanes": 4}, {"cols": 4}],
    "one port": [{"cols": 12, "neuron": "sigmoid", "ports": 1}, {"cols": 4, "ports": 1}],
    "folds": [{"cols": 12, "neuron": "sigmoid", "lanes": 4}, {"cols": 4}],
    "folds and bias": [{"cols": 12, "neuron": "sigmoid", "lanes": 4, "bias": True}, {"cols": 4, "lanes": 2}],
    "folds of several groups": [{"cols": 12, "neuron": "sigmoid", "lanes": 6}, {"cols": 8, "lanes": 4, "adcs": 2}],
}
"""Networks in which every row is active in every sample; the last ones have more than one fold."""


def experiment_of(name: str):
    converters = {"read noise": {"read_noise": 1.0}, "mismatch": {"offset": 0.1, "gain": 0.01},
                  "nonlinearity": {"nonlinearity": [0.0, 0.1]}}.get(name, {})
    return parse({"input": {"count": INPUTS}, "device": {"kind": "ideal"}, "learning_rate_shifts": [8],
                  "layers": [LAYER | layer for layer in EXPERIMENTS[name]], "converters": converters}, name)


def words_of(geometry, random: Random) -> list[int]:
    """A state of small weights."""
    low, high = geometry.device.g_range
    cells = [random.randint(low, high) % (1 << geometry.device.g_bits) << geometry.chi_bits
             for _ in range(geometry.rows * geometry.cols)]
    return [*cells, *(1 for _ in geometry.lfsrs), *(0 for _ in COUNTERS)]


def slots_of(experiment, monkeypatch) -> list[list[tuple[int, str, bool]]]:
    """The slots of each layer while the network trains on ``SAMPLES`` samples: the clock cycle, whether of a forward
    pass or of an update, and whether it passes an error back."""
    controllers = []

    class Recorded(crossbar.RowController):
        def __init__(self, **arguments):
            super().__init__(**arguments)
            controllers.append(self)

    monkeypatch.setattr(crossbar, "RowController", Recorded)
    network = Network(geometries=experiment.crossbars, loss=experiment.loss)
    found = [[] for _ in experiment.crossbars]
    loaded, trained = [], []

    async def command(ctx):
        random = Random(1)
        for geometry in experiment.crossbars[1:]:  # the first layer's neurons are active without
            ctx.set(network.command.payload, {"operation": NetworkOperation.LOAD, "layer": geometry.index})
            ctx.set(network.command.valid, 1)
            for word in words_of(geometry, random):
                ctx.set(network.state_in.payload, word)
                ctx.set(network.state_in.valid, 1)
                await ctx.tick().until(network.state_in.ready)
            ctx.set(network.state_in.valid, 0)
            await ctx.tick().until(network.command.ready)
        ctx.set(network.command.payload, {"operation": NetworkOperation.TRAIN})
        loaded.append(True)
        for _ in range(SAMPLES):
            await ctx.tick().until(network.command.ready)
        ctx.set(network.command.valid, 0)
        await ctx.tick().until(network.idle)
        trained.append(True)

    async def drive(ctx):
        ctx.set(network.result.ready, 1)
        ctx.set(network.x.valid, 1)
        for beat in range(SAMPLES * INPUTS):
            row = beat % INPUTS
            ctx.set(network.x.payload, {"row": row, "x": 200, "last": row == INPUTS - 1})
            await ctx.tick().until(network.x.ready)
        ctx.set(network.x.valid, 0)

    async def watch(ctx):
        cycle = 0
        while not trained:
            for slots, controller in zip(found, controllers, strict=True) if loaded else ():
                slot = controller.slot
                if ctx.get(slot.forward):
                    slots.append((cycle, "forward", False))
                elif ctx.get(slot.update) or ctx.get(slot.backward):
                    slots.append((cycle, "update", bool(ctx.get(slot.backward))))
            await ctx.tick()
            cycle += 1

    simulator = Simulator(network)
    simulator.add_clock(1e-6)
    for process in (command, drive, watch):
        simulator.add_testbench(process)
    simulator.run()
    return found


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_distances_of_slots(name, monkeypatch):
    monkeypatch.setattr(speed, "ACTIVE_INPUTS", {})  # all of them are
    experiment = experiment_of(name)
    geometries, slots = experiment.crossbars, slots_of(experiment, monkeypatch)
    passes = [[list(group) for _, group in groupby(layer, key=lambda slot: slot[1])] for layer in slots]
    forward = [[[cycle for cycle, *_ in group] for group in layer[::2]] for layer in passes]
    update = [[[cycle for cycle, *_ in group] for group in layer[1::2]] for layer in passes]
    passing = [[[cycle for cycle, _, passes_back in group if passes_back] for group in layer[1::2]] for layer in passes]
    last = len(geometries) - 1
    for layer, geometry in enumerate(geometries):
        assert [len(group) for group in passes[layer]] == [geometry.rows * geometry.folds] * (2 * SAMPLES)
        if geometry.folds > 1:
            size = geometry.rows
            assert {group[size] - group[size - 1] for group in forward[layer] if layer == 0} <= {
                latencies.to_second_fold(geometry)}
    for sample in range(1, SAMPLES):
        for layer in range(last):
            end, behind = forward[layer][sample][-1], forward[layer + 1][sample]
            assert min(cycle for cycle in behind if cycle > end) - end == latencies.to_next_layer(geometries[layer])
            assert update[layer][sample][0] - passing[layer + 1][sample][-1] == latencies.to_layer_before(
                geometries[layer], geometries[layer + 1])
        assert update[last][sample][0] - forward[last][sample][-1] == latencies.to_update(geometries[last])
        assert forward[0][sample][0] - update[0][sample - 1][-1] == latencies.to_next_sample(geometries[0])
    periods = {after[0] - before[0] for before, after in pairwise(forward[0][1:])}
    if max(geometry.folds for geometry in geometries) == 1:
        assert periods == {speed.cycles_per_sample(experiment)}
    else:
        assert max(periods) <= speed.cycles_per_sample(experiment)


@pytest.mark.parametrize("name", ["one fold", "many lanes"])
def test_row_sums_never_overflow_their_queue(name):
    """Half of the places take those that are on their way: the longest way is one slot a clock cycle."""
    for geometry in experiment_of(name).crossbars[1:]:
        assert answers_depth(geometry) >= 2 * (crossbar.row_sum_latency(geometry) + 2)
