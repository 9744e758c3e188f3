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
SEEDS = {"verilator": range(1), "icarus": range(2)}
"""Icarus, which builds in no time, runs more configurations."""


@pytest.mark.parametrize("bench", BENCHES, ids=lambda bench: bench.__name__)
def test_agrees_with_golden_twin(bench, simulator):
    for seed in SEEDS[simulator]:
        runner.run(bench(Case.random(seed, layers=2)), simulator)


@pytest.mark.parametrize("layer", [{"pool": 2}, {"pool": (4, 3), "pool_stride": (2, 1)}])
def test_pooling_agrees_with_the_arithmetic(layer, simulator):
    layers = [{"kind": "conv", "kernel": 2, "cols": 6, "adcs": 3, "neuron": "relu", **layer},
              {"cols": 2, "z_frac": 4, "chi_frac": 8}]
    experiment = parse({"input": {"map": [9, 7, 1]}, "device": {"kind": "ideal"}, "layers": layers}, "pooling")
    runner.run(PoolingBench(Case(experiment=experiment)), simulator)


@pytest.mark.parametrize("bench", [AccumulatorBench, CrossbarBench, BankBench, NetworkBench],
                         ids=lambda bench: bench.__name__)
def test_agrees_with_golden_twin_at_several_positions(bench, simulator):
    case = Case.random(6, convolutions=True, reads=bench is not AccumulatorBench, samples=12)  # a single small layer
    runner.run(bench(case), simulator)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(7, 12))
def test_networks_of_convolutions_agree(seed, simulator):
    runner.run(NetworkBench(Case.random(seed, convolutions=True, reads=True)), simulator)
