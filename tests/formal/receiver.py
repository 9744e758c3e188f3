"""Claims about the receiver of the link as a whole: it takes well-formed frames, those alone, and never locks up."""

from amaranth.hdl import Cat, Module, Mux, ResetSignal, Signal, Value
from amaranth.lib.wiring import In
from spinloom.contract.link import ESCAPE, FLAG, TO_BOARD_HEADER, TOGGLE, ToBoard
from spinloom.hw.link import collector, delivery, frame, link
from spinloom.hw.link.frame import Deframer
from spinloom.hw.link.link import Link

from .link import Crc8, crc_states
from .prover import Bench, Fault, Proof

SLOT, SLOTS = 8, 2
SHORTEST = len(TO_BOARD_HEADER) + 1


class QuickCrc8(Crc8):
    """As `Crc8`, and never busy: bytes may come in every other clock cycle."""

    def elaborate(self, platform) -> Module:
        m = Module()
        with m.If(self.put):
            m.d.sync += self.value.eq(crc_states(m, self.value, self.data, self.POLYNOMIAL)[-1])
        with m.If(self.clear):
            m.d.sync += self.value.eq(self.value.init)
        return m


class Received(Bench):
    """A `Link`, and what its receiver is to do with every byte. It is in step from a reset on, or from the first flag:
    whatever state it was in before that."""

    restarts = False

    def __init__(self) -> None:
        super().__init__({"data": In(8), "valid": In(1), "o_ready": In(1), "done": In(1), "a_ready": In(1),
                          "r_valid": In(1), "r_payload": In(4)})

    def describe(self, m: Module) -> None:
        m.submodules.part = part = Link(sources={"a": 4}, sinks={"r": 4}, digest=0, slots=SLOTS)
        m.d.comb += [part.data.eq(self.data), part.valid.eq(self.valid), part.o.ready.eq(self.o_ready),
                     part.done.eq(self.done), part.a.ready.eq(self.a_ready), part.r.valid.eq(self.r_valid),
                     part.r.payload.eq(self.r_payload)]
        came = Signal(name="begun_came", init=1)
        m.d.sync += came.eq(self.valid)
        self.assume(m, ~(came & self.valid))
        flag = self.valid & (self.data == FLAG)
        in_step = Signal(reset_less=True, init=self.origin == "power-up", name="begun_in_step")
        with m.If(flag | ResetSignal()):
            m.d.sync += in_step.eq(1)

        # The frame so far: how many bytes, the first three of them, the CRC of all, and whether it has found room.
        escaped, count, header = Signal(), Signal(range(SLOT + 2)), Signal(8 * len(TO_BOARD_HEADER))
        crc, room = Signal(8, init=0xFF), Signal()
        byte, comes = self.data ^ Mux(escaped, TOGGLE, 0), self.valid & (self.data != FLAG) & (self.data != ESCAPE)
        delivery = part._delivery
        has_room = (delivery.expected - delivery.delivered)[:8] != SLOTS
        with m.If(self.valid):
            m.d.sync += escaped.eq(self.data == ESCAPE)
        with m.If(comes):
            m.d.sync += [count.eq(Mux(count > SLOT, count, count + 1)),
                         crc.eq(crc_states(m, crc, byte, Crc8.POLYNOMIAL)[-1])]
            with m.If(count == 0):
                m.d.sync += room.eq(has_room)
            with m.If(count < len(TO_BOARD_HEADER)):
                m.d.sync += header.eq(Cat(header[8:], byte))
        with m.If(flag):
            m.d.sync += [count.eq(0), crc.eq(crc.init)]
        sound = (crc == Crc8.RESIDUE) & (count >= SHORTEST) & (count <= SLOT)
        self._verdict(m, part, in_step, flag & (count != 0), sound, header, room)
        # What is written is that frame, and touches none of those that wait.
        writes = comes & Mux(count == 0, has_room, room) & (count < SLOT)
        self.claim(m, ~in_step | (delivery.write == writes))
        self.claim(m, ~in_step | ~writes | (delivery.place == count) & (delivery.byte == byte))

    def _verdict(self, m: Module, part: Link, in_step: Signal, ends: Value, sound: Value, header: Signal,
                 room: Signal) -> None:
        """What follows on the end of a frame."""
        kind, a, b = (header.word_select(place, 8) for place in range(3))
        delivery, collector = part._delivery, part._collector
        hello = ends & sound & (kind == ToBoard.HELLO)
        open_ = ends & sound & (kind != ToBoard.HELLO) & (part._session != 0)
        data = open_ & (kind == ToBoard.DATA)
        asks = open_ & ((kind == ToBoard.POLL) | (kind == ToBoard.RESEND))
        accepts = data & room & (a == delivery.expected)
        self.claim(m, ~in_step | (delivery.accept == accepts))
        self.claim(m, ~in_step | (collector.acknowledge == open_))
        self.claim(m, ~in_step | ~open_ | (collector.acknowledged == b))
        # In the clock cycle after that:
        then = {name: Signal(len(value), name=f"begun_{name}") for name, value in {
            "session": part._session, "echo": part._echo, "expected": delivery.expected,
            "restart": part.restart, "resend": part.restart, "trouble": part.restart, "known": part.restart}.items()}
        m.d.sync += [
            then["known"].eq(in_step),
            then["session"].eq(Mux(hello, Cat(a, b), part._session)),
            then["restart"].eq(hello & (part._session != Cat(a, b))),
            then["resend"].eq(open_ & (kind == ToBoard.RESEND)),
            then["echo"].eq(Mux(part.restart, 0, Mux(asks, a, part._echo))),
            then["expected"].eq(Mux(part.restart, 0, delivery.expected + accepts)),
            then["trouble"].eq(ends & ~sound | data & ~accepts),
        ]
        told = {"session": part._session, "restart": part.restart, "resend": collector.resend, "echo": part._echo,
                "expected": delivery.expected}
        for name, value in told.items():
            self.claim(m, ~then["known"] | (value == then[name]))
        self.claim(m, ~then["known"] | ~then["trouble"] | part._trouble & part._status)


