"""The host's end of the link: the streams of a design on a board, as a bench that the drivers of `sim.driver` drive.

docs/link.md describes the protocol. The line keeps the order of what it carries, but may damage or lose any of it.
``Link`` finds out what got lost by asking the board. It never guesses how long an answer takes, but its patience ends:
with a board that does not answer, with one that gets nothing done, and when it is asked to stop.
"""

import contextlib
import random
import struct
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from amaranth.hdl import Shape, ShapeLike

from ..config import Experiment
from ..contract.errors import InterruptedRunError, SpinloomError
from ..contract.link import (
    CRC_BYTES,
    DIGEST_BYTES,
    ESCAPE,
    FLAG,
    FRAME_BYTES,
    LONGEST_TO_HOST,
    MOST_SLOTS,
    PAYLOAD,
    PROTOCOL_VERSION,
    SEGMENT,
    STORED,
    TO_HOST_HEADER,
    TOGGLE,
    Flag,
    Streams,
    ToBoard,
    ToHost,
    beat_bytes,
    segment_header,
)
from ..hw.crossbar.layouts import drive_layout
from ..hw.layouts import network_command_layout
from ..hw.store.memory import WORD_BITS
from ..sim.bench import Bench
from ..sim.benches.words import QueuedSink, WordSource

SILENCE = 0.05
"""Seconds that a port waits for bytes; and after which the board is asked how things stand, for the first time."""
LONGEST_INTERVAL = 16 * SILENCE
"""Most seconds between two questions. Their distance doubles from one that is not answered to the next."""
GREETING_INTERVAL = 2 * SILENCE
"""Seconds between two HELLOs."""
LONGEST_STEP = 1.0
"""Most seconds that a look at the port counts for: a process that was suspended meanwhile does not blame the board."""
GRACE = 3.0
"""Seconds after a request to stop in which what is under way may still be completed."""
QUIET_ANSWERS = 5
"""Times that an idle board must confirm that it has nothing to say before it is believed."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a board is waited for, in seconds. What the host does between two looks at the port does not count."""

    answer: float = 10.0
    """Without a beat that got across, in either direction, and without an answer to a question by which nothing is
    lost."""
    busy: float = 60.0
    """Without a beat that got across, while the board answers and nothing is lost: it computes."""


class LinkError(SpinloomError, RuntimeError):
    """The board does not answer, or not as it should: one line that says what to do."""


class BoardResetError(LinkError):
    """The board has been reset, and has lost whatever it had been given."""


class LinkInterruptedError(InterruptedRunError):
    """The link was asked to stop before the board had done what it was asked for."""


class Port(Protocol):
    """A line of bytes in both directions. All waiting is done here, so the time is told here too."""

    def write(self, data: bytes) -> int:
        """Send ``data``, or as much of it as goes within ``SILENCE``. Returns how many bytes that is."""

    def read(self) -> bytes:
        """What has been received. Waits at most ``SILENCE`` for it, then returns nothing."""

    def now(self) -> float:
        """Seconds since some moment in the past."""


class Header(NamedTuple):
    """The header of a frame from the board: see ``TO_HOST_HEADER``."""

    kind: int
    echo: int
    expected: int
    delivered: int
    number: int
    session: int
    flags: int


_HEADER = struct.Struct("<BBBBBHB")
assert _HEADER.size == len(TO_HOST_HEADER)
_GREETING = struct.Struct("<BBI")
assert _GREETING.size == 2 + DIGEST_BYTES
_FLAG, _ESCAPE = bytes([FLAG]), bytes([ESCAPE])
_ESCAPED = [(byte, _ESCAPE + bytes([byte[0] ^ TOGGLE])) for byte in (_ESCAPE, _FLAG)]
_CHECK = "check the port, the baud rate, and that the bitstream is loaded"


def frame(content: bytes) -> bytes:
    """``content`` as it goes over the line: CRC, escapes, flag."""
    content += zlib.crc32(content).to_bytes(CRC_BYTES, "little")
    for byte, escaped in _ESCAPED:
        content = content.replace(byte, escaped)
    return content + _FLAG


def unframe(escaped: bytes) -> bytes | None:
    """The content of the frame whose bytes before the flag are ``escaped``. None if it is damaged."""
    for byte, pair in reversed(_ESCAPED):
        escaped = escaped.replace(pair, byte)
    content, check = escaped[:-CRC_BYTES], escaped[-CRC_BYTES:]
    return content if zlib.crc32(content).to_bytes(CRC_BYTES, "little") == check else None


