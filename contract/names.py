"""Names of experiments: they become names of folders, of files, and of Verilog modules."""

MAX_BYTES = 120
"""Longest name, in UTF-8: what is put before and behind it still makes a file name."""


def check(name: str) -> str:
    """``name``; ``ValueError`` if it cannot be the name of an experiment."""
    if not name:
        raise ValueError("must not be empty")
    if len(name.encode("utf-8", "replace")) > MAX_BYTES:
        raise ValueError(f"must be at most {MAX_BYTES} bytes long in UTF-8")
    bad = next((letter for letter in name if not _usable(letter)), None)
    if bad is not None:
        raise ValueError(f"must not contain {bad!r}: it names folders and files")
    if name[0] in ".-" or name != name.strip():
        raise ValueError("must not begin with a dot, a hyphen or a space, nor end with a space")
    return name


def made_of(text: str) -> str:
    """A name made of ``text``, which may be anything: what cannot be in a name becomes ``_``."""
    return _cut("".join(letter if _usable(letter) else "_" for letter in text).lstrip(".- "), MAX_BYTES) or "unnamed"


def extended(name: str, suffix: str) -> str:
    """The name ``name`` with ``suffix`` behind it; a long one is cut for it."""
    return _cut(name, MAX_BYTES - len(suffix)) + suffix


def _usable(letter: str) -> bool:
    return letter.isprintable() and letter != "/"


def _cut(name: str, most: int) -> str:
    return name.encode()[:most].decode(errors="ignore").strip()
