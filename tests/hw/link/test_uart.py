"""The serial line: bytes pass, also if clocks differ or a bit lasts few clock cycles; noise does not."""

from random import Random

import pytest
from amaranth.sim import Simulator
from spinloom.hw.link.uart import UartReceiver, UartTransmitter


def simulate(component, *testbenches):
    simulator = Simulator(component)
    simulator.add_clock(1e-6)
    for testbench in testbenches:
        simulator.add_testbench(testbench)
    simulator.run()


def line(data: bytes, cycles_per_bit: float, gap: int = 0) -> list[int]:
    """The level of a line in every clock cycle while ``data`` is sent."""
    bits = [bit for byte in data for bit in (0, *(byte >> place & 1 for place in range(8)), 1, *[1] * gap)] + [1, 1]
    return [bits[int(cycle / cycles_per_bit)] for cycle in range(int(len(bits) * cycles_per_bit))]


def receive(divisor: int, levels: list[int]) -> bytes:
    receiver, received = UartReceiver(divisor=divisor), bytearray()

    async def testbench(ctx):
        ctx.set(receiver.rx, 1)
        await ctx.tick().repeat(3)
        for level in levels + [1] * 2 * divisor:
            ctx.set(receiver.rx, level)
            if ctx.get(receiver.valid):
                received.append(ctx.get(receiver.data))
            await ctx.tick()

    simulate(receiver, testbench)
    return bytes(received)


@pytest.mark.parametrize(("divisor", "mismatch"), [(2, 0), (3, 0), (4, 0.02), (4, -0.02), (8, 0.03), (8, -0.03),
                                                   (17, 0.04), (17, -0.04)])
def test_receiver(divisor, mismatch):
    data = Random(divisor).randbytes(40) + b"\0\xff\x55\xaa"
    assert receive(divisor, line(data, divisor * (1 + mismatch))) == data
    assert receive(divisor, line(data[:5], divisor * (1 + mismatch), gap=3)) == data[:5]


@pytest.mark.parametrize(("divisor", "low"), [(8, 200), (9, 120)])
def test_receiver_ignores_noise_and_bytes_without_a_stop_bit(divisor, low):
    spike, broken = [0, 0, 0] + [1] * 100, [0] * low + [1] * 50
    assert receive(divisor, spike + broken + line(b"ok", divisor)) == b"ok"


@pytest.mark.parametrize("divisor", [2, 3, 4, 9])
def test_transmitter(divisor):
    transmitter, data, levels = UartTransmitter(divisor=divisor), Random(divisor).randbytes(20), []

    async def testbench(ctx):
        for byte in data:
            ctx.set(transmitter.i.payload, byte)
            ctx.set(transmitter.i.valid, 1)
            cycles = 0
            while not ctx.get(transmitter.i.ready):
                levels.append(ctx.get(transmitter.tx))
                await ctx.tick()
                cycles += 1
            assert cycles in (0, 10 * divisor)
            levels.append(ctx.get(transmitter.tx))
            await ctx.tick()
        ctx.set(transmitter.i.valid, 0)
        for _ in range(12 * divisor):
            levels.append(ctx.get(transmitter.tx))
            await ctx.tick()

    simulate(transmitter, testbench)
    assert receive(divisor, levels) == data
    expected = [bit for byte in data
                for bit in [0] * divisor + [byte >> place & 1 for place in range(8) for _ in range(divisor)]
                + [1] * (divisor + 1)]
    assert levels[1:1 + len(expected)] == expected


@pytest.mark.parametrize("kind", [UartReceiver, UartTransmitter])
def test_bits_last_two_clock_cycles(kind):
    with pytest.raises(ValueError, match="divisor=1"):
        kind(divisor=1)
