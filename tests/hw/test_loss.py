"""hw.loss against model.loss, its latency and its throughput."""

import pytest
from spinloom.config import load
from spinloom.hw.crossbar.layouts import conversion_layout, delta_layout
from spinloom.hw.layouts import result_layout, sample_layout
from spinloom.hw.loss import LossUnit
from spinloom.sim.benches.streams import PinBench
from spinloom.sim.testbenches.tb_loss import LossBench
from spinloom.sim.testbenches.tb_neuron import conversions
from spinloom.sim.testbenches.testbench import Case


@pytest.mark.parametrize("seed", range(12))
def test_agrees_with_golden_twin(seed):
    LossBench(Case.random(seed, stall=(seed % 4) * 0.25)).simulate()


class Timing(LossBench):
    """Two samples, with no stall; the first is known before its outputs come."""

    async def exercise(self, bench: PinBench):
        cols = self.geometry.cols
        z, sample = bench.source("z", conversion_layout(self.geometry)), bench.source("sample", sample_layout(cols))
        result, d = bench.sink("result", result_layout(cols)), bench.sink(
            "d", delta_layout(self.geometry, self.geometry.adcs))
        sample.put({"label": 1, "train": 1})
        await bench.run(3)
        z.put_all(conversions(self.geometry, list(range(cols))) * 2)
        await bench.until(lambda: len(result) == 1)
        await bench.run(20)
        self.groups_before_second_sample = len(z.cycles)
        sample.put({"label": 1, "train": 0})
        await bench.until(lambda: len(result) == 2)
        self.d_times = [cycle - z.cycles[0] for cycle in d.cycles]
        self.result_time = result.cycles[0] - z.cycles[0]


def test_latency_and_throughput():
    bench = Timing(Case(experiment=load("digits-dw5"), stall=0))
    bench.simulate()
    groups = bench.geometry.cols // bench.geometry.adcs
    assert groups == 2
    assert bench.d_times == list(range(LossUnit.latency, LossUnit.latency + groups))
    assert bench.result_time == LossUnit.latency + groups - 1 + 3, "five columns are compared in three clock cycles"
    assert bench.groups_before_second_sample == groups, "outputs wait for their sample"


def test_an_unknown_loss_is_refused():
    with pytest.raises(ValueError, match="loss='mse': must be cross_entropy or squared_hinge"):
        LossUnit(geometry=load("digits-dw5").crossbars[-1], loss="mse")
