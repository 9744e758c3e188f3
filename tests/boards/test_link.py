"""The link against a board in Python and against the RTL: every beat arrives once and in order, whatever the line
does."""

from collections import deque
from functools import partial
from random import Random

import numpy as np
import pytest
from amaranth.hdl import unsigned
from amaranth.sim import Simulator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spinloom.boards import link as host
from spinloom.boards.link import BoardResetError, LinkBench, LinkError, frame, link_bytes_per_sample
from spinloom.config import load
from spinloom.contract.link import FLAG, SINKS, SLOTS, SOURCES, TO_HOST_HEADER, ToBoard, ToHost
from spinloom.hw.link.link import Link
from spinloom.sim.bench import complete

from .model_board import BYTE_SECONDS, DIGEST, KINDS, SIZES_IN, SIZES_OUT, Line, ModelBoard, answers, faults


def rtl_link(slots: int = SLOTS) -> Link:
    return Link(sources={name: unsigned(8 * size - 1) for name, size in zip(SOURCES, SIZES_IN, strict=True)},
                sinks={name: unsigned(8 * size) for name, size in zip(SINKS, SIZES_OUT, strict=True)},
                digest=DIGEST, slots=slots)


class RtlBoard:
    """The port of the RTL's end of the link, simulated, with a machine behind it that answers as ``answers`` says."""

    CLOCKS = 200

    def __init__(self, random: Random, to_board: Line, to_host: Line, slots: int = SLOTS):
        self._lines = to_board, to_host
        self.link = rtl_link(slots)
        self._random = random
        self._input, self._output = deque(), bytearray()
        self._beats = [deque(), deque()]
        self.delivered: list[tuple[int, bytes]] = []
        self._simulator = Simulator(self.link)
        self._simulator.add_clock(1.0)
        self._simulator.add_testbench(self._process, background=True)
        self._time, self._seconds = 0, 0.0

    def now(self) -> float:
        return self._seconds

    def write(self, data: bytes) -> int:
        self._input.extend(self._lines[0](data))
        return len(data)

    def read(self) -> bytes:
        self._time += self.CLOCKS
        self._simulator.run_until(self._time)
        data, self._output = self._lines[1](bytes(self._output)), bytearray()
        self._seconds += len(data) * BYTE_SECONDS if data else host.SILENCE  # as if it had been waited for
        return data

    async def _process(self, ctx):
        link, clock = self.link, 0
        ctx.set(link.o.ready, 1)
        sources = [getattr(link, name) for name in SOURCES]
        sinks = [getattr(link, name) for name in SINKS]
        while True:
            ctx.set(link.valid, bool(self._input) and clock % 10 == 0)
            if ctx.get(link.valid):
                ctx.set(link.data, self._input.popleft())
            for stream, source in enumerate(sources):
                ctx.set(source.ready, self._random.random() < 0.3)
                if ctx.get(source.valid) and ctx.get(source.ready):
                    beat = ctx.get(source.payload).to_bytes(SIZES_IN[stream], "little")
                    self.delivered.append((stream, beat))
                    for to, answer in answers(stream, beat):
                        self._beats[to].append(int.from_bytes(answer, "little"))
            ctx.set(link.done, not any(self._beats))
            for stream, sink in enumerate(sinks):
                ctx.set(sink.valid, bool(self._beats[stream]))
                if self._beats[stream]:
                    ctx.set(sink.payload, self._beats[stream][0])
                    if ctx.get(sink.ready):
                        self._beats[stream].popleft()
            if ctx.get(link.o.valid):
                self._output.append(ctx.get(link.o.payload))
            if ctx.get(link.restart):
                self.delivered.clear()
                for beats in self._beats:
                    beats.clear()
            await ctx.tick()
            clock += 1


def requests(random: Random, count: int) -> list[tuple[int, bytes]]:
    """Beats for the board's streams; the topmost bit of each is 0."""
    return [(stream, random.randbytes(SIZES_IN[stream] - 1) + bytes([random.choice((0, 0x7E, 0x7D, 0x55))]))
            for stream in random.choices(range(3), k=count)]


def converse(board, beats: list[tuple[int, bytes]], check=lambda: None) -> host.Link:
    """Send ``beats`` and assert that they and their answers arrive. A hole in the line is counted in bytes, and may
    last for many questions."""
    link, received = host.Link(board, DIGEST, patience=host.Patience(answer=1000)), ([], [])
    link.open()
    def take(stream: int, data: bytes) -> bool:
        size = SIZES_OUT[stream]
        received[stream].extend(data[place:place + size] for place in range(0, len(data), size))
        return len(data) % size == 0

    link.sinks = {stream: partial(take, stream) for stream in range(2)}
    for stream, beat in beats:
        link.put(stream, SIZES_IN[stream], beat)
    expected = [answer for beat in beats for answer in answers(*beat)]
    while not (link.idle and sum(map(len, received)) >= len(expected)):
        link.exchange()
        check()
    assert board.delivered == beats
    for stream in range(2):
        assert received[stream] == [beat for to, beat in expected if to == stream]
    return link


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 1 << 32), faults(), faults(), st.sampled_from([1, 2, 4, 8]))
def test_every_beat_arrives_once_and_in_order(seed, to_board, to_host, slots):
    random = Random(seed)
    board = ModelBoard(random, Line(to_board), Line(to_host), slots)
    converse(board, requests(random, 600))


