"""Files in TOML: read with an error in one line for whatever is in them, and written."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomli_w

from ..contract.errors import ConfigError, key, shown
from . import files

SUFFIX = ".toml"
MAX_BYTES = 1 << 18
"""Of a file. What describes an experiment, a device or costs has some thousand bytes."""
MAX_DEPTH = 32
"""Of a section within sections, a list within lists, a key of parts joined by dots."""
MARKS = {b"\xff\xfe\0\0": "UTF-32", b"\0\0\xfe\xff": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
"""Byte-order marks of other encodings than UTF-8, at the beginning of a file."""
_TEXT = re.compile(r'"""(?s:.*?)"""|\'\'\'(?s:.*?)\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#.*')
_BETWEEN_KEYS = re.compile(r"[=\n,{}\[\]]")
_DOT = re.compile(r"[\w-]\s*\.")


def is_name(name: str) -> bool:
    """Whether ``name`` is that of a TOML file."""
    return Path(name).suffix.lower() == SUFFIX


def read(path: Path) -> dict[str, Any]:
    """The document in the TOML file ``path``, in UTF-8 with or without a byte-order mark. ``ConfigError`` in one line
    if there is none."""
    try:
        content = files.read(path, MAX_BYTES)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except ValueError:  # a null character
        raise ConfigError(f"cannot read {shown(str(path))}: no file has such a name") from None
    try:
        text = _decoded(content)
        _refuse_long_keys(text)
        document = tomllib.loads(text)
    except RecursionError:
        raise _too_deep(path) from None
    except ValueError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    for place, value in _entries(document, "", 0, path):
        if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
            raise ConfigError(f"{path}: {place}={shown(value)}: a whole number in TOML has at most 64 bits")
    return document


def text_of(document: dict[str, Any]) -> str:
    """``document`` in TOML, a line a field. Its values are texts, numbers, lists of them, sections, lists of
    sections."""
    return "".join(_lines(document, ""))


def _lines(section: dict[str, Any], place: str) -> Iterator[str]:
    """The lines of ``section``, whose name and a dot are ``place``."""
    entries = {name: [value] if isinstance(value, dict) else value for name, value in section.items()}
    inner = {name: sections for name, sections in entries.items()
             if isinstance(sections, list) and sections and isinstance(sections[0], dict)}
    yield from (f"{name} = {_inline(value)}\n" for name, value in section.items() if name not in inner)
    for name, sections in inner.items():
        header = f"[{place}{name}]" if isinstance(section[name], dict) else f"[[{place}{name}]]"
        for each in sections:
            yield f"\n{header}\n"
            yield from _lines(each, f"{place}{name}.")


def _inline(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_inline, value))}]"
    return tomli_w.dumps({"x": value}).removeprefix("x = ").removesuffix("\n")


def _too_deep(path: Path) -> ConfigError:
    return ConfigError(f"{path}: sections, lists or keys are nested more than {MAX_DEPTH} deep")


def _decoded(content: bytes) -> str:
    """The text of a file; ``ValueError`` says which encoding it seems to have instead."""
    for mark, encoding in MARKS.items():
        if content.startswith(mark):
            raise ValueError(f"the file is in {encoding}; save it in UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"the file is not in UTF-8 (byte {error.start} is {content[error.start]:#04x}); "
                         "save it in UTF-8") from None


def _refuse_long_keys(text: str) -> None:
    """``RecursionError`` if a key has more parts than can be: a parser takes time with the square of their number."""
    for piece in _BETWEEN_KEYS.split(_TEXT.sub("q", text)):
        if piece.count(".") > MAX_DEPTH and len(_DOT.findall(piece)) > MAX_DEPTH:
            raise RecursionError


def _entries(value: Any, place: str, depth: int, path: Path) -> Iterator[tuple[str, Any]]:
    """Every plain value within ``value``, which is at ``place`` in the file ``path``, with its own place."""
    if depth > MAX_DEPTH:
        raise _too_deep(path)
    if isinstance(value, dict):
        for name, entry in value.items():
            yield from _entries(entry, f"{place}.{key(name)}".lstrip("."), depth + 1, path)
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from _entries(entry, f"{place}[{index}]", depth + 1, path)
    else:
        yield place, value
