"""What a board is: a platform with a serial port, a part, and the clock that the design runs from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from amaranth.build import Platform
from amaranth.hdl import Elaboratable, Module
from amaranth.lib import io, wiring
from amaranth.lib.cdc import FFSynchronizer

from ..config import Experiment, Store
from ..contract.errors import ConfigError
from ..contract.link import SLOTS
from ..design import Design
from ..hw.export.synth import PARTS, TARGETS, Target
from ..hw.link.linked_design import linked
from ..hw.store.memory import BlockMemory
from ..hw.store.sdram import SdramController
from .sdram import BoardSdram, SdramPads


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
        """What the board's bitstream holds: ``design`` behind the board's serial line, with the memory for samples that
        it asks for. ``ConfigError`` if the board has no such memory."""
        return BoardTop(self, linked(design, divisor=round(self.clock_mhz * 1e6 / self.baud), memory=self.memory,
                                     slots=self.slots))

    def stores(self, design: Design) -> bool:
        """Whether it has the memory for samples that ``design`` asks for, if it asks for one."""
        store = design.store if isinstance(design, Experiment) else None
        return (store is None or store.memory == "block_ram" or store.memory == "sdram"
                and self.sdram is not None and self.sdram.chip.words == store.words)

    def memory(self, store: Store) -> BlockMemory | SdramController:
        """The memory for samples that ``store`` describes. ``ConfigError`` if the board has none such."""
        if store.memory == "block_ram":
            return BlockMemory(depth=store.words)
        if store.memory == "axi":
            raise ConfigError(f'store.memory="axi": {self.title} is no system on chip; set memory = "block_ram", or '
                              "generate the network with --axi")
        if self.sdram is None:
            raise ConfigError(f'store.memory="sdram": {self.title} has none; set memory = "block_ram"')
        chip = self.sdram.chip
        if chip.words != store.words:
            raise ConfigError(f"store.words={store.words}: the SDRAM of {self.title} has {chip.words}; "
                              f"set words = {chip.words}")
        return SdramController(chip=chip, timing=chip.timing(self.clock_mhz))


class BoardTop(Elaboratable):
    """``component`` on ``board``: its ``rx`` and ``tx`` are the platform's serial port, its ``pins``, if it has any,
    those of the SDRAM, and all runs from one clock."""

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
        if self.board.sdram and "pins" in self.component.signature.members:
            m.submodules.pads = pads = SdramPads(self.board.sdram)
            wiring.connect(m, self.component.pins, pads.pins)
        return m
