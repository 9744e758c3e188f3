"""The interface of a memory that holds samples, and a memory in block RAM behind it."""

from collections.abc import Iterable
from typing import Any

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ...contract.widths import index_bits

WORD_BITS = 32
"""Width of a word. Its byte 0 is in the low bits."""
LENGTH_BITS = 8
"""Width of ``length``: a command moves up to 256 words."""


def memory_command_layout(address_bits: int) -> data.StructLayout:
    """A command: moves ``length + 1`` words that follow one another, the first of them at the word ``address``."""
    return data.StructLayout({"write": 1, "address": unsigned(address_bits), "length": unsigned(LENGTH_BITS)})


class MemoryInterface(wiring.Signature):
    """A memory of words of `WORD_BITS` bits, as its user sees it. Flipped, it is what a memory has.

    Commands are carried out in the order in which they are taken: a read gives what the writes before it have written,
    and nothing of those after it. The words of all write commands come on ``writes``, those of all read commands on
    ``reads``, each in the order of the commands and of ascending addresses. So words carry no mark of their command.

    The user
      offers the words of a write command at the latest when the command has been taken, and then as soon as they are
      there: a memory may wait for them in the midst of a burst, and does nothing else meanwhile. It may offer them
      before. It may leave words waiting on ``reads`` as long as it likes. Addresses are counted in words, and need not
      be multiples of anything. Beyond the memory, reads give any words, and nothing may be written.

    The memory
      may take words of ``writes`` only for commands that it has taken. It may take commands ahead, and may wait with
      any of them for as long as it must (a refresh, another user). It divides bursts where its chips demand it. No word
      of ``reads`` is lost while the user does not take it.

    Neither side lets a ``valid`` wait for a ``ready``.
    """

    def __init__(self, address_bits: int) -> None:
        self.address_bits = address_bits
        super().__init__({
            "commands": Out(stream.Signature(memory_command_layout(address_bits))),
            #: Words to be written.
            "writes": Out(stream.Signature(unsigned(WORD_BITS))),
            #: Words that were read.
            "reads": In(stream.Signature(unsigned(WORD_BITS))),
        })


class BlockMemory(wiring.Component):
    """A memory of ``depth`` words in block RAM, behind a `MemoryInterface`; ``init`` are its first words at power-up.

    Latency: the first word of a read is offered two clock cycles after its command is taken. Throughput: a word a clock
    cycle, also from command to command. Cost: the block RAM, a register for a command. ``commands.ready`` depends on
    ``reads.ready`` and ``writes.valid``. Raises ``ValueError`` if there is no word, or more of ``init`` than ``depth``.
    """

    def __init__(self, *, depth: int, init: Iterable[int] = ()) -> None:
        self.depth = depth
        self.init = list(init)
        if depth < 1 or len(self.init) > depth:
            raise ValueError(f"depth={depth}: must be at least 1, and hold the {len(self.init)} words of init")
        #: The user's end is `port`, flipped.
        super().__init__({"port": In(MemoryInterface(index_bits(depth)))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        port = self.port
        m.submodules.words = words = Memory(shape=unsigned(WORD_BITS), depth=max(2, self.depth), init=self.init,
                                            attrs={"no_rw_check": 1})
        write, read = words.write_port(), words.read_port()
        command = Signal.like(port.commands.payload, reset_less=True)
        active, moved = Signal(), Signal()  # a command is being carried out; a word of it is moved
        m.d.comb += [
            write.addr.eq(command.address),
            write.data.eq(port.writes.payload),
            write.en.eq(active & command.write & port.writes.valid),
            port.writes.ready.eq(active & command.write),
            read.addr.eq(command.address),
            read.en.eq(active & ~command.write & (~port.reads.valid | port.reads.ready)),
            port.reads.payload.eq(read.data),
            moved.eq(write.en | read.en),
            port.commands.ready.eq(~active | moved & (command.length == 0)),
        ]
        m.d.sync += port.reads.valid.eq(read.en | port.reads.valid & ~port.reads.ready)
        with m.If(moved):
            m.d.sync += [command.address.eq(command.address + 1), command.length.eq(command.length - 1)]
        with m.If(port.commands.ready):
            m.d.sync += [command.eq(port.commands.payload), active.eq(port.commands.valid)]
        return m
