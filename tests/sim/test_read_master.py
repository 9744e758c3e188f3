"""The reads of AXI4, served by a public bus-functional model."""

import pytest
from spinloom.hw.axi.read_master import AxiReadMemory
from spinloom.sim.simulators import runner

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


@pytest.mark.parametrize(("fields", "message"), [
    ({"data_bits": 48}, "data_bits=48: must be 32, 64, 128, 256, 512 or 1024"),
    ({"data_bits": 2048}, "data_bits=2048: must be"),
    ({"axi_address_bits": 12}, "axi_address_bits=12: must be 13 to 64"),
    ({"outstanding": 0}, "outstanding=0: must be at least 1"),
])
def test_what_cannot_be_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        AxiReadMemory(address_bits=8, **fields)
