"""Where the files of a data set are, by the names that people have them under."""

import gzip
import os
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from ..contract.errors import ConfigError
from .known_sets import CIFAR_10, plain

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
"""The names that MNIST's files were published under."""
BATCHES = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")
"""Those of CIFAR-10's."""
TEXTS = ("train.txt", "test.txt")
"""Those of a text."""
ROLES = (("train", "images"), ("train", "labels"), ("test", "images"), ("test", "labels"))
INNER = ("raw", "gzip")
"""Folders in which torchvision and the archive of EMNIST have the files."""
LISTED = 8
"""Entries of a folder that a message names at most."""

_IMAGES = re.compile(r"(?:(?P<set>.*)[-_.])?(?P<part>train|t10k|test)[-_.](?P<kind>images|labels)"
                     r"(?P<rest>[-_.]idx\d[-_.](?:ubyte|int))(?P<packed>\.gz)?", re.IGNORECASE)
_TEXT = re.compile(r"(?:(?P<set>.*)[-_.])?(?P<part>train|test)\.txt(?P<packed>\.gz)?", re.IGNORECASE)
_ANY_TEXT = re.compile(r".*\.txt(\.gz)?", re.IGNORECASE)


class IdxFiles(NamedTuple):
    """The files of a set in IDX format."""

    train_images: Path
    train_labels: Path
    test_images: Path
    test_labels: Path


class BatchFiles(NamedTuple):
    """The files of a set in CIFAR-10's binary format."""

    train: tuple[Path, ...]
    test: Path


class TextFiles(NamedTuple):
    """The files of a text."""

    train: Path
    test: Path
    """The same if there is one file only."""


class _Place(NamedTuple):
    """A folder where the files may be."""

    folder: Path
    bare: bool
    """Whether they may lack the name of the set."""


def packaged(file: str) -> str:
    """The text in ``file``, a gzipped one of the package."""
    packed = resources.files(__package__.rpartition(".")[0]).joinpath("data", file).read_bytes()
    return gzip.decompress(packed).decode()


def named_folder(data_dir: str | Path | None) -> Path | None:
    """The folder of the data sets: ``data_dir``, or else what ``SPINLOOM_DATA`` names; None if neither does."""
    folder = data_dir or os.environ.get("SPINLOOM_DATA")
    return Path(folder) if folder else None


def find(folder: Path, name: str) -> IdxFiles | BatchFiles | str:
    """The files of the data set ``name``, images; or, if they are not there, a line that says so and what is there.

    They are in ``folder``, or in a folder there that has the name of the set, or a part of it (``EMNIST`` for
    ``emnist-letters``), or in a folder ``raw`` or ``gzip`` in one of these. Capitals, hyphens and underscores in names
    do not count. The files are called as MNIST's, or as EMNIST's and QMNIST's, with ``test`` for ``t10k``; a dot may
    stand for the hyphen before ``idx``, and the name of the set, or ``.gz``, may be added. ``ConfigError`` if some are
    there and others are not.
    """
    partial = []
    for place in _places(folder, name):
        batches = [_either(place.folder / file) for file in BATCHES] if place.bare else []
        present = [path for path in batches if path]
        if present and len(present) == len(batches):
            return BatchFiles(tuple(present[:-1]), present[-1])
        if present:
            missing = next(file for file, path in zip(BATCHES, batches, strict=True) if path is None)
            partial.append(f"{place.folder}: {missing} is missing from the data set {name!r}")
        for prefix in ("", plain(name)) if place.bare else (plain(name),):
            files = _idx_files(place.folder, prefix)
            if len(files) == len(ROLES):
                return IdxFiles(*(files[role] for role in ROLES))
            if files:
                role = next(role for role in ROLES if role not in files)
                file = (f"{name}-" if prefix else "") + FILES[ROLES.index(role)]
                partial.append(f"{place.folder}: {file}[.gz] is missing from the data set {name!r}")
    if partial:
        raise ConfigError(partial[0])
    wanted = BATCHES if plain(name) == plain(CIFAR_10) else FILES
    return _absent(folder, name, f"{', '.join(wanted)} (each may end in .gz)")


