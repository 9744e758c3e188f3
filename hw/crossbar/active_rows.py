"""The list of the active rows of a sample."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ...contract.geometry import CrossbarGeometry
from .layouts import drive_layout


def entry_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """What is kept of an active row: the fields of ``drive_layout`` without ``last``."""
    return data.StructLayout({name: field.shape for name, field in drive_layout(geometry) if name != "last"})


class ActiveRows(wiring.Component):
    """Keeps the rows of a sample that have a drive or a derivative, in the order in which they come, and reads them one
    after the other.

    ``put`` appends ``drive``; a row that has neither drive nor derivative is left out. ``entry`` is the row at the
    cursor, which ``advance`` moves to the next row and ``rewind`` to the first one. ``clear`` empties the list; nothing
    may be put in the same clock cycle.

    Latency: a row can be read from the second clock cycle after its ``put`` on. Throughput: one row in and one row out
    a clock cycle, as the memory is read one entry ahead of the cursor.

    Cost: ``inputs`` words of ``entry_layout`` in memory.
    """

    def __init__(self, *, geometry: CrossbarGeometry) -> None:
        self.geometry = geometry
        super().__init__({
            #: Empties the list.
            "clear": In(1),
            #: Appends `drive`.
            "put": In(1),
            "drive": In(drive_layout(geometry)),
            #: Moves the cursor to the next row, or to the first one, which wins.
            "advance": In(1),
            "rewind": In(1),
            #: The row at the cursor.
            "entry": Out(entry_layout(geometry)),
            #: The list is empty.
            "empty": Out(1),
            #: The row at the cursor is the last of the list.
            "last": Out(1),
            #: Some row of the list has a derivative: it passes an error back.
            "passing": Out(1),
            #: The row at the cursor is the last that has one.
            "last_passing": Out(1),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        inputs, drive = self.geometry.inputs, self.drive
        m.submodules.entries = entries = Memory(shape=self.entry.shape(), depth=max(2, inputs), init=[],
                                                attrs={"no_rw_check": 1})
        write, read = entries.write_port(), entries.read_port()
        count = Signal(range(inputs + 1))
        until_passing = Signal(range(inputs + 1))  # rows up to and including the last with a derivative
        cursor = Signal(range(max(2, inputs)))

        derivative = drive.derivative if self.geometry.derivative_bits else 0
        m.d.comb += [
            write.addr.eq(count),
            *(write.data[name].eq(drive[name]) for name, _ in self.entry.shape()),
            read.addr.eq(cursor),
            self.entry.eq(read.data),
            self.empty.eq(count == 0),
            self.last.eq(cursor + 1 == count),
            self.passing.eq(until_passing != 0),
            self.last_passing.eq(cursor + 1 == until_passing),
        ]
        with m.If(self.advance):
            m.d.comb += read.addr.eq(cursor + 1)
        with m.If(self.rewind):
            m.d.comb += read.addr.eq(0)
        m.d.sync += cursor.eq(read.addr)

        with m.If(self.put & ((drive.x != 0) | (derivative != 0))):
            m.d.comb += write.en.eq(1)
            m.d.sync += count.eq(count + 1)
            with m.If(derivative != 0):
                m.d.sync += until_passing.eq(count + 1)
        with m.If(self.clear):
            m.d.sync += [count.eq(0), until_passing.eq(0)]
        return m
