"""The memory of one of a crossbar's arrays, with two ports or with one."""

from typing import Any

from amaranth.hdl import Module, Shape, ShapeLike, Signal, Value, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2
from amaranth.vendor import LatticePlatform

from ...contract.widths import index_bits
from ..basics.single_port_ram import has_single_port_rams, single_port_ram
from ..basics.spread import KEEP

BLOCK_RAM = {"ram_style": "block", "no_rw_check": 1}
"""What a word reads as while it is written does not matter: the controller uses no word that is being written."""
LUT_DEPTH = 16
"""Words of a memory in the LUTs of an ECP5. Synthesis may put a memory of no more words there."""
BLOCK_BITS = 16384
"""Bits of a block RAM, without parity."""
PARITY, WIDE_DEPTH = 9, 2048
"""Bits of a byte with parity, and the depth up to which block RAMs have them. Up to there, synthesis makes good use of
block RAMs by itself."""
SHARE = 8
"""Block RAMs that share a register in front of their addresses."""


def column_bits(depth: int) -> int | None:
    """Width of the columns of which a memory of ``depth`` words is built on a platform. None where that is left to
    synthesis."""
    return max(1, BLOCK_BITS >> ceil_log2(depth)) if depth > WIDE_DEPTH else None


def share_bits(depth: int) -> int:
    """How many bits of a word are in `SHARE` block RAMs, in a memory of ``depth`` words."""
    return SHARE * (column_bits(depth) or PARITY * BLOCK_BITS // (8 * max(512, 1 << ceil_log2(depth))))


class ArrayMemory(wiring.Component):
    """``depth`` words of ``shape``. ``data`` is the word at the ``address`` of two clock cycles before. With ``write``,
    the ``write_data`` of the next clock cycle replaces the word at ``write_address``.

    With two ``ports``, a word is read in every clock cycle. With one, none is read in a clock cycle with ``write``:
    ``data`` is undefined two clock cycles later.

    Cost: block RAM, on an ECP5 LUTs for up to `LUT_DEPTH` words; and registers for addresses and ``write``. On a
    platform there is a set of registers for every `SHARE` block RAMs, which are spread wide. A deep memory is built
    there of columns of block RAMs that are as deep as itself (`column_bits`). Synthesis would put wider block RAMs
    behind one another instead: that saves a few, but takes a multiplexer for every bit and more wires than can be
    routed. On an iCE40 UltraPlus, a memory of one port takes the large memories of one port, which are never
    initialised.
    """

    def __init__(self, *, shape: ShapeLike, depth: int, ports: int) -> None:
        self.shape = shape
        self.depth = max(2, depth)
        self.ports = ports
        bits = index_bits(self.depth)
        super().__init__({
            #: The word to be read.
            "address": In(bits),
            #: It, two clock cycles later.
            "data": Out(shape),
            #: Replaces the word at `write_address` ...
            "write": In(1),
            "write_address": In(bits),
            #: ... by this, which comes a clock cycle later.
            "write_data": In(shape),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        if self.ports == 1 and has_single_port_rams(platform):
            address, write, _ = self._registers(m, None)
            m.d.comb += self.data.eq(single_port_ram(m, depth=self.depth, address=address, write=write,
                                                     data_in=Value.cast(self.write_data)))
            return m
        width = Shape.cast(self.shape).width
        share = width if platform is None else min(width, share_bits(self.depth))
        step = share if platform is None else column_bits(self.depth) or share
        attributes = BLOCK_RAM
        if isinstance(platform, LatticePlatform) and self.depth <= LUT_DEPTH:
            attributes = {"no_rw_check": 1}
        for first in range(0, width, share):
            address, write, write_address = self._registers(m, KEEP if share < width else None)
            for low in range(first, min(first + share, width), step):
                bits = slice(low, min(low + step, first + share, width))
                memory = Memory(shape=unsigned(bits.stop - bits.start), depth=self.depth, init=[], attrs=attributes)
                m.submodules[f"words_{low}"] = memory
                to, of = memory.write_port(), memory.read_port()
                m.d.comb += [
                    of.addr.eq(address),
                    of.en.eq(~write if self.ports == 1 else 1),
                    Value.cast(self.data)[bits].eq(of.data),
                    to.addr.eq(write_address),
                    to.data.eq(Value.cast(self.write_data)[bits]),
                    to.en.eq(write),
                ]
        return m

    def _registers(self, m: Module, attributes: dict[str, int] | None) -> tuple[Signal, Signal, Signal]:
        """``address``, ``write`` and ``write_address`` in registers; with one port, both addresses are one."""
        address = Signal.like(self.address, name="address", attrs=attributes)
        write = Signal(name="write", attrs=attributes)
        m.d.sync += [address.eq(self.address), write.eq(self.write)]
        if self.ports == 1:
            with m.If(self.write):
                m.d.sync += address.eq(self.write_address)
            return address, write, address
        write_address = Signal.like(address, name="write_address", attrs=attributes)
        m.d.sync += write_address.eq(self.write_address)
        return address, write, write_address
