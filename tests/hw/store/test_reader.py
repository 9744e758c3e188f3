"""The reader of samples against what was packed, with a memory that stalls, from block RAM, and from damaged words."""

from itertools import pairwise
from random import Random

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.sim import Simulator
from spinloom.config import parse
from spinloom.contract.store import HALFWORD_BITS, HEADER_WORDS, pack
from spinloom.hw.crossbar.layouts import drive_layout
from spinloom.hw.store.fetcher import word_layout
from spinloom.hw.store.memory import WORD_BITS, BlockMemory, memory_command_layout
from spinloom.hw.store.reader import BUFFER, SampleReader
from spinloom.hw.store.whole import WholeSamples
from spinloom.sim.benches.packing import Packing
from spinloom.sim.benches.pins import AmaranthPins
from spinloom.sim.benches.streams import PinBench
from spinloom.sim.formats import drive_words
from spinloom.train.data import drive

COUNT, LABELS, ADDRESS_BITS = 12, 10, 16
FORMATS = [{}, {"bits": 3}, {"bits": 12}, {"kind": "signed", "bits": 9}, {"kind": "signed", "bits": 4},
           {"kind": "ternary"}]


def experiment(cells, **form):
    return parse({"input": {"count": cells, **form}, "device": {"kind": "ideal"},
                  "layers": [{"cols": LABELS, "z_frac": 4, "chi_frac": 8}]}, "reader")


def samples(cells, density=0.3, seed=1):
    """Images and labels; among the images one of zeros, one without any, and one with its last pixel alone."""
    random = np.random.default_rng(seed)
    images = random.integers(1, 256, (COUNT, 1, cells, 1)) * (random.random((COUNT, 1, cells, 1)) < density)
    images[0], images[1], images[2] = 0, 255, 0
    images[2, 0, -1, 0] = 200
    return images.astype(np.uint8), random.integers(0, LABELS, COUNT)


def expected(first, images, labels, order):
    """Labels, and the beats on ``x``, of the samples in ``order``."""
    xs, packing = drive(images, first.x).numpy(), Packing(drive_layout(first))
    return labels[order].tolist(), [packing.unpack(word) for number in order for word in drive_words(first, xs[number])]


def python_memory(bench, words, base):
    """Let the ``bench`` answer the reader's commands with ``words``, which begin at the address ``base``."""
    commands = bench.sink("memory__commands", memory_command_layout(ADDRESS_BITS))
    reads = bench.source("memory__reads", WORD_BITS)

    def step(cycle):
        while len(commands):
            command = commands.take()
            assert not command["write"]
            first = command["address"] - base
            reads.put_all(int(words[place % len(words)]) for place in range(first, first + command["length"] + 1))

    bench.agent(step)


def read(first, words, order, stall=0.0, base=0, wait=0, **options):
    """What the reader gives of the samples in ``order``: their labels, the beats on ``x``, and in how many clock cycles
    one is damaged. Nobody takes labels and beats in the first ``wait`` clock cycles."""
    reader = SampleReader(geometry=first, label_bits=4, address_bits=ADDRESS_BITS, most=COUNT, **options)
    simulator, found, beats, damaged = Simulator(reader), [], [], []
    simulator.add_clock(1e-6)

    async def testbench(ctx):
        bench = PinBench(AmaranthPins(ctx, reader), Random(len(order)), stall)
        bench.pins.set("base", base)
        numbers, labels = bench.source("samples", reader.samples.payload.shape()), bench.sink("labels", 4)
        x = bench.sink("x", drive_layout(first))
        python_memory(bench, words, base)
        bench.agent(lambda cycle: damaged.append(bench.pins.get("damaged")))
        bench.agent(lambda cycle: beats.extend(x.take_all()))
        numbers.put_all(order)
        if wait:
            labels.stall = x.stall = 1.0
            await bench.run(wait)
            labels.stall = x.stall = stall
        await bench.until(lambda: numbers.idle and sum(beat["last"] for beat in beats) == len(order))
        await bench.run(50)
        found.extend(labels.take_all())

    simulator.add_testbench(testbench)
    simulator.run()
    return found, beats, sum(damaged)


def by_sample(beats):
    """The beats on ``x``, sample by sample."""
    ends = [place + 1 for place, beat in enumerate(beats) if beat["last"]]
    return [beats[start:end] for start, end in pairwise([0, *ends])]


