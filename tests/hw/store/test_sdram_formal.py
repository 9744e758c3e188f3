"""The controller breaks no rule of its chip, whatever is asked of it: proved for some clock cycles by Yosys."""

from dataclasses import replace

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Assert, Assume, Module, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from spinloom.hw.export.tool import SynthesisError, yosys
from spinloom.hw.store.memory import memory_command_layout
from spinloom.hw.store.sdram_chip import SdramChip, SdramTiming
from spinloom.sim.sdram import SdramMemory, SdramRule

STEPS = 40
"""Clock cycles from power-up for which it is proved. The start-up takes 15 of them."""
TIMING = SdramTiming(power_up=1, refresh_period=400, cas=2, rcd=2, rp=2, ras=6, rc=9, rfc=1, rrd=2, wr=3, mrd=1)
"""Short, and of no chip. Each time decides when something happens."""
CHIP = SdramChip(data_bits=16, row_bits=11, column_bits=2, refreshes=2, rcd=1, rp=1, ras=1, rc=1, rfc=1, rrd=1, wr=1)
pytestmark = pytest.mark.slow


class AnyUser(wiring.Component):
    """A memory whose user does what it likes: also what `MemoryInterface` forbids. Nothing is reset."""

    def __init__(self, timing, assumed):
        self.memory = SdramMemory(chip=CHIP, timing=timing, assumed=assumed)
        super().__init__({"command": In(memory_command_layout(CHIP.address_bits)), "offered": In(1), "word": In(1),
                          "taken": In(1)})

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.memory = memory = self.memory
        m.d.comb += [
            memory.port.commands.payload.eq(self.command),
            memory.port.commands.valid.eq(self.offered),
            memory.port.writes.valid.eq(self.word),
            memory.port.reads.ready.eq(self.taken),
            Assume(~ResetSignal()),
            Assert(memory.broken == SdramRule.NONE),
        ]
        return m


def prove(timing, assumed, folder):
    """``SynthesisError`` if a controller that goes by ``assumed`` can break a rule of ``timing``."""
    folder.joinpath("design.il").write_text(rtlil.convert(AnyUser(timing, assumed), name="top", emit_src=False))
    yosys("read_rtlil design.il; prep -flatten -top top; opt_clean -purge; memory_map; async2sync; chformal -lower; "
          f"opt -full; sat -verify -tempinduct-baseonly -prove-asserts -set-assumes -set-def-inputs -maxsteps {STEPS}",
          folder, lambda step: None)


def test_no_rule_can_be_broken(tmp_path):
    prove(TIMING, TIMING, tmp_path)


@pytest.mark.parametrize("time", ["rcd", "rp", "rc", "wr", "ras"])
def test_a_time_that_is_too_short_is_found(time, tmp_path):
    timing = replace(TIMING, rc=TIMING.ras) if time == "ras" else TIMING
    with pytest.raises(SynthesisError, match="failed"):
        prove(timing, replace(timing, **{time: getattr(timing, time) - 1}), tmp_path)
