"""Disks that are full: how that is told apart from a wrong name, and where it happened."""

import errno
import os
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Errors of a disk that takes no more, rather than of a name that is wrong."""
LITTLE = 1 << 16
"""Bytes that a disk must have left, or else it is full."""


def is_full(error: OSError) -> bool:
    """Whether ``error`` says that a disk takes no more."""
    return error.errno in FULL


def room(folder: Path) -> int:
    """Bytes that may still be written in ``folder``, or in the nearest folder around it that exists."""
    status = os.statvfs(existing(folder))
    return status.f_bavail * status.f_frsize if status.f_blocks else 1 << 62  # some file systems do not count


def existing(folder: Path) -> Path:
    """``folder``, or the nearest one around it that exists."""
    return next((place for place in (folder, *folder.parents) if place.exists()), Path())
