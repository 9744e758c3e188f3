"""The host's end of the link: the streams of a network on a board, as a bench that `sim.driver.NetworkDriver` drives.

docs/link.md describes the protocol. The line keeps the order of what it carries, but may damage or lose any of it.
``Link`` finds out what got lost by asking the board. It never guesses how long an answer takes.
"""

import random
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

import numpy as np
from amaranth.hdl import Shape, ShapeLike

from ..config import Experiment
from ..contract.errors import SpinloomError
from ..contract.link import (
    CRC_BYTES,
    ESCAPE,
    FLAG,
    FRAME_BYTES,
    PAYLOAD,
    PROTOCOL_VERSION,
    SEGMENT,
    SINKS,
    SOURCES,
    TO_HOST_HEADER,
    TOGGLE,
    Flag,
    ToBoard,
    ToHost,
    beat_bytes,
    segment_header,
)
from ..hw.crossbar.layouts import drive_layout
from ..hw.layouts import network_command_layout
from ..sim.bench import Bench
from ..sim.benches.words import QueuedSink, WordSource

SILENCE = 0.05
"""Seconds without a byte after which the board is asked how things stand."""
PATIENCE = 10.0
"""Seconds of silence or noise after which the link is given up."""
LONGEST_INTERVAL = 16
"""Most silences after which the board is asked again. The first time it is one, then twice as many each time."""
NOISE = 1e-5
"""Seconds of silence that a byte of no sound frame counts for."""
QUIET_POLLS = 5
"""Times that an idle board must confirm that it has nothing to say before it is believed."""


class LinkError(SpinloomError, RuntimeError):
    """The board does not answer, or not as it should: one line that says what to do."""


class BoardResetError(LinkError):
    """The board has been reset, and has lost whatever it had been given."""


class Port(Protocol):
    """A line of bytes in both directions."""

    def write(self, data: bytes) -> None:
        """Send ``data``."""

    def read(self) -> bytes:
        """What has been received. Waits at most ``SILENCE`` for it, then returns nothing."""


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
_FLAG, _ESCAPE = bytes([FLAG]), bytes([ESCAPE])
_ESCAPED = [(byte, _ESCAPE + bytes([byte[0] ^ TOGGLE])) for byte in (_ESCAPE, _FLAG)]


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
    """How far ``number`` is ahead ``of`` another, modulo 256: -128 to 127."""
    return (number - of + 128) % 256 - 128