def _ahead(number: int, of: int) -> int:
    """How far ``number`` is ahead ``of`` another, modulo 256: -127 to 128."""
    return (number - of + 127) % 256 - 127


class _Watch:
    """Counts the seconds for which a board is waited for, and notes what comes meanwhile."""

    def __init__(self) -> None:
        self.stalled = 0.0
        """Since a beat has got across."""
        self.stopping = 0.0
        """Since a request to stop was seen."""
        self._unasked = 0.0
        self._interval = SILENCE
        self.answered()

    def answered(self) -> None:
        """The board has answered, and nothing is lost."""
        self.unanswered = 0.0
        """Seconds since then."""
        self.bytes, self.frames, self.oddity = 0, 0, ""
        """Bytes and sound frames that have come since then, and what was wrong with a sound one."""

    def moved(self) -> None:
        """A beat has got across."""
        self.answered()
        self.heard()
        self.stalled = self._unasked = 0.0

    def heard(self) -> None:
        """The question under way was answered."""
        self._interval = SILENCE

    def asked(self, longest: float = LONGEST_INTERVAL) -> None:
        """A question was asked. The next one may be due later, but at most after ``longest`` seconds."""
        self._unasked, self._interval = 0.0, min(2 * self._interval, longest)

    @property
    def due(self) -> bool:
        """It is time for a question."""
        return self._unasked >= self._interval

    def passed(self, seconds: float, stopping: bool) -> None:
        """So many seconds went by in a look at the port."""
        seconds = min(seconds, LONGEST_STEP)
        self.unanswered += seconds
        self.stalled += seconds
        self._unasked += seconds
        self.stopping += seconds * stopping


