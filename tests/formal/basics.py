"""Claims about hw/basics."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from spinloom.hw.basics.queue import Queue, Storage
from spinloom.hw.basics.set_bits import SetBits

from .prover import Bench, Fault, Proof, counted


class NumberedQueue(Bench):
    """Beats are numbered, so that one lost, repeated or overtaken would show."""

    BITS = 4

    def __init__(self, depth: int, storage: Storage) -> None:
        self.depth, self.storage = depth, storage
        super().__init__({"i": In(stream.Signature(self.BITS)), "o": Out(stream.Signature(self.BITS))})

    def describe(self, m: Module) -> None:
        m.submodules.queue = queue = Queue(shape=self.BITS, depth=self.depth, storage=self.storage)
        i, o = self.i, self.o
        wiring.connect(m, wiring.flipped(i), queue.i)
        wiring.connect(m, queue.o, wiring.flipped(o))
        taken = o.valid & o.ready
        came, went = counted(m, self.BITS, i.valid & i.ready, taken)
        self.assume(m, i.payload == came)
        self.claim(m, ~o.valid | (o.payload == went))
        self.claim(m, queue.level == (came - went)[:self.BITS])
        self.claim(m, i.ready == (queue.level != self.depth))
        self.claim(m, ~o.valid | (queue.level != 0))
        self.stays(m, self.claim, o.valid, o.ready, o.payload)
        due = Signal()  # a beat that has waited since the clock cycle before last is offered
        m.d.sync += due.eq(queue.level - taken != 0)
        self.claim(m, ~due | o.valid)


class Flags(Bench):
    """A word's set bits, kept beside it."""

    WIDTH = 4

    def __init__(self) -> None:
        super().__init__(SetBits(width=self.WIDTH, tag=2).signature)

    def describe(self, m: Module) -> None:
        m.submodules.part = part = SetBits(width=self.WIDTH, tag=2)
        wiring.connect(m, wiring.flipped(self), part)
        i, o, left, first, tag = self.i, self.o, Signal(self.WIDTH), Signal(), Signal(2)
        rest = left & (left - 1)
        self.assume(m, ~i.valid | (i.payload.flags != 0))
        with m.If(o.valid & o.ready):
            m.d.sync += [left.eq(rest), first.eq(0)]
        with m.If(i.valid & i.ready):
            m.d.sync += [left.eq(i.payload.flags), first.eq(1), tag.eq(i.payload.tag)]
        self.claim(m, o.valid == (left != 0))
        self.claim(m, ~o.valid | ((o.payload.one == left & ~rest) & (o.payload.first == first)
                                  & (o.payload.last == (rest == 0)) & (o.payload.tag == tag)))
        self.claim(m, i.ready == ((left == 0) | o.ready & (rest == 0)))
        self.stays(m, self.claim, o.valid, o.ready, o.payload)


def _queue(depth: int, storage: Storage, *faults: Fault) -> Proof:
    return Proof(block="basics/queue.py", claim="loses, repeats and reorders nothing; what it says of its level and "
                 "room is so; an offer stays, and comes in time", size=f"{storage}, depth {depth}",
                 bench=lambda: NumberedQueue(depth, storage), faults=faults)


PROOFS = [
    *(_queue(depth, "distributed", Fault(Queue, "elaborate", "self.level != self.depth", "1"))
      for depth in (1, 2, 3, 4)),
    *(_queue(depth, "registers", Fault(Queue, "_shift", "~filled[-1]", "1")) for depth in (1, 2, 3, 4)),
    *(_queue(depth, "block", Fault(Queue, "_read_ahead", "(~self.o.valid | self.o.ready)", "1"))
      for depth in (2, 4, 8)),
    Proof(block="basics/set_bits.py", claim="every set bit of every word, once, ascending, with the word's tag; an "
          "offer stays", size="4 flags", bench=Flags,
          faults=(Fault(SetBits, "elaborate", "self.o.ready & self.o.payload.last", "self.o.ready"),)),
]
