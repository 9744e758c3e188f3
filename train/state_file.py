"""Complete states in files: arrays by name in NumPy's format ``.npz``, with the digest of the run that they belong to.

No file is believed: it is neither unpickled nor unpacked to more than a state of the network can hold.
"""

import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ..config import Experiment
from ..contract.errors import ConfigError
from ..system.files import replace

DIGEST = "identity"
"""The array that holds the digest of the run."""
TEXT_BYTES = 16 << 20
"""Of what does not grow with the network."""
CELL_BYTES = 64
"""Of all that is stored for a cell, and more than that."""
MOST_ARRAYS = 1000

State = dict[str, np.ndarray]


def write_arrays(path: Path, arrays: State, digest: str | None) -> None:
    """Replace ``path`` by ``arrays`` and the ``digest`` of their run; None for a run that has none."""
    content: dict[str, Any] = arrays if digest is None else arrays | {DIGEST: np.array(digest)}
    replace(path, lambda file: np.savez(file, **content))


def read_arrays(path: Path, experiment: Experiment | None, *names: str) -> State:
    """The arrays in ``path``, a state of ``experiment``; those of ``names`` only if there are some. ``ConfigError`` if
    it cannot be read, or holds more than such a state. ``FileNotFoundError`` if there is no such file."""
    cells = sum(crossbar.rows * crossbar.cols for crossbar in experiment.crossbars) if experiment else 0
    most = CELL_BYTES * cells + TEXT_BYTES
    if path.exists() and not path.is_file():
        raise ConfigError(f"{path}: cannot be loaded: not a regular file")
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist()
                       if not names or info.filename.removesuffix(".npy") in names]
            size = sum(info.file_size for info in members)
            if size > most or len(members) > MOST_ARRAYS:
                raise ConfigError(f"{path}: holds {len(members)} arrays of {size} bytes together; a state of this "
                                  f"network has no more than {most}")
            return {info.filename.removesuffix(".npy"): _array(archive, info) for info in members}
    except FileNotFoundError:
        raise
    except (OSError, ValueError, TypeError, EOFError, RuntimeError, OverflowError, SyntaxError, MemoryError, IndexError,
            zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError) as error:
        if isinstance(error, ConfigError):
            raise
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
        raise ConfigError(f"{path}: cannot be loaded: {reason}") from None


def integer(path: Path, arrays: State, name: str) -> int:
    """The number that the array ``name`` of ``path`` holds; ``ConfigError`` if it is none."""
    array = arrays.get(name)
    if array is None or array.shape != () or not np.issubdtype(array.dtype, np.integer):
        raise ConfigError(f"{path}: cannot be loaded: {name} is {_described(array)}; it must be one integer")
    return int(array)


def text(path: Path, arrays: State, name: str) -> str | None:
    """The text that the array ``name`` of ``path`` holds, None if there is no such array. ``ConfigError`` if it is no
    text."""
    array = arrays.get(name)
    if array is None:
        return None
    if array.shape != () or array.dtype.kind != "U":
        raise ConfigError(f"{path}: cannot be loaded: {name} is {_described(array)}; it must be text")
    return str(array)


def _described(array: np.ndarray | None) -> str:
    return "missing" if array is None else f"{array.dtype} {array.shape}"


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    """An array of the archive. Its header must say what its size is, so that nothing is set aside in vain."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{info.filename} is compressed in a way that NumPy does not use")
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"{info.filename} is of version {version} of NumPy's format")
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = reader(file)
        if dtype.hasobject or dtype.kind not in "biufU":
            raise ValueError(f"{info.filename} holds {dtype}, no numbers or text")
        count = 1
        for length in shape:
            count *= length
        content = file.read()
        if count * dtype.itemsize != len(content):
            raise ValueError(f"{info.filename} holds {len(content)} bytes where its header asks for "
                             f"{count * dtype.itemsize}")
    array = np.frombuffer(content, dtype=dtype) if content else np.empty(0, dtype)
    return array.reshape(shape, order="F" if fortran else "C").copy()
