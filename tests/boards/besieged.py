"""The port of a board on a line that others have a hand in: what they do to it, and boards that make no sense."""

import os
import signal
from collections.abc import Callable
from random import Random

from spinloom.boards.link import SILENCE
from spinloom.contract.link import PROTOCOL_VERSION, Flag, ToHost

from .model_board import BYTE_SECONDS, ModelBoard, framed

LIMIT = 2000.0
"""Seconds on the line after which a session is said to have no end."""
LATENCY = 0.005
"""Seconds that a look takes at least if something comes."""
RECENT = 4000
"""Bytes that are remembered to be replayed: so few that numbers have not come round."""


def odd_frame(random: Random, session: int) -> bytes:
    """A sound frame of a session that no board sends: of an unknown kind, with bytes where there are none, without
    beats, with beats of an unknown stream or with half a beat."""
    kind, length = random.choice((
        (random.choice((0, 3)), 0), (ToHost.STATUS, random.randrange(1, 9)), (ToHost.DATA, 0),
        (random.randrange(ToHost.DATA + 2, 256), random.randrange(250)),
        (ToHost.DATA + 1, random.choice((1, 3, 4, 249))),
    ))
    header = random.randbytes(4) + session.to_bytes(2, "little") + random.randbytes(1)
    return framed(bytes([kind]) + header + random.randbytes(length))


def greeting(random: Random, session: int, digest: int) -> bytes:
    """An answer to HELLO: right, mostly, or of another version or digest, with no or too many slots, too short or too
    long."""
    content = [PROTOCOL_VERSION, random.choice((1, 2, 4, 128)), *digest.to_bytes(4, "little")]
    fault = random.randrange(8)
    if fault == 0:
        content[random.choice((0, 1, 1, 2))] = random.choice((0, 129, 255))
    elif fault == 1:
        content = content[:random.randrange(6)]
    elif fault == 2:
        content += random.randbytes(random.randrange(1, 240))
    header = random.randbytes(4) + session.to_bytes(2, "little") + random.randbytes(1)
    return framed(bytes([ToHost.HELLO]) + header + bytes(content))


