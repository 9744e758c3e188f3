"""ULX3S with an ECP5-85F."""

from amaranth.build import Platform
from amaranth.hdl import ClockDomain, ClockSignal, Instance, Module, ResetSignal, Signal
from amaranth.lib import io
from amaranth.lib.cdc import ResetSynchronizer
from amaranth_boards.ulx3s import ULX3S_85F_Platform

from ..hw.store.sdram_chip import ULX3S_SDRAM
from .board import Board
from .sdram import BoardSdram


def _clock(m: Module, platform: Platform) -> None:
    """50 MHz from the crystal's 25 MHz, by way of an oscillator at 600 MHz; ``sdram`` is 5 ns later."""
    crystal, locked = io.Buffer("i", platform.request("clk25", dir="-")), Signal()
    m.submodules.crystal = crystal
    m.domains.sync = ClockDomain()
    m.domains.sdram = ClockDomain(reset_less=True)
    m.submodules.pll = Instance(
        "EHXPLLL",
        a_ICP_CURRENT="12", a_LPF_RESISTOR="8", a_MFG_ENABLE_FILTEROPAMP="1", a_MFG_GMCREF_SEL="2",
        p_PLLRST_ENA="DISABLED", p_INTFB_WAKE="DISABLED", p_STDBY_ENABLE="DISABLED", p_DPHASE_SOURCE="DISABLED",
        p_OUTDIVIDER_MUXA="DIVA", p_OUTDIVIDER_MUXB="DIVB", p_CLKI_DIV=1, p_CLKFB_DIV=2, p_FEEDBK_PATH="CLKOP",
        p_CLKOP_ENABLE="ENABLED", p_CLKOP_DIV=12, p_CLKOP_CPHASE=5, p_CLKOP_FPHASE=0,
        p_CLKOS_ENABLE="ENABLED", p_CLKOS_DIV=12, p_CLKOS_CPHASE=8, p_CLKOS_FPHASE=0,
        i_CLKI=crystal.i, i_CLKFB=ClockSignal(), i_RST=0, i_STDBY=0, i_PLLWAKESYNC=0, i_ENCLKOP=0, i_ENCLKOS=0,
        i_PHASESEL0=0, i_PHASESEL1=0, i_PHASEDIR=1, i_PHASESTEP=1, i_PHASELOADREG=1,
        o_CLKOP=ClockSignal(), o_CLKOS=ClockSignal("sdram"), o_LOCK=locked,
    )
    # The reset goes to every flip-flop: from a register with no other connection, which can be put in their midst.
    m.domains.boot = ClockDomain()
    m.submodules.reset = ResetSynchronizer(~locked, domain="boot")
    reset = Signal(init=1)
    m.d.boot += reset.eq(0)
    m.d.comb += [ClockSignal("boot").eq(ClockSignal()), ResetSignal().eq(reset)]


BOARD = Board(
    name="ulx3s",
    title="ULX3S (ECP5-85F)",
    platform=ULX3S_85F_Platform,
    family="ecp5",
    part="LFE5U-85F",
    clock_mhz=50,
    baud=3_000_000,
    clock=_clock,
    sdram=BoardSdram(chip=ULX3S_SDRAM, clock_domain="sdram"),
)
