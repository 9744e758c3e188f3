"""Every block against its golden twin in the simulators, through cocotb."""

import pytest
from spinloom.sim import runner
from spinloom.sim.tb_accumulator import AccumulatorBench
from spinloom.sim.tb_crossbar import CrossbarBench
from spinloom.sim.tb_error import ErrorBench
from spinloom.sim.tb_lfsr import LfsrBench
from spinloom.sim.tb_loss import LossBench
from spinloom.sim.tb_network import NetworkBench
from spinloom.sim.tb_neuron import NeuronBench
from spinloom.sim.tb_programmer import ProgrammerBench
from spinloom.sim.testbench import Parameters

BENCHES = [LfsrBench, NeuronBench, ErrorBench, LossBench, AccumulatorBench, ProgrammerBench, CrossbarBench,
           NetworkBench]
SEEDS = {"verilator": range(1), "icarus": range(3)}
"""Icarus, which builds in no time, runs more configurations."""


@pytest.mark.parametrize("bench", BENCHES, ids=lambda bench: bench.__name__)
def test_agrees_with_golden_twin(bench, simulator):
    for seed in SEEDS[simulator]:
        runner.run(bench(Parameters.random(seed, layers=2)), simulator)
