"""A queue whose writers keep an eye on its level."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2


class Fifo(wiring.Component):
    """First in, first out: ``depth`` words of ``width`` bits, or more, up to the next power of two, at least 2.

    ``w_data`` is taken in every clock with ``w_en`` and cannot be refused. The oldest word is ``r_data`` while
    ``r_rdy``, 2 clocks after it came or later, and leaves with ``r_en``.

    Cost: the words in memory, read into the register that block RAM has; a word is never read while it is written.
    """

    def __init__(self, *, width: int, depth: int) -> None:
        self._depth = 1 << max(1, ceil_log2(depth))
        super().__init__({
            "w_data": In(width),
            "w_en": In(1),
            "r_data": Out(width),
            "r_rdy": Out(1),
            "r_en": In(1),
            #: Words that are in it.
            "level": Out(range(self._depth + 1)),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.words = words = Memory(shape=self.w_data.shape(), depth=self._depth, init=[],
                                            attrs={"no_rw_check": 1})
        write, read = words.write_port(), words.read_port()
        m.d.comb += [
            write.data.eq(self.w_data),
            write.en.eq(self.w_en),
            read.en.eq((write.addr != read.addr) & (~self.r_rdy | self.r_en)),
            self.r_data.eq(read.data),
        ]
        taken = self.r_rdy & self.r_en
        m.d.sync += [
            write.addr.eq(write.addr + self.w_en),
            read.addr.eq(read.addr + read.en),
            self.r_rdy.eq(read.en | self.r_rdy & ~self.r_en),
        ]
        with m.If(self.w_en & ~taken):
            m.d.sync += self.level.eq(self.level + 1)
        with m.Elif(taken & ~self.w_en):
            m.d.sync += self.level.eq(self.level - 1)
        return m
