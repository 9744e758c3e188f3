"""A board in Python, written from docs/link.md alone, with a machine behind it; and faulty lines. Time is as the line
has it, so what takes a board minutes takes a test no time."""

import zlib
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Protocol

import torch
from hypothesis import strategies as st
from spinloom.boards.link import SILENCE
from spinloom.config import Experiment
from spinloom.contract.link import NETWORK, beat_bytes
from spinloom.contract.parameters import design_digest
from spinloom.hw.crossbar.layouts import drive_layout, state_bits
from spinloom.hw.layouts import network_command_layout, result_layout
from spinloom.hw.operations import NetworkOperation
from spinloom.model.network import Network
from spinloom.sim.benches.packing import Packing
from spinloom.sim.formats import parameter_words, state_size, state_words, words_state

BYTE_SECONDS = 10 / 3_000_000
"""That a byte takes on the line."""
SIZES_IN, SIZES_OUT = (2, 3, 5), (1, 5)
"""Bytes of a beat of each stream."""
DIGEST = 0x7E010203
KINDS = ("drop", "flip", "double", "hold", "cut")


def answers(stream: int, beat: bytes) -> list[tuple[int, bytes]]:
    """What the machine behind the link answers a beat with: stream and beat."""
    if stream == 0:
        return [(0, beat[:1])]
    return [(1, beat[:2].ljust(5, b"\x7d"))] if stream == 1 else [(1, beat)]


class Machine(Protocol):
    """What is behind the link of a board."""

    digest: int
    sizes: tuple[int, ...]
    """Bytes of a beat of each stream to it."""

    def reset(self):
        """Forget everything."""

    def take(self, stream: int, beat: bytes) -> list[tuple[int, bytes]]:
        """Its answers to a beat: streams and beats."""


class Echo:
    """Answers as ``answers`` says."""

    digest, sizes = DIGEST, SIZES_IN

    def reset(self):
        pass

    def take(self, stream: int, beat: bytes) -> list[tuple[int, bytes]]:
        return answers(stream, beat)


class NetworkMachine:
    """The golden model of ``experiment``, with the streams of a `hw.network.Network`. Parameters are not replaced."""

    def __init__(self, experiment: Experiment):
        self._experiment, self._geometries = experiment, experiment.crossbars
        self.digest = design_digest(experiment.crossbars, experiment.loss)
        widest = max(map(state_bits, self._geometries))
        self._command, self._x, self._result, self._state = map(Packing, (
            network_command_layout(self._geometries), drive_layout(self._geometries[0]),
            result_layout(self._geometries[-1].cols), widest))
        self.sizes = tuple(beat_bytes(packing.shape.width) for packing in (self._command, self._x, self._state))
        self._sizes_out = tuple(beat_bytes(packing.shape.width) for packing in (self._result, self._state))
        self.reset()

    def reset(self):
        self._network = Network(self._experiment)
        self._commands: deque[dict] = deque()
        self._drives: list[dict] = []
        self._words: list[int] = []

    def take(self, stream: int, beat: bytes) -> list[tuple[int, bytes]]:
        word = int.from_bytes(beat, "little")
        if NETWORK.sources[stream] == "command":
            self._commands.append(self._command.unpack(word))
        elif NETWORK.sources[stream] == "x":
            self._drives.append(self._x.unpack(word))
        else:
            self._words.append(word)
        result = []
        while self._commands and (answer := self._carry_out(self._commands[0])) is not None:
            self._commands.popleft()
            result += [(NETWORK.sinks.index(name), word.to_bytes(self._sizes_out[NETWORK.sinks.index(name)], "little"))
                       for name, word in answer]
        return result

    def _carry_out(self, command: dict) -> list[tuple[str, int]] | None:
        """The answer to a command: streams and words. None if something is missing that belongs to it."""
        operation, geometry = NetworkOperation(command["operation"]), self._geometries[command["layer"]]
        network, prefix = self._network, f"layer{command['layer']}_"
        if operation in (NetworkOperation.INFER, NetworkOperation.TRAIN, NetworkOperation.ACCUMULATE):
            if not self._drives or not self._drives[-1]["last"]:
                return None
            x = torch.zeros(self._geometries[0].inputs, dtype=torch.int64)
            for drive in self._drives:
                x[drive["row"]] = drive["x"]
            self._drives.clear()
            if operation is NetworkOperation.INFER:
                prediction, correct = network.infer(x), 0
            else:
                shift = self._geometries[0].learning_rate_shifts[1] - command["boost"]
                prediction = network.train(x, command["label"], shift, operation is NetworkOperation.TRAIN)
                correct = int(prediction == command["label"])
            return [("result", self._result.pack({"prediction": prediction, "correct": correct}))]
        if operation is NetworkOperation.PROGRAM:
            network.program()
            return []
        if operation is NetworkOperation.DUMP:
            state = {name.removeprefix(prefix): array for name, array in network.state().items()
                     if name.startswith(prefix)}
            return [("state_out", word) for word in state_words(geometry, state)]
        size = state_size(geometry) if operation is NetworkOperation.LOAD else len(parameter_words(geometry, geometry))
        if len(self._words) < size:
            return None
        if operation is NetworkOperation.LOAD:
            state = words_state(geometry, self._words[:size])
            network.crossbars[command["layer"]].load(state)
        del self._words[:size]
        return []


