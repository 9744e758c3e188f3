"""The protocol between host and board: what `hw.link` and `boards.link` share, and what docs/link.md is made of."""

import enum
from typing import NamedTuple

PROTOCOL_VERSION = 1

FLAG = 0x7E
"""Ends a frame."""
ESCAPE = 0x7D
"""Stands before a byte of content that is ``FLAG`` or ``ESCAPE``, which is then sent with ``TOGGLE`` exclusive-ored."""
TOGGLE = 0x20
CRC_POLYNOMIAL = 0xEDB88320
"""CRC-32 of IEEE 802.3, least significant bit first; register starts as all ones and is sent inverted."""
CRC_BYTES = 4
CRC_RESIDUE = 0xDEBB20E3
"""The register after a frame's content and its CRC."""

SLOT = 256
"""Bytes of a frame's content, CRC included, that a receiver has room for."""
SLOTS = 4
"""Frames in each direction that a board holds: the sender's window. A power of two, at most ``MOST_SLOTS``."""
MOST_SLOTS = 128
SEGMENT = 64
"""Most beats of a segment, of a design of up to 3 streams to it; of one of more, see ``segment_beats``."""
MAX_STREAMS = 7
"""Most streams to a design."""
DIGEST_BYTES = 4
"""Of `contract.parameters.design_digest`, little endian, in the answer to HELLO."""


class Streams(NamedTuple):
    """The streams of a design behind the link, in the order of their numbers."""

    sources: tuple[str, ...]
    """To it."""
    sinks: tuple[str, ...]
    """From it."""

    @property
    def segment(self) -> int:
        """Most beats of a segment."""
        return segment_beats(len(self.sources))


def segment_beats(streams: int) -> int:
    """Most beats of a segment whose header, a byte, names one of so many streams. ``ValueError`` if these are more than
    ``MAX_STREAMS``."""
    if streams > MAX_STREAMS:
        raise ValueError(f"{streams} streams: a segment can name {MAX_STREAMS}")
    return min(SEGMENT, 1 << 8 - streams.bit_length())


NETWORK = Streams(("command", "x", "state_in"), ("result", "state_out"))
STORED = Streams((*NETWORK.sources, "feed", "access", "words"), (*NETWORK.sinks, "report", "digest"))
"""Of a network with samples in memory (`hw.store.network.StoredNetwork`)."""
BANK = Streams(("command", "operands"), ("answers",))


class ToBoard(enum.IntEnum):
    """Kinds of frames that the host sends."""

    HELLO = 1
    """Opens the session with the bytes `a` (low) and `b`: unless it is open already, everything behind the link is
    reset, and sequence numbers start at 0. Session 0 closes. Answered by HELLO."""
    DATA = 2
    """The frame number `a` of beats for the board's streams. Taken if it is the next one expected, else dropped;
    answered by the status in either case. Acknowledges as ACK does."""
    ACK = 3
    """The host has every frame of beats before number `b`. Not answered."""
    POLL = 4
    """As ACK, and asks for the status, in which the token `a` comes back."""
    RESEND = 5
    """As POLL, and asks for the frames of beats from number `b` on, once more."""


class ToHost(enum.IntEnum):
    """Kinds of frames that the board sends; those from ``DATA`` on carry beats of the board's streams."""

    HELLO = 1
    """Answers HELLO: behind the header `version`, `slots`, and the digest of the design."""
    STATUS = 2
    """The header alone: sent when a frame was received or its beats delivered, and when the board falls idle."""
    DATA = 4
    """This plus the number of the stream: beats of it."""


class Flag(enum.IntEnum):
    """Bits of the last field of a header to the host."""

    IDLE = 1
    """Every beat received has been delivered, everything asked for done, every answer sent."""
    TROUBLE = 2
    """Since the header before, a frame was damaged, or not the one expected."""


TO_BOARD_HEADER = ("kind", "a", "b")
"""Fields, a byte each."""
TO_HOST_HEADER = {
    "kind": "see below",
    "echo": "token of the last POLL or RESEND",
    "expected": "number of the next DATA to be taken",
    "delivered": "number of the oldest DATA whose beats have not all been delivered; room is made in that order",
    "number": "of this frame of beats; otherwise, of the next one that will be sent",
    "session_low": "low byte of the session, which is 0 after a reset of the board",
    "session_high": "its other byte",
    "flags": "see below",
}
"""Fields, a byte each, with their meanings. A board reads them out in this order while it sends, so a later one may be
of a later moment; what a host concludes from them holds in spite of that."""
FRAME_BYTES = len(TO_BOARD_HEADER) + 1 + CRC_BYTES + 1
"""Bytes that a DATA frame to the board costs beside its segments: header, end of segments, CRC, flag."""
PAYLOAD = SLOT - FRAME_BYTES + 1
"""Most bytes of segments in a DATA frame to the board."""
LONGEST_TO_HOST = len(TO_HOST_HEADER) + SLOT - 1 + CRC_BYTES
"""Most bytes of a frame to the host, CRC included: a board gathers less than a slot of beats in one."""


def beat_bytes(width: int) -> int:
    """Bytes of a beat of ``width`` bits: little endian, the rest zero."""
    return -(-width // 8)


def segment_header(stream: int, beats: int, segment: int = SEGMENT) -> int:
    """The byte in front of ``beats`` beats, 1 to ``segment``, of the stream number ``stream``. Never 0, which ends a
    frame's segments."""
    return segment * (stream + 1) + beats - 1
