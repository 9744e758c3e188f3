"""A pipelined adder tree."""

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

RADIX = 4


class AdderTree(wiring.Component):
    """``o = sum(i)``, exactly, ``latency`` clocks later.

    Throughput: one sum a clock. Four terms are added between registers, whatever ``count`` is.

    Parameters: ``count`` (>= 1) signed terms of ``width`` bits. ``o`` is ``width + ceil(log2(count))`` bits wide.
    """

    def __init__(self, *, count: int, width: int) -> None:
        if count < 1 or width < 1:
            raise ValueError(f"count={count}, width={width}: both must be at least 1")
        self.count = count
        self.width = width
        super().__init__({
            "i": In(data.ArrayLayout(signed(width), count)),
            "o": Out(signed(width + ceil_log2(count))),
        })

    @property
    def latency(self) -> int:
        """Clocks from ``i`` to ``o``."""
        return tree_latency(self.count)

    def elaborate(self, platform) -> Module:
        m = Module()
        terms = [self.i[index] for index in range(self.count)]
        while len(terms) > 1:
            pairs = _add_pairs(_add_pairs(terms))
            terms = [Signal.like(total, name="sum", reset_less=True) for total in pairs]
            m.d.sync += [term.eq(total) for term, total in zip(terms, pairs, strict=True)]
        m.d.comb += self.o.eq(terms[0])
        return m


def _add_pairs(terms: list) -> list:
    return [sum(terms[first + 1:first + 2], start=terms[first]) for first in range(0, len(terms), 2)]


def tree_latency(count: int) -> int:
    """Registers in a tree over ``count`` leaves."""
    latency = 0
    while count > 1:
        count = -(-count // RADIX)
        latency += 1
    return latency

