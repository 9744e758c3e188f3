"""What an earlier sweep has left in a folder, and whether another one may go on there."""

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


def require_extension(folder: Path, sweep: Sweep, first: Iterable[str]) -> None:
    """``ConfigError`` if the table in ``folder`` holds runs that have ended and of which ``sweep`` would lose one.
    ``first`` are the digests of its runs: without a search all, otherwise those of the first batch.

    So a sweep may be given more points, and lose those that have failed; another sweep needs a folder of its own.
    """
    digests = set(first)
    ended, rows = _rows(folder)
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


def _rows(folder: Path) -> tuple[set[str], set[str]]:
    """The digests of the runs in the table that have ended, and of all; none if there is no table, or if no description
    belongs to it."""
    if not (folder / COPY).exists():
        return set(), set()
    found: list[table.Row] = []
    with suppress(ConfigError):
        found = table.read(folder)
    return ({row["run"] for row in found if row.get("status") == table.DONE}, {row["run"] for row in found})


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