class Besieged:
    """The port of ``board``, where in each look at it each of ``attacks`` takes place with some probability.
    ``lasting`` names one that goes on for ever, from some moment on. After ``stop`` looks the process is asked to
    stop."""

    GENTLE = ("garbage", "flags", "replay", "odd", "lose", "mute", "deaf", "full", "chatter")
    """Attacks that a session survives if they are rare."""
    ROUGH = ("status", "beats", "foreign", "reset")
    """Attacks after which a session may be lost."""
    PRETENCES = ("busy", "trouble", "echoless", "withhold")
    """What the board may pretend: never to be idle, always to have had trouble, not to have been asked, to have sent
    beats that it keeps."""
    LASTING = ("mute", "deaf", "full", "chatter", *PRETENCES)
    """Attacks that may go on for ever."""

    def __init__(self, board: ModelBoard, random: Random, attacks: dict[str, float] | None = None,
                 lasting: tuple[str, float] | None = None, stop: int = -1):
        self.board, self._random, self._attacks, self._lasting, self._stop = board, random, attacks or {}, lasting, stop
        self._until = dict.fromkeys(self.LASTING, 0.0)
        self._recent = self._half = b""
        self.looks = 0
        self.stopped: float | None = None
        """When the process was asked to stop."""

    def now(self) -> float:
        return self.board.time

    def close(self) -> None:
        pass

    def _lasts(self, name: str) -> bool:
        for_ever = self._lasting is not None and self._lasting[0] == name and self.now() >= self._lasting[1]
        return for_ever or self.now() < self._until[name]

    def write(self, data: bytes) -> int:
        if self._lasts("full"):
            self.board.time += SILENCE
            return self._random.choice((0, 0, 1)) if len(data) > 1 else 0
        if not self._lasts("deaf"):
            self.board.write(data)
        return len(data)

    def read(self) -> bytes:
        assert self.now() < LIMIT, "no end"
        self.looks += 1
        if self.looks == self._stop:
            self.stopped = self.now()
            os.kill(os.getpid(), self._random.choice((signal.SIGINT, signal.SIGTERM)))
        for name, rate in self._attacks.items():
            if name in self.LASTING and self._random.random() < rate:
                self._until[name] = max(self._until[name], self.now() + self._random.expovariate(2))
        if self._lasts("chatter"):
            return self._took(self._random.choice((self._random.randbytes(self._random.randrange(1, 300)),
                                                   b"\x7e\x7d\x7e" * 50, b"\0" * 1000, b"\x7d" * 10)))
        data = self.board.read()
        if self._lasts("mute"):
            return self._took(b"") if data else data
        self._recent = (self._recent + data)[-RECENT:]
        for name, rate in self._attacks.items():
            if name not in self.LASTING and self._random.random() < rate:
                more: Callable[[bytes], bytes] = getattr(self, name)
                changed = more(data)
                self._took(changed[len(data):])
                data = changed
        return self._twisted(data)

    def _took(self, data: bytes) -> bytes:
        """``data``, for which time passes."""
        self.board.time += max(LATENCY, len(data) * BYTE_SECONDS) if data else SILENCE
        return data

    def _twisted(self, data: bytes) -> bytes:
        """``data`` with other headers, while the board pretends something. Frames are held back until they are
        whole."""
        pretences = [name for name in self.PRETENCES if self._lasts(name)]
        if not pretences and not self._half:
            return data
        *frames, self._half = (self._half + data).split(b"\x7e")
        return b"".join(self._pretended(frame, pretences) for frame in frames if frame)

    @staticmethod
    def _pretended(frame: bytes, pretences: list[str]) -> bytes:
        content = bytearray(ModelBoard.unescape(frame)[:-4])
        if len(content) < 8 or content[0] == ToHost.HELLO:
            return frame + b"\x7e"
        if "busy" in pretences:
            content[7] &= ~Flag.IDLE
        if "trouble" in pretences:
            content[7] |= Flag.TROUBLE
        if "echoless" in pretences:
            content[1] = 0
        if "withhold" in pretences and content[0] >= ToHost.DATA:
            content = content[:8]
            content[0], content[4] = ToHost.STATUS, (content[4] + 1) % 256
        return framed(bytes(content))

    # What is done to the bytes that come in a look.

    def garbage(self, data: bytes) -> bytes:
        return data + self._random.randbytes(self._random.randrange(1, 40))

    def flags(self, data: bytes) -> bytes:
        return data + self._random.choice((b"\x7e", b"\x7d", b"\x7e\x7e\x7d\x7e", b"\x7e" * 50))

    def replay(self, data: bytes) -> bytes:
        frames = self._recent.split(b"\x7e")[1:-1]
        return data + b"".join(b"\x7e" + self._random.choice(frames) + b"\x7e" for _ in range(3) if frames)

    def odd(self, data: bytes) -> bytes:
        return data + b"\x7e" + odd_frame(self._random, self.board.session)

    def lose(self, data: bytes) -> bytes:
        return data[:self._random.randrange(len(data) + 1)]

    def status(self, data: bytes) -> bytes:
        session = self.board.session.to_bytes(2, "little")
        content = bytes([ToHost.STATUS]) + self._random.randbytes(4) + session + self._random.randbytes(1)
        return data + b"\x7e" + framed(content)

    def beats(self, data: bytes) -> bytes:
        board, session = self.board, self.board.session.to_bytes(2, "little")
        content = bytes([ToHost.DATA + self._random.randrange(2), board._echo, board._expected, board._done,
                         board._number]) + session + bytes([self._random.randrange(4)])
        return data + b"\x7e" + framed(content + self._random.randbytes(5 * self._random.randrange(1, 49)))

    def foreign(self, data: bytes) -> bytes:
        content = bytes([ToHost.STATUS]) + self._random.randbytes(7)
        return data + b"\x7e" + framed(content)

    def reset(self, data: bytes) -> bytes:
        self.board.reset()
        return data


