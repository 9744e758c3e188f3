"""Reading the files of data sets: IDX, the batches of CIFAR-10, and text, gzipped or not.

Nothing is believed unchecked: a file that is truncated, claims to be huge or unpacks to more than it claims is refused
before time or memory is spent on it.
"""

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import numpy as np

from ..contract.errors import ConfigError
from ..system import files

TYPES: dict[int, np.dtype] = {0x08: np.dtype("u1"), 0x0C: np.dtype(">i4")}
"""Of the elements, by the third byte of a file: those that data sets use."""
FORMS = {"images": {(0x08, 3)}, "labels": {(0x08, 1), (0x0C, 1), (0x0C, 2)}}
"""What such a file holds: type and number of dimensions."""
MOST_BYTES = 4 << 30
"""Of the data of one file."""
BOMB_BYTES, BOMB_RATIO = 256 << 20, 200
"""A gzipped file that unpacks to more than so many bytes, and than so many times its size, holds no images."""
DEFLATE_RATIO = 1032
"""What deflate can make of a byte at most."""
CHUNK = 1 << 20
HEADER_BYTES = 16
"""The longest header: that of three dimensions."""
FOREIGN = {b"PK\x03\x04": "a zip archive; unpack it", b"\xfd7zXZ": "compressed by xz; unpack it",
           b"BZh": "compressed by bzip2; unpack it", b"7z\xbc\xaf": "a 7z archive; unpack it",
           b"<": "a page of the web, no data; fetch it again"}
"""What is found in the place of an IDX file, by its first bytes."""

CIFAR_SHAPE = (3, 32, 32)
CIFAR_RECORD = 1 + prod(CIFAR_SHAPE)
WHOLE_BYTES = 256 << 20
"""Of a batch, or a text; batches that are published have 30 million."""


class Header(NamedTuple):
    """What a file says of itself."""

    path: Path
    kind: str
    """``images`` or ``labels``."""
    element: np.dtype
    shape: tuple[int, ...]
    bytes: bytes
    """The header as it stands in the file."""

    @property
    def size(self) -> int:
        """Bytes of data."""
        return prod(self.shape) * self.element.itemsize


class Content(NamedTuple):
    """What a file holds."""

    array: np.ndarray
    digests: tuple[str, ...]
    """MD5 of what is in the file and, if it is gzipped, of the file."""


def read_header(path: Path, kind: str) -> Header:
    """The header of an IDX file of ``images`` or ``labels``, gzipped or not. ``ConfigError`` if it is none, or if a
    file of its size cannot hold what the header claims."""
    with _opened(path, unpack=False) as (file, on_disk, packed):
        header = file.read(CHUNK if packed else HEADER_BYTES)
        if packed:  # whatever else is in the file is not read
            header = zlib.decompressobj(wbits=31).decompress(header, HEADER_BYTES)
    start = header[:4]
    dimensions = start[3] if len(start) == 4 else 0
    header = header[:4 + 4 * dimensions]
    form = (start[2], dimensions) if len(start) == 4 and start[:2] == b"\0\0" else None
    if form not in FORMS[kind] or len(header) < 4 + 4 * dimensions:
        raise ConfigError(f"{path}: {_foreign(start, form, kind)}")
    shape = tuple(int(size) for size in np.frombuffer(header, dtype=">u4", offset=4))
    found = Header(path, kind, TYPES[start[2]], shape, header)
    asked = f"its header, {' x '.join(map(str, shape))}, asks for {found.size}"
    if not packed and on_disk - len(header) != found.size:
        raise ConfigError(f"{path}: truncated or corrupt: {on_disk - len(header)} bytes of data where {asked}")
    if packed and on_disk > 2 * found.size + CHUNK:
        raise ConfigError(f"{path}: truncated or corrupt: {asked} bytes, fewer than half of what is in the gzip file")
    if packed and found.size > DEFLATE_RATIO * on_disk:
        raise ConfigError(f"{path}: truncated or corrupt: {asked} bytes, which a gzip file of {on_disk} bytes "
                          "cannot hold")
    if packed and found.size > max(BOMB_BYTES, BOMB_RATIO * on_disk):
        raise ConfigError(f"{path}: {asked} bytes, more than {BOMB_RATIO} times the size of the gzip file: no data set")
    if found.size > MOST_BYTES:
        raise ConfigError(f"{path}: {asked} bytes; at most {MOST_BYTES} are read")
    if shape[0] == 0 or found.size == 0:
        raise ConfigError(f"{path}: holds no samples")
    return found


