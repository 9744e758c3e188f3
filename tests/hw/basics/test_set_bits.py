"""Set bits and tables against Python: random words, random pauses at both ends."""

from random import Random

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import data
from amaranth.sim import Simulator
from spinloom.hw.basics.set_bits import SetBits
from spinloom.hw.basics.table import chosen, table


@pytest.mark.parametrize("width", [1, 2, 9, 40])
@pytest.mark.parametrize(("offers", "accepts"), [(0.4, 0.9), (1.0, 0.5), (1.0, 1.0)])
def test_gives_each_set_bit_alone(width, offers, accepts):
    random, bits = Random(width), SetBits(width=width, tag=5)
    words = [(random.randrange(1, 1 << width) & (random.randrange(1, 1 << width) | -(place % 2)) or 1,
              random.randrange(32)) for place in range(60)]  # half of them sparse
    expected = []
    for flags, tag in words:
        ones = [1 << place for place in range(width) if flags >> place & 1]
        expected += [{"one": one, "first": one == ones[0], "last": one == ones[-1], "tag": tag} for one in ones]
    taken, cycles = [], 0

    async def testbench(ctx):
        nonlocal cycles
        left, offered = list(words), False
        while len(taken) < len(expected):
            offered = bool(left) and (offered or random.random() < offers)
            ctx.set(bits.i.valid, offered)
            if offered:
                ctx.set(bits.i.payload, {"flags": left[0][0], "tag": left[0][1]})
            ctx.set(bits.o.ready, random.random() < accepts)
            if ctx.get(bits.o.valid) and ctx.get(bits.o.ready):
                beat = ctx.get(bits.o.payload)
                taken.append({name: beat[name] for name in ("one", "first", "last", "tag")})
            if offered and ctx.get(bits.i.ready):
                left.pop(0)
                offered = False
            await ctx.tick()
            cycles += 1

    simulator = Simulator(bits)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    assert taken == expected
    if offers == accepts == 1:
        assert cycles == len(expected) + 1


def test_tables_answer_with_constants():
    layout = data.StructLayout({"low": 3, "several": data.ArrayLayout(4, 2), "inner": data.StructLayout({"high": 2})})
    entries = [{"low": index - 2, "several": [index, 9 - index], "inner": {"high": index}} for index in range(5)]
    m, index, enable, one = Module(), Signal(3), Signal(), Signal(5)
    entry = table(m, "entries", entries, layout, index, enable)
    constant = chosen(m, "constant", one, [7, 0, 12, 1])

    async def testbench(ctx):
        latest = None
        for number, wanted in enumerate([0, 3, 1, 4, 2, 2, 0]):
            asks = number % 3 != 2
            ctx.set(index, wanted)
            ctx.set(enable, asks)
            await ctx.tick()
            latest = entries[wanted] if asks else latest
            answer = ctx.get(entry)
            assert answer["low"] == latest["low"] % 8
            assert list(answer["several"]) == latest["several"]
            assert answer["inner"]["high"] == latest["inner"]["high"] % 4
        for place, expected in enumerate([7, 0, 12, 1, 0]):
            ctx.set(one, 1 << place)
            assert ctx.get(constant) == expected

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
