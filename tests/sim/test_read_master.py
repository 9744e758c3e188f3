"""The reads of AXI4, served by a public bus-functional model."""

import sys
from importlib import import_module
from pathlib import Path

import pytest
from spinloom.config import parse
from spinloom.hw.axi.read_master import AxiReadMemory
from spinloom.sim.simulators import runner
from spinloom.sim.testbenches.testbench import Case

pytest.importorskip("cocotbext.axi", reason="cocotbext-axi is not installed")


def bench(**fields):
    from spinloom.sim.testbenches.tb_read_master import ReadCase, ReadMasterBench

    return ReadMasterBench(ReadCase.random(0, **fields))


@pytest.mark.parametrize("data_bits", [32, 64])
@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_reads_what_is_there(data_bits, stall, quick):
    runner.run(bench(data_bits=data_bits, stall=stall, samples=6), quick)


@pytest.mark.slow
@pytest.mark.parametrize("data_bits", [32, 64, 128, 1024])
@pytest.mark.parametrize("stall", [0.0, 0.2, 0.8])
def test_reads_what_is_there_through_other_ports(data_bits, stall, simulator):
    runner.run(bench(data_bits=data_bits, stall=stall), simulator)


def test_the_reader_of_samples_reads_through_it(monkeypatch, quick):
    monkeypatch.syspath_prepend(Path(__file__).parent)
    experiment = parse({"input": {"count": 200}, "device": {"kind": "ideal"},
                        "layers": [{"cols": 10, "z_frac": 4, "chi_frac": 8}]}, "samples")
    try:
        runner.run(import_module("tb_samples").SamplesBench(Case(experiment=experiment, stall=0.2)), quick)
    finally:
        sys.modules.pop("tb_samples")


@pytest.mark.parametrize(("fields", "message"), [
    ({"data_bits": 48}, "data_bits=48: must be 32, 64, 128, 256, 512 or 1024"),
    ({"data_bits": 2048}, "data_bits=2048: must be"),
    ({"axi_address_bits": 12}, "axi_address_bits=12: must be 13 to 64"),
    ({"outstanding": 0}, "outstanding=0: must be at least 1"),
])
def test_what_cannot_be_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        AxiReadMemory(address_bits=8, **fields)
