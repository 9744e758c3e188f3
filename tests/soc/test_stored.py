"""A network that trains from the memory of a system on chip, in simulation, behind public models of its buses."""

import shutil
import sys
from importlib import import_module
from pathlib import Path

import pytest
from spinloom.config import parse
from spinloom.sim.simulators import runner
from spinloom.sim.testbenches.testbench import Case

pytest.importorskip("cocotbext.axi", reason="cocotbext-axi is not installed")
EXPERIMENT = parse({
    "input": {"count": 12}, "device": {"kind": "domain_wall", "sigma": 0.2}, "order": "permuted",
    "learning_rate_shifts": [2, 3], "update": {"threshold": 0.25},
    "store": {"memory": "axi", "words": 2048, "samples": 40},
    "layers": [{"cols": 3, "bias": True, "weight_step": -2, "z_frac": 6},
               {"cols": 4, "lanes": 2, "weight_step": -1, "z_bits": 8, "z_frac": 4}]}, "stored")
QUICK = "icarus" if shutil.which("iverilog") else "verilator"


def test_trains_from_the_memory_of_a_system(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)
    bench = import_module("tb_stored").StoredBench
    try:
        runner.run(bench(Case(experiment=EXPERIMENT, stall=0.2)), QUICK)
    finally:
        for name in ("tb_stored", "tb_registers"):
            sys.modules.pop(name)
