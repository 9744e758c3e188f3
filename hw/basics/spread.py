"""Copies of what all lanes of a crossbar are told."""

from math import ceil

from amaranth.hdl import Module, Signal
from amaranth.lib import data

SHARE = 16
"""Lanes that share a copy."""
KEEP = {"keep": 1}
"""Attribute of registers that are equal on purpose."""
KEEP_COPIES = "setattr -set keep 1 w:* a:keep=1 %i %ci1 c:* %i"
"""Yosys command by which it leaves them apart: it minds the attribute on cells, but not on their signals."""


def spread(m: Module, value, lanes: int) -> list:
    """``value`` of a clock before, for each of ``lanes``, from a register near to it.

    Lanes fill a chip, and the wires from one register to all of them would take longer than any logic. So `SHARE`
    lanes have a register of their own, which synthesis must not merge with the others (`KEEP`).

    Cost: the bits of ``value`` in registers for every `SHARE` lanes.
    """
    count = ceil(lanes / SHARE)
    copies = [Signal.like(value, name=f"copy_{index}", attrs=KEEP if count > 1 else None) for index in range(count)]
    m.d.sync += [copy.eq(value) for copy in copies]
    return [copies[lane // SHARE] for lane in range(lanes)]


def fields(m: Module, view: data.View, *names: str) -> data.View:
    """These fields of a structure, as a structure."""
    chosen = Signal(data.StructLayout({name: view.shape()[name].shape for name in names}))
    m.d.comb += [chosen[name].eq(view[name]) for name in names]
    return chosen
