"""Copies of broadcast signals, so that wires do not grow with the lanes."""

from math import ceil

from amaranth.hdl import Module, Signal, ValueLike
from amaranth.lib import data

SHARE = 16
"""Lanes that share a copy."""
KEEP = {"keep": 1}
"""Attribute of registers that are equal on purpose."""
KEEP_COPIES = "setattr -set keep 1 w:* a:keep=1 %i %ci1 c:* %i"
"""Yosys command that copies `keep` from wires to cells: Yosys ignores it on wires."""


def spread(m: Module, value: ValueLike, lanes: int) -> list[Signal]:
    """For each of ``lanes``, ``value`` of the clock cycle before, from a register that only a few lanes share.

    Lanes fill a chip, and the wires from one register to all of them would take longer than any logic. So broadcast
    signals are copied for every `SHARE` lanes. `KEEP` stops synthesis from merging the copies.

    Cost: the bits of ``value`` in registers for every `SHARE` lanes.
    """
    count = ceil(lanes / SHARE)
    copies = [Signal.like(value, name=f"copy_{index}", attrs=KEEP if count > 1 else None) for index in range(count)]
    m.d.sync += [copy.eq(value) for copy in copies]
    return [copies[lane // SHARE] for lane in range(lanes)]


def fields(m: Module, view: data.View, *names: str) -> data.View:
    """The fields ``names`` of a structure, as a structure."""
    chosen = Signal(data.StructLayout({name: view.shape()[name].shape for name in names}))
    m.d.comb += [chosen[name].eq(view[name]) for name in names]
    return chosen