def read(header: Header) -> Content:
    """The data behind ``header``: images uint8 (n, height, width), or labels int64 (n,), of which those with several
    columns have the class in the first. ``ConfigError`` if the file is damaged."""
    path = header.path
    with _opened(path) as (file, _, packed):
        file.read(len(header.bytes))
        body, whole = _read_exactly(file, header), hashlib.md5(header.bytes, usedforsecurity=False)
        whole.update(body.data)
    digests = [whole.hexdigest()]
    if packed:
        digests.append(_md5(path))
    array = np.frombuffer(body, dtype=header.element).reshape(header.shape)
    if header.kind == "labels":
        array = (array if array.ndim == 1 else array[:, 0]).astype(np.int64)
    return Content(array, tuple(digests))


def read_batch(path: Path) -> tuple[np.ndarray, np.ndarray, str]:
    """Images uint8 (n, 32, 32, 3), labels int64 (n,) and the SHA-256 of a batch in CIFAR-10's binary format, gzipped or
    not. ``ConfigError`` if it is none."""
    content = _whole(path, "batch of CIFAR-10")
    if len(content) % CIFAR_RECORD or not content:
        raise ConfigError(f"{path}: truncated or corrupt: {len(content)} bytes, no multiple of {CIFAR_RECORD}, the "
                          "length of a label and an image of 3 x 32 x 32 bytes")
    records = np.frombuffer(content, dtype=np.uint8).reshape(-1, CIFAR_RECORD)
    images = records[:, 1:].reshape(-1, *CIFAR_SHAPE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), records[:, 0].astype(np.int64), hashlib.sha256(content).hexdigest()


def read_text(path: Path) -> tuple[str, str]:
    """A text in UTF-8, gzipped or not, and the MD5 of what is in the file. ``ConfigError`` if it is none."""
    content = _whole(path, "text")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: no text in UTF-8: byte {error.start} is 0x{content[error.start]:02x}; convert it, "
                          "for example with iconv") from None
    if not text:
        raise ConfigError(f"{path}: holds no characters")
    return text, hashlib.md5(content, usedforsecurity=False).hexdigest()


def _whole(path: Path, kind: str) -> bytes:
    """All that is in ``path``, gzipped or not; ``ConfigError`` if that is too much to be of a ``kind``."""
    with _opened(path) as (file, on_disk, _):
        content = bytearray()
        if on_disk > WHOLE_BYTES:
            raise ConfigError(f"{path}: has {on_disk} bytes: no {kind}")
        while len(content) <= WHOLE_BYTES and (chunk := file.read(CHUNK)):
            content += chunk
    if len(content) > WHOLE_BYTES:
        raise ConfigError(f"{path}: holds more than {WHOLE_BYTES} bytes: no {kind}")
    return bytes(content)


@contextmanager
def _opened(path: Path, *, unpack: bool = True) -> Iterator[tuple[BinaryIO, int, bool]]:
    """``path`` opened for reading, unpacked if it is gzipped and that is wanted; its size on the disk; whether it is
    gzipped.
    ``ConfigError`` for whatever goes wrong in the ``with`` block with the file."""
    try:
        with files.open_regular(path) as raw:
            size = os.fstat(raw.fileno()).st_size
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            if packed and unpack:
                with gzip.GzipFile(fileobj=raw, mode="rb") as file:
                    yield cast(BinaryIO, file), size, True
            else:
                yield raw, size, packed
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ConfigError(f"{path}: truncated or corrupt gzip file ({error}); fetch it again") from None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from None
    except MemoryError:
        raise ConfigError(f"{path}: there is not enough memory for it") from None


def _read_exactly(file: BinaryIO, header: Header) -> np.ndarray:
    """The bytes behind the header, uint8 (size,); there must be neither fewer nor more."""
    body = np.empty(header.size, dtype=np.uint8)
    view, filled = body.data, 0
    while filled < header.size:
        count = file.readinto(view[filled:filled + CHUNK])  # type: ignore[attr-defined]  # both kinds of file have it
        if not count:
            break
        filled += count
    more = filled == header.size and bool(file.read(1))
    if filled < header.size or more:
        raise ConfigError(f"{header.path}: truncated or corrupt: {'more than ' if more else ''}{filled} bytes of data "
                          f"where its header, {' x '.join(map(str, header.shape))}, asks for {header.size}")
    return body


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _foreign(start: bytes, form: tuple[int, int] | None, kind: str) -> str:
    """What a file is that begins with ``start`` and is no IDX file of ``kind``."""
    other = "labels" if kind == "images" else "images"
    number = "0x00000803" if kind == "images" else "0x00000801"
    hint = next((text for beginning, text in FOREIGN.items() if start.startswith(beginning[:4])), None)
    if form in FORMS[other]:
        hint = f"an IDX file of {other}"
    if hint is None and form is not None and form[0] in (0x09, 0x0B, 0x0D, 0x0E):
        hint = "an IDX file of numbers that are no unsigned bytes"
    return (f"not an IDX file of {kind} (it must begin with the number {number})"
            + (f"; it is {hint}" if hint else ""))
