"""Which data set was read: a published one, recognised by what its files hold, or one that nobody knows."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..contract.errors import ConfigError
from ..system.notice import warn
from . import known_sets
from .results import DataRecord


class Found(NamedTuple):
    """A data set as it was read."""

    arrays: tuple[np.ndarray, ...]
    """Training images and labels, test images and labels; or the bytes of training text and test text."""
    names: tuple[str, ...]
    """Of the file of each."""
    owners: tuple[str | None, ...]
    """The published set that each file belongs to, None if to none that is known."""
    unpacked: bool
    """Whether the files are not gzipped."""


def record(found: Found, name: str, train: int, test: int) -> DataRecord:
    """What identifies the set that was ``found`` as ``name``, of ``train`` and ``test`` samples. What is to be said
    about it is said in a warning. ``ConfigError`` if it is not the one that ``name`` means."""
    known, remark = _recognise(found, name)
    made = DataRecord(name=name, known=known, sha256=_sha256(found.arrays), train=train, test=test)
    if remark:
        warn(f"{remark} (sha256 {made.sha256[:12]})")
    return made


def _recognise(found: Found, name: str) -> tuple[str | None, str | None]:
    """The published set that was found, None if it is none, and a remark about it. ``ConfigError`` if it is another
    than ``name`` means, or the files are of several."""
    means, owners = known_sets.published(name), set(found.owners)
    known = owners - {None}
    place = str(Path(found.names[0]).parent)
    if len(known) > 1:
        parts = ", ".join(f"{Path(file).name} of {owner}" for file, owner in
                          zip(found.names, found.owners, strict=False) if owner)
        raise ConfigError(f"{place}: the files are of different data sets: {parts}")
    for owner in known:
        if means not in (None, owner):
            raise ConfigError(f"{place}: the files are those of {owner}, and the configuration has dataset={name!r}; "
                              f"give the folder of {means}, or dataset=\"{owner}\"")
        if None in owners:
            parts = ", ".join(Path(file).name for file, of in zip(found.names, found.owners, strict=False) if not of)
            return None, f"{place}: the files are those of {owner}, except for {parts}"
        return owner, None if means else f"{place}: the data set {name!r} is {owner}"
    if means is None:
        return None, f"{place}: the data set {name!r} is none that is known"
    if known_sets.recognised(means, found.unpacked):
        return None, f"{place}: the data set {name!r} is not {means} as it was published"
    return None, (f"{place}: the data set {name!r} is not recognised, as only "
                  f"{'gzipped' if found.unpacked else 'unpacked'} files of {means} can be")


def _sha256(arrays: tuple[np.ndarray, ...]) -> str:
    """The digest that stands for a data set: of shapes and bytes of its arrays. A shape is written as text,
    ``60000x28x28x1`` and a line feed; labels are 8 bytes, little endian."""
    hashed = hashlib.sha256()
    for array in arrays:
        hashed.update(("x".join(map(str, array.shape)) + "\n").encode())
        hashed.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).data)
    return hashed.hexdigest()
