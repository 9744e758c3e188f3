"""The reader that keeps a network fed from a memory."""

from typing import Any

from amaranth.hdl import Module, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ...contract.geometry import CrossbarGeometry
from ...contract.widths import index_bits
from ..basics.queue import Queue
from ..crossbar.layouts import drive_layout
from .decoder import Decoder
from .fetcher import Fetcher, word_layout
from .memory import MemoryInterface
from .whole import WholeSamples

BUFFER = 256
"""Words read ahead: more than an MNIST sample has, so that one is complete when the network is ready for it."""


class SampleReader(wiring.Component):
    """Gives the label and the drive of each of ``samples``, in order, from the stored set that begins at the word
    ``base`` of ``memory`` (docs/store.md). ``geometry`` is that of the first crossbar.

    Up to ``buffer`` words, a power of two, are read ahead. As long as the memory keeps up, there is a beat on ``x`` in
    every clock cycle, but for four between samples. The label of a sample is offered before its drive, which
    waits until it is taken. A sample that is found ``damaged`` is given nevertheless, as well as it can be read.

    With ``whole``, the buffer is as large as the longest sample at least, and a sample is given only when all of its
    words are there: `WholeSamples`. A sample with a wrong checksum is then found damaged before it is given.

    Cost: a `Fetcher`, a `Decoder`, a block RAM for each 512 words, and registers for two words: a block RAM gives its
    words late in a clock cycle, and a `Decoder` needs most of one.
    """

    def __init__(self, *, geometry: CrossbarGeometry, label_bits: int, address_bits: int, most: int,
                 buffer: int = BUFFER, whole: bool = False) -> None:
        self.fetcher = Fetcher(address_bits=address_bits, most=most, longest=1 + (geometry.window.cells + 1) // 2)
        self.decoder = Decoder(geometry=geometry, label_bits=label_bits)
        self.words: Queue | WholeSamples = (
            WholeSamples(depth=max(buffer, 1 << ceil_log2(1 + self.fetcher.longest))) if whole
            else Queue(shape=word_layout(), depth=buffer, storage="block"))
        super().__init__({
            #: Where the set begins. It must not change while samples are read.
            "base": In(address_bits),
            #: Numbers of samples, less than `most`.
            "samples": In(stream.Signature(unsigned(index_bits(most)))),
            "memory": Out(MemoryInterface(address_bits)),
            "labels": Out(stream.Signature(unsigned(label_bits))),
            "x": Out(stream.Signature(drive_layout(geometry))),
            #: A sample is not the one that was stored.
            "damaged": Out(1),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.fetcher, m.submodules.decoder = fetcher, decoder = self.fetcher, self.decoder
        m.submodules.words = words = self.words
        m.submodules.next_words = next_words = Queue(shape=word_layout(), depth=2, storage="registers")
        damaged = fetcher.damaged | decoder.damaged
        if isinstance(words, WholeSamples):
            damaged |= words.damaged
        m.d.comb += [fetcher.base.eq(self.base), self.damaged.eq(damaged)]
        wiring.connect(m, wiring.flipped(self.samples), fetcher.samples)
        wiring.connect(m, fetcher.memory, wiring.flipped(self.memory))
        wiring.connect(m, fetcher.words, words.i)
        wiring.connect(m, words.o, next_words.i)
        wiring.connect(m, next_words.o, decoder.words)
        wiring.connect(m, decoder.labels, wiring.flipped(self.labels))
        wiring.connect(m, decoder.x, wiring.flipped(self.x))
        return m
