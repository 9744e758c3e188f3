"""The model of an SDRAM chip: it takes commands that come just in time, finds those that come a clock cycle too soon,
and holds data as the chip does."""

from dataclasses import replace

import pytest
from amaranth.sim import Simulator
from spinloom.hw.store.sdram_chip import PRECHARGE_ALL, ULX3S_SDRAM, SdramCommand, mode_word
from spinloom.sim.sdram import NOBODY, SdramCells, SdramError, SdramModel

CHIP = replace(ULX3S_SDRAM, power_up_us=1, rc=100, refreshes=8, refresh_period_us=20)
"""Its tRC is longer than tRAS and tRP together."""
TIMING = CHIP.timing(133)

NOP, ACTIVE, READ, WRITE = SdramCommand.NOP, SdramCommand.ACTIVE, SdramCommand.READ, SdramCommand.WRITE
PRECHARGE, REFRESH, MODE = SdramCommand.PRECHARGE, SdramCommand.REFRESH, SdramCommand.MODE
CLOSE_ALL = {"command": PRECHARGE, "a": PRECHARGE_ALL}
SET_MODE = {"command": MODE, "a": mode_word(TIMING.cas)}

START_UP = [(TIMING.power_up + 1, CLOSE_ALL), *[(TIMING.rp if refresh == 0 else TIMING.rfc, {"command": REFRESH})
                                            for refresh in range(8)], (TIMING.rfc, SET_MODE)]
"""Commands, each with the clock cycles since the one before."""
READY = [*START_UP, (TIMING.mrd, {"command": NOP})]


def drive(steps, cycles=10):
    """Tell the model ``steps``, commands as in `START_UP`, then nothing for ``cycles``. Returns the data that it drove,
    and what it holds."""
    model = SdramModel(chip=CHIP, timing=TIMING)
    simulator = Simulator(model)
    simulator.add_clock(1e-6)
    cells, driven = SdramCells(simulator, model), []
    pins = {"command": NOP, "ba": 0, "a": 0, "dqm": 0, "dq_o": 0, "dq_oe": 0}

    async def testbench(ctx):
        async def tick(**changed):
            for name, value in (pins | changed).items():
                ctx.set(getattr(model.pins, name), value)
            driven.append(ctx.get(model.pins.dq_i))
            await ctx.tick()

        for wait, step in steps:
            for _ in range(wait - 1):
                await tick()
            await tick(**step)
        for _ in range(cycles):
            await tick()

    simulator.add_testbench(testbench)
    simulator.run()
    return driven, cells.columns


def active(wait, bank=0, row=0):
    return wait, {"command": ACTIVE, "ba": bank, "a": row}


def read(wait, bank=0, column=0, **pins):
    return wait, {"command": READ, "ba": bank, "a": column, **pins}


def write(wait, value=0, bank=0, column=0, **pins):
    return wait, {"command": WRITE, "ba": bank, "a": column, "dq_o": value, "dq_oe": 1, **pins}


def close(wait, bank=0):
    return wait, {"command": PRECHARGE, "ba": bank}


LIMITS = {
    "tRCD: READ": (TIMING.rcd, lambda wait: [active(1), read(wait)]),
    "tRCD": (TIMING.rcd, lambda wait: [active(1, bank=3), write(wait, bank=3)]),
    "tRP": (TIMING.rp, lambda wait: [active(1), close(TIMING.rc), active(wait)]),
    "tRP: ACTIVE, REFRESH": (TIMING.rp, lambda wait: [active(1), close(TIMING.rc), (wait, {"command": REFRESH})]),
    "tRAS": (TIMING.ras, lambda wait: [active(1), close(wait)]),
    "tRC": (TIMING.rc - TIMING.ras, lambda wait: [active(1), close(TIMING.ras), active(wait)]),
    "tRFC": (TIMING.rfc, lambda wait: [(1, {"command": REFRESH}), active(wait)]),
    "tRRD": (TIMING.rrd, lambda wait: [active(1), active(wait, bank=1)]),
    "tWR": (TIMING.wr, lambda wait: [active(1), write(TIMING.ras), close(wait)]),
    "tMRD": (TIMING.mrd, lambda wait: [(1, SET_MODE), active(wait)]),
    "PRECHARGE cuts off": (TIMING.read_to_precharge, lambda wait: [active(1), read(TIMING.ras), close(wait)]),
    "at once": (TIMING.read_to_write, lambda wait: [active(1), read(TIMING.ras), write(wait)]),
}
"""By the message: a time, and commands of which two are so far apart."""


@pytest.mark.parametrize("message", LIMITS)
def test_a_clock_cycle_too_soon(message):
    limit, steps = LIMITS[message]
    drive([*READY, *steps(limit)])
    with pytest.raises(SdramError, match=message):
        drive([*READY, *steps(limit - 1)])


WRONG = {
    "power up": [(TIMING.power_up, CLOSE_ALL)],
    "before the start-up": START_UP[:-2] + [(TIMING.rfc, SET_MODE), active(TIMING.mrd)],
    "start-up": START_UP[:-1] + [active(TIMING.rfc)],
    "start-up: PRECHARGE": [(TIMING.power_up + 1, {"command": REFRESH})],
    "a mode": START_UP[:-1] + [(TIMING.rfc, {"command": MODE, "a": mode_word(2)})],
    "does not know: BURST_STOP": [*READY, (1, {"command": SdramCommand.BURST_STOP})],
    "automatic precharge": [*READY, active(1), read(TIMING.rcd, column=PRECHARGE_ALL)],
    "no open row": [*READY, active(1, bank=1), read(TIMING.rcd, bank=2)],
    "WRITE in a bank with no open row": [*READY, active(1), close(TIMING.rc), write(TIMING.rp)],
    "ACTIVE of a bank with an open row": [*READY, active(1), active(TIMING.rc)],
    "REFRESH or MODE while": [*READY, active(1), (TIMING.rc, {"command": REFRESH})],
    "does not drive": [*READY, active(1), write(TIMING.rcd, dq_oe=0)],
}


@pytest.mark.parametrize("message", WRONG)
def test_a_wrong_command(message):
    with pytest.raises(SdramError, match=message):
        drive(WRONG[message])


def test_rows_must_be_refreshed_in_time():
    """After the start-up every row was refreshed at the times of its eight refreshes; the first one waits longest."""
    passed = START_UP[0][0] + START_UP[1][0]
    left = passed + TIMING.refresh_period - sum(wait for wait, _ in START_UP)
    drive([*START_UP, (left, {"command": REFRESH})], cycles=5)
    with pytest.raises(SdramError, match="refreshed"):
        drive([*START_UP, (left + 1, {"command": REFRESH})], cycles=5)


def test_data():
    """Writes byte by byte, rows that are kept apart, and reads that come after the CAS latency, masked or not."""
    steps = [*READY, active(1, row=5), write(TIMING.rcd, 0x1234, column=7), write(1, 0xABCD, column=8, dqm=0b01),
             read(1, column=7), read(1, column=8), (1, {"dqm": 0b10}), active(TIMING.rcd, bank=1, row=5),
             read(TIMING.rcd, bank=1, column=7)]
    driven, columns = drive(steps)
    place = 5 << 11
    assert columns == {place + 7: 0x1234, place + 8: 0xAB00}
    nobody = NOBODY << 8 | NOBODY
    at = sum(wait for wait, _ in READY) + 1 + TIMING.rcd + 2 + TIMING.cas
    assert driven[:at] == [nobody] * at
    assert driven[at:at + 3] == [0x1234, NOBODY << 8, nobody]
    assert driven[at + 3:].count(0) == 1
