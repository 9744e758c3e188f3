"""The SDRAM with its model in Verilator: faults are found, and docs/store.md has the speeds that are measured."""

from dataclasses import replace
from pathlib import Path

import pytest
from spinloom.hw.store.sdram_chip import TANG_NANO_20K_SDRAM
from spinloom.sim.sdram import SdramError, SdramMemory
from spinloom.sim.sdram_speed import Pattern, SpeedBench, table

PAGE = Path(__file__).parents[2] / "docs" / "store.md"
CHIP = replace(TANG_NANO_20K_SDRAM, power_up_us=1)
TIMING = CHIP.timing(100)
IN_ORDER = Pattern(name="reads in order", length=16, sequential=True)


def test_a_flipped_bit_is_read():
    bench = SpeedBench(SdramMemory(chip=CHIP, timing=TIMING))
    bench.move(IN_ORDER, 64)
    bench.bench.columns[63] ^= 1 << 5
    bench.move(IN_ORDER, 48)
    with pytest.raises(SdramError, match="a word was read that is not in the memory"):
        bench.move(IN_ORDER, 64)


def test_a_controller_that_is_too_soon_is_caught():
    bench = SpeedBench(SdramMemory(chip=CHIP, timing=TIMING, assumed=replace(TIMING, rcd=TIMING.rcd - 1)))
    with pytest.raises(SdramError, match="before clock cycle [0-9]+: tRCD"):
        bench.move(IN_ORDER, 64)


@pytest.mark.slow
def test_speeds_of_the_page():
    assert table() in PAGE.read_text(encoding="utf-8")
