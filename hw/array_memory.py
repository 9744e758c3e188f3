"""The memory of a crossbar's array, with two ports or with one."""

from math import ceil

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Mux, Shape, Signal, Value, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2
from amaranth.vendor import LatticeICE40Platform

from .signatures import index_bits

BLOCK_RAM = {"ram_style": "block", "no_rw_check": 1}
"""What a word reads as while it is written does not matter: the controller never reads a word that is being written for
its content."""
SPRAM_DEPTH, SPRAM_WIDTH = 16384, 16
BLOCK_BITS, WIDE_DEPTH = 16384, 2048
"""Bits of a block RAM, parity aside, and the depth up to which synthesis makes good use of one by itself."""


def column_bits(depth: int) -> int | None:
    """Width of the columns in which a memory of ``depth`` words is built on a platform; None where it is built as a
    whole."""
    return max(1, BLOCK_BITS >> ceil_log2(depth)) if depth > WIDE_DEPTH else None


class ArrayMemory(wiring.Component):
    """``depth`` words of ``shape``, read in every clock: ``data`` is the word at ``address`` of one clock before. With
    ``write``, the word at ``write_address`` is replaced.

    With two ``ports`` both go on at once. With one, nothing is read in a clock with ``write``: ``data`` is then
    undefined, one clock later.

    Cost: block RAM. On a platform, a deep memory is built in columns of block RAMs as deep as itself (`column_bits`):
    synthesis would save some by putting wider ones behind one another, with a multiplexer for every bit and more wires
    than can be routed. On an iCE40 UltraPlus, with one port, its large single-port memories, which are never
    initialised.
    """

    def __init__(self, *, shape, depth: int, ports: int):
        self.shape = shape
        self.depth = max(2, depth)
        self.ports = ports
        bits = index_bits(self.depth)
        super().__init__({
            "address": In(bits),
            "data": Out(shape),
            "write": In(1),
            "write_address": In(bits),
            "write_data": In(shape),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        if self.ports == 1 and isinstance(platform, LatticeICE40Platform) and platform.device == "iCE40UP5K":
            self._single_port_rams(m)
            return m
        width = Shape.cast(self.shape).width
        step = width if platform is None else min(width, column_bits(self.depth) or width)
        for first in range(0, width, step):
            bits = min(step, width - first)
            memory = Memory(shape=unsigned(bits), depth=self.depth, init=[], attrs=BLOCK_RAM)
            m.submodules[f"words_{first}"] = memory
            write, read = memory.write_port(), memory.read_port()
            m.d.comb += [
                read.addr.eq(self.address),
                Value.cast(self.data)[first:first + bits].eq(read.data),
                write.addr.eq(self.write_address),
                write.data.eq(Value.cast(self.write_data)[first:first + bits]),
                write.en.eq(self.write),
            ]
            if self.ports == 1:
                m.d.comb += [read.en.eq(~self.write), read.addr.eq(Mux(self.write, self.write_address, self.address))]
        return m

    def _single_port_rams(self, m: Module):
        """Banks of ``SPRAM_DEPTH`` words, each as many memories side by side as the word needs."""
        width = Shape.cast(self.shape).width
        banks, columns = ceil(self.depth / SPRAM_DEPTH), ceil(width / SPRAM_WIDTH)
        address = Signal(unsigned(max(len(self.address), 15)))
        m.d.comb += address.eq(Mux(self.write, self.write_address, self.address))
        bank, read_bank = address[14:], Signal(range(max(2, banks)))
        m.d.sync += read_bank.eq(bank)
        data_in = Signal(columns * SPRAM_WIDTH)
        m.d.comb += data_in.eq(Cat(self.write_data))
        for index in range(banks):
            words = [Signal(SPRAM_WIDTH, name=f"word_{index}_{column}") for column in range(columns)]
            for column, word in enumerate(words):
                m.submodules[f"spram_{index}_{column}"] = Instance(
                    "SB_SPRAM256KA",
                    i_ADDRESS=address[:14],
                    i_DATAIN=data_in.word_select(column, SPRAM_WIDTH),
                    i_MASKWREN=Const(0b1111, 4),
                    i_WREN=self.write & (bank == index),
                    i_CHIPSELECT=Const(1, 1),
                    i_CLOCK=ClockSignal(),
                    i_STANDBY=Const(0, 1),
                    i_SLEEP=Const(0, 1),
                    i_POWEROFF=Const(1, 1),  # active low
                    o_DATAOUT=word,
                )
            with m.If(read_bank == index):
                m.d.comb += self.data.eq(Cat(*words))
