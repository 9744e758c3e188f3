"""Every block against its golden twin in the simulators, through cocotb."""

import pytest
from spinloom.config import parse
from spinloom.sim.simulators import runner
from spinloom.sim.testbenches.tb_accumulator import AccumulatorBench
from spinloom.sim.testbenches.tb_bank import BankBench
from spinloom.sim.testbenches.tb_crossbar import CrossbarBench
from spinloom.sim.testbenches.tb_delta_converter import DeltaConverterBench
from spinloom.sim.testbenches.tb_lfsr import LfsrBench
from spinloom.sim.testbenches.tb_loss import LossBench
from spinloom.sim.testbenches.tb_network import NetworkBench
from spinloom.sim.testbenches.tb_neuron import NeuronBench
from spinloom.sim.testbenches.tb_pooling import PoolingBench
from spinloom.sim.testbenches.tb_programmer import ProgrammerBench
from spinloom.sim.testbenches.testbench import Case

BENCHES = [LfsrBench, NeuronBench, DeltaConverterBench, LossBench, AccumulatorBench, ProgrammerBench, CrossbarBench,
           BankBench, NetworkBench]
LARGE = (CrossbarBench, BankBench, NetworkBench)


@pytest.mark.parametrize("bench", [bench for bench in BENCHES if bench not in LARGE], ids=lambda bench: bench.__name__)
def test_a_block_agrees_with_its_golden_twin(bench, simulator):
    runner.run(bench(Case.random(0, layers=2)), simulator)


@pytest.mark.parametrize("bench", LARGE, ids=lambda bench: bench.__name__)
def test_agrees_with_golden_twin(bench, quick):
    runner.run(bench(Case.random(0, layers=2)), quick)


@pytest.mark.slow
@pytest.mark.parametrize("bench", BENCHES, ids=lambda bench: bench.__name__)
def test_other_configurations_agree(bench, simulator):
    for seed in range(4):
        runner.run(bench(Case.random(seed, layers=2)), simulator)


@pytest.mark.parametrize("layer", [{"pool": 2}, {"pool": (4, 3), "pool_stride": (2, 1)}])
def test_pooling_agrees_with_the_arithmetic(layer, quick):
    layers = [{"kind": "conv", "kernel": 2, "cols": 6, "adcs": 3, "neuron": "relu", **layer},
              {"cols": 2, "z_frac": 4, "chi_frac": 8}]
    experiment = parse({"input": {"map": [9, 7, 1]}, "device": {"kind": "ideal"}, "layers": layers}, "pooling")
    runner.run(PoolingBench(Case(experiment=experiment)), quick)


@pytest.mark.parametrize("bench", [BankBench, NetworkBench, *(pytest.param(bench, marks=pytest.mark.slow)
                                                              for bench in (AccumulatorBench, CrossbarBench))],
                         ids=lambda bench: bench.__name__)
def test_agrees_with_golden_twin_at_several_positions(bench, quick):
    case = Case.random(6, convolutions=True, reads=bench is not AccumulatorBench, samples=12)  # a single small layer
    runner.run(bench(case), quick)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6, 12))
def test_networks_of_convolutions_agree(seed, simulator):
    runner.run(NetworkBench(Case.random(seed, convolutions=True, reads=True)), simulator)