class Link:
    """Sends beats to the streams of a board, and receives beats of the board's streams: each exactly once, in order.

    ``put`` queues beats. ``exchange`` sends and receives. ``sinks`` get what has come. ``LinkError`` if the board tries
    the ``patience`` of this end or holds another design, ``BoardResetError`` once it has been reset,
    ``LinkInterruptedError`` soon after ``stop`` is set.
    """

    def __init__(self, port: Port, digest: int, *, stop: threading.Event | None = None,
                 patience: Patience | None = None) -> None:
        self._port = port
        self._digest = digest
        self._stop = threading.Event() if stop is None else stop
        self._patience = patience or Patience()
        self.sinks: dict[int, Callable[[bytes], bool]] = {}
        """By the numbers of the board's streams: each takes beats of its stream, and returns whether they are such."""
        self.segment = SEGMENT
        """Most beats of a segment: see `Streams.segment`."""
        self.bytes_sent = 0
        """Bytes written to the port."""
        self.retransmissions = 0
        """Frames sent again, in both directions."""
        self._session = 0
        self._outgoing = b""  # what the port has not taken yet

    def open(self) -> None:
        """Open a session. This resets what is behind the link."""
        self._session = random.randrange(1, 1 << 16)
        self._queue: deque[tuple[int, int, memoryview]] = deque()  # stream, bytes of a beat, beats
        # Frames of beats are counted here without end; on the line, modulo 256.
        self._next = 0  # the next frame of beats
        self._taken = 0  # the oldest that the board has not taken
        self._delivered = 0  # the oldest that the board has not delivered
        self._unconfirmed: deque[tuple[int, bytes]] = deque()  # those from `_taken` on
        self._expected = 0  # the next frame of beats from the board
        self._unacknowledged = False
        self._token = 0
        self._questions: dict[int, int] = {}  # under way: by their tokens, the next frame when they were asked
        self._doubt = False  # what has come asks for a question
        self._lost = False  # by the last answer, frames to the board
        self._status = Header(0, 0, 0, 0, 0, 0, 0)
        self._missing = 0  # frames of beats that the board had sent before that status
        self._owed = 0  # those that it had sent before any status: RESEND makes it start again
        self._incomplete = b""  # start of a frame
        self._quiet = 0
        self._slots = 0
        self._watch = _Watch()
        # The flag in front ends whatever was cut off before.
        hello = _FLAG + frame(struct.pack("<BH", ToBoard.HELLO, self._session))
        self._outgoing = hello
        while not self._slots:
            if self._stop.is_set():
                raise LinkInterruptedError("interrupted")
            self._step(lambda came: self._say_hello(hello))

    def close(self) -> None:
        """Close the session. Nothing that the board sends is heard any more."""
        self._outgoing += frame(struct.pack("<BH", ToBoard.HELLO, 0))
        with contextlib.suppress(LinkError):
            self._push()

    def put(self, stream: int, size: int, beats: bytes) -> None:
        """Queue ``beats`` of ``size`` bytes each for the board's stream number ``stream``."""
        if beats:
            self._queue.append((stream, size, memoryview(beats)))
            self._quiet = 0

    @property
    def delivered(self) -> bool:
        """Every beat has been delivered to its stream."""
        return not self._queue and self._delivered == self._next

    @property
    def idle(self) -> bool:
        """Every beat has been delivered, and the board is done and has sent all its answers."""
        last = self._next % 256
        return (self.delivered and self._status.delivered == self._status.expected == last and not self._missing
                and bool(self._status.flags & Flag.IDLE))

    @property
    def silent(self) -> bool:
        """The board has confirmed ``QUIET_ANSWERS`` times that it is idle."""
        return self._quiet >= QUIET_ANSWERS

    def exchange(self) -> None:
        """Send what the board has room for, and take what has come. Waits a moment for it."""
        self._send()
        self._step(self._reply)

    def _step(self, speak: Callable[[bool], None]) -> None:
        """Take what comes, ``speak``, which is told whether anything came, and look at the time."""
        began = self._port.now()
        self._push()
        data = self._port.read()
        self._hear(data)
        self._push()
        speak(bool(data))
        self._push()
        self._watch.passed(self._port.now() - began, self._stop.is_set())
        self._judge()

    def _push(self) -> None:
        """Write what waits to be written."""
        if self._outgoing:
            count = self._port.write(self._outgoing)
            self.bytes_sent += count
            self._outgoing = self._outgoing[count:]

    def _judge(self) -> None:
        """Raise what ends the session, if anything does."""
        watch, patience = self._watch, self._patience
        if watch.stopping > GRACE:
            raise LinkInterruptedError("interrupted")
        if watch.unanswered > patience.answer:
            what = self._excuse()
            raise LinkError(f"the board has not answered for {patience.answer:g} s{what and f': {what}'}; {_CHECK}")
        if watch.stalled > patience.busy:
            raise LinkError(f"the board answers, but has got nothing done for {patience.busy:g} s")

    def _excuse(self) -> str:
        """What there was instead of an answer. Nothing if there was nothing."""
        watch = self._watch
        if self._outgoing:
            return "the port takes no more bytes"
        if watch.oddity:
            return f"it has sent {watch.oddity}"
        if not watch.frames:
            return f"{watch.bytes:,} bytes came, but no sound frame" if watch.bytes else ""
        if not self._slots:
            return "frames came, but none of this session"
        if self._owed:
            return "frames that it says it has sent do not come"
        return "frames that were sent to it do not arrive" if self._lost else "it sends, but not what it was asked for"

    def _say_hello(self, hello: bytes) -> None:
        """Say ``hello`` again when it is time, unless it was answered."""
        if self._watch.due and not self._outgoing and not self._slots:
            self._outgoing = hello
            self._watch.asked(GREETING_INTERVAL)

    def _reply(self, came: bool) -> None:
        """Ask if there is reason to, else acknowledge what has come."""
        if self._outgoing:
            return  # and whatever were added would wait behind it
        if self._doubt or self._watch.due:
            self._ask()
        elif came and self._unacknowledged and not (self._queue and self._room > 0):
            self._outgoing += frame(bytes([ToBoard.ACK, 0, self._expected]))
            self._unacknowledged = False

    def _ask(self) -> None:
        """Ask the board how things stand, and for those of its frames that are missing."""
        self._token = self._token % 255 + 1  # never 0, as after a reset
        self._questions.pop(self._token, None)
        self._questions[self._token] = self._next
        kind = ToBoard.RESEND if self._missing else ToBoard.POLL
        self.retransmissions += self._missing
        self._unacknowledged = self._doubt = False
        self._outgoing += _FLAG + frame(bytes([kind, self._token, self._expected]))
        self._watch.asked()

    @property
    def _room(self) -> int:
        """Frames that the board has room for."""
        return self._slots - (self._next - self._delivered)

    def _send(self) -> None:
        """Make frames of the queue, as many as the board has room for."""
        frames = []
        while self._queue and self._room > 0:
            self._unconfirmed.append((self._next, self._segments()))
            frames.append(self._framed(*self._unconfirmed[-1]))
            self._next += 1
        if frames:
            self._unacknowledged = False
            self._outgoing += b"".join(frames)

    def _framed(self, number: int, segments: bytes) -> bytes:
        return frame(bytes([ToBoard.DATA, number % 256, self._expected]) + segments)

    def _segments(self) -> bytes:
        """Segments of as much of the queue as fits into a frame, and the byte that ends them."""
        parts: list[bytes | memoryview] = []
        room = PAYLOAD
        while self._queue:
            stream, size, beats = self._queue[0]
            count = min(self.segment, len(beats) // size, (room - 1) // size)
            if count <= 0:
                break
            parts += [bytes([segment_header(stream, count, self.segment)]), beats[:count * size]]
            room -= 1 + count * size
            self._queue.popleft()
            if count * size < len(beats):
                self._queue.appendleft((stream, size, beats[count * size:]))
        return b"".join([*parts, b"\0"])

    def _hear(self, data: bytes) -> None:
        """Take the frames that end in ``data``, and keep the start of the next one."""
        self._watch.bytes += len(data)
        *frames, rest = (self._incomplete + data).split(_FLAG)
        self._incomplete = rest[:2 * LONGEST_TO_HOST + 1]  # longer than any frame: chatter without an end
        for escaped in frames:
            if escaped:
                self._take(unframe(escaped))

    def _take(self, content: bytes | None) -> None:
        """Act on the content of a frame, which is None if the frame was damaged."""
        if content is None or not len(TO_HOST_HEADER) <= len(content) <= LONGEST_TO_HOST - CRC_BYTES:
            self._doubt = True
            return
        self._watch.frames += 1
        header, payload = Header(*_HEADER.unpack_from(content)), content[_HEADER.size:]
        if not self._slots:
            if header.kind == ToHost.HELLO and header.session == self._session:
                self._greet(payload)
            return  # anything else is of an earlier session
        if header.session != self._session:
            raise BoardResetError("the board was reset, or is used by another program")
        missing = _ahead(header.number, self._expected)
        if header.kind >= ToHost.DATA:
            self._unacknowledged = True
            if missing == 0 and not self._receive(header.kind - ToHost.DATA, payload):
                return
        elif header.kind != ToHost.STATUS or payload:
            if header.kind != ToHost.HELLO:  # which is one more answer to HELLO
                self._ignore(f"a frame of kind {header.kind} with {len(payload)} bytes")
            return
        self._status, self._missing = header, max(0, missing)
        self._owed = max(self._owed, self._missing)
        self._conclude(header)

    def _ignore(self, oddity: str) -> None:
        """A sound frame, which is ``oddity``, makes no sense. It is taken for a damaged one."""
        self._watch.oddity = oddity
        self._doubt = True

    def _greet(self, payload: bytes) -> None:
        """Take the answer to HELLO."""
        if payload and payload[0] != PROTOCOL_VERSION:
            raise LinkError(f"the board speaks version {payload[0]} of the link's protocol, this program "
                            f"{PROTOCOL_VERSION}: build its bitstream again")
        if len(payload) != _GREETING.size:
            self._ignore(f"an answer to HELLO with {len(payload)} bytes instead of {_GREETING.size}")
            return
        _, slots, digest = _GREETING.unpack(payload)
        if digest != self._digest:
            raise LinkError(f"the board holds another design (digest {digest:08x}, of this configuration "
                            f"{self._digest:08x}): build and load its bitstream")
        if not 1 <= slots <= MOST_SLOTS:
            raise LinkError(f"the board says that it has room for {slots} frames, instead of 1 to {MOST_SLOTS}: build "
                            "its bitstream again")
        self._slots = slots
        self._doubt = False
        self._watch.moved()

    def _receive(self, stream: int, payload: bytes) -> bool:
        """Take the next beats of a stream. Returns whether they are such."""
        sink = self.sinks.get(stream)
        if sink is None or not payload or not sink(payload):
            self._ignore(f"{len(payload)} bytes that are no beats of its stream number {stream}")
            return False
        self._expected = (self._expected + 1) % 256
        self._owed = max(0, self._owed - 1)
        self._quiet = 0
        self._watch.moved()
        return True

    def _conclude(self, header: Header) -> None:
        """Act on how things stand at the board."""
        taken, delivered = self._later(self._taken, header.expected), self._later(self._delivered, header.delivered)
        if (taken, delivered) != (self._taken, self._delivered):
            self._taken, self._delivered = taken, delivered
            self._watch.moved()
        while self._unconfirmed and self._unconfirmed[0][0] < self._taken:
            self._unconfirmed.popleft()
        if header.echo in self._questions:
            self._settle(header.echo)
        if not self._questions and (self._missing or header.flags & Flag.TROUBLE and self._taken < self._next):
            self._doubt = True

    def _later(self, count: int, number: int) -> int:
        """The frame ``number``, modulo 256, if it is one from ``count`` up to the next; else ``count``: what says so is
        of some time ago."""
        ahead = (number - count) % 256
        return count + ahead if count + ahead <= self._next else count

    def _settle(self, token: int) -> None:
        """The question with ``token`` was answered: what was sent before it has arrived or is lost."""
        sent = self._questions[token]
        while token in self._questions:
            del self._questions[next(iter(self._questions))]  # those before it were answered too, or got lost
        self._watch.heard()
        self._lost = self._taken < sent
        if self._lost:
            self.retransmissions += len(self._unconfirmed)
            self._outgoing += b"".join(self._framed(*unconfirmed) for unconfirmed in self._unconfirmed)
            self._questions.clear()  # they were asked before that
        elif not self._owed:
            self._watch.answered()
            self._quiet += self.idle


class LinkSource(WordSource):
    """Puts beats into the stream number ``stream`` of the board."""

    def __init__(self, link: Link, stream: int, shape: ShapeLike) -> None:
        super().__init__(shape)
        self._link, self._stream = link, stream
        self._size = beat_bytes(self.packing.shape.width)

    def put_words(self, words: Iterable[int]) -> None:
        size = self._size
        if size > 8:
            beats = b"".join(word.to_bytes(size, "little") for word in words)
        else:
            beats = np.array(list(words), dtype="<u8").view(np.uint8).reshape(-1, 8)[:, :size].tobytes()
        self._link.put(self._stream, size, beats)

    @property
    def idle(self) -> bool:
        """Whether every beat has been delivered, of whatever stream."""
        return self._link.delivered


class LinkSink(QueuedSink):
    """Takes beats out of a stream of the board."""

    def __init__(self, shape: ShapeLike) -> None:
        super().__init__(shape)
        self._size = beat_bytes(self.packing.shape.width)

    def receive(self, beats: bytes) -> bool:
        """Append what the board has sent. Returns False if these are no beats: not whole, or with more bits."""
        if len(beats) % self._size:
            return False
        words = [int.from_bytes(beats[start:start + self._size], "little")
                 for start in range(0, len(beats), self._size)]
        if max(words, default=0) >> self.packing.shape.width:
            return False
        self._words.extend(words)
        return True


class LinkBench(Bench):
    """A design behind ``link``, which must be open, with its ``streams``. They never stall."""

    def __init__(self, link: Link, streams: Streams) -> None:
        self.link = link
        link.segment = streams.segment
        self._streams = streams

    def source(self, name: str, shape: ShapeLike) -> LinkSource:
        return LinkSource(self.link, self._streams.sources.index(name), shape)

    def sink(self, name: str, shape: ShapeLike) -> LinkSink:
        sink = LinkSink(shape)
        self.link.sinks[self._streams.sinks.index(name)] = sink.receive
        return sink

    @property
    def idle(self) -> bool:
        return self.link.idle

    async def until(self, condition: Callable[[], bool]) -> None:
        """Keep the link going until ``condition()`` holds. ``LinkError`` if the board stays idle and it does not."""
        while not condition():
            if self.link.silent:
                raise LinkError("the board is idle and does not answer what it was asked for")
            self.link.exchange()


def link_bytes_per_sample(experiment: Experiment, active_rows: float) -> float:
    """Bytes that a training sample with ``active_rows`` inputs that are not zero costs on the line to the board, on
    average: its beats, their segments, its share of frames and of escapes. The line to the host carries less."""
    geometries = experiment.crossbars
    command, x = (beat_bytes(Shape.cast(layout).width)
                  for layout in (network_command_layout(geometries), drive_layout(geometries[0])))
    beats = max(1.0, active_rows)
    return _with_frames(1 + command + beats * x + max(1.0, beats / SEGMENT))


def link_bytes_per_word() -> float:
    """Bytes that a word for the memory of a board costs on the line to it, as `link_bytes_per_sample` adds them up."""
    return _with_frames(beat_bytes(WORD_BITS) + 1 / STORED.segment)


def _with_frames(segments: float) -> float:
    """Bytes on the line of so many bytes of segments, with their share of frames and of escapes."""
    frames = segments / (PAYLOAD - 1)  # a segment that is cut in two has two headers
    return (segments + frames * (1 + FRAME_BYTES)) * (1 + 2 / 256)
