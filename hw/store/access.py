"""How a host fills a memory, and learns what is in it."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..link.crc import Crc32
from .memory import LENGTH_BITS, WORD_BITS, MemoryInterface


def access_layout(address_bits: int) -> data.StructLayout:
    """Writes ``count`` words, 1 or more, from the word ``address`` on, or makes a digest of them."""
    return data.StructLayout({"write": 1, "address": unsigned(address_bits), "count": unsigned(address_bits + 1)})


class MemoryAccess(wiring.Component):
    """Carries out one ``access`` after the other. Writing takes its ``words``. Otherwise the words are read, and the
    answer is their ``digest``: the CRC-32 of their bytes, as `contract.store.crc` computes it.

    Throughput: a word a clock cycle to write, and a word in 36 to read, since the CRC takes 9 for a byte. Cost: a
    `Crc32`, counters of an address.
    """

    def __init__(self, *, address_bits: int) -> None:
        super().__init__({
            "access": In(stream.Signature(access_layout(address_bits))),
            #: Words to be written.
            "words": In(stream.Signature(unsigned(WORD_BITS))),
            "digest": Out(stream.Signature(unsigned(WORD_BITS))),
            "memory": Out(MemoryInterface(address_bits)),
            #: No access is being carried out.
            "idle": Out(1),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        memory, command = self.memory, self.memory.commands
        access = Signal.like(self.access.payload)
        left = Signal(LENGTH_BITS)  # of the burst, behind the word that is moved next
        m.submodules.crc = crc = Crc32()
        word, byte = Signal(WORD_BITS), Signal(range(WORD_BITS // 8))
        m.d.comb += [
            command.payload.write.eq(access.write),
            command.payload.address.eq(access.address),
            command.payload.length.eq(Mux(access.count > 1 << LENGTH_BITS, (1 << LENGTH_BITS) - 1,
                                          access.count - 1)),
            memory.writes.payload.eq(self.words.payload),
            crc.data.eq(word),
            self.digest.payload.eq(~crc.value),
        ]
        with m.FSM() as fsm:
            with m.State("wait"):
                m.d.comb += [self.access.ready.eq(1), crc.clear.eq(1)]
                m.d.sync += access.eq(self.access.payload)
                with m.If(self.access.valid):
                    m.next = "command"
            with m.State("command"):
                m.d.comb += command.valid.eq(1)
                m.d.sync += left.eq(command.payload.length)
                with m.If(command.ready):
                    m.d.sync += [access.address.eq(access.address + (1 << LENGTH_BITS)),
                                 access.count.eq(access.count - command.payload.length - 1)]
                    m.next = "read"
                    with m.If(access.write):
                        m.next = "write"
            with m.State("write"):
                m.d.comb += [memory.writes.valid.eq(self.words.valid), self.words.ready.eq(memory.writes.ready)]
                with m.If(self.words.valid & self.words.ready):
                    m.d.sync += left.eq(left - 1)
                    with m.If(left == 0):
                        m.next = "command"
                        with m.If(access.count == 0):
                            m.next = "wait"
            with m.State("read"):
                m.d.comb += memory.reads.ready.eq(1)
                m.d.sync += [word.eq(memory.reads.payload), byte.eq(0)]
                with m.If(memory.reads.valid):
                    m.next = "digest"
            with m.State("digest"):
                m.d.comb += crc.put.eq(1)
                with m.If(~crc.busy):
                    m.d.sync += [word.eq(word[8:]), byte.eq(byte + 1)]
                    with m.If(byte == WORD_BITS // 8 - 1):
                        m.d.sync += left.eq(left - 1)
                        m.next = "read"
                        with m.If(left == 0):
                            m.next = "command"
                            with m.If(access.count == 0):
                                m.next = "answer"
            with m.State("answer"):
                m.d.comb += self.digest.valid.eq(~crc.busy)
                with m.If(self.digest.valid & self.digest.ready):
                    m.next = "wait"
        m.d.comb += self.idle.eq(fsm.ongoing("wait"))
        return m