def find_text(folder: Path, name: str) -> TextFiles:
    """The files of the data set ``name``, a text. ``ConfigError`` if they are not there.

    They are in one of the folders in which `find` would look for them, are called ``train.txt`` and ``test.txt``, and
    the name of the set, or ``.gz``, may be added; or the text is the only file there whose name ends in ``.txt``.
    """
    for place in _places(folder, name):
        found = _text_files(place.folder, name) if place.bare else {}
        if len(found) == len(TEXTS):
            return TextFiles(**found)
        if found:
            missing = next(file for file in TEXTS if file.partition(".")[0] not in found)
            raise ConfigError(f"{place.folder}: {missing}[.gz] is missing from the data set {name!r}")
        texts = [path for path in _entries(place.folder) if _ANY_TEXT.fullmatch(path.name) and path.is_file()]
        if place.bare and len(texts) == 1:
            return TextFiles(texts[0], texts[0])
    raise ConfigError(_absent(folder, name, f"{' and '.join(TEXTS)}, or one text (each may end in .gz)"))


def _places(folder: Path, name: str) -> Iterator[_Place]:
    """Where the files of the set ``name`` may be, the likeliest place first."""
    wanted = plain(name)
    named = [path for path in _entries(folder) if path.is_dir()]
    named.sort(key=lambda path: (path.name != name, path.name))
    same = [path for path in named if plain(path.name) == wanted
            or plain(path.name) == "cifar10batchesbin" and wanted == plain(CIFAR_10)]
    for path in (*same, folder):
        yield _Place(path, True)
        for inner in (*INNER, "cifar-10-batches-bin"):
            yield _Place(path / inner, True)
    for path in named:
        if plain(path.name) and wanted.startswith(plain(path.name)) and path not in same:
            yield _Place(path, False)
            for inner in INNER:
                yield _Place(path / inner, False)


def _idx_files(folder: Path, prefix: str) -> dict[tuple[str, str], Path]:
    """The IDX files in ``folder``, by their roles, whose names begin with ``prefix``. If a role has several, the one
    that is called as it was published comes first, then the one that is not gzipped."""
    found: dict[tuple[str, str], list[tuple[bool, bool, bool, Path]]] = {}
    for path in _entries(folder):
        match = _IMAGES.fullmatch(path.name)
        if match and plain(match["set"] or "") == prefix and path.is_file():
            part = "train" if match["part"].lower() == "train" else "test"
            order = (match["part"].lower() == "test", not match["rest"].startswith("-"), bool(match["packed"]), path)
            found.setdefault((part, match["kind"].lower()), []).append(order)
    return {role: min(paths)[-1] for role, paths in found.items()}


def _text_files(folder: Path, name: str) -> dict[str, Path]:
    """The texts in ``folder`` by their parts, ``train`` and ``test``, whose names begin with ``name`` or with no name.
    Those that are not gzipped come first."""
    found: dict[str, list[tuple[bool, Path]]] = {}
    for path in _entries(folder):
        match = _TEXT.fullmatch(path.name)
        if match and plain(match["set"] or "") in ("", plain(name)) and path.is_file():
            found.setdefault(match["part"].lower(), []).append((bool(match["packed"]), path))
    return {part: min(paths)[-1] for part, paths in found.items()}


def _either(path: Path) -> Path | None:
    """``path`` or its gzipped form, whichever exists."""
    return next((file for file in (path, path.with_name(path.name + ".gz")) if file.is_file()), None)


def _entries(folder: Path) -> list[Path]:
    """What is in ``folder`` and not hidden, in the order of the names; nothing if it cannot be read."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:
        return []


def _absent(folder: Path, name: str, files: str) -> str:
    """That ``folder`` lacks the data set ``name``, whose ``files`` are called so, and what it has."""
    if not folder.is_dir():
        return f"{folder}: no data set {name!r} there; there is no such folder"
    names = [path.name + ("/" if path.is_dir() else "") for path in _entries(folder)]
    shown = ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")
    sets = sorted({match["set"] for file in names if (match := _IMAGES.fullmatch(file)) and match["set"]})
    hint = ""
    if sets:
        hint = f"; dataset may be {' or '.join(sets[:LISTED])}"
    elif any(file.startswith(("data_batch_1", "cifar-10-batches-py")) for file in names):
        hint = "; that is CIFAR-10 for Python, whose files hold code; fetch its binary version"
    elif any(_TEXT.fullmatch(file) for file in names):
        hint = "; that is text, for models of spinloom.nn"
    elif any(file.endswith((".zip", ".tar", ".tar.gz", ".tgz")) for file in names):
        hint = "; archives must be unpacked"
    return (f"{folder}: no data set {name!r} there; its files are {files}, in that folder or in {name}/; there "
            f"{'is ' + shown if names else 'is nothing'}{hint}")