class Link:
    """Sends beats to the streams of a board, and receives beats of the board's streams: each exactly once, in order.

    ``put`` queues beats. ``exchange`` sends and receives. ``received`` is called with what has come. ``LinkError`` if
    the board stays silent or holds another design, ``BoardResetError`` once the board has been reset.
    """

    def __init__(self, port: Port, digest: int) -> None:
        self._port = port
        self._digest = digest
        self.received: Callable[[int, bytes], object] = lambda stream, beats: None
        """Called with the number of one of the board's streams and beats of it."""
        self.bytes_sent = 0
        """Bytes written to the port."""
        self.retransmissions = 0
        """Frames sent again, in both directions."""
        self._session = 0

    def open(self) -> None:
        """Open a session. This resets what is behind the link."""
        self._session = random.randrange(1, 1 << 16)
        self._queue: deque[tuple[int, int, memoryview]] = deque()  # stream, bytes of a beat, beats
        self._next = 0  # number of the next frame of beats
        self._unconfirmed: deque[tuple[int, bytes]] = deque()  # number and frame, oldest first
        self._expected = 0  # number of the next frame of beats from the board
        self._unacknowledged = False
        self._token = 0
        self._asked: int | None = None  # number of the next frame when the question under way was asked
        self._status = Header(0, 0, 0, 0, 0, 0, 0)
        self._missing = 0  # frames of beats that the board had sent before that status
        self._incomplete = b""  # start of a frame
        self._silence = 0.0
        self._quiet = 0
        self._waits, self._interval = 0, 1  # silent reads; those after which to ask again
        self._slots = 0
        hello = frame(struct.pack("<BH", ToBoard.HELLO, self._session))
        # The flag in front ends whatever was cut off before.
        self._write(_FLAG + hello)
        while not self._slots:
            if self._wait():
                self._write(_FLAG + hello)

    def close(self) -> None:
        """Close the session. Nothing that the board sends is heard any more."""
        self._write(frame(struct.pack("<BH", ToBoard.HELLO, 0)))

    def put(self, stream: int, size: int, beats: bytes) -> None:
        """Queue ``beats`` of ``size`` bytes each for the board's stream number ``stream``."""
        if beats:
            self._queue.append((stream, size, memoryview(beats)))
            self._quiet = 0

    @property
    def delivered(self) -> bool:
        """Every beat has been delivered to its stream."""
        return not self._queue and self._status.delivered == self._next % 256

    @property
    def idle(self) -> bool:
        """Every beat has been delivered, and the board is done and has sent all its answers."""
        return (self.delivered and self._status.expected == self._next % 256 and not self._missing
                and bool(self._status.flags & Flag.IDLE))

    @property
    def silent(self) -> bool:
        """The board has confirmed ``QUIET_POLLS`` times that it is idle."""
        return self._quiet >= QUIET_POLLS

    def exchange(self) -> None:
        """Send what the board has room for, and take what has come. Waits a moment for it."""
        self._send()
        if self._wait():
            self._waits += 1
            if self._waits >= self._interval:
                self._waits, self._interval = 0, min(2 * self._interval, LONGEST_INTERVAL)
                self._ask()
                self._quiet += self.idle
        elif self._unacknowledged and not (self._queue and self._room):
            self._write(frame(bytes([ToBoard.ACK, 0, self._expected])))
            self._unacknowledged = False

    def _write(self, data: bytes) -> None:
        self._port.write(data)
        self.bytes_sent += len(data)

    @property
    def _room(self) -> int:
        """Frames that the board has room for."""
        return self._slots - (self._next - self._status.delivered) % 256

    def _send(self) -> None:
        frames = []
        while self._queue and self._room > 0:
            self._unconfirmed.append((self._next % 256, self._segments()))
            frames.append(self._framed(*self._unconfirmed[-1]))
            self._next += 1
        if frames:
            self._unacknowledged = False
            self._write(b"".join(frames))

    def _framed(self, number: int, segments: bytes) -> bytes:
        return frame(bytes([ToBoard.DATA, number, self._expected]) + segments)

    def _segments(self) -> bytes:
        """Segments of as much of the queue as fits into a frame, and the byte that ends them."""
        parts: list[bytes | memoryview] = []
        room = PAYLOAD
        while self._queue:
            stream, size, beats = self._queue[0]
            count = min(SEGMENT, len(beats) // size, (room - 1) // size)
            if count <= 0:
                break
            parts += [bytes([segment_header(stream, count)]), beats[:count * size]]
            room -= 1 + count * size
            self._queue.popleft()
            if count * size < len(beats):
                self._queue.appendleft((stream, size, beats[count * size:]))
        return b"".join([*parts, b"\0"])

    def _wait(self) -> bool:
        """Take what comes. Returns whether nothing came for a while."""
        data = self._port.read()
        self._silence += len(data) * NOISE if data else SILENCE
        if self._silence > PATIENCE:
            raise LinkError(f"the board has not answered for {PATIENCE:g} s; check the port, the baud rate, and that "
                            "the bitstream is loaded")
        if not data:
            return True
        self._waits = 0
        *frames, self._incomplete = (self._incomplete + data).split(_FLAG)
        for escaped in frames:
            if escaped:
                self._take(unframe(escaped))
        return False

    def _take(self, content: bytes | None) -> None:
        """Act on the content of a frame, which is None if the frame was damaged."""
        if content is None or len(content) < len(TO_HOST_HEADER):
            if self._slots:
                self._ask()
            return
        header, payload = Header(*_HEADER.unpack_from(content)), content[_HEADER.size:]
        if header.kind == ToHost.HELLO and header.session == self._session:
            self._silence = 0.0
            if not self._slots:
                self._greet(payload)
            return
        if not self._slots:
            return  # of an earlier session
        self._silence = 0.0
        if header.session != self._session:
            raise BoardResetError("the board was reset, or is used by another program")
        missing = _ahead(header.number, self._expected)
        if header.kind >= ToHost.DATA:
            self._unacknowledged = True
            if missing == 0:
                self._expected = (self._expected + 1) % 256
                self._quiet = 0
                self.received(header.kind - ToHost.DATA, payload)
        self._status, self._missing = header, max(0, missing)
        while self._unconfirmed and _ahead(header.expected, self._unconfirmed[0][0]) > 0:
            self._unconfirmed.popleft()
        if self._asked is not None and header.echo == self._token:
            # Whatever was sent before the question has arrived or is lost.
            lost, self._asked, self._interval = _ahead(self._asked, header.expected) > 0, None, 1
            if lost:
                self.retransmissions += len(self._unconfirmed)
                self._write(b"".join(self._framed(*unconfirmed) for unconfirmed in self._unconfirmed))
        if self._asked is None and (missing or header.flags & Flag.TROUBLE):
            self._ask()

    def _greet(self, payload: bytes) -> None:
        version, self._slots, digest = payload[0], payload[1], int.from_bytes(payload[2:], "little")
        if version != PROTOCOL_VERSION:
            raise LinkError(f"the board speaks version {version} of the link's protocol, this program "
                            f"{PROTOCOL_VERSION}: build its bitstream again")
        if digest != self._digest:
            raise LinkError(f"the board holds another design (digest {digest:08x}, of this configuration "
                            f"{self._digest:08x}): build and load its bitstream")
        self._status = self._status._replace(session=self._session)

    def _ask(self) -> None:
        """Ask the board how things stand, and for those of its frames that are missing."""
        self._token = self._token % 255 + 1  # never 0, as after a reset
        self._asked = self._next % 256
        kind = ToBoard.RESEND if self._missing else ToBoard.POLL
        self.retransmissions += self._missing
        self._unacknowledged = False
        self._write(_FLAG + frame(bytes([kind, self._token, self._expected])))


class LinkSource(WordSource):
    """Puts beats into the stream ``name`` of the board."""

    def __init__(self, link: Link, name: str, shape: ShapeLike) -> None:
        super().__init__(shape)
        self._link, self._stream = link, SOURCES.index(name)
        self._size = beat_bytes(self.packing.shape.width)

    def put_words(self, words: Iterable[int]) -> None:
        array = np.array(list(words), dtype="<u8")
        self._link.put(self._stream, self._size, array.view(np.uint8).reshape(-1, 8)[:, :self._size].tobytes())

    @property
    def idle(self) -> bool:
        """Whether every beat has been delivered, of whatever stream."""
        return self._link.delivered


class LinkSink(QueuedSink):
    """Takes beats out of a stream of the board."""

    def __init__(self, shape: ShapeLike) -> None:
        super().__init__(shape)
        self._size = beat_bytes(self.packing.shape.width)

    def receive(self, beats: bytes) -> None:
        """Append what the board has sent."""
        words = np.zeros((len(beats) // self._size, 8), dtype=np.uint8)
        words[:, :self._size] = np.frombuffer(beats, dtype=np.uint8).reshape(-1, self._size)
        self._words.extend(words.view("<u8")[:, 0].tolist())


class LinkBench(Bench):
    """A network behind ``link``, which must be open. Its streams never stall."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self._sinks: dict[int, LinkSink] = {}
        link.received = lambda stream, beats: self._sinks[stream].receive(beats)

    def source(self, name: str, shape: ShapeLike) -> LinkSource:
        return LinkSource(self.link, name, shape)

    def sink(self, name: str, shape: ShapeLike) -> LinkSink:
        return self._sinks.setdefault(SINKS.index(name), LinkSink(shape))

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
    segments = 1 + command + beats * x + max(1.0, beats / SEGMENT)
    frames = segments / (PAYLOAD - 1)  # a segment that is cut in two has two headers
    return (segments + frames * (1 + FRAME_BYTES)) * (1 + 2 / 256)
