"""A network that trains from the memory of a system on chip, in simulation, behind public models of its buses."""

import shutil
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from spinloom.config import parse
from spinloom.contract.errors import ConfigError
from spinloom.contract.store import StoreError
from spinloom.hw.axi.network import register_table
from spinloom.sim.bench import complete
from spinloom.sim.simulators import runner
from spinloom.sim.testbenches.testbench import Case
from spinloom.soc.bus import BusError
from spinloom.soc.stored import SystemDriver

pytest.importorskip("cocotbext.axi", reason="cocotbext-axi is not installed")
EXPERIMENT = parse({
    "input": {"count": 12}, "device": {"kind": "domain_wall", "sigma": 0.2}, "order": "permuted",
    "learning_rate_shifts": [2, 3], "update": {"threshold": 0.25},
    "store": {"memory": "axi", "words": 2048, "samples": 40},
    "layers": [{"cols": 3, "bias": True, "weight_step": -2, "z_frac": 6},
               {"cols": 4, "lanes": 2, "weight_step": -1, "z_bits": 8, "z_frac": 4}]}, "stored")
QUICK = "icarus" if shutil.which("iverilog") else "verilator"


@pytest.mark.parametrize("batch", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_trains_from_the_memory_of_a_system(monkeypatch, batch):
    """Sample by sample, and in mini-batches, in the midst of which feeds end early and are continued."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    bench = import_module("tb_stored").StoredBench
    try:
        runner.run(bench(Case(experiment=EXPERIMENT.replaced(batch=batch), stall=0.2)), QUICK)
    finally:
        for name in ("tb_stored", "tb_registers"):
            sys.modules.pop(name)


class Silence(dict):
    """Registers that keep what is written, with nothing behind them."""

    def __init__(self):
        self.registers = {register.name: register for register in register_table(
            EXPERIMENT.crossbars, EXPERIMENT.loss, EXPERIMENT.store.sizes)}
        super().__init__((register.offset, register.bits) for register in self.registers.values())

    read, write = dict.__getitem__, dict.__setitem__


class Buffer(list):
    """Words at an address."""

    def __init__(self, address):
        super().__init__([0] * 8)
        self.physical_address = address


def test_the_network_is_told_where_the_buffer_is():
    bus = Silence()
    SystemDriver(bus, EXPERIMENT, Buffer(0x12_3456_7000))
    assert [bus[bus.registers[name].offset] for name in ("memory_base", "memory_base_high")] == [0x34567000, 0x12]


def test_what_cannot_be_its_memory_is_refused():
    with pytest.raises(BusError, match="^the buffer is at 0x1800: it must begin at a multiple of 4 KiB$"):
        SystemDriver(Silence(), EXPERIMENT, Buffer(0x1800))
    with pytest.raises(StoreError, match="^the buffer has 8 words, and 9 are needed: take a larger one$"):
        complete(SystemDriver(Silence(), EXPERIMENT, Buffer(0)).upload(np.ones(9, dtype=np.uint32)))
    with pytest.raises(ConfigError, match="^store: the machine has no memory for samples"):
        SystemDriver(Silence(), EXPERIMENT.replaced(store=None), Buffer(0))
