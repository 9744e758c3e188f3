"""What may have become of a file: it was cut, flipped, exchanged, packed, unpacked, or is no file."""

import bz2
import gzip
import io
import lzma
import os
import zipfile
from pathlib import Path
from random import Random

import numpy as np


def npy(array: np.ndarray, *, pickled: bool = False) -> bytes:
    content = io.BytesIO()
    np.save(content, array, allow_pickle=pickled)
    return content.getvalue()


def cut(random: Random, content: bytes) -> bytes:
    return content[:random.randrange(len(content) + 1)]


def flipped(random: Random, content: bytes) -> bytes:
    changed = bytearray(content or b"\0")
    for _ in range(random.choice((1, 1, 2, 10))):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def spliced(random: Random, content: bytes) -> bytes:
    place, length = random.randrange(len(content) + 1), random.randint(1, 40)
    middle = random.choice((random.randbytes(length), b"\0" * length, b"\xff" * length, content[:length]))
    return content[:place] + middle + content[place + random.choice((0, length)):]


def foreign(random: Random, content: bytes) -> bytes:
    """Another kind of file altogether."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("content", content[:1000])
    return random.choice((
        b"", b"\0", b"\0" * 5000, b"<!DOCTYPE html><html></html>", b"\x1f\x8b", b"PK\x03\x04", b"{}", b"[]", b"null",
        b"\xff\xfe" + content[:200].decode("latin-1").encode("utf-16-le"), random.randbytes(random.randint(1, 3000)),
        lzma.compress(content[:5000]), bz2.compress(content[:5000]), archive.getvalue(), npy(np.arange(5)),
        npy(np.array([{"code": 1}], dtype=object), pickled=True), b"spinloom", content + content))


def bytes_of(random: Random, content: bytes) -> bytes:
    """``content`` after any of these."""
    return random.choice((cut, flipped, spliced, foreign))(random, content)


def no_file(random: Random, path: Path) -> None:
    """Let ``path`` be something else than a file of bytes."""
    path.unlink(missing_ok=True)
    match random.randrange(7):
        case 0:
            path.mkdir()
        case 1:
            path.symlink_to(path.name)
        case 2:
            path.symlink_to("/dev/zero")
        case 3:
            path.symlink_to("/nowhere")
        case 4:
            os.mkfifo(path)
        case 5:
            path.symlink_to("/proc/self/mem")
        case _:
            pass


def sparse(path: Path, size: int, start: bytes = b"") -> None:
    """Let ``path`` be a file of ``size`` bytes that takes no room."""
    path.unlink(missing_ok=True)
    with path.open("wb") as file:
        file.write(start)
        file.truncate(size)


def bomb(size: int, start: bytes = b"") -> bytes:
    """A gzip file of ``size`` zeros behind ``start``."""
    packed = gzip.compress(start + bytes(1 << 20), 9)
    return packed + gzip.compress(bytes(1 << 20), 9) * (size >> 20)
