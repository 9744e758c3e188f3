"""The link against a board in Python and against the RTL: every beat arrives once and in order, whatever the line
does."""

import threading
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
from spinloom.boards.link import (
    BoardResetError,
    LinkBench,
    LinkError,
    LinkInterruptedError,
    frame,
    link_bytes_per_sample,
)
from spinloom.config import load
from spinloom.contract.link import (
    BANK,
    FLAG,
    NETWORK,
    SLOTS,
    STORED,
    TO_HOST_HEADER,
    ToBoard,
    ToHost,
    segment_beats,
    segment_header,
)
from spinloom.hw.link.link import Link
from spinloom.sim.bench import complete

from .besieged import Besieged
from .model_board import (
    BYTE_SECONDS,
    DIGEST,
    KINDS,
    SIZES_IN,
    SIZES_OUT,
    Line,
    ModelBoard,
    answers,
    faults,
    framed,
)


def rtl_link(slots: int = SLOTS) -> Link:
    return Link(sources={name: unsigned(8 * size - 1) for name, size in zip(NETWORK.sources, SIZES_IN, strict=True)},
                sinks={name: unsigned(8 * size) for name, size in zip(NETWORK.sinks, SIZES_OUT, strict=True)},
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
        sources = [getattr(link, name) for name in NETWORK.sources]
        sinks = [getattr(link, name) for name in NETWORK.sinks]
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


LONG = host.Patience(answer=1000)
"""For holes in a line that are counted in bytes, and so may last for many questions."""


def converse(board, beats: list[tuple[int, bytes]], check=lambda: None, patience: host.Patience = LONG) -> host.Link:
    """Send ``beats`` and assert that they and their answers arrive."""
    link, received = host.Link(board, DIGEST, patience=patience), ([], [])
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


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
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


@pytest.mark.parametrize("streams", [BANK, NETWORK, STORED])
def test_the_header_of_a_segment_tells_stream_and_beats(streams):
    most = streams.segment
    headers = [segment_header(stream, beats, most) for stream in range(len(streams.sources))
               for beats in range(1, most + 1)]
    assert headers == list(range(most, most * (len(streams.sources) + 1)))
    assert max(headers) < 256


def test_a_segment_names_seven_streams():
    assert [segment_beats(streams) for streams in (1, 3, 4, 7)] == [64, 64, 32, 32]
    with pytest.raises(ValueError, match="^8 streams: a segment can name 7$"):
        segment_beats(8)


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

    def __init__(self, chatter: bytes = b"", takes: bool = True):
        self.chatter, self.takes, self.time = chatter, takes, 0.0

    def now(self) -> float:
        return self.time

    def write(self, data: bytes) -> int:
        self.time += 0 if self.takes else host.SILENCE
        return len(data) if self.takes else 0

    def read(self) -> bytes:
        self.time += len(self.chatter) * BYTE_SECONDS if self.chatter else host.SILENCE
        return self.chatter


@pytest.mark.parametrize(("port", "text"), [
    (DeadPort(), "has not answered for 10 s; check the port"),
    (DeadPort(b"Login: "), r"has not answered for 10 s: [\d,]+ bytes came, but no sound frame; check the port"),
    (DeadPort(b"\x7e~~\xff" * 1000), r"has not answered for 10 s: [\d,]+ bytes came, but no sound frame; check"),
    (DeadPort(b"\0" * 4096), r"has not answered for 10 s: [\d,]+ bytes came, but no sound frame; check the port"),
    (DeadPort(framed(bytes([2, 0, 0, 0, 0, 0, 0, 1]))), "10 s: frames came, but none of this session; check the port"),
    (DeadPort(takes=False), "has not answered for 10 s: the port takes no more bytes; check the port"),
])
def test_a_dead_link_is_given_up(port, text):
    with pytest.raises(LinkError, match=text):
        host.Link(port, DIGEST).open()
    assert port.time == pytest.approx(10, abs=0.2)


def test_a_suspended_process_does_not_blame_the_board():
    """Nor one that does something else between two looks."""
    board = ModelBoard(Random(1))
    link = host.Link(board, DIGEST)
    link.open()
    read = board.read

    def late() -> bytes:
        board.time += 1000
        return read()

    board.read = late
    link.exchange()
    board.read = read
    for _ in range(100):
        link.exchange()
        board.time += 1000


def until_answered(lasting: tuple[str, float] | None, beats: int = 3000) -> Besieged:
    """Send beats to a board that begins an attack at some moment, and wait for their answers. Returns the port."""
    port = Besieged(ModelBoard(Random(1)), Random(2), lasting=lasting)
    link = host.Link(port, DIGEST)
    try:
        link.open()
        bench = LinkBench(link, NETWORK)
        source, result = bench.source("command", unsigned(16)), bench.sink("result", unsigned(8))
        for number in range(beats):
            source.put(number)
        complete(bench.until(lambda: len(result) == beats and bench.idle))
    except LinkError as error:
        error.port = port
        raise
    return port


@pytest.mark.parametrize(("attack", "seconds", "text"), [
    ("mute", 10, "the board has not answered for 10 s; check the port"),
    ("deaf", 10, "the board has not answered for 10 s: it sends, but not what it was asked for; check the port"),
    ("full", 10, "the board has not answered for 10 s: the port takes no more bytes; check the port"),
    ("chatter", 10, r"the board has not answered for 10 s: [\d,]+ bytes came, but no sound frame; check the port"),
    ("withhold", 10, "the board has not answered for 10 s: frames that it says it has sent do not come; check"),
    ("busy", 60, "the board answers, but has got nothing done for 60 s$"),
])
def test_only_progress_renews_patience(attack, seconds, text):
    with pytest.raises(LinkError, match=text) as caught:
        until_answered((attack, 0.1))
    assert caught.value.port.now() == pytest.approx(seconds, abs=2)


@pytest.mark.parametrize("attack", ["trouble", "echoless"])
def test_what_a_board_says_without_need_does_not_matter(attack):
    assert until_answered((attack, 0.1)).now() < 5


def test_work_that_takes_long_is_waited_for():
    """A board that answers, and gets something done every 50 seconds."""
    board = ModelBoard(Random(1))
    deliver, due = board._deliver, [50.0]

    def slowly():
        if board.time >= due[0]:
            due[0] += 50
            deliver()

    board._deliver = slowly
    link = converse(board, requests(Random(2), 600), patience=host.Patience())
    assert board.time > 300
    assert link.retransmissions == 0


@pytest.mark.parametrize("attack", [None, "mute", "deaf", "full", "chatter", "busy", "withhold"])
@pytest.mark.parametrize("begin", [0.0, 1.0])
def test_a_stop_is_heeded(attack, begin):
    """At once in the opening, else soon, in whatever state the line is."""
    stop = threading.Event()
    port = Besieged(ModelBoard(Random(1)), Random(2), lasting=(attack, begin) if attack else None)
    link = host.Link(port, DIGEST, stop=stop)
    seconds, read = begin + 0.5, port.read

    def look() -> bytes:
        if port.now() >= seconds:
            stop.set()
        return read()

    def talk() -> None:
        link.open()
        bench = LinkBench(link, NETWORK)
        bench.source("command", unsigned(16)).put_all(range(5000))
        complete(bench.until(lambda: port.now() > 1000))

    port.read = look
    with pytest.raises(LinkInterruptedError, match="^interrupted$"):
        talk()
    assert seconds <= port.now() < seconds + host.GRACE + 1.1


@pytest.mark.parametrize(("kind", "payload", "text"), [
    (0, b"", "it has sent a frame of kind 0 with 0 bytes"),
    (3, b"xyz", "it has sent a frame of kind 3 with 3 bytes"),
    (ToHost.STATUS, b"x", "it has sent a frame of kind 2 with 1 bytes"),
    (ToHost.DATA, b"", "it has sent 0 bytes that are no beats of its stream number 0"),
    (ToHost.DATA + 1, b"xyz", "it has sent 3 bytes that are no beats of its stream number 1"),  # of 5 bytes each
    (ToHost.DATA + 1, b"\0\0\0\0\xff", "it has sent 5 bytes that are no beats of its stream number 1"),  # of 39 bits
    (ToHost.DATA + 2, b"xyz", "it has sent 3 bytes that are no beats of its stream number 2"),
    (255, b"xyz", "it has sent 3 bytes that are no beats of its stream number 251"),
])
def test_a_frame_that_makes_no_sense_is_taken_for_a_damaged_one(kind, payload, text):
    """One does no harm. A board that sends nothing else is given up, and told why."""
    board, send = ModelBoard(Random(1)), []
    read = board.read

    def besieged() -> bytes:
        data = read()
        session = board.session.to_bytes(2, "little")
        if send:
            data = framed(bytes([kind, 0, 0, 0, link._expected]) + session + b"\1" + payload)
        if send == [1]:
            send.clear()
        return data

    board.read = besieged
    link = host.Link(board, DIGEST)
    link.open()
    bench = LinkBench(link, NETWORK)
    results = [bench.sink(name, unsigned(width)) for name, width in zip(NETWORK.sinks, (8, 39), strict=True)]
    send.append(1)
    bench.source("command", unsigned(16)).put_all(range(50))
    complete(bench.until(lambda: len(results[0]) == 50))
    assert results[0].take_all() == list(range(50))
    send += [1, 1]
    bench.source("command", unsigned(16)).put_all(range(50))
    with pytest.raises(LinkError, match=f"has not answered for 10 s: {text}; check"):
        complete(bench.until(lambda: len(results[0]) == 50))


@pytest.mark.parametrize(("payload", "text"), [
    (b"", "10 s: it has sent an answer to HELLO with 0 bytes instead of 6"),
    (b"\1", "10 s: it has sent an answer to HELLO with 1 bytes instead of 6"),
    (b"\1\4\3\2\1\x7e\0", "10 s: it has sent an answer to HELLO with 7 bytes instead of 6"),
    (b"\1\0\3\2\1\x7e", "has room for 0 frames, instead of 1 to 128"),
    (b"\1\x81\3\2\1\x7e", "has room for 129 frames, instead of 1 to 128"),
    (b"\2", "speaks version 2 of the link's protocol"),
])
def test_an_odd_greeting_is_refused(payload, text):
    class Greeter(DeadPort):
        def write(self, data: bytes) -> int:
            session = ModelBoard.unescape(data[1:-1])[1:3]
            self.chatter = framed(bytes([ToHost.HELLO, 0, 0, 0, 0]) + session + b"\0" + payload)
            return len(data)

    with pytest.raises(LinkError, match=text):
        host.Link(Greeter(), DIGEST).open()


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
    bench = LinkBench(link, NETWORK)
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
