"""A network driven through its registers: in simulation, behind a public model of the bus; and behind none."""

import shutil
import sys
from importlib import import_module
from pathlib import Path

import pytest
from spinloom.config import load
from spinloom.hw.axi.network import Route, register_table
from spinloom.sim.bench import complete
from spinloom.sim.driver import NetworkDriver
from spinloom.sim.simulators import runner
from spinloom.sim.testbenches.testbench import Case
from spinloom.soc.bench import RegisterBench
from spinloom.soc.bus import BusError

LAYERS = [{"cols": 3, "bias": True, "weight_step": -2, "z_frac": 6},
          {"cols": 10, "lanes": 5, "weight_step": -1, "z_bits": 8, "z_frac": 4}]
QUICK = "icarus" if shutil.which("iverilog") else "verilator"
EXPERIMENT = load("digits-dw5").replaced(layers=LAYERS)


def test_trains_as_the_golden_model(monkeypatch):
    pytest.importorskip("cocotbext.axi", reason="cocotbext-axi is not installed")
    monkeypatch.syspath_prepend(Path(__file__).parent)
    bench = import_module("tb_registers").RegistersBench
    try:
        runner.run(bench(Case(experiment=EXPERIMENT, samples=4, stall=0.2)), QUICK)
    finally:
        sys.modules.pop("tb_registers")


class Silence(dict):
    """Registers that keep what is written, with nothing behind them."""

    def __init__(self):
        super().__init__((register.offset, register.bits)
                         for register in register_table(EXPERIMENT.crossbars, EXPERIMENT.loss))
        self.offsets = {register.name: register.offset
                        for register in register_table(EXPERIMENT.crossbars, EXPERIMENT.loss)}

    read, write = dict.__getitem__, dict.__setitem__


def bench(bus, **fields):
    return RegisterBench(bus, EXPERIMENT.crossbars, EXPERIMENT.loss, **fields)


@pytest.mark.parametrize(("name", "message"), [
    ("id", r"no Spinloom network at 0x0: its register `id` reads 0x00000001; check the address"),
    ("digest", r"another design \(digest 00000001, of this configuration [0-9a-f]{8}\): generate it again"),
])
def test_what_is_not_the_network_is_refused(name, message):
    bus = Silence()
    bus[bus.offsets[name]] = 1
    with pytest.raises(BusError, match=message):
        bench(bus)


def test_registers_may_begin_anywhere():
    class Moved(Silence):
        def read(self, address):
            return super().read(address - 0x40000000)

        def write(self, address, value):
            super().write(address - 0x40000000, value)

    bus = Moved()
    bench(bus, base=0x40000000)
    assert bus[bus.offsets["results_to"]] == bus[bus.offsets["state_to"]] == Route.REGISTER.value
    assert bus[bus.offsets["reset"]] == 1


def test_patience_ends():
    bus = Silence()
    driver = NetworkDriver(bench(bus, patience=0), EXPERIMENT.crossbars, EXPERIMENT.loss)
    with pytest.raises(BusError, match="has moved no beat for 0 s; reset it"):
        complete(driver.state())
    bus[bus.offsets["results_to"]] = Route.STREAM.value
    with pytest.raises(BusError, match="the network was reset, or is used by another program"):
        complete(driver.state())
