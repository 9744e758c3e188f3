"""What an earlier sweep has left in a folder, and whether another one may go on there."""

import csv
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...contract.errors import ConfigError
from . import table
from .document import Sweep, read
from .fields import flat

COPY = "sweep.toml"
"""In the folder of a sweep: its description."""
NEEDED = "run", "status"
"""Columns of a table."""


def require_extension(folder: Path, sweep: Sweep, first: Iterable[str]) -> None:
    """``ConfigError`` if the table in ``folder`` holds runs that have ended and of which ``sweep`` would lose one.
    ``first`` are the digests of its runs: without a search all, otherwise those of the first batch.

    So a sweep may be given more points, and lose those that have failed; another sweep needs a folder of its own.
    """
    if not (folder / COPY).exists():
        return
    digests, found = set(first), _table(folder)
    if found is None:
        _require_same(folder, sweep)
        return
    rows = {row["run"] for row in found}
    ended = {row["run"] for row in found if row["status"] == table.DONE}
    if not ended:
        return
    if sweep.search:
        lost = ended if not (_is_longer(folder, sweep) and digests & rows) else set[str]()
    else:
        lost = ended - digests
    if lost:
        raise ConfigError(f"{folder} holds another sweep: {len(lost):,} of the {len(ended):,} runs in its table are "
                          f"not in this one; take another folder with --out, or delete {folder / COPY} to replace its "
                          "table and keep its runs")


def _table(folder: Path) -> list[table.Row] | None:
    """The rows of the table in ``folder``, of whichever of its two files can be read; None if neither can."""
    with suppress(ConfigError, KeyError):
        return [{name: row[name] for name in NEEDED} for row in table.read(folder)]
    with suppress(OSError, ValueError, KeyError, csv.Error):
        with (folder / table.CSV).open(encoding="utf-8", newline="") as file:
            rows = [{name: row[name] for name in NEEDED} for row in csv.DictReader(file)]
        return rows or None
    return None


def _require_same(folder: Path, sweep: Sweep) -> None:
    """``ConfigError`` if there is a table in ``folder``, one that cannot be read, and it is not that of ``sweep``."""
    if not any((folder / name).exists() for name in (table.CSV, table.PARQUET)):
        return
    try:
        same = _told(read(folder / COPY)) == _told(sweep)
    except (ConfigError, OSError):
        same = False
    if not same:
        raise ConfigError(f"{folder}: its table cannot be read, and this may be another sweep than that of its "
                          f"{COPY}; take another folder with --out, or delete {folder / COPY} to replace its table and "
                          "keep its runs")


def _is_longer(folder: Path, sweep: Sweep) -> bool:
    """Whether the sweep described in ``folder`` is the search of ``sweep``, with at most as many trials."""
    try:
        before = read(folder / COPY)
    except (ConfigError, OSError):
        return False
    return (before.search is not None and sweep.search is not None and _told(before) == _told(sweep)
            and before.search.trials <= sweep.search.trials)


def _told(sweep: Sweep) -> list[Any]:
    """What ``sweep`` says but for the number of trials, however its fields are nested or ordered."""
    drawn = [part and (part.choices, part.model_dump(exclude={"fields", "trials"}))
             for part in (sweep.random, sweep.search)]
    return [sweep.config, sweep.baseline, flat(sweep.fixed), flat(sweep.grid), [flat(each) for each in sweep.list],
            *drawn]
