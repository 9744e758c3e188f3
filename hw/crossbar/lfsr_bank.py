"""The random numbers of stochastic rounding: a word a lane, all from one sequence."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...contract.lfsr import LEAP, WIDTH, apply, jump
from .lfsr import linear_map


class LfsrBank(wiring.Component):
    """Draws ``lanes`` consecutive words of the sequence of docs/arithmetic.md 2.2 at once, lane 0 the first of them, so
    that what is drawn does not depend on the number of lanes. It starts at the state 1.

    ``words`` shows the words that a ``step`` in this cycle draws; all lanes then move ``lanes`` draws ahead. ``load``
    replaces the state, which is the state before the draw of lane 0; the bank is then ``filling`` for ``lanes`` cycles,
    in which it must not be asked to ``step``.

    Cost: ``LEAP`` flip-flops a lane, as a state is two consecutive words, and as many XORs of about 16 bits.
    """

    def __init__(self, *, lanes: int) -> None:
        if lanes < 1:
            raise ValueError(f"lanes={lanes}: must be at least 1")
        self._lanes = lanes
        super().__init__({
            "step": In(1),
            "load": In(1),
            "load_state": In(WIDTH),
            "filling": Out(1),
            "state": Out(WIDTH),
            "words": Out(data.ArrayLayout(LEAP, lanes)),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        lanes = self._lanes
        # Two words, which are the state, and those that follow in the sequence.
        words = [Signal(LEAP, name=f"word_{index}", init=apply(jump(LEAP * index), 1) >> LEAP)
                 for index in range(lanes + 2)]
        left = Signal(range(lanes + 1))

        def state_at(index: int):
            return Cat(words[index], words[index - 1])

        m.d.comb += [
            self.state.eq(state_at(1)),
            self.filling.eq(left != 0),
            *(self.words[lane].eq(words[lane + 2]) for lane in range(lanes)),
        ]
        following = words[1:] + [linear_map(m, jump(LEAP), state_at(lanes + 1), LEAP)]
        ahead = words[lanes:] + [linear_map(m, jump(LEAP * lanes), state_at(index), LEAP)
                                 for index in range(2, lanes + 2)]
        with m.If(self.load):  # the state comes in at the end of the row and moves to its front
            m.d.sync += [Cat(words[-1], words[-2]).eq(self.load_state), left.eq(lanes)]
        with m.Elif(self.filling):
            m.d.sync += [left.eq(left - 1), *(word.eq(after) for word, after in zip(words, following, strict=True))]
        with m.Elif(self.step):
            m.d.sync += [word.eq(after) for word, after in zip(words, ahead, strict=True)]
        return m
