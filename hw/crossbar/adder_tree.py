"""A pipelined adder tree."""

from typing import Any

from amaranth.hdl import Module, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

RADIX = 4
"""Terms that are added, or entries that are chosen from, between two registers."""


class AdderTree(wiring.Component):
    """``o = sum(i)``, exactly, of ``count`` signed terms of ``width`` bits.

    ``o`` has ``width + ceil(log2(count))`` bits and comes ``latency`` clock cycles after ``i``. Throughput: one sum a
    clock cycle. Between two registers `RADIX` terms are added, whatever ``count`` is.

    Cost: ``count - 1`` adders, and a register for every `RADIX` terms of each stage. Raises ``ValueError`` if ``count``
    or ``width`` is less than 1.
    """

    def __init__(self, *, count: int, width: int) -> None:
        if count < 1 or width < 1:
            raise ValueError(f"count={count}, width={width}: both must be at least 1")
        self.count = count
        self.width = width
        super().__init__({
            #: The terms.
            "i": In(data.ArrayLayout(signed(width), count)),
            #: Their sum.
            "o": Out(signed(width + ceil_log2(count))),
        })

    @property
    def latency(self) -> int:
        """Clock cycles from ``i`` to ``o``."""
        return tree_latency(self.count)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        terms = [self.i[index] for index in range(self.count)]
        while len(terms) > 1:
            pairs = _add_pairs(_add_pairs(terms))
            terms = [Signal.like(total, name="sum", reset_less=True) for total in pairs]
            m.d.sync += [term.eq(total) for term, total in zip(terms, pairs, strict=True)]
        m.d.comb += self.o.eq(terms[0])
        return m


def _add_pairs(terms: list[Value]) -> list[Value]:
    return [sum(terms[first + 1:first + 2], start=terms[first]) for first in range(0, len(terms), 2)]


def tree_latency(count: int) -> int:
    """Registers on the way through a tree over ``count`` leaves."""
    latency = 0
    while count > 1:
        count = -(-count // RADIX)
        latency += 1
    return latency

