"""Texts as characters: the packaged sonnets, the Penn Treebank or any other."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..contract.errors import ConfigError
from ..system.notice import warn
from . import known_sets, recognition
from .data_files import TextFiles, find_text, named_folder, packaged
from .idx import read_text
from .recognition import Found
from .results import DataRecord
from .suspicion import text_oddities

FEWEST = 10
"""Characters of a text that is in one file."""


@dataclass(frozen=True)
class Text:
    """What is trained on, and what is tested on."""

    train: np.ndarray
    """int64 (n,): the places of the characters in ``characters``."""
    test: np.ndarray
    """Likewise."""
    characters: str
    """Those that occur, in the order of their code points."""
    record: DataRecord
    """What identifies the set; its samples are characters."""


def load(name: str, data_dir: str | Path | None = None) -> Text:
    """The text ``name``. ``sonnets`` is part of the package. Every other text is looked for in ``data_dir``, or else in
    the folder named by ``SPINLOOM_DATA`` (`data_files.find_text` says how). Of a text in one file, the last tenth is
    for testing.

    ``ConfigError`` names the file that is missing or unusable, and a set that is not the one that ``name`` means. What
    is unknown or odd about the text is said in a warning.
    """
    found = _sonnets() if name == known_sets.SONNETS else _read(_files(name, data_dir))
    train, test = (array.tobytes().decode() for array in found.arrays)
    record = recognition.record(found, name, len(train), len(test))
    if record.known is None:
        for oddity in text_oddities(train, test):
            warn(f"{found.names[0]}: {oddity}")
    characters = "".join(sorted({*train, *test}))
    return Text(_places(train, characters), _places(test, characters), characters, record)


def _files(name: str, data_dir: str | Path | None) -> TextFiles:
    folder = named_folder(data_dir)
    if folder is None:
        raise ConfigError(f"text {name!r}: give the folder of its files with --data DIR or SPINLOOM_DATA")
    return find_text(folder, name)


def _read(files: TextFiles) -> Found:
    """The contents of ``files``; ``ConfigError`` if they are damaged."""
    parts, digests = zip(*map(read_text, dict.fromkeys(files)), strict=True)
    return _found(*parts, names=tuple(map(str, files)), owners=tuple(map(known_sets.owner, digests)),
                  unpacked=not any(path.suffix == ".gz" for path in files))


def _sonnets() -> Found:
    """The packaged sonnets of Shakespeare."""
    return _found(packaged("sonnets.txt.gz"), names=(known_sets.SONNETS,) * 2, owners=(known_sets.SONNETS,),
                  unpacked=True)


def _found(train: str, test: str | None = None, **others: Any) -> Found:
    """What was found: the texts ``train`` and ``test``, or one of which the last tenth is ``test``. ``ConfigError`` if
    that is too short."""
    if test is None:
        if len(train) < FEWEST:
            raise ConfigError(f"{others['names'][0]}: {len(train)} characters; one file to train on and to test with "
                              f"needs {FEWEST}")
        end = len(train) * 9 // 10
        train, test = train[:end], train[end:]
    return Found(tuple(np.frombuffer(text.encode(), dtype=np.uint8) for text in (train, test)), **others)


def _places(text: str, characters: str) -> np.ndarray:
    """Where in ``characters``, sorted, those of ``text`` are: int64 (n,)."""
    points, wanted = (np.frombuffer(part.encode("utf-32-le"), dtype="<u4") for part in (characters, text))
    return np.searchsorted(points, wanted).astype(np.int64)
