"""Sipeed Tang Nano 20K, with a Gowin GW2AR-18."""

from typing import ClassVar

from amaranth.build import Attrs, Clock, Connector, Pins, Resource
from amaranth.vendor import GowinPlatform
from amaranth_boards.resources import SDRAMResource, UARTResource

from ..hw.store.sdram_chip import TANG_NANO_20K_SDRAM
from .board import Board
from .sdram import BoardSdram


class TangNano20KPlatform(GowinPlatform):
    """The pins of the board that are used here."""

    part = "GW2AR-LV18QN88C8/I7"
    family = "GW2AR-18C"
    default_clk = "clk27"
    resources = [
        Resource("clk27", 0, Pins("4", dir="i"), Clock(27e6), Attrs(IO_TYPE="LVCMOS33")),
        UARTResource(0, rx="70", tx="69", attrs=Attrs(PULL_MODE="UP", IO_TYPE="LVCMOS33")),
        # In the package, so at pads instead of pins.
        SDRAMResource(
            0, clk="IOR11B", cke="IOL13A", cs_n="IOL14B", we_n="IOL12B", ras_n="IOL13B", cas_n="IOL14A",
            ba="IOR13A IOR12A", dqm="IOL12A IOR11A IOL18A IOR15B",
            a="IOR14A IOR13B IOR14B IOR15A IOL16B IOL17B IOL16A IOL17A IOL15B IOL15A IOR12B",
            dq="IOL3A IOL3B IOL8A IOL8B IOL9A IOL9B IOL11A IOL11B IOR9B IOR9A IOR5B IOR6A IOR5A IOR4B IOR3B IOR3A "
               "IOL39B IOL39A IOL35B IOL35A IOL30B IOL30A IOL20A IOL18B IOR17A IOR16A IOR16B IOR17B IOR18A IOR18B "
               "IOR44A IOR44B",
            attrs=Attrs(IO_TYPE="LVCMOS33")),
    ]
    connectors: ClassVar[list[Connector]] = []
    _chipdb_device = "GW2A-18C"  # the same die; nextpnr has no data for this part itself


BOARD = Board(
    name="tang-nano-20k",
    title="Tang Nano 20K (GW2AR-18)",
    platform=TangNano20KPlatform,
    family="gowin",
    part="GW2AR-18",
    clock_mhz=27,
    baud=3_000_000,
    sdram=BoardSdram(chip=TANG_NANO_20K_SDRAM, inverted=True),
)
