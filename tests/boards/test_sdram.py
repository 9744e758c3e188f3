"""The SDRAM of the boards: the pads of the Tang Nano 20K are those of its part, and the controller with its pads is
placed and routed at the boards' clocks."""

from dataclasses import dataclass, fields
from pathlib import Path

import pytest
from amaranth.hdl import Elaboratable, Module, Signal, Value
from amaranth.lib import io, wiring
from spinloom.boards.board import Board
from spinloom.boards.catalogue import BOARDS
from spinloom.boards.place import place
from spinloom.boards.sdram import SdramPads
from spinloom.boards.tang_nano_20k import TangNano20KPlatform
from spinloom.hw.store.sdram import SdramController

WITH_SDRAM = [board for board in BOARDS.values() if board.sdram is not None]


class Exerciser(Elaboratable):
    """Writes and reads words of the board's SDRAM for ever, and sends what it reads."""

    def __init__(self, board):
        self.board = board

    def elaborate(self, platform) -> Module:
        m = Module()
        if self.board.clock is not None:
            self.board.clock(m, platform)
        sdram = self.board.sdram
        m.submodules.controller = controller = SdramController(
            chip=sdram.chip, timing=sdram.chip.timing(self.board.clock_mhz))
        m.submodules.pads = pads = SdramPads(sdram)
        wiring.connect(m, controller.pins, pads.pins)
        m.submodules.tx = tx = io.Buffer("o", platform.request("uart", dir="-").tx)
        port, count, sent = controller.port, Signal(40), Signal()
        m.d.comb += [port.commands.valid.eq(1), Value.cast(port.commands.payload).eq(count), port.writes.valid.eq(1),
                     port.writes.payload.eq(count), port.reads.ready.eq(1), tx.o.eq(sent)]
        with m.If(port.commands.ready):
            m.d.sync += count.eq(count + 0x1234567)
        with m.If(port.reads.valid):
            m.d.sync += sent.eq(port.reads.payload.xor())
        return m


@dataclass(frozen=True, kw_only=True)
class ExercisedBoard(Board):
    """A board whose bitstream only exercises its SDRAM."""

    def top(self, design):
        return Exerciser(self)


@pytest.mark.slow
@pytest.mark.parametrize("board", WITH_SDRAM, ids=lambda board: board.name)
def test_placed_at_the_clock_of_the_board(board, tmp_path):
    exercised = ExercisedBoard(**{field.name: getattr(board, field.name) for field in fields(board)})
    placement = place(None, exercised, tmp_path)
    assert placement.fmax_mhz >= board.clock_mhz
    assert placement.bitstream.stat().st_size > 10_000


def test_pads_are_those_of_the_part():
    """As the database of the packer has them."""
    apycula = pytest.importorskip("apycula")
    from apycula.chipdb import load_chipdb

    database = load_chipdb(str(Path(apycula.__file__).with_name("GW2A-18C.msgpack.xz")))
    expected = {name: f"IO{'R' if column else 'L'}{row + 1}{side}"
                for name, row, column, side, _ in database.sip_cst["GW2AR-18C"]["QFN88"]}
    resource = next(resource for resource in TangNano20KPlatform.resources if resource.name == "sdram")
    names = {"clk": "O_sdram_clk", "clk_en": "O_sdram_cke", "cs": "O_sdram_cs_n", "we": "O_sdram_wen_n",
             "ras": "O_sdram_ras_n", "cas": "O_sdram_cas_n", "ba": "O_sdram_ba", "a": "O_sdram_addr",
             "dqm": "O_sdram_dqm", "dq": "IO_sdram_dq"}
    pads = {}
    for signal in resource.ios:
        if signal.name in names:
            pins = signal.ios[0].names
            pads |= {names[signal.name] + (f"[{bit}]" if f"{names[signal.name]}[0]" in expected else ""): pin
                     for bit, pin in enumerate(pins)}
    assert pads == expected
