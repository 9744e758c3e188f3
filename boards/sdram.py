"""The SDRAM of a board: its chip, the phase of its clock, and the buffers at its pins."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Const, Module, Value
from amaranth.lib import io, wiring
from amaranth.lib.wiring import In

from ..hw.store.sdram_chip import SdramChip, SdramPins


@dataclass(frozen=True, kw_only=True)
class BoardSdram:
    """A chip at the platform's resource ``sdram``.

    Its clock is late, by a phase ``p``. Commands and data leave the FPGA with its own clock, of period ``T``, so the
    chip has ``p`` to set up and ``T - p`` to hold. What it reads comes back ``p + tAC`` after an edge of the FPGA's
    clock, and has what is left of ``T`` to pass the pins on the way of the clock out and of the data in. With a
    ``tAC`` of 6 ns that is 9 ns for 90 degrees at 50 MHz, and 12.5 ns for 180 degrees at 27 MHz.
    """

    chip: SdramChip
    clock_domain: str = "sync"
    """The domain with the phase of the chip's clock."""
    inverted: bool = False
    """Whether the chip's clock is that of ``clock_domain``, half a period late."""


class SdramPads(wiring.Component):
    """The pins of ``sdram``, each with a register in its buffer, there and back, as `SdramPins` has them."""

    def __init__(self, sdram: BoardSdram) -> None:
        self.sdram = sdram
        super().__init__({"pins": In(SdramPins(sdram.chip))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pins, ports = self.pins, platform.request("sdram", dir="-")
        ras, cas, we = Value.cast(pins.command)
        outputs = {"clk_en": Const(1), "cs": Const(1), "ras": ras, "cas": cas, "we": we,
                   "ba": pins.ba, "a": pins.a, "dqm": pins.dqm}
        for name, value in outputs.items():
            m.submodules[name] = output = io.FFBuffer("o", getattr(ports, name))
            m.d.comb += output.o.eq(value)
        m.submodules.dq = dq = io.FFBuffer("io", ports.dq)
        m.d.comb += [dq.o.eq(pins.dq_o), dq.oe.eq(pins.dq_oe), pins.dq_i.eq(dq.i)]
        m.submodules.clk = clock = io.DDRBuffer("o", ports.clk, o_domain=self.sdram.clock_domain)
        m.d.comb += [clock.o[0].eq(not self.sdram.inverted), clock.o[1].eq(self.sdram.inverted)]
        return m
