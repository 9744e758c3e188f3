"""hw.neuron against model.neuron, its latency and its throughput."""

from random import Random

import pytest
from spinloom.config import parse
from spinloom.hw.crossbar.layouts import conversion_layout, drive_layout
from spinloom.hw.neuron import Neuron
from spinloom.sim.benches.streams import PinBench
from spinloom.sim.testbenches.tb_neuron import NeuronBench, conversions
from spinloom.sim.testbenches.testbench import Case, Testbench


def experiment(neuron="relu", cols=24, adcs=4, **layer):
    return parse({"input": {"count": 4}, "device": {"kind": "ideal"},
                  "layers": [{"cols": cols, "adcs": adcs, "neuron": neuron, **layer},
                             {"cols": 2, "z_frac": 4, "chi_frac": 8}]}, "test")


@pytest.mark.parametrize("seed", range(12))
def test_agrees_with_golden_twin(seed):
    NeuronBench(Case.random(seed, layers=2, stall=(seed % 4) * 0.25)).simulate()


@pytest.mark.parametrize("neuron", ["relu", "sigmoid", "hard_tanh", "ternary", "stochastic"])
def test_agrees_with_golden_twin_at_full_speed(neuron):
    NeuronBench(Case(experiment=experiment(neuron, z_bits=8, z_frac=4), stall=0)).simulate()


@pytest.mark.parametrize("neuron", ["relu", "hard_tanh"])
@pytest.mark.parametrize("behind", [{"cols": 2}, {"kind": "conv", "kernel": 2, "padding": 1, "cols": 2}])
def test_cells_of_a_pooled_map_drive_the_map_behind(neuron, behind):
    layers = [{"kind": "conv", "kernel": 2, "pool": (2, 3), "cols": 6, "adcs": 3, "neuron": neuron},
              {**behind, "neuron": "relu"}, {"cols": 2, "z_frac": 4, "chi_frac": 8}]
    maps = parse({"input": {"map": [5, 7, 1]}, "device": {"kind": "ideal"}, "layers": layers}, "maps")
    assert maps.crossbars[1].window.cells == 2 * 2 * 6
    NeuronBench(Case(experiment=maps, stall=0.2)).simulate()


class Timing(Testbench):
    """Passes one sample, with no stall; afterwards ``first`` and ``last`` are the clock cycles from the first group
    to the first and to the last row."""

    def __init__(self, z, **fields):
        self.z = z
        super().__init__(Case(experiment=experiment(cols=len(z), **fields), stall=0))

    def build(self):
        return Neuron(source=self.case.experiment.crossbars[0], target=self.case.experiment.crossbars[1])

    async def exercise(self, bench: PinBench):
        source, target = self.case.experiment.crossbars
        z, x = bench.source("z", conversion_layout(source)), bench.sink("x", drive_layout(target))
        z.put_all(conversions(source, self.z))
        await bench.until(lambda: len(x) > 0 and x.take()["last"])
        self.first, self.last = x.cycles[0] - z.cycles[0], x.cycles[-1] - z.cycles[0]


def timing(z, **fields):
    bench = Timing(z, **fields)
    bench.simulate()
    return bench


def test_a_layer_costs_its_active_columns_or_its_groups():
    dense = timing([1] * 24)
    assert dense.first == Neuron.latency
    assert dense.last == Neuron.latency + 23
    assert timing([0] * 24).last == Neuron.latency + 5
    front = timing([1] * 8 + [0] * 40)
    assert front.last == Neuron.latency + 11, "groups without an active column pass while earlier rows are sent"
    sparse = timing([Random(col).randrange(4) // 3 for col in range(48)])
    assert sparse.last <= Neuron.latency + 14


def test_a_layer_without_a_neuron_is_refused():
    crossbars = experiment().crossbars
    with pytest.raises(ValueError, match=r"layers\[0\] is driven by data"):
        Neuron(source=crossbars[1], target=crossbars[0])
