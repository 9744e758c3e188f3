"""The random words of stochastic rounding: one for each lane, all from one sequence."""

from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...contract.lfsr import LEAP, WIDTH, apply, jump
from .lfsr import linear_map


class LfsrBank(wiring.Component):
    """Draws ``lanes`` consecutive words of the sequence of docs/arithmetic.md 2.2 with each ``step``, the first one for
    lane 0. So what is drawn does not depend on the number of lanes.

    ``words`` shows the words that a ``step`` in this clock cycle draws; the bank then moves ``lanes`` draws ahead. It
    starts at the state 1. ``load`` replaces the state, the one before the draw of lane 0. The bank is then ``filling``
    for ``lanes`` clock cycles, in which it must not ``step``.

    Cost: for each lane ``LEAP`` flip-flops, because a state is two consecutive words, and as many XORs of about 16
    bits. Raises ``ValueError`` if ``lanes`` is less than 1.
    """

    def __init__(self, *, lanes: int) -> None:
        if lanes < 1:
            raise ValueError(f"lanes={lanes}: must be at least 1")
        self._lanes = lanes
        super().__init__({
            #: Draws `words`.
            "step": In(1),
            #: Takes `load_state` as the state.
            "load": In(1),
            "load_state": In(WIDTH),
            #: The words of the lanes are being drawn.
            "filling": Out(1),
            #: The state before the draws of this clock cycle.
            "state": Out(WIDTH),
            #: The words that a step draws, by lane.
            "words": Out(data.ArrayLayout(LEAP, lanes)),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        lanes = self._lanes
        # The two words that are the state, and those that follow in the sequence.
        words = [Signal(LEAP, name=f"word_{index}", init=apply(jump(LEAP * index), 1) >> LEAP)
                 for index in range(lanes + 2)]
        left = Signal(range(lanes + 1))

        def state_at(index: int) -> Value:
            return Cat(words[index], words[index - 1])

        m.d.comb += [
            self.state.eq(state_at(1)),
            self.filling.eq(left != 0),
            *(self.words[lane].eq(words[lane + 2]) for lane in range(lanes)),
        ]
        following = words[1:] + [linear_map(m, jump(LEAP), state_at(lanes + 1), LEAP)]
        ahead = words[lanes:] + [linear_map(m, jump(LEAP * lanes), state_at(index), LEAP)
                                 for index in range(2, lanes + 2)]
        with m.If(self.load):  # the state comes in at the end of the row, and moves to its front
            m.d.sync += [Cat(words[-1], words[-2]).eq(self.load_state), left.eq(lanes)]
        with m.Elif(self.filling):
            m.d.sync += [left.eq(left - 1), *(word.eq(after) for word, after in zip(words, following, strict=True))]
        with m.Elif(self.step):
            m.d.sync += [word.eq(after) for word, after in zip(words, ahead, strict=True)]
        return m
