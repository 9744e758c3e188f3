"""Claims about hw/store: its streams, under any back-pressure."""

from collections.abc import Callable

from amaranth.hdl import Module
from amaranth.lib import wiring
from spinloom.config import parse
from spinloom.hw.store.decoder import Decoder
from spinloom.hw.store.order import PermutedOrder
from spinloom.hw.store.whole import WholeSamples

from .prover import Bench, Fault, Proof, streams

GEOMETRY = parse({"input": {"count": 3}, "device": {"kind": "ideal"}, "layers": [{"cols": 2}]}, "formal").crossbars[0]


class Streams(Bench):
    """A block whose neighbours keep the rules of streams."""

    def __init__(self, make: Callable[[], wiring.Component]) -> None:
        self.part = make()
        super().__init__(self.part.signature)

    def describe(self, m: Module) -> None:
        m.submodules.part = self.part
        wiring.connect(m, wiring.flipped(self), self.part)
        if hasattr(self, "base"):
            self.keep(m, self.base)
        for port, offers in streams(self.part):
            self.stays(m, self.claim if offers else self.assume, port.valid, port.ready, port.payload)


def _streams(block: str, size: str, make: Callable[[], wiring.Component], fault: Fault, **how) -> Proof:
    return Proof(block=block, claim="an offer stays as it is until it is taken", size=size, bench=lambda: Streams(make),
                 faults=(fault,), **how)


PROOFS = [
    _streams("store/decoder.py", "3 cells", lambda: Decoder(geometry=GEOMETRY, label_bits=1),
             Fault(Decoder, "elaborate", "(~x.valid | x.ready)", "1")),
    _streams("store/order.py", "4 samples", lambda: PermutedOrder(most=4),
             Fault(PermutedOrder, "elaborate", "with m.If(self.samples.ready):", "with m.If(1):")),
    _streams("store/whole.py", "4 words", lambda: WholeSamples(depth=4),
             Fault(WholeSamples, "elaborate", "whole + came - left", "whole + came - (left | self.i.valid)")),
]
