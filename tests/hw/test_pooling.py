"""hw.pooling against docs/arithmetic.md 5.1, its latency and its throughput."""

from random import Random

import pytest
from spinloom.config import parse
from spinloom.contract.widths import divisors
from spinloom.hw.crossbar.layouts import conversion_layout, delta_layout, position_delta_layout
from spinloom.hw.pooling import Pooling
from spinloom.sim.benches.streams import PinBench
from spinloom.sim.testbenches.tb_neuron import conversions
from spinloom.sim.testbenches.tb_pooling import PoolingBench
from spinloom.sim.testbenches.testbench import Case


def experiment(outputs, cols, adcs=None, **layer):
    """A convolution with that map of outputs, and a layer behind it."""
    first = {"kind": "conv", "kernel": 1, "cols": cols, "neuron": "relu", "adcs": adcs or cols, **layer}
    return parse({"input": {"map": [*outputs, 1]}, "device": {"kind": "ideal"},
                  "layers": [first, {"cols": 2, "z_frac": 4, "chi_frac": 8}]}, "pooling")


def random_experiment(random):
    """Windows that tile the map, overlap or leave cells out, and any map, number of columns and of ADCs."""
    outputs = [random.randint(1, 9) for _ in range(2)]
    pool = [random.randint(1, min(size, 4)) for size in outputs]
    stride = [random.choice((size, random.randint(1, 5))) for size in pool]
    cols = random.choice((1, 2, 3, 6, 8, 12))
    lanes = random.choice(divisors(cols))
    return experiment(outputs, cols, random.choice(divisors(lanes)), lanes=lanes, pool=pool, pool_stride=stride,
                      drop=True)


@pytest.mark.parametrize("seed", range(24))
def test_agrees_with_the_arithmetic(seed):
    PoolingBench(Case(experiment=random_experiment(Random(seed)), seed=seed, stall=(seed % 4) * 0.25,
                      samples=5)).simulate()


@pytest.mark.parametrize(("outputs", "layer"), [
    ((24, 4), {"cols": 16, "adcs": 8, "pool": 2}), ((8, 8), {"cols": 4, "adcs": 1, "pool": 2}),
    ((5, 5), {"cols": 3, "pool": 3, "pool_stride": 1}), ((7, 6), {"cols": 6, "adcs": 3}),
    ((1, 1), {"cols": 10, "adcs": 5}), ((9, 5), {"cols": 2, "adcs": 1, "pool": (3, 2), "pool_stride": (2, 1)}),
])
def test_agrees_with_the_arithmetic_at_full_speed(outputs, layer):
    PoolingBench(Case(experiment=experiment(outputs, **layer), stall=0, samples=5)).simulate()


class Loss(PoolingBench):
    """Deltas come as from the loss: a group in a beat."""

    @property
    def deltas(self):
        return self.case.experiment.crossbars[0].adcs


@pytest.mark.parametrize("seed", range(12))
def test_takes_groups_of_deltas(seed):
    case = Case(experiment=random_experiment(Random(seed)), seed=seed, stall=(seed % 2) * 0.3, samples=4)
    Loss(case).simulate()


class Timing(PoolingBench):
    """Two samples without a pause, then the deltas ``cells``, with no stall."""

    def __init__(self, cells, **fields):
        self.cells = cells
        super().__init__(Case(experiment=experiment(**fields), stall=0))

    async def exercise(self, bench: PinBench):
        geometry = self.geometry
        z, maps = bench.source("z", conversion_layout(geometry)), bench.sink("pooled_z", conversion_layout(geometry))
        deltas, d = bench.source("pooled_d", delta_layout(geometry)), bench.sink("d", position_delta_layout(geometry))
        count = geometry.window.pooled_cells // geometry.adcs
        for _ in range(2):
            z.put_all(conversions(geometry, [0] * (geometry.positions * geometry.cols)))
        await bench.until(lambda: len(maps) == 2 * count)
        self.forward = z.cycles[-1] - z.cycles[0] + 1
        self.last = maps.cycles[-1] - z.cycles[-1]
        deltas.put_all({"col": cell, "delta": [1], "last": cell == self.cells[-1]} for cell in self.cells)
        await bench.until(lambda: len(d) == len(self.cells))
        self.first_back, self.last_back = (d.cycles[beat] - deltas.cycles[0] for beat in (0, -1))


def timing(cells, **fields):
    bench = Timing(cells, **fields)
    bench.simulate()
    return bench


@pytest.mark.parametrize("adcs", [1, 2, 4])
def test_a_group_and_a_delta_in_a_clock_cycle(adcs):
    tiles = timing(range(36), outputs=(6, 6), cols=4, adcs=adcs, pool=2)
    assert tiles.forward == 2 * 36 * 4 // adcs
    assert tiles.last == Pooling.latency
    assert (tiles.first_back, tiles.last_back) == (Pooling.latency, Pooling.latency + 35)
    plain = timing(range(144), outputs=(6, 6), cols=4, adcs=adcs)
    assert plain.last == 0, "without pooling, groups pass"
    assert (plain.first_back, plain.last_back) == (Pooling.latency, Pooling.latency + 143)


def test_overlapping_windows_cost_a_clock_cycle_each():
    assert timing([0], outputs=(5, 7), cols=1, pool=3, pool_stride=2).forward == 2 * 6 * 9
    assert timing([0], outputs=(3, 9), cols=2, pool=(3, 4), pool_stride=(1, 1), adcs=1).forward == 2 * 2 * 3 * 6 * 4


def test_a_place_without_a_delta_costs_a_clock_cycle():
    assert timing([0, 2], outputs=(4, 4), cols=1, pool=1).last_back == Pooling.latency + 2
    assert timing([3, 15], outputs=(4, 4), cols=1, pool=1).last_back == Pooling.latency + 12