class Line:
    """Passes bytes on, with ``faults``: from a byte's number to kind and parameter."""

    def __init__(self, faults: dict[int, tuple[str, int]]):
        self._faults = dict(faults)
        self._count = 0
        self._held = b""

    def __call__(self, data: bytes) -> bytes:
        data, self._held = self._held + data, b""
        result = bytearray()
        for place, byte in enumerate(data):
            kind, parameter = self._faults.pop(self._count, (None, 0))
            if kind == "hold":
                self._held = data[place:]
                break
            self._count += 1
            if kind == "cut":  # a number of bytes is lost, as in a half frame
                self._faults |= {self._count + more: ("drop", 0) for more in range(parameter)}
            elif kind == "double":
                result += bytes([byte, byte])
            elif kind == "flip":
                result.append(byte ^ 1 << parameter % 8)
            elif kind is None:
                result.append(byte)
        return bytes(result)


def faults(length: int = 4000) -> st.SearchStrategy[dict]:
    """Faults among the first ``length`` bytes of a line."""
    return st.dictionaries(st.integers(0, length), st.tuples(st.sampled_from(KINDS), st.integers(0, 255)), max_size=25)


class ModelBoard:
    """The port of a board that delivers and sends as much at a time as ``random`` has it."""

    def __init__(self, random: Random, to_board: Callable[[bytes], bytes] = bytes,
                 to_host: Callable[[bytes], bytes] = bytes, slots: int = 4, machine: Machine | None = None):
        self._random, self._lines, self._slots = random, (to_board, to_host), slots
        self._machine = machine or Echo()
        self.time = 0.0
        self.delivered: list[tuple[int, bytes]] = []
        self._input, self._output = b"", b""
        self.reset()

    def reset(self):
        """Press the reset button."""
        self._echo = self._trouble = 0
        self._open(0)

    def _open(self, session: int):
        self.session = session
        self._machine.reset()
        self._frames: deque[bytes] = deque()
        self._expected = self._done = 0
        self._beats: deque[tuple[int, bytes]] = deque()
        self._sent: dict[int, tuple[int, bytes]] = {}
        self._oldest = self._number = self._next = 0
        self.delivered.clear()

    def now(self) -> float:
        return self.time

    def write(self, data: bytes) -> int:
        *frames, self._input = (self._input + self._lines[0](data)).split(b"\x7e")
        for content in filter(None, frames):
            self._take(self.unescape(content))
        return len(data)

    def read(self) -> bytes:
        for _ in range(self._random.randrange(3)):
            self._deliver()
        for _ in range(self._random.randrange(3)):
            self._send()
        count = self._random.choice((0, 1, 30, 5000))
        chunk, self._output = self._output[:count], self._output[count:]
        data = self._lines[1](chunk)
        self.time += len(data) * BYTE_SECONDS if data else SILENCE
        return data

    @staticmethod
    def unescape(content: bytes) -> bytes:
        """What is sent as ``content``."""
        result, escaped = bytearray(), False
        for byte in content:
            if byte != 0x7D:
                result.append(byte ^ 0x20 if escaped else byte)
            escaped = byte == 0x7D
        return bytes(result)

    def _take(self, content: bytes):
        body, check = content[:-4], int.from_bytes(content[-4:], "little")
        if len(content) > 256 or len(body) < 3 or zlib.crc32(body) != check:
            self._trouble = 2
            self._status(2)
            return
        kind, a, b = body[:3]
        if kind == 1:
            if self.session != a + 256 * b:
                self._echo = self._trouble = 0
                self._open(a + 256 * b)
            self._status(1, bytes([1, self._slots]) + self._machine.digest.to_bytes(4, "little"))
            return
        if not self.session:
            self._status(2)
            return
        while self._oldest != b and self._oldest != self._next:
            del self._sent[self._oldest]
            if self._number == self._oldest:
                self._number = (self._number + 1) % 256
            self._oldest = (self._oldest + 1) % 256
        if kind == 2:
            if a == self._expected and len(self._frames) < self._slots:
                self._frames.append(body[3:])
                self._expected = (self._expected + 1) % 256
            else:
                self._trouble = 2
        if kind in (4, 5):
            self._echo = a
        if kind == 5:
            self._number = self._oldest
        if kind != 3:
            self._status(2)

    def _deliver(self):
        if self._frames:
            segments = self._frames.popleft()
            self._done = (self._done + 1) % 256
            while segments[0]:
                stream, count = (segments[0] >> 6) - 1, (segments[0] & 63) + 1
                size = self._machine.sizes[stream]
                beats, segments = segments[1:1 + count * size], segments[1 + count * size:]
                for place in range(0, len(beats), size):
                    beat = beats[place:place + size]
                    self.delivered.append((stream, beat))
                    self._beats += self._machine.take(stream, beat)
            assert len(segments) == 1

    def _send(self):
        if self._beats and (self._next - self._oldest) % 256 < self._slots:
            stream, beat = self._beats.popleft()
            self._sent[self._next] = stream, beat
            while self._beats and self._beats[0][0] == stream and len(self._sent[self._next][1]) < 240:
                self._sent[self._next] = stream, self._sent[self._next][1] + self._beats.popleft()[1]
            self._next = (self._next + 1) % 256
        if self._number != self._next:
            stream, beats = self._sent[self._number]
            self._status(4 + stream, beats)
            self._number = (self._number + 1) % 256
        elif self._random.random() < 0.3:
            self._status(2)

    def _status(self, kind: int, payload: bytes = b""):
        idle = not self._frames and not self._beats and self._number == self._next
        self._output += framed(bytes([kind, self._echo, self._expected, self._done, self._number, self.session % 256,
                                      self.session // 256, idle | self._trouble]) + payload)
        self._trouble = 0


def framed(content: bytes) -> bytes:
    """``content`` with its CRC and a flag, escaped."""
    content += zlib.crc32(content).to_bytes(4, "little")
    return b"".join(bytes([0x7D, byte ^ 0x20]) if byte in (0x7D, 0x7E) else bytes([byte]) for byte in content) + b"\x7e"
