"""The random number generator of a crossbar; ``model/lfsr.py`` is its golden twin."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..contract.lfsr import LEAP, WIDTH, jump


class Lfsr(wiring.Component):
    """Draws one word a cycle: a leap of ``LEAP`` steps of the sequence of docs/arithmetic.md 2.2.

    ``word`` shows, in every cycle, the word that a ``step`` in that cycle draws: its consumer takes it in the
    cycle in which it asserts ``step``, and the state leaps at the end of that cycle. ``load`` replaces the state
    and wins over ``step``. The state must never be zero.

    Latency 0, throughput one draw a cycle. Cost: ``WIDTH`` flip-flops and as many XORs of at most 20 state bits.

    Raises ``ValueError`` if ``init`` is not in 1 .. 2**WIDTH - 1.
    """

    #: Draw ``word``.
    step: In(1)
    #: Take ``load_state`` as the state.
    load: In(1)
    load_state: In(WIDTH)
    #: State before the draw of this cycle; ``init`` after reset.
    state: Out(WIDTH)
    #: Low bits of the state after the draw of this cycle.
    word: Out(LEAP)

    def __init__(self, *, init: int = 1):
        if not 0 < init < 1 << WIDTH:
            raise ValueError(f"init={init}: the state of an LFSR must be 1 to 2**{WIDTH}-1")
        self._init = init
        super().__init__()

    def elaborate(self, platform) -> Module:
        m = Module()
        state = Signal(WIDTH, init=self._init)
        leap = Signal(WIDTH)
        images = jump(LEAP)
        for place in range(WIDTH):
            bit = Signal(name=f"leap{place}")
            sources = [state[i] for i in range(WIDTH) if images[i] >> place & 1]
            parity = sources[0]
            for source in sources[1:]:
                parity ^= source
            m.d.comb += [bit.eq(parity), leap[place].eq(bit)]
        with m.If(self.load):
            m.d.sync += state.eq(self.load_state)
        with m.Elif(self.step):
            m.d.sync += state.eq(leap)
        m.d.comb += [self.state.eq(state), self.word.eq(leap)]
        return m
