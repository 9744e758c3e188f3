"""iCEBreaker, with an iCE40 UP5K."""

from amaranth.build import Platform
from amaranth.hdl import ClockDomain, ClockSignal, Module
from amaranth.lib import io
from amaranth_boards.icebreaker import ICEBreakerPlatform

from .board import Board


def _clock(m: Module, platform: Platform) -> None:
    """The crystal's 12 MHz. There is no reset: configuration leaves every flip-flop at its initial value."""
    m.submodules.crystal = crystal = io.Buffer("i", platform.request("clk12", dir="-"))
    m.domains.sync = ClockDomain(reset_less=True)
    m.d.comb += ClockSignal().eq(crystal.i)


BOARD = Board(
    name="icebreaker",
    title="iCEBreaker (iCE40 UP5K)",
    platform=ICEBreakerPlatform,
    family="ice40",
    part="iCE40UP5K",
    clock_mhz=12,
    baud=3_000_000,
    slots=2,
    clock=_clock,
)
