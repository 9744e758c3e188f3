"""Queues."""

from typing import Any, Literal, get_args

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

Storage = Literal["distributed", "registers", "block"]
LATENCY: dict[Storage, int] = {"distributed": 1, "registers": 1, "block": 2}
"""Clock cycles from the transfer of a beat to the first one in which it is offered."""


class Queue(wiring.Component):
    """First in, first out: up to ``depth`` beats of ``shape`` wait between the streams ``i`` and ``o``.

    No output depends on an input within a clock cycle. Throughput: a beat a clock cycle if ``depth`` is more than the
    ``latency``, the clock cycles from the transfer of a beat to the first one in which it is offered; otherwise
    ``depth`` beats in ``latency + 1`` clock cycles.

    ``storage`` says what the beats wait in:

    =============== ========= ========================================================================================
    storage         latency   cost
    =============== ========= ========================================================================================
    ``distributed`` 1         a memory that is read at once, which parts have in their LUTs
    ``registers``   1         a shift register: ``o`` comes from flip-flops, which makes it quick
    ``block``       2         a block RAM with the register behind it; no logic compares its addresses, as a word is
                              never read while it is written. ``depth`` must be a power of two, and at least 2
    =============== ========= ========================================================================================

    Raises ``ValueError`` for another storage, or a depth that it cannot have.
    """

    def __init__(self, *, shape: Any, depth: int, storage: Storage = "distributed") -> None:
        if storage not in get_args(Storage):
            raise ValueError(f"storage={storage!r}: must be one of {', '.join(get_args(Storage))}")
        if depth < 1:
            raise ValueError(f"depth={depth}: a queue has room for at least 1 beat")
        if storage == "block" and (depth < 2 or depth & depth - 1):
            raise ValueError(f"depth={depth}: in block RAM it must be a power of two and at least 2")
        self.depth = depth
        self.storage = storage
        super().__init__({
            "i": In(stream.Signature(shape)),
            "o": Out(stream.Signature(shape)),
            #: Beats that are in it.
            "level": Out(range(depth + 1)),
        })

    @property
    def latency(self) -> int:
        """Clock cycles from ``i`` to ``o``."""
        return LATENCY[self.storage]

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        put, taken = Signal(), Signal()
        m.d.comb += [put.eq(self.i.valid & self.i.ready), taken.eq(self.o.valid & self.o.ready)]
        if self.storage == "registers":
            self._shift(m, put, taken)
            return m
        m.d.comb += self.i.ready.eq(self.level != self.depth)
        with m.If(put & ~taken):
            m.d.sync += self.level.eq(self.level + 1)
        with m.Elif(taken & ~put):
            m.d.sync += self.level.eq(self.level - 1)
        if self.storage == "block":
            self._read_ahead(m, put)
        else:
            self._read_at_once(m, put, taken)
        return m

    def _read_at_once(self, m: Module, put: Signal, taken: Signal) -> None:
        m.submodules.beats = beats = Memory(shape=self.i.payload.shape(), depth=self.depth, init=[])
        write, read = beats.write_port(), beats.read_port(domain="comb")
        m.d.comb += [
            write.data.eq(self.i.payload),
            write.en.eq(put),
            self.o.payload.eq(read.data),
            self.o.valid.eq(self.level != 0),
        ]
        for move, address in ((put, write.addr), (taken, read.addr)):
            with m.If(move):
                m.d.sync += address.eq(Mux(address == self.depth - 1, 0, address + 1))

    def _read_ahead(self, m: Module, put: Signal) -> None:
        m.submodules.beats = beats = Memory(shape=self.i.payload.shape(), depth=self.depth, init=[],
                                            attrs={"no_rw_check": 1})
        write, read = beats.write_port(), beats.read_port()
        m.d.comb += [
            write.data.eq(self.i.payload),
            write.en.eq(put),
            read.en.eq((write.addr != read.addr) & (~self.o.valid | self.o.ready)),
            self.o.payload.eq(read.data),
        ]
        m.d.sync += [
            write.addr.eq(write.addr + put),
            read.addr.eq(read.addr + read.en),
            self.o.valid.eq(read.en | self.o.valid & ~self.o.ready),
        ]

    def _shift(self, m: Module, put: Signal, taken: Signal) -> None:
        beats = [Signal(self.i.payload.shape(), name=f"beat_{place}", reset_less=True) for place in range(self.depth)]
        filled = [Signal(name=f"filled_{place}") for place in range(self.depth)]
        m.d.comb += [
            self.i.ready.eq(~filled[-1]),
            self.o.valid.eq(filled[0]),
            self.o.payload.eq(beats[0]),
            self.level.eq(sum(filled)),
        ]
        for place in range(self.depth):
            more, behind = ((filled[place + 1], beats[place + 1]) if place + 1 < self.depth
                            else (Const(0), self.i.payload))
            next_free = ~filled[place] if place == 0 else ~filled[place] & filled[place - 1]
            with m.If(taken):
                m.d.sync += [
                    filled[place].eq(more | put & filled[place]),
                    beats[place].eq(Mux(more, behind, self.i.payload)),
                ]
            with m.Elif(put & next_free):
                m.d.sync += [filled[place].eq(1), beats[place].eq(self.i.payload)]