def _receiver(claim: str, *faults: Fault, **how) -> Proof:
    return Proof(block="link/link.py", claim=claim, size="frames of up to 8 bytes, a CRC of 8 bits, 2 slots",
                 bench=Received, faults=faults, instead=SMALL, **how)


SMALL = ((frame, "Crc32", QuickCrc8), (frame, "CRC_BYTES", 1), (frame, "CRC_RESIDUE", Crc8.RESIDUE),
         (link, "SLOT", SLOT), (link, "SHORTEST", SHORTEST), (delivery, "SLOT", SLOT), (collector, "SLOT", SLOT))
PROOFS = [
    _receiver("the whole receiver takes exactly the well-formed frames, and does what they say; others change "
              "nothing, but that trouble is told",
              Fault(Link, "_receive", "(count > SLOT)", "(count > SLOT + 1)"),
              Fault(Link, "_receive", "(count < SHORTEST)", "(count < SHORTEST - 1)"),
              Fault(Link, "_receive", "m.If(count <= SLOT)", "m.If(count < SLOT)"),
              Fault(Link, "_receive", "self._session == 0", "0"),
              Fault(Deframer, "elaborate", "crc.clear.eq(self.end)", "crc.clear.eq(self.end & self.sound)"),
              starts=("power-up",), correspondence=True),
    _receiver("never locks up: from any state, without a reset, the whole receiver does so from the first flag on",
              Fault(Link, "_receive", "m.d.sync += count.eq(0)", "pass"),
              Fault(Link, "_receive", "room & (a == delivery.expected)", "(a == delivery.expected)"),
              starts=("any state",), cycles=13),
]
