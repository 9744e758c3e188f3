"""The SDRAM model in Verilator: it finds a fault, and the speeds of docs/store.md are those that it measures."""

from dataclasses import replace
from pathlib import Path

import pytest
from spinloom.hw.store.sdram_chip import TANG_NANO_20K_SDRAM
from spinloom.sim.sdram import SdramError, SdramMemory
from spinloom.sim.sdram_speed import CompiledMemory, Pattern, table

PAGE = Path(__file__).parents[2] / "docs" / "store.md"


def test_a_controller_that_is_too_soon_is_caught():
    chip = replace(TANG_NANO_20K_SDRAM, power_up_us=1)
    timing, words = chip.timing(100), Pattern(name="reads of a word anywhere", length=1)
    with CompiledMemory(SdramMemory(chip=chip, timing=timing, assumed=replace(timing, rcd=timing.rcd - 1))) as memory:
        with pytest.raises(SdramError, match="tRCD"):
            memory.move(words, 5)


@pytest.mark.slow
def test_speeds_of_the_page():
    assert table() in PAGE.read_text(encoding="utf-8")
