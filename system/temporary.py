"""Folders for a while: they are gone when their purpose is, however it ends."""

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .stop import deferred_stop

_STALE = 24 * 3600
"""Seconds after which a temporary folder is nobody's."""


@contextmanager
def temporary_folder(name: str, parent: Path | None = None,
                     keep: tuple[type[Exception], ...] = ()) -> Iterator[Path]:
    """A new folder in ``parent`` (the system's for temporary files), whose name begins with ``name``. It is removed at
    the end of the ``with`` block, however that comes, unless it has been moved or the block raises one of ``keep``."""
    folder = None
    try:
        with deferred_stop():
            folder = Path(tempfile.mkdtemp(prefix=name, dir=parent))
        yield folder
    except keep:
        folder = None
        raise
    finally:
        if folder is not None:
            with deferred_stop():
                shutil.rmtree(folder, ignore_errors=True)


def sweep(parent: Path, name: str) -> None:
    """Remove what killed processes have left: the folders in ``parent`` whose name begins with ``name`` and which have
    not been changed for a day."""
    for folder in parent.glob(f"{name}*"):
        try:
            if time.time() - folder.stat().st_mtime > _STALE:
                shutil.rmtree(folder, ignore_errors=True)
        except FileNotFoundError:
            pass  # somebody else was faster


def private_folder(parent: Path) -> Path:
    """The folder of this user in ``parent``, which others may write to too: the same one every time, and only this user
    can read and write it. ``OSError`` if that cannot be."""
    folder = parent / f"spinloom-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise PermissionError(None, "belongs to somebody else", str(folder))
    return folder
