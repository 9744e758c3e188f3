"""Sets of samples as a machine keeps them in its memory: the words of docs/store.md, made and read."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Self
from zlib import crc32

import numpy as np

from .errors import SpinloomError
from .results import Result

MAGIC = 0x31535053
"""The first word of a set: `SPS1`."""
HEADER_WORDS = 8
HALFWORD_BITS = 16
"""Of a halfword: a label, a checksum, or an entry."""
LONGEST_SKIP = 255
"""Most cells that an entry skips."""
_BLOCK = 4096
"""Samples that are packed at a time."""


class StoreError(SpinloomError):
    """Words are no set of samples, or not the set that was written."""


@dataclass(frozen=True, kw_only=True)
class Report(Result):
    """What the samples of a feed came to."""

    correct: int
    """Samples that were predicted correctly before their update."""
    damaged: bool
    """Whether a sample was not what had been stored."""
    samples: int
    """Samples that were taken: all, unless the feed was stopped."""
    cycles: int
    stalls: int
    """Clock cycles, and those of them in which the network had to wait for a sample."""


@dataclass(frozen=True)
class Header:
    """What stands in front of a set, a word for each side of the shape and each other field."""

    words: int
    """Of the whole set."""
    count: int
    """Samples."""
    shape: tuple[int, int, int]
    """Height, width and channels of a sample."""
    labels: int
    """One more than the largest label."""
    crc: int
    """CRC-32 of what is behind the header."""

    @property
    def cells(self) -> int:
        """Of a sample."""
        return prod(self.shape)

    def packed(self) -> np.ndarray:
        """The words: uint32 (HEADER_WORDS,)."""
        height, width, channels = self.shape
        words = np.array([MAGIC, self.words, self.count, height | width << HALFWORD_BITS, channels, self.labels,
                          self.crc], dtype="<u4")
        return np.append(words, np.uint32(crc(words)))

    @classmethod
    def unpacked(cls, words: np.ndarray) -> Self:
        """The header in the first of ``words``; ``StoreError`` if there is none."""
        header = words[:HEADER_WORDS].astype("<u4")
        if len(header) < HEADER_WORDS or header[0] != MAGIC or header[-1] != crc(header[:-1]):
            raise StoreError("no set of samples is stored here; upload one")
        _, size, count, sides, channels, labels, content, _ = header.tolist()
        return cls(size, count, (sides % (1 << HALFWORD_BITS), sides >> HALFWORD_BITS, channels), labels, content)


def crc(words: np.ndarray) -> int:
    """CRC-32 of ``words``, as zlib computes it of their bytes, little endian."""
    return crc32(np.ascontiguousarray(words, dtype="<u4").data)


def pack(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The words of a set, uint32 (words,), of ``images``, uint8 (n, height, width, channels), and ``labels`` (n,).

    Raises ``ValueError`` if there is no sample, or a label or side that does not fit into a halfword.
    """
    if not len(images) or labels.min() < 0 or max(labels.max(), *images.shape[1:]) >> HALFWORD_BITS:
        raise ValueError(f"images={images.shape}: needs samples, and labels and sides below {1 << HALFWORD_BITS:,}")
    halfwords, sizes = zip(*_blocks(images.reshape(len(images), -1), labels), strict=True)
    starts = np.cumsum(np.concatenate([[HEADER_WORDS + len(images) + 1], *sizes]))
    content = np.concatenate([starts.astype("<u4"), np.concatenate(halfwords).view("<u4")])
    header = Header(HEADER_WORDS + len(content), len(images), images.shape[1:], int(labels.max()) + 1, crc(content))
    return np.concatenate([header.packed(), content])


def _blocks(images: np.ndarray, labels: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The halfwords of some samples of ``images`` (n, cells), and how many words each sample has."""
    for first in range(0, len(images), _BLOCK):
        block = images[first:first + _BLOCK]
        sample, entry = _entries(block)
        counts = np.bincount(sample, minlength=len(block))
        sizes = 1 + (counts + 1) // 2
        starts = 2 * (np.cumsum(sizes) - sizes)  # in halfwords, within the block
        halfwords = np.zeros(2 * sizes.sum(), dtype="<u2")
        halfwords[starts] = labels[first:first + _BLOCK]
        halfwords[np.arange(len(entry)) + np.repeat(starts + 2 - (np.cumsum(counts) - counts), counts)] = entry
        numbers = np.arange(first, first + len(block), dtype=np.uint64)
        halfwords[starts + 1] = (-np.add.reduceat(halfwords.astype(np.uint64), starts) - numbers).astype("<u2")
        yield halfwords, sizes


def _entries(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The entries of ``images`` (n, cells), in order: the sample that each belongs to, and its halfword."""
    sample, cell = np.nonzero(images)
    before = np.concatenate([[-1], cell[:-1]])
    before[np.flatnonzero(np.diff(sample, prepend=-1))] = -1
    fillers, skip = np.divmod(cell - before - 1, LONGEST_SKIP + 1)
    entry = np.full(len(cell) + fillers.sum(), LONGEST_SKIP, dtype=np.uint16)
    entry[np.cumsum(fillers + 1) - 1] = skip | images[sample, cell].astype(np.uint16) << 8
    return np.repeat(sample, fillers + 1), entry


def unpack(words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The images and labels that ``pack`` has made ``words``, uint32 (n,), of; ``StoreError`` if they are damaged."""
    header = Header.unpacked(words)
    if header.words > len(words) or crc(words[HEADER_WORDS:header.words]) != header.crc:
        raise StoreError("the stored samples are damaged; upload them again")
    starts = words[HEADER_WORDS:HEADER_WORDS + header.count + 1].astype(np.int64)
    images = np.zeros((header.count, header.cells), dtype=np.uint8)
    labels = np.zeros(header.count, dtype=np.int64)
    for number, (start, end) in enumerate(zip(starts[:-1], starts[1:], strict=True)):
        labels[number], cells, values = sample(words[start:end], number)
        images[number, cells] = values
    return images.reshape(header.count, *header.shape), labels


def sample(words: np.ndarray, number: int) -> tuple[int, np.ndarray, np.ndarray]:
    """The label of the sample ``number`` that ``words`` hold, and the cells that are not zero with their values;
    ``StoreError`` if its checksum is wrong."""
    halfwords = np.ascontiguousarray(words, dtype="<u4").view("<u2").astype(np.int64)
    if (halfwords.sum() + number) % (1 << HALFWORD_BITS):
        raise StoreError(f"the stored sample {number} is damaged; upload the samples again")
    skips, values = halfwords[2:] & 0xFF, halfwords[2:] >> 8
    cells = np.cumsum(skips + 1) - 1
    return int(halfwords[0]), cells[values != 0], values[values != 0]
