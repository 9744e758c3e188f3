"""CRC and frames, against zlib and against the host's end."""

import zlib
from random import Random

import pytest
from amaranth.sim import Simulator
from spinloom.boards.link import frame, unframe
from spinloom.contract.link import ESCAPE, FLAG
from spinloom.hw.link.crc import Crc32
from spinloom.hw.link.frame import Deframer, Framer

CONTENTS = [b"\0", b"123456789", bytes([FLAG]), bytes([ESCAPE, FLAG, FLAG ^ 0x20, ESCAPE ^ 0x20]),
            *(Random(size).randbytes(size) for size in (7, 40))]


def simulate(component, testbench):
    simulator = Simulator(component)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.parametrize("content", [b"123456789", *CONTENTS])
def test_crc(content):
    crc = Crc32()

    async def testbench(ctx):
        for _ in range(2):
            for byte in content:
                ctx.set(crc.data, byte)
                ctx.set(crc.put, 1)
                await ctx.tick()
                ctx.set(crc.put, 0)
                assert ctx.get(crc.busy)
                await ctx.tick().repeat(8)
                assert not ctx.get(crc.busy)
            assert ctx.get(crc.value) ^ 0xFFFFFFFF == zlib.crc32(content)
            ctx.set(crc.clear, 1)
            await ctx.tick()
            ctx.set(crc.clear, 0)

    simulate(crc, testbench)


def test_golden_vectors():
    """The check value of CRC-32, and a frame written out by hand."""
    assert zlib.crc32(b"123456789") == 0xCBF43926
    assert frame(b"123456789") == b"123456789\x26\x39\xf4\xcb\x7e"
    assert frame(b"\x7e\x7d") == b"\x7d\x5e\x7d\x5d" + zlib.crc32(b"\x7e\x7d").to_bytes(4, "little") + b"\x7e"


def test_framer():
    framer, random, line = Framer(), Random(1), bytearray()

    async def testbench(ctx):
        for content in CONTENTS:
            for place, byte in enumerate(content):
                ctx.set(framer.i.payload.byte, byte)
                ctx.set(framer.i.payload.last, place == len(content) - 1)
                ctx.set(framer.i.valid, 1)
                taken = False
                while not taken:
                    ctx.set(framer.o.ready, random.random() < 0.5)
                    if ctx.get(framer.o.valid) and ctx.get(framer.o.ready):
                        line.append(ctx.get(framer.o.payload))
                    taken = ctx.get(framer.i.ready)
                    await ctx.tick()
                ctx.set(framer.i.valid, 0)
        ctx.set(framer.o.ready, 1)
        for _ in range(100):
            if ctx.get(framer.o.valid):
                line.append(ctx.get(framer.o.payload))
            await ctx.tick()

    simulate(framer, testbench)
    assert bytes(line) == b"".join(map(frame, CONTENTS))


def test_deframer():
    deframer, found = Deframer(), []
    damaged = frame(b"damaged").replace(b"damaged", b"damged")

    async def testbench(ctx):
        content = bytearray()
        for byte in b"".join([*map(frame, CONTENTS), damaged, bytes([FLAG, FLAG]), frame(b"after")]):
            ctx.set(deframer.data, byte)
            ctx.set(deframer.valid, 1)
            if ctx.get(deframer.byte_valid):
                content.append(ctx.get(deframer.byte))
            if ctx.get(deframer.end):
                found.append((bytes(content[:-4]), bool(ctx.get(deframer.sound))))
                content.clear()
            await ctx.tick()
            ctx.set(deframer.valid, 0)
            await ctx.tick().repeat(8)

    simulate(deframer, testbench)
    assert found == [*((content, True) for content in CONTENTS), (b"damged", False), (b"", False),
                     (b"", False), (b"after", True)]


@pytest.mark.parametrize("content", CONTENTS)
def test_a_damaged_frame_is_found_out(content):
    """Or makes no difference, as the loss of the second of two bytes that stand for one."""
    framed = frame(content)
    assert unframe(framed[:-1]) == content
    for place in range(len(framed) - 1):
        assert unframe(framed[:place] + framed[place + 1:-1]) in (None, content)
        for bit in range(8):
            flipped = framed[:place] + bytes([framed[place] ^ 1 << bit]) + framed[place + 1:-1]
            if FLAG not in flipped:
                assert unframe(flipped) in (None, content)
