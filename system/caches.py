"""Where is kept what was compiled, built or downloaded: in the user's cache, or in a temporary folder if that cannot be
written. Every library is told by its environment variable, before it looks.
"""

import atexit
import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import platformdirs

from ..contract.errors import SpinloomError
from .disk import existing, is_full, room
from .notice import warn
from .temporary import private_folder

VARIABLE = "SPINLOOM_CACHE"
"""Environment variable that names another folder for data sets, built simulators and failed runs."""
_MIB = 1 << 20
_LEAST = 4 * _MIB
"""Bytes that must be free where a cache is."""
_COMPILED = Path(__file__).parents[1] / "model" / "compiled" / "__pycache__"
"""Where Numba keeps what it has compiled, if it can."""


class CacheError(SpinloomError, RuntimeError):
    """There is no folder that a cache can be kept in."""


class _Cache(NamedTuple):
    """What one library keeps."""

    variable: str
    """Environment variable that names the folder."""
    default: Callable[[], Path]
    """The folder, if the variable is not set."""
    name: str
    """Of the folder in a temporary cache."""
    room: int = _LEAST
    """Bytes that must be free for a new cache."""

    @property
    def folder(self) -> Path:
        return Path(os.environ.get(self.variable) or self.default())


_SPINLOOM = _Cache(VARIABLE, lambda: platformdirs.user_cache_path("spinloom"), "spinloom", 32 * _MIB)
_NUMBA = _Cache("NUMBA_CACHE_DIR", lambda: _COMPILED, "numba")
_WASMTIME = _Cache("", lambda: platformdirs.user_cache_path("wasmtime"), "wasmtime", 8 * _MIB)
"""Amaranth's Yosys runs on it. It knows no variable but ``XDG_CACHE_HOME``, which is that of all programs."""
_CACHES = (
    _SPINLOOM, _NUMBA, _WASMTIME,
    _Cache("YOWASP_CACHE_DIR", lambda: platformdirs.user_cache_path("YoWASP"), "YoWASP", 256 * _MIB),
    _Cache("MPLCONFIGDIR", lambda: platformdirs.user_config_path("matplotlib"), "matplotlib"),
)


def folder() -> Path:
    """Spinloom's own cache: data sets, built simulators, failed runs."""
    settle()
    return _SPINLOOM.folder


@cache
def settle() -> None:
    """Choose the folders of all caches, once a process. This comes before Numba and Matplotlib are imported, and before
    Yosys is run.

    What can be written stays where it is. Numba's cache moves from an installation that is read-only to the user's. All
    else moves to a temporary folder, which stays for this user's next run; a line on standard error says so. On a full
    disk with no such folder elsewhere, everything stays: what is in the caches can still be read.

    Raises ``CacheError`` if there is no folder at all that can be written.
    """
    problems = {each: problem for each in _CACHES if (problem := _problem(each.folder, each.room))}
    if _NUMBA in problems and _SPINLOOM not in problems and not os.environ.get(_NUMBA.variable):
        os.environ[_NUMBA.variable] = str(_SPINLOOM.folder / _NUMBA.name)
        del problems[_NUMBA]
    if not problems:
        return
    first, problem = next(iter(problems.items()))
    trouble = f"the cache {first.folder} cannot be used: {problem.strerror}"
    try:
        substitute = _substitute()
    except OSError as error:
        if all(map(is_full, problems.values())):
            return
        raise CacheError(f"{trouble}; nor can a temporary one: {error.strerror}; name a folder that can be written "
                         f"with {VARIABLE}, and one for temporary files with TMPDIR") from None
    places = {each: substitute / each.name if each in problems else each.folder for each in _CACHES}
    for each, place in places.items():
        if each.variable and place != _COMPILED:
            os.environ[each.variable] = str(place)
    if _WASMTIME in problems:
        os.environ["XDG_CACHE_HOME"] = str(substitute)  # all others have their variables by now
    warn(f"{trouble}; {substitute} is used instead")


def _problem(place: Path, needed: int) -> OSError | None:
    """Why the folder ``place`` cannot be made, or written with ``needed`` bytes; None if it can."""
    try:
        if not place.is_absolute():  # of a user without a home
            raise FileNotFoundError(None, "there is no home folder", str(place))
        there = existing(place)
        probe = there / f".spinloom-{secrets.token_hex(8)}"
        probe.mkdir()  # permissions alone do not tell
        probe.rmdir()
        if room(there) < (needed if there != place else min(needed, _LEAST)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(place))
    except OSError as error:
        return error
    return None


def _substitute() -> Path:
    """A temporary folder that can be written; ``OSError`` if there is none."""
    parent = Path(tempfile.gettempdir())
    try:
        substitute = private_folder(parent)
    except PermissionError:
        substitute = Path(tempfile.mkdtemp(prefix="spinloom-"))
        atexit.register(shutil.rmtree, substitute, ignore_errors=True)
    if problem := _problem(substitute, _LEAST):
        raise problem
    return substitute
