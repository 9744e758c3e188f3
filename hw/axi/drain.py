"""What was asked of a memory, forgotten."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..store.memory import MemoryInterface


class Drain(wiring.Component):
    """A ``memory`` that is only read, whose user may be reset at any time: with ``drop``. The words of all commands
    that were taken until then go to nowhere, and until they have come, no other command is taken.

    Latency: none. Throughput: that of the memory. Cost: a few LUTs.
    """

    def __init__(self, *, address_bits: int) -> None:
        super().__init__({
            #: The user's end is this, flipped.
            "port": In(MemoryInterface(address_bits)),
            "memory": Out(MemoryInterface(address_bits)),
            #: The memory has answered every command that it has taken.
            "memory_idle": In(1),
            "drop": In(1),
            #: Words that were dropped may still come.
            "busy": Out(1),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        wiring.connect(m, wiring.flipped(self.port), wiring.flipped(self.memory))
        with m.If(self.busy):
            m.d.comb += [self.port.commands.ready.eq(0), self.memory.commands.valid.eq(0),
                         self.port.reads.valid.eq(0), self.memory.reads.ready.eq(1)]
        with m.If(self.drop):
            m.d.sync += self.busy.eq(1)
        with m.Elif(self.memory_idle):
            m.d.sync += self.busy.eq(0)
        return m
