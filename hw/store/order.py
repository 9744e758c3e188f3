"""The permuted order of samples, computed place by place. `contract.permutation.permuted_order` is its golden twin."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...contract.lfsr import LEAP, WIDTH
from ...contract.permutation import ROUNDS
from ...contract.widths import index_bits
from ..crossbar.lfsr import Lfsr


def places_layout(most: int) -> data.StructLayout:
    """The places ``first`` to ``last``, 0 to ``count - 1``, of the order of ``count`` samples, 1 to ``most``. With
    ``permute`` that is the permutation of ``key`` (`contract.permutation.permutation_key`); otherwise samples come as
    they are numbered."""
    return data.StructLayout({"count": range(most + 1), "first": unsigned(index_bits(most)),
                              "last": unsigned(index_bits(most)), "permute": 1, "key": WIDTH})


def place_layout(most: int) -> data.StructLayout:
    """The number of the sample at a place; ``last`` is the last of the places asked for."""
    return data.StructLayout({"sample": unsigned(index_bits(most)), "last": 1})


class PermutedOrder(wiring.Component):
    """The samples at ``places``, one after the other (docs/arithmetic.md, 7.2). There are at most ``most`` samples.

    Latency: `latency` clock cycles from the transfer of ``places`` to the first sample, and as many from the transfer
    of a sample to the next one; 1 without ``permute``. Places are computed one at a time. No output depends on an input
    within a clock cycle.

    Cost: an LFSR, and five adders or comparators of a sample's number: for 65,536 samples, 345 LUTs of an iCE40.
    """

    #: Two clock cycles a round, and three to begin.
    latency = 2 * ROUNDS + 3

    def __init__(self, *, most: int) -> None:
        self.most = most
        super().__init__({
            "places": In(stream.Signature(places_layout(most))),
            "samples": Out(stream.Signature(place_layout(most))),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        bits = index_bits(self.most)
        request, place = Signal.like(self.places.payload, reset_less=True), Signal(bits, reset_less=True)
        m.submodules.lfsr = lfsr = Lfsr()
        sample, partner, center = (Signal(bits, name=name, reset_less=True) for name in ("sample", "partner", "center"))
        mask, turn = Signal(bits), Signal(range(ROUNDS))
        m.d.comb += [
            mask.eq(_ones_below(request.count - 1, bits)),
            lfsr.load_state.eq(request.key),
            self.samples.payload.sample.eq(sample),
            self.samples.payload.last.eq(place == request.last),
        ]

        with m.FSM():
            with m.State("wait"):
                m.d.comb += self.places.ready.eq(1)
                m.d.sync += [request.eq(self.places.payload), place.eq(self.places.payload.first),
                             sample.eq(self.places.payload.first)]
                with m.If(self.places.valid):
                    m.next = "begin"
                    with m.If(~self.places.payload.permute):
                        m.next = "offer"
            with m.State("begin"):
                m.d.comb += lfsr.load.eq(1)
                m.next = "center"
            with m.State("center"):
                m.d.sync += [center.eq(self._center(lfsr, mask, request.count)), turn.eq(0)]
                m.d.comb += lfsr.step.eq(1)
                m.next = "partner"
            with m.State("partner"):
                distance = center - sample
                m.d.sync += partner.eq(Mux(distance < 0, distance + request.count, distance))
                m.d.comb += lfsr.step.eq(1)
                m.next = "choose"
            with m.State("choose"):
                larger = Mux(partner > sample, partner, sample)
                with m.If((larger & (lfsr.state ^ larger[1:])[:bits]).xor()):
                    m.d.sync += sample.eq(partner)
                m.d.sync += [center.eq(self._center(lfsr, mask, request.count)), turn.eq(turn + 1)]
                m.d.comb += lfsr.step.eq(1)
                m.next = "partner"
                with m.If(turn == ROUNDS - 1):
                    m.next = "offer"
            with m.State("offer"):
                m.d.comb += self.samples.valid.eq(1)
                with m.If(self.samples.ready):
                    m.d.sync += [place.eq(place + 1), sample.eq(place + 1)]
                    with m.If(self.samples.payload.last):
                        m.next = "wait"
                    with m.Elif(request.permute):
                        m.next = "begin"
        return m

    def _center(self, lfsr: Lfsr, mask: Signal, count: Value) -> Value:
        """What a place and its partner of the next round add up to, modulo ``count``."""
        word = Cat(lfsr.word, lfsr.state[:LEAP])[:len(mask)] & mask
        return Mux(word >= count, word - count, word)


def _ones_below(value: Value, bits: int) -> Value:
    """Ones from the highest one of ``value`` down: the low ``bits`` of it."""
    return Cat(value[place:bits].any() for place in range(bits))
