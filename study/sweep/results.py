"""What a sweep answers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...contract.results import Result


@dataclass(frozen=True, kw_only=True)
class FailedRun(Result):
    """A run that could not be trained."""

    run: str
    """Its digest."""
    fields: dict[str, Any]
    """What the sweep gives it."""
    error: str
    """Why, in one line."""


@dataclass(frozen=True, kw_only=True)
class BestTrial(Result):
    """What a search has found."""

    fields: dict[str, Any]
    """What it proposed."""
    value: float
    """Of the column that was to be maximised or minimised: of several runs, their mean."""


@dataclass(frozen=True, kw_only=True)
class SweepResult(Result):
    """A sweep that has come to its end."""

    runs: int
    """All of them."""
    done: int
    """Those trained now."""
    skipped: int
    """Those that existed already."""
    failed: int
    """Those that could not be trained, now or before."""
    seconds: float
    """Time that it took now."""
    table: Path
    """The table in CSV; ``table.parquet`` beside it is the same in Parquet."""
    out: Path
    """The folder of the sweep."""
    failures: tuple[FailedRun, ...]
    best: BestTrial | None = None
    """Of a search; None if every trial has failed."""
