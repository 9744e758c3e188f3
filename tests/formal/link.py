"""Claims about hw/link: what receives comes to itself again, whatever has happened."""

from collections.abc import Callable

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from spinloom.contract.link import FLAG
from spinloom.hw.link.frame import Deframer
from spinloom.hw.link.uart import UartReceiver

from .prover import Bench, Fault, Proof


class Together(Bench):
    """Two of a block in any two states, without a reset: once the line has been at rest, they say the same for ever."""

    restarts = False

    def __init__(self, ports: dict, make: Callable[[], wiring.Component], outputs: tuple[str, ...], valid: str) -> None:
        self.make, self.outputs, self.valid_port = make, outputs, valid
        super().__init__(ports)

    def rests(self, m: Module) -> Signal:
        raise NotImplementedError

    def describe(self, m: Module) -> None:
        m.submodules.one, m.submodules.other = one, other = self.make(), self.make()
        for name in self.signature.members:
            m.d.comb += [getattr(part, name).eq(getattr(self, name)) for part in (one, other)]
        settled = Signal(reset_less=True, name="begun_again")
        with m.If(self.rests(m)):
            m.d.sync += settled.eq(1)
        valid = getattr(one, self.valid_port)
        self.claim(m, ~settled | (valid == getattr(other, self.valid_port)))
        for name in self.outputs:
            self.claim(m, ~settled | ~valid | (getattr(one, name) == getattr(other, name)))


class AfterAFlag(Together):
    def __init__(self) -> None:
        super().__init__({"data": In(8), "valid": In(1)}, Deframer, ("byte",), "byte_valid")

    def rests(self, m: Module) -> Signal:
        return self.valid & (self.data == FLAG)


class AfterAPause(Together):
    DIVISOR = 2

    def __init__(self) -> None:
        super().__init__({"rx": In(1)}, lambda: UartReceiver(divisor=self.DIVISOR), ("data",), "valid")

    def rests(self, m: Module) -> Signal:
        high = Signal(range(12 * self.DIVISOR), name="begun_high")
        m.d.sync += high.eq(Mux(self.rx, high + (high != 12 * self.DIVISOR - 1), 0))
        return self.rx & (high == 12 * self.DIVISOR - 1)


PROOFS = [
    Proof(block="link/frame.py", claim="never locks up: from any state, without a reset, a flag begins a frame",
          size="any bytes", bench=AfterAFlag, starts=("any state",),
          faults=(Fault(Deframer, "elaborate", "escaped.eq(self.data == ESCAPE)",
                        "escaped.eq((self.data == ESCAPE) | escaped & (self.data == FLAG))"),)),
    Proof(block="link/uart.py", claim="never locks up: from any state, without a reset, the receiver is in step when "
          "the line has been high for 12 bits", size="2 clock cycles a bit", bench=AfterAPause, starts=("any state",),
          faults=(Fault(UartReceiver, "elaborate", "with m.If(line):", "with m.If(line & self.valid):"),)),
]