@pytest.mark.parametrize(("stall", "base"), [(0.0, 1000), (0.4, 0xBEEF), (0.8, 0x7FF4)])
@pytest.mark.parametrize("buffer", [2, 64])
@pytest.mark.parametrize("form", FORMATS[:3])
def test_samples_in_any_order(form, buffer, stall, base):
    first = experiment(70, **form).crossbars[0]
    images, labels = samples(70)
    order = [Random(buffer).randrange(COUNT) for _ in range(5)] + list(range(COUNT))
    found = read(first, pack(images, labels), order, stall, base=base, buffer=buffer)
    assert found == (*expected(first, images, labels, order), 0)


@pytest.mark.parametrize(("stall", "base"), [(0.0, 1000), (0.5, 0x7FF4)])
@pytest.mark.parametrize("buffer", [2, 64])
def test_whole_samples(buffer, stall, base):
    first = experiment(70).crossbars[0]
    images, labels = samples(70)
    order = [*range(COUNT), 1, 1, 0]
    found = read(first, pack(images, labels), order, stall, base=base, buffer=buffer, whole=True)
    assert found == (*expected(first, images, labels, order), 0)


@pytest.mark.parametrize("broken", [False, True])
def test_a_sample_is_whole_and_right_or_known_before_it_is_given(broken):
    """Its words come one by one. Its label is offered after the last one, and it is damaged when that comes."""
    queue, packing = WholeSamples(depth=16), Packing(word_layout())
    (image,), (label,) = (part[1:2] for part in samples(10))
    words = pack(image[None], label[None])[HEADER_WORDS + 2:].tolist()
    words[1] ^= broken << 3
    beats = [{"word": word, "last": int(place == len(words))} for place, word in enumerate([0, *words])]
    offered, damaged = [], []

    async def testbench(ctx):
        ctx.set(queue.i.valid, 1)
        for beat in beats:
            ctx.set(queue.i.payload, beat)
            offered.append(ctx.get(queue.o.valid))
            damaged.append(ctx.get(queue.damaged))
            await ctx.tick()
        ctx.set(queue.i.valid, 0)
        ctx.set(queue.o.ready, 1)
        taken = []
        for _ in range(3 * len(beats)):
            if ctx.get(queue.o.valid):
                taken.append(packing.unpack(ctx.get(queue.o.payload).as_bits()))
            await ctx.tick()
        assert taken == beats
        assert offered == [0] * len(beats)
        assert damaged == [0] * len(words) + [int(broken)]

    simulator = Simulator(queue)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.parametrize(("buffer", "whole"), [(BUFFER, False), (2, True)])
def test_samples_that_nobody_takes_for_a_while(buffer, whole):
    """The first ones are a single word and a number, so a buffer of whole samples holds as many as it ever can."""
    first = experiment(70).crossbars[0]
    images, labels = samples(70)
    order = [0] * 36 + list(range(COUNT))
    found = read(first, pack(images, labels), order, 0.5, wait=500, buffer=buffer, whole=whole)
    assert found == (*expected(first, images, labels, order), 0)


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize(("cells", "density"), [(1, 0.5), (2, 0.5), (600, 0.004), (1300, 1.0)])
def test_long_ways_and_long_samples(cells, density, stall):
    first = experiment(cells).crossbars[0]
    images, labels = samples(cells, density)
    found = read(first, pack(images, labels), [3, 2, 1, 0, 1, 2], stall)
    assert found == (*expected(first, images, labels, [3, 2, 1, 0, 1, 2]), 0)


@pytest.mark.parametrize("form", FORMATS)
def test_drives_of_all_pixels(form):
    """Each pixel value is that of a cell."""
    first = experiment(256, **form).crossbars[0]
    image = np.arange(256, dtype=np.uint8).reshape(1, 1, 256, 1)
    found = read(first, pack(image, np.array([7])), [0])
    assert found == (*expected(first, image, np.array([7]), [0]), 0)


@pytest.mark.parametrize("number", range(0, 13, 3))
def test_an_index_entry_with_a_flipped_bit(number):
    first = experiment(70).crossbars[0]
    images, labels = samples(70)
    for bit in (0, 3, 9, 15, 16, 31):
        words = pack(images, labels)
        words[HEADER_WORDS + number] ^= np.uint32(1 << bit)
        found, beats, damaged = read(first, words, list(range(COUNT)))
        assert len(found) == COUNT
        assert max(beat["row"] for beat in beats) < 70
        assert damaged > 0


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("buffer", [64, BUFFER])
def test_a_sample_with_a_flipped_bit(buffer, seed):
    """The samples around it are as they were stored; of one of these the last cell is followed by padding."""
    random, first = Random(seed), experiment(70).crossbars[0]
    images, labels = samples(70)
    words = pack(images, labels)
    start, end = (int(words[HEADER_WORDS + place]) for place in (5, 6))
    words[random.randrange(start, end)] ^= np.uint32(1 << random.randrange(32))
    _, beats, damaged = read(first, words, [2, 4, 5, 6], buffer=buffer)
    assert damaged == 1
    assert max(beat["row"] for beat in beats) < 70
    two, four, _, six = by_sample(beats)
    assert two + four + six == expected(first, images, labels, [2, 4, 6])[1]


