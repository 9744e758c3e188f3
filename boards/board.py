"""What a board is: a platform with a serial port, a part, and the clock that the design runs from."""

from collections.abc import Callable
from dataclasses import dataclass

from amaranth.build import Platform
from amaranth.hdl import Module
from amaranth.lib import io, wiring
from amaranth.lib.cdc import FFSynchronizer

from ..hw.synth import PARTS, TARGETS, Target


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board that a design with the pins ``rx`` and ``tx`` can be built for.

    A new board is a file with one of these, named in ``catalogue.py``.
    """

    name: str
    """As ``--board`` takes it."""
    title: str
    platform: Callable[[], Platform]
    """The platform, with a resource ``uart``."""
    family: str
    """A key of ``hw.synth.TARGETS``."""
    part: str
    """A key of ``hw.synth.PARTS``."""
    clock_mhz: float
    """The clock of the design."""
    baud: int
    """The fastest serial line that the board's bridge and this clock allow."""
    clock: Callable[[Module, Platform], None] | None = None
    """Adds the domain ``sync`` where it is not simply the platform's default clock."""

    @property
    def target(self) -> Target:
        return TARGETS[self.family]

    @property
    def capacity(self) -> dict[str, int]:
        """What its part has of each resource."""
        return PARTS[self.part]


class BoardTop(wiring.Elaboratable):
    """``component`` on ``board``: its ``rx`` and ``tx`` at the serial port of the platform, one clock for everything."""

    def __init__(self, board: Board, component: wiring.Component):
        self.board = board
        self.component = component

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.component = self.component
        if self.board.clock is not None:
            self.board.clock(m, platform)
        uart = platform.request("uart", dir={"rx": "-", "tx": "-"})
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.submodules.tx = tx = io.Buffer("o", uart.tx)
        m.submodules.synchroniser = FFSynchronizer(rx.i, self.component.rx, init=1)
        m.d.comb += tx.o.eq(self.component.tx)
        return m
