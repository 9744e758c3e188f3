"""A folder that one process works in, and no other at the same time.

The claim on a folder is a lock on its file ``.lock``, which the operating system frees when the process ends, however
it ends. The file ``in-use.json`` beside it tells who holds the lock. While it is held, that file is touched every few
seconds. So another machine that does not see the lock, or a file system that has no locks, can still tell a process
that lives from one that is gone.
"""

import errno
import json
import os
import platform
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..contract.errors import ConfigError, SpinloomError
from . import files
from .notice import warn

LOCK, HOLDER = ".lock", "in-use.json"
BEAT_SECONDS = 10.0
"""Time between two signs of life."""
STALE_SECONDS = 60.0
"""Time without a sign of life after which the process on another machine is taken for gone."""
NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
"""What file systems without locks answer."""


class InUseError(SpinloomError):
    """Another process works in the folder."""


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Within the ``with`` block, ``folder`` belongs to this process. It is made if it is not there.

    ``InUseError`` at once, naming host, process and since when, if another process has it. The claim of a process that
    is gone counts for nothing. On a file system without locks there is a warning, and only signs of life protect the
    folder. ``ConfigError`` if nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot write to {folder}: {error.strerror}") from None
    lock = FileLock(folder / LOCK, fallback_to_soft=False)
    locked = _lock(lock, folder)
    try:
        _refuse_living(folder, locked)
        with _holding(folder):
            yield
    finally:
        if locked:
            lock.release()


def _lock(lock: FileLock, folder: Path) -> bool:
    """Take ``lock``; False if the file system has no locks."""
    try:
        lock.acquire(blocking=False)
    except Timeout:
        holder = _holder(folder)
        raise InUseError(f"{folder} is in use by {_told(holder)}; wait for its end, stop it, or take another "
                         "folder") from None
    except OSError as error:
        if error.errno in NO_LOCKS:
            warn(f"{folder}: its file system has no locks, so nothing but your care keeps two runs out of it")
            return False
        raise ConfigError(f"cannot write to {folder}: {error.strerror}") from None
    return True


def _refuse_living(folder: Path, locked: bool) -> None:
    """``InUseError`` if the claim that was left in ``folder`` is that of a process that may live. Where there are
    locks, only a process on another machine, whose locks may not be seen here, can hold it still."""
    holder = _holder(folder)
    if holder is None:
        return
    if locked and holder.get("machine") == _this()["machine"]:
        return
    try:
        (folder / LOCK).touch()
        silent = (folder / LOCK).stat().st_mtime - (folder / HOLDER).stat().st_mtime
    except OSError:
        return  # it has gone meanwhile
    if silent < STALE_SECONDS:
        raise InUseError(f"{folder} is in use by {_told(holder)}; if that process has been killed, try again in "
                         f"{STALE_SECONDS - max(silent, 0):.0f} s")
    warn(f"{folder}: {_told(holder)} has given no sign of life for {silent:.0f} s; its claim is taken over")


@contextmanager
def _holding(folder: Path) -> Iterator[None]:
    """Tell who holds ``folder``, and give signs of life."""
    path, ended = folder / HOLDER, threading.Event()
    try:
        files.sweep(folder)
        files.write_json(path, _this())
    except OSError as error:
        raise ConfigError(f"cannot write to {folder}: {error.strerror}") from None

    def beat() -> None:
        while not ended.wait(BEAT_SECONDS):
            with suppress(OSError):
                os.utime(path)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        with suppress(OSError):
            path.unlink()


def _this() -> dict[str, Any]:
    """This process, as ``HOLDER`` tells it."""
    try:  # containers on one machine have names of their own, but see each other's locks
        machine = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        machine = platform.node()
    return {"host": platform.node(), "machine": machine, "process": os.getpid(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S %z"), "command": Path(sys.argv[0]).name}


def _holder(folder: Path) -> dict[str, Any] | None:
    """What ``HOLDER`` tells; None if nothing can be learned from it."""
    try:
        document = json.loads(files.read(folder / HOLDER, 4096))
    except (OSError, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _told(holder: dict[str, Any] | None) -> str:
    if holder is None:
        return "another process"
    return f"process {holder.get('process')} on {holder.get('host')} since {holder.get('since')}"

