"""A pipelined selection of one lane of a wide word."""

from typing import Any

from amaranth.hdl import Array, Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...contract.widths import index_bits
from ..basics.spread import spread
from .adder_tree import RADIX, tree_latency


class LaneSelect(wiring.Component):
    """``o = i[lane]`` of ``lanes`` entries of ``width`` bits, signed.

    ``o`` comes ``latency`` clock cycles after ``i``; ``lane`` is needed one clock cycle before ``i``. Throughput: one
    selection a clock cycle. Between two registers one of `RADIX` entries is chosen, whatever the number of lanes.

    Cost: ``width`` multiplexers of `RADIX` entries, and as many flip-flops, for every `RADIX` entries of each stage.
    Raises ``ValueError`` if ``lanes`` or ``width`` is less than 1.
    """

    def __init__(self, *, lanes: int, width: int) -> None:
        if lanes < 1 or width < 1:
            raise ValueError(f"lanes={lanes}, width={width}: both must be at least 1")
        self.lanes = lanes
        super().__init__({
            #: The word.
            "i": In(data.ArrayLayout(signed(width), lanes)),
            #: The lane to be selected from the word of the next clock cycle.
            "lane": In(index_bits(lanes)),
            #: Its entry.
            "o": Out(signed(width)),
        })

    @property
    def latency(self) -> int:
        """Clock cycles from ``i`` to ``o``."""
        return tree_latency(self.lanes)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        entries = [self.i[index] for index in range(self.lanes)]
        lane = self.lane
        while len(entries) > 1:
            groups = [entries[first:first + RADIX] for first in range(0, len(entries), RADIX)]
            told = spread(m, lane, len(entries))
            entries, lane = [], told[0][2:]
            for index, group in enumerate(groups):
                chosen = Signal.like(group[0], name="chosen", reset_less=True)
                m.d.sync += chosen.eq(Array(group)[told[RADIX * index][:2]])
                entries.append(chosen)
        m.d.comb += self.o.eq(entries[0])
        return m