@pytest.mark.parametrize("seed", range(6))
def test_a_whole_sample_with_a_flipped_bit(seed):
    """All of a sample is there before it is given, so its sum is known earlier, too."""
    random, first = Random(seed), experiment(70).crossbars[0]
    images, labels = samples(70)
    words = pack(images, labels)
    start, end = (int(words[HEADER_WORDS + place]) for place in (5, 6))
    words[random.randrange(start, end)] ^= np.uint32(1 << random.randrange(32))
    _, beats, damaged = read(first, words, [4, 5, 6], buffer=2, whole=True)
    assert damaged > 0
    assert max(beat["row"] for beat in beats) < 70
    four, _, six = by_sample(beats)
    assert four + six == expected(first, images, labels, [4, 6])[1]


def test_entries_behind_the_last_cell():
    """A sample with one is damaged, whatever the pixel and though its sum is right. The entry is left out."""
    first = experiment(70).crossbars[0]
    images, labels = np.zeros((COUNT, 1, 71, 1), dtype=np.uint8), np.arange(COUNT) % LABELS
    images[range(8), 0, 70, 0] = 1 << np.arange(8)
    found = read(first, pack(images, labels), list(range(COUNT)), buffer=64)
    assert found == (*expected(first, images[:, :, :70], labels, list(range(COUNT))), 8)


@pytest.mark.parametrize("lowest", [0, HALFWORD_BITS - COUNT])
def test_whole_samples_with_a_wrong_bit_in_their_sum(lowest):
    """Another bit in each. All are damaged when they come, before any is given, and once more when they are given."""
    first = experiment(70).crossbars[0]
    images, labels = np.zeros((COUNT, 1, 70, 1), dtype=np.uint8), np.arange(COUNT) % LABELS
    words = pack(images, labels)
    words[words[HEADER_WORDS:HEADER_WORDS + COUNT]] += np.uint32(1) << np.arange(COUNT, dtype=np.uint32) + np.uint32(
        HALFWORD_BITS + lowest)
    found = read(first, words, list(range(COUNT)), buffer=2, whole=True, wait=200)
    assert found == (*expected(first, images, labels, list(range(COUNT))), 2 * COUNT)


@pytest.mark.parametrize("bit", [3, 9, 15])
def test_an_index_entry_of_whole_samples_with_a_flipped_bit(bit):
    first = experiment(70).crossbars[0]
    words = pack(*samples(70))
    words[HEADER_WORDS + 3] ^= np.uint32(1 << bit)
    found, beats, damaged = read(first, words, list(range(COUNT)), buffer=2, whole=True)
    assert len(found) == COUNT
    assert max(beat["row"] for beat in beats) < 70
    assert damaged > 0


class FromBlockRam(wiring.Component):
    """A reader and its memory."""

    def __init__(self, first, words):
        self.reader = SampleReader(geometry=first, label_bits=4, address_bits=13, most=COUNT)
        self.memory = BlockMemory(depth=1 << 13, init=words.tolist())
        ports = self.reader.signature.members
        super().__init__({name: ports[name] for name in ("samples", "labels", "x")})

    def elaborate(self, platform):
        m = Module()
        m.submodules.reader, m.submodules.memory = self.reader, self.memory
        wiring.connect(m, self.reader.memory, self.memory.port)
        for name in self.signature.members:
            wiring.connect(m, getattr(self.reader, name), wiring.flipped(getattr(self, name)))
        return m


def test_block_ram_keeps_up():
    """With full samples there is a beat in every clock cycle, but for four of them from sample to sample."""
    first = experiment(600).crossbars[0]
    images, labels = samples(600, density=1.0)
    order = [1, *range(3, COUNT)]
    design = FromBlockRam(first, pack(images, labels))
    simulator = Simulator(design)
    simulator.add_clock(1e-6)

    async def testbench(ctx):
        bench = PinBench(AmaranthPins(ctx, design), Random(1))
        numbers, found = bench.source("samples", design.samples.payload.shape()), bench.sink("labels", 4)
        x = bench.sink("x", drive_layout(first))
        numbers.put_all(order)
        wanted = expected(first, images, labels, order)
        await bench.until(lambda: len(x) == len(wanted[1]))
        assert (found.take_all(), x.take_all()) == wanted
        pauses = [after - before for before, after in pairwise(x.cycles) if after != before + 1]
        assert pauses == [5] * (len(order) - 1)

    simulator.add_testbench(testbench)
    simulator.run()