@pytest.mark.parametrize("seed", range(3))
def test_rtl(seed):
    random = Random(seed)
    lines = [Line({random.randrange(20, 300): (random.choice(KINDS), random.randrange(64)) for _ in range(3 * seed)})
             for _ in range(2)]
    link = converse(RtlBoard(random, *lines, slots=2 + 2 * (seed % 2)), requests(random, 50))
    assert bool(link.retransmissions) == bool(seed)


def test_more_frames_than_numbers():
    """Numbers wrap."""
    link = converse(ModelBoard(Random(1), Line({}), Line({})), requests(Random(1), 30_000))
    assert link._next > 256


@pytest.mark.parametrize("make", [ModelBoard, RtlBoard])
def test_another_session_forgets_the_one_before(make):
    board, random = make(Random(1), Line({}), Line({})), Random(2)
    beats = requests(random, 40)
    torn = host.Link(board, DIGEST)
    torn.open()
    for stream, beat in beats:
        torn.put(stream, SIZES_IN[stream], beat)
    torn.exchange()
    converse(board, beats[:20])


def test_a_frame_belongs_to_the_session_it_began_in():
    """A session is opened while a status of the one before is being sent, whose bytes are held up."""
    link, sent = rtl_link(), bytearray()

    async def receive(ctx, *content: int):
        for byte in frame(bytes(content)):
            ctx.set(link.data, byte)
            ctx.set(link.valid, 1)
            await ctx.tick()
            ctx.set(link.valid, 0)
            await ctx.tick().repeat(9)

    async def send(ctx):
        ctx.set(link.o.ready, 1)
        for _ in range(400):
            if ctx.get(link.o.valid):
                sent.append(ctx.get(link.o.payload))
            await ctx.tick()
        ctx.set(link.o.ready, 0)

    async def testbench(ctx):
        await receive(ctx, ToBoard.HELLO, 1, 0)
        await send(ctx)
        await receive(ctx, ToBoard.POLL, 7, 0)
        await receive(ctx, ToBoard.HELLO, 2, 0)
        await send(ctx)

    simulator = Simulator(link)
    simulator.add_clock(1.0)
    simulator.add_testbench(testbench)
    simulator.run()
    place = list(TO_HOST_HEADER).index("session_low")
    frames = map(host.unframe, bytes(sent).split(bytes([FLAG])))
    answered = [(content[0], content[place]) for content in frames if content]
    assert answered == [(ToHost.HELLO, 1), (ToHost.STATUS, 1), (ToHost.HELLO, 2)]


def test_a_reset_is_noticed():
    board = ModelBoard(Random(1), Line({}), Line({}))
    countdown = iter(range(20, -1000, -1))

    def check():
        if next(countdown) == 0:
            board.reset()

    with pytest.raises(BoardResetError, match="was reset"):
        converse(board, requests(Random(2), 5000), check)


class DeadPort:
    """A port behind which there is no board, but perhaps something else that sends."""

    def __init__(self, chatter: bytes = b""):
        self.chatter, self.time = chatter, 0.0

    def now(self) -> float:
        return self.time

    def write(self, data: bytes) -> int:
        return len(data)

    def read(self) -> bytes:
        self.time += len(self.chatter) * BYTE_SECONDS if self.chatter else host.SILENCE
        return self.chatter


@pytest.mark.parametrize(("chatter", "text"), [
    (b"", "has not answered for 10 s; check the port"),
    (b"Login: ", r"has not answered for 10 s: [\d,]+ bytes came, but no sound frame; check the port"),
    (b"\x7e~~\xff" * 1000, r"has not answered for 10 s: [\d,]+ bytes came, but no sound frame; check the port"),
    (b"\0" * 4096, r"has not answered for 10 s: [\d,]+ bytes came, but no sound frame; check the port"),
])
def test_a_dead_link_is_given_up(chatter, text):
    port = DeadPort(chatter)
    with pytest.raises(LinkError, match=text):
        host.Link(port, DIGEST).open()
    assert port.time == pytest.approx(10, abs=0.1)


def test_another_design_is_refused():
    with pytest.raises(LinkError, match=r"another design \(digest 7e010203, of this configuration 00000007"):
        host.Link(ModelBoard(Random(1), Line({}), Line({})), 7).open()


def test_another_protocol_is_refused(monkeypatch):
    monkeypatch.setattr(host, "PROTOCOL_VERSION", 9)
    with pytest.raises(LinkError, match="speaks version 1 of the link's protocol, this program 9"):
        host.Link(ModelBoard(Random(1), Line({}), Line({})), DIGEST).open()


def test_a_board_that_has_nothing_to_say_is_not_waited_for():
    link = host.Link(ModelBoard(Random(1), Line({}), Line({})), DIGEST)
    link.open()
    bench = LinkBench(link)
    bench.source("command", unsigned(16)).put(3)
    result = bench.sink("result", unsigned(8))
    complete(bench.until(lambda: len(result) > 0))
    assert result.take_all() == [3]
    with pytest.raises(LinkError, match="does not answer what it was asked for"):
        complete(bench.until(lambda: len(result) > 0))


def test_bytes_per_sample():
    """Against what is really sent."""
    experiment = load("mnist-dw5")
    random, active = np.random.default_rng(1), 150
    link = host.Link(ModelBoard(Random(1), Line({}), Line({})), DIGEST)
    link.open()
    sent = link.bytes_sent
    for _ in range(200):
        link.put(0, 2, random.bytes(2))
        link.put(1, 3, random.bytes(3 * active))
    while not link.delivered:
        link.exchange()
    assert link.bytes_sent - sent == pytest.approx(200 * link_bytes_per_sample(experiment, active), rel=0.03)
    assert frame(b"") == b"\0\0\0\0\x7e"
