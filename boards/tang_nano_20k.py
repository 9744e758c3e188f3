"""Sipeed Tang Nano 20K, with a Gowin GW2AR-18."""

from typing import ClassVar

from amaranth.build import Attrs, Clock, Connector, Pins, Resource
from amaranth.vendor import GowinPlatform
from amaranth_boards.resources import UARTResource

from .board import Board


class TangNano20KPlatform(GowinPlatform):
    """The pins of the board that are used here."""

    part = "GW2AR-LV18QN88C8/I7"
    family = "GW2AR-18C"
    default_clk = "clk27"
    resources = [
        Resource("clk27", 0, Pins("4", dir="i"), Clock(27e6), Attrs(IO_TYPE="LVCMOS33")),
        UARTResource(0, rx="70", tx="69", attrs=Attrs(PULL_MODE="UP", IO_TYPE="LVCMOS33")),
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
)
