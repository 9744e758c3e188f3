"""The random number generator of a crossbar. `model.lfsr` is its golden twin."""

from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...contract.lfsr import LEAP, WIDTH, Matrix, jump


def linear_map(m: Module, matrix: Matrix, value: Value, bits: int = WIDTH) -> Signal:
    """The low ``bits`` of the image of ``value`` (``WIDTH`` bits) under ``matrix``. Each is an XOR of some bits of
    ``value``."""
    image = Signal(bits, name="image")
    for place in range(bits):
        m.d.comb += image[place].eq(Cat(value[i] for i in range(WIDTH) if matrix[i] >> place & 1).xor())
    return image


class Lfsr(wiring.Component):
    """Draws ``draws`` words with each ``step``. A word is a leap of ``LEAP`` steps in the sequence of
    docs/arithmetic.md 2.2.

    ``word`` always shows the words that a ``step`` in this clock cycle draws, the first one in the low bits. The state
    leaps at the end of the clock cycle. ``load`` replaces the state, and wins over ``step``. The state must never be 0.

    Latency: none. Throughput: one ``step`` a clock cycle. Cost: ``WIDTH`` flip-flops, and for each draw ``LEAP`` XORs
    of about 16 state bits.

    Raises ``ValueError`` if ``init`` is not in 1 .. 2**WIDTH - 1, or ``draws`` is less than 1.
    """

    def __init__(self, *, init: int = 1, draws: int = 1) -> None:
        if not 0 < init < 1 << WIDTH:
            raise ValueError(f"init={init}: the state of an LFSR must be 1 to 2**{WIDTH}-1")
        if draws < 1:
            raise ValueError(f"draws={draws}: must be at least 1")
        self._init = init
        self._draws = draws
        super().__init__({
            #: Draws `word`.
            "step": In(1),
            #: Takes `load_state` as the state.
            "load": In(1),
            "load_state": In(WIDTH),
            #: The state before the draws of this clock cycle; `init` after a reset.
            "state": Out(WIDTH),
            #: The low bits of the states after each draw of this clock cycle.
            "word": Out(LEAP * draws),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        state = Signal(WIDTH, init=self._init)
        m.d.comb += [
            self.state.eq(state),
            self.word.eq(Cat(linear_map(m, jump(LEAP * draw), state, LEAP) for draw in range(1, self._draws + 1))),
        ]
        with m.If(self.load):
            m.d.sync += state.eq(self.load_state)
        with m.Elif(self.step):
            # The high half of a state is the word before that in its low half.
            m.d.sync += state.eq(Cat(state[:LEAP], self.word)[-WIDTH:].rotate_left(LEAP))
        return m
