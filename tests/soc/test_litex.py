"""A network in a LiteX SoC: LiteX writes its Verilog, and Verilator finds every port connected."""

import json
import subprocess

import pytest
from spinloom.config import parse
from spinloom.hw.export.generate_axi import generate
from spinloom.sim.simulators import toolchain

pytest.importorskip("litex", reason="LiteX is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of LiteX


@pytest.mark.parametrize("store", [None, {"memory": "axi", "words": 4096}], ids=["plain", "stored"])
def test_a_soc_holds_a_network(store, tmp_path):
    from litex.build.generic_platform import Pins
    from litex.build.sim import SimPlatform
    from litex.gen import LiteXContext
    from litex.soc.cores.cpu import CPUNone  # noqa: F401  # what SoCMini has
    from litex.soc.integration.soc import SoCRegion
    from litex.soc.integration.soc_core import SoCMini
    from litex.soc.interconnect import axi
    from migen.genlib.io import CRG
    from spinloom.soc.litex import NetworkModule

    toolchain.require("verilator")
    experiment = parse({"input": {"count": 5}, "device": {"kind": "domain_wall"}, "layers": [{"cols": 4}],
                        "order": "permuted", "store": store}, "tiny")
    verilog, description, *_ = generate(experiment, tmp_path)
    platform = SimPlatform("SIM", [("sys_clk", 0, Pins(1)), ("sys_rst", 0, Pins(1))])
    LiteXContext.platform = platform
    soc = SoCMini(platform, clk_freq=1e6)
    soc.crg = CRG(platform.request("sys_clk"), rst=platform.request("sys_rst"))
    soc.network = NetworkModule(platform, description)
    soc.bus.add_master("host", axi.AXILiteInterface(data_width=32, address_width=32))
    soc.bus.add_slave("network", soc.network.ctrl, SoCRegion(origin=0x30000000, size=0x1000, cached=False))
    if store:
        soc.bus.add_master("network", soc.network.memory)
    text = str(platform.get_verilog(soc, name="soc"))
    for port in json.loads(description.read_text())["ports"]:
        if port["name"] != "idle":
            assert f".{port['name']} " in text or f".{port['name']}(" in text, port["name"]
    (tmp_path / "soc.v").write_text(text)
    with toolchain.environment():
        done = subprocess.run(["verilator", "--lint-only", "-Wno-fatal", "-Wno-lint", "--top-module", "soc", "soc.v",
                               verilog.name], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
