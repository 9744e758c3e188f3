"""What a board is: a platform with a serial port, a part, and the clock that the design runs from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from amaranth.build import Platform
from amaranth.hdl import Elaboratable, Module
from amaranth.lib import io, wiring
from amaranth.lib.cdc import FFSynchronizer

from ..contract.link import SLOTS
from ..design import Design
from ..hw.export.synth import PARTS, TARGETS, Target
from ..hw.link.linked_design import linked
from .sdram import BoardSdram


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board that designs can be built for. A new board is a file with one of these, named in ``catalogue.py``."""

    name: str
    """As ``--board`` takes it."""
    title: str
    platform: Callable[[], Platform]
    """The platform, with a resource ``uart``."""
    family: str
    """A key of ``hw.export.synth.TARGETS``."""
    part: str
    """A key of ``hw.export.synth.PARTS``."""
    clock_mhz: float
    """The clock of the design, in MHz."""
    baud: int
    """The speed of its serial line. A bit must last a whole number of clock cycles, or nearly so."""
    slots: int = SLOTS
    """Frames that its link holds in each direction."""
    clock: Callable[[Module, Platform], None] | None = None
    """Adds the domain ``sync``, if it is not the platform's default clock."""
    sdram: BoardSdram | None = None
    """Its SDRAM, if it has one."""

    @property
    def target(self) -> Target:
        return TARGETS[self.family]

    @property
    def capacity(self) -> dict[str, int]:
        """What its part has of each resource."""
        return PARTS[self.part]

    def top(self, design: Design) -> "BoardTop":
        """What the board's bitstream holds: ``design`` behind the board's serial line."""
        return BoardTop(self, linked(design, divisor=round(self.clock_mhz * 1e6 / self.baud), slots=self.slots))


class BoardTop(Elaboratable):
    """``component`` on ``board``: its ``rx`` and ``tx`` are the platform's serial port, and all runs from one clock."""

    def __init__(self, board: Board, component: wiring.Component) -> None:
        self.board = board
        self.component = component

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.component = self.component
        if self.board.clock is not None:
            self.board.clock(m, platform)
        uart = platform.request("uart", dir="-")
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.submodules.tx = tx = io.Buffer("o", uart.tx)
        m.submodules.synchroniser = FFSynchronizer(rx.i, self.component.rx, init=1)
        m.d.comb += tx.o.eq(self.component.tx)
        return m
