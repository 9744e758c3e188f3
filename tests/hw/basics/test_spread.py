"""Copies for groups of lanes: equal, a clock cycle late, and still there after synthesis."""

import re

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import data
from amaranth.sim import Simulator
from spinloom.hw.basics.spread import KEEP_COPIES, SHARE, fields, spread
from spinloom.hw.export.tool import yosys


def test_every_lane_sees_the_value_of_the_clock_cycle_before():
    m, value = Module(), Signal(data.StructLayout({"x": signed(5), "flag": 1, "address": 7}))
    lanes = 2 * SHARE + 1
    copies = spread(m, fields(m, value, "x", "flag"), lanes)
    assert len(copies) == lanes
    assert len({id(copy.as_value()) for copy in copies}) == 3

    async def testbench(ctx):
        for x in range(-16, 16):
            ctx.set(value, {"x": x, "flag": x % 2, "address": 3})
            await ctx.tick()
            for copy in copies:
                assert ctx.get(copy.x) == x
                assert ctx.get(copy.flag) == x % 2

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.parametrize(("lanes", "copies"), [(1, 1), (SHARE, 1), (SHARE + 1, 2), (4 * SHARE, 4)])
def test_synthesis_leaves_the_copies_apart(tmp_path, lanes, copies):
    m, value = Module(), Signal(3, name="value")
    answer = Signal(3 * lanes, name="answer")
    m.d.comb += answer.eq(Cat(spread(m, value, lanes)))
    tmp_path.joinpath("top.il").write_text(rtlil.convert(m, name="top", ports=[value, answer]))
    yosys(f"read_rtlil top.il; proc; flatten; {KEEP_COPIES}; synth_ecp5 -top top; tee -o cells.txt stat", tmp_path)
    assert int(re.search(r"(\d+) +TRELLIS_FF", tmp_path.joinpath("cells.txt").read_text())[1]) == 3 * copies
