"""Blocks against their golden twins for longer: one geometry each, several seeds of stimuli and stalls. Mutants of
these designs are replayed on all of that: see docs/mutants.md."""

from random import Random

import pytest
from spinloom.config import parse
from spinloom.random_experiment import random_experiment
from spinloom.sim.testbenches.tb_accumulator import AccumulatorBench
from spinloom.sim.testbenches.tb_crossbar import CrossbarBench
from spinloom.sim.testbenches.tb_delta_converter import DeltaConverterBench
from spinloom.sim.testbenches.tb_loss import LossBench
from spinloom.sim.testbenches.tb_neuron import NeuronBench
from spinloom.sim.testbenches.tb_pooling import PoolingBench
from spinloom.sim.testbenches.tb_programmer import ProgrammerBench
from spinloom.sim.testbenches.testbench import Case

MEASURED = random_experiment(Random(3), layers=1, kind="measured")
POOLED = parse({"input": {"map": [7, 5, 1]}, "device": {"kind": "ideal"}, "layers": [
    {"kind": "conv", "kernel": 1, "cols": 6, "adcs": 3, "neuron": "relu", "pool": (3, 2), "pool_stride": (2, 1)},
    {"cols": 2, "z_frac": 4, "chi_frac": 8}]}, "pooled")
DENSE = parse({"input": {"count": 5}, "device": {"kind": "domain_wall", "states": 5, "variation": 0.1, "stuck": 0.1},
               "converters": {"read_noise": 0.5}, "learning_rate_shifts": [2, 6],
               "layers": [{"cols": 6, "lanes": 3, "adcs": 1, "z_frac": 4, "chi_frac": 8},
                          {"cols": 4, "lanes": 2, "z_frac": 4, "chi_frac": 8}]}, "dense")
SCANNED = parse({"input": {"map": [4, 4, 1]}, "device": {"kind": "incremental", "states": 9}, "layers": [
    {"kind": "conv", "kernel": 2, "cols": 4, "lanes": 2, "neuron": "relu"},
    {"kind": "conv", "kernel": 2, "padding": 1, "cols": 2, "neuron": "relu"},
    {"cols": 2, "z_frac": 4, "chi_frac": 8}]}, "scanned")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("bench", "experiment", "samples"), [
    (AccumulatorBench, random_experiment(Random(11), convolutions=True), 60),
    (AccumulatorBench, random_experiment(Random(7)), 60),
    (DeltaConverterBench, random_experiment(Random(7)), 60),
    (LossBench, random_experiment(Random(11)), 60),
    (NeuronBench, random_experiment(Random(11), 2), 60),
    (NeuronBench, random_experiment(Random(3), 2), 60),
    (PoolingBench, POOLED, 12),
    (ProgrammerBench, MEASURED, 60),
    (CrossbarBench, DENSE, 12),
    (CrossbarBench, SCANNED, 8),
], ids=lambda value: getattr(value, "__name__", None))
def test_agrees_with_golden_twin(bench, experiment, samples, seed):
    bench(Case(experiment=experiment, seed=seed, stall=seed * 0.25, samples=samples)).simulate()
