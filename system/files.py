"""Files that appear complete or not at all, and names that are safe for files."""

import errno
import io
import json
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from ..contract.errors import ConfigError

_TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.tmp")
"""What `replace` calls its temporary files."""
NAME_LENGTH = 80
"""Bytes that ``safe_name`` leaves of a name: room for what is put before and behind it."""


def replace(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write the file ``path``: ``write`` fills a temporary file beside it, opened in binary mode, which then takes its
    place. Whenever the process is killed, ``path`` holds the old content or the new one as a whole.

    The temporary file's name is unique, so processes do not disturb each other. ``OSError``, a full disk for example,
    names ``path``. What is no file, such as ``/dev/null``, is written to and stays what it is.
    """
    if path.exists() and not path.is_file():
        _write_to(path, write)
        return
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        _remove(temporary)
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror or str(error), str(path)) from error
        raise


def require_apart(out: str | Path, *sources: str | Path) -> None:
    """``ConfigError`` if the file ``out`` is one of ``sources``, by whatever name: what is read is not overwritten."""
    for source in sources:
        there = os.path.isfile(source) and os.path.isfile(out)
        if Path(source) == Path(out) or there and os.path.samefile(source, out):
            raise ConfigError(f"{out}: would be written over {source}, which is read; name another file")


def require_ours(path: str | Path, is_ours: Callable[[bytes], bool] | None, overwrite: bool = False) -> None:
    """``ConfigError`` if ``path`` is a file that the command has not made itself and that it may not ``overwrite``.
    ``is_ours`` tells that from its first KiB; None if nothing can tell. An empty file is anybody's."""
    if overwrite or not os.path.isfile(path):
        return
    with open(path, "rb") as file:
        head = file.read(1 << 10)
    if head and not (is_ours and is_ours(head)):
        known = ", and not made by this command" if is_ours else ""
        raise ConfigError(f"{path}: is there already{known}; name another file, or give --overwrite")


def read(path: Path, most: int) -> bytes:
    """The content of ``path``, of at most ``most`` bytes, whole KiB. ``OSError`` if it has more, or is no regular
    file."""
    with open_regular(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        bound = f"{most >> 20} MiB" if most >> 20 else f"{most >> 10} KiB"
        raise OSError(errno.EFBIG, f"it has more than {bound}", str(path))
    return content


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """``path``, opened for reading within the ``with`` block. ``OSError`` at once if it is no regular file: a pipe
    would never end, or begin."""
    with open(path, "rb", opener=_opened_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        yield file


def _opened_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _write_to(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write to the device or pipe ``path``. What ``write`` does may need a file, so it gets one in memory. ``OSError``
    at once if it is a pipe that nobody reads."""
    content = io.BytesIO()
    write(content)
    try:
        with open(path, "wb", opener=_opened_at_once) as file:
            os.set_blocking(file.fileno(), True)
            file.write(content.getbuffer())
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def write_json(path: Path, document: Any) -> None:
    """Write ``document`` as indented JSON, as ``replace`` does."""
    replace(path, lambda file: file.write((json.dumps(document, indent=2) + "\n").encode()))


def sweep(folder: Path) -> None:
    """Delete the temporary files that killed processes have left in ``folder``, of which the caller is the owner."""
    for path in folder.iterdir():
        if _TEMPORARY.fullmatch(path.name):
            _remove(path)


def safe_name(name: str) -> str:
    """``name`` as a part of a file's name: letters, digits, ``_``, ``.`` and ``-`` stay, what lies between them becomes
    one ``-``. It does not begin with a dot and has at most ``NAME_LENGTH`` bytes; ``unnamed`` if nothing is left."""
    words = re.sub(r"[^\w.-]+", "-", name).strip("-.")
    return words.encode()[:NAME_LENGTH].decode(errors="ignore").strip("-.") or "unnamed"


def _remove(path: Path) -> None:
    with suppress(OSError):  # it does no harm where it lies
        path.unlink(missing_ok=True)