class Nonsense:
    """The port of a board that answers HELLO and then sends sound frames with random content, of all kinds and now and
    then of another session. It never takes a beat, unless it says so."""

    def __init__(self, random: Random, digest: int, kinds: tuple[str, ...], stop: int = -1):
        self._random, self._digest, self._kinds, self._stop = random, digest, kinds, stop
        self._session = self._token = 0
        self._taken = self._number = 0
        self._greeted = False
        self._hasty = random.random() < 0.5
        self.looks, self.time = 0, 0.0
        self.stopped: float | None = None

    KINDS = ("odd", "status", "beats", "echo", "greet", "busy", "idle", "foreign", "garbage")

    def now(self) -> float:
        return self.time

    def close(self) -> None:
        pass

    def write(self, data: bytes) -> int:
        for escaped in data.split(b"\x7e"):
            content = ModelBoard.unescape(escaped)[:-4]
            if content[:1] == b"\1" and len(content) == 3:
                self._session, self._greeted = int.from_bytes(content[1:], "little"), False
                self._taken = self._number = 0
            elif content[:1] in (b"\4", b"\5"):
                self._token = content[1]
            elif content[:1] == b"\2":
                self._taken = (content[1] + 1) % 256
        return len(data)

    def read(self) -> bytes:
        assert self.time < LIMIT, "no end"
        self.looks += 1
        if self.looks == self._stop:
            self.stopped = self.time
            os.kill(os.getpid(), self._random.choice((signal.SIGINT, signal.SIGTERM)))
        data = b""
        if not self._greeted and self._session and self._random.random() < 0.5:
            self._greeted = True
            data = greeting(self._random, self._session, self._digest)
        elif self._hasty or self._random.random() < 0.5:
            data = b"".join(getattr(self, self._random.choice(self._kinds))()
                            for _ in range(self._random.randrange(4)))
        self.time += max(LATENCY, len(data) * BYTE_SECONDS) if data else SILENCE
        return data

    def _frame(self, kind: int, *, echo: int, expected: int, number: int, flags: int, payload: bytes = b"") -> bytes:
        return framed(bytes([kind, echo, expected, expected, number, self._session % 256, self._session // 256, flags])
                      + payload)

    def odd(self) -> bytes:
        return odd_frame(self._random, self._session)

    def status(self) -> bytes:
        return self._frame(ToHost.STATUS, echo=self._random.randrange(256), expected=self._random.randrange(256),
                           number=self._random.randrange(256), flags=self._random.randrange(256))

    def beats(self) -> bytes:
        """Beats that may be the next ones: well-formed, half the time."""
        size = self._random.choice((5, self._random.randrange(1, 6)))
        self._number = (self._number + 1) % 256
        return self._frame(ToHost.DATA + self._random.randrange(2), echo=self._token, expected=self._taken,
                           number=self._number - 1 & 255, flags=self._random.randrange(4),
                           payload=self._random.randbytes(size * self._random.randrange(1, 48)))

    def echo(self) -> bytes:
        return self._frame(ToHost.STATUS, echo=self._token, expected=self._random.randrange(256),
                           number=self._number, flags=self._random.randrange(4))

    def greet(self) -> bytes:
        return greeting(self._random, self._session, self._digest)

    def busy(self) -> bytes:
        return self._frame(ToHost.STATUS, echo=self._token, expected=self._taken, number=self._number, flags=0)

    def idle(self) -> bytes:
        return self._frame(ToHost.STATUS, echo=self._token, expected=self._taken, number=self._number, flags=1)

    def foreign(self) -> bytes:
        return framed(bytes([ToHost.STATUS]) + self._random.randbytes(7)) if self._random.random() < 0.05 else b""

    def garbage(self) -> bytes:
        return self._random.randbytes(self._random.randrange(30)) + b"\x7e"
