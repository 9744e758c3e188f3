"""hw.error against the arithmetic of model.network."""

import pytest
from spinloom.config import load, parse
from spinloom.hw.crossbar.layouts import delta_layout, row_sum_layout
from spinloom.hw.delta_converter import DeltaConverter
from spinloom.sim.benches.streams import PinBench
from spinloom.sim.testbenches.tb_delta_converter import DeltaConverterBench
from spinloom.sim.testbenches.testbench import Case


@pytest.mark.parametrize("seed", range(8))
def test_agrees_with_golden_twin(seed):
    DeltaConverterBench(Case.random(seed, layers=2, stall=(seed % 4) * 0.25)).simulate()


@pytest.mark.parametrize("neuron", ["relu", "sigmoid"])
def test_rows_are_cells_of_the_map(neuron):
    layers = [{"kind": "conv", "kernel": 3, "pool": 2, "cols": 3, "neuron": neuron},
              {"kind": "conv", "kernel": 2, "cols": 2, "neuron": "relu"}, {"cols": 2, "z_frac": 4, "chi_frac": 8}]
    maps = parse({"input": {"map": [10, 8, 1]}, "device": {"kind": "ideal"}, "layers": layers}, "maps")
    assert maps.crossbars[1].window.cells == 4 * 3 * 3
    DeltaConverterBench(Case(experiment=maps)).simulate()


class Timing(DeltaConverterBench):
    """One sample of eight rows, with no stall."""

    async def exercise(self, bench: PinBench):
        e, d = bench.source("e", row_sum_layout(self.target)), bench.sink("d", delta_layout(self.source))
        e.put_all({"row": row, "e": row, "derivative": 1, "last": row == 7} for row in range(8))
        await bench.until(lambda: len(d) == 8)
        self.delays = [after - before for before, after in zip(e.cycles, d.cycles, strict=True)]
        self.duration = d.cycles[-1] - d.cycles[0]


def test_latency_and_throughput():
    bench = Timing(Case(experiment=load("digits-dw5"), stall=0))
    bench.simulate()
    assert bench.delays == [bench.component.latency] * 8
    assert bench.duration == 7


def test_a_layer_driven_by_data_is_refused():
    first, second = load("digits-dw5").crossbars
    with pytest.raises(ValueError, match=r"layers\[0\] is driven by data: it passes no error back"):
        DeltaConverter(source=second, target=first)
