"""Tables of runs: that of a sweep, and that of run folders which are in none."""

import csv
import io
import json
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

from ...contract.errors import ConfigError
from ...system import files
from ...train import run_folder
from ...train.results import TrainResult, TransferResult
from ...train.run_folder import Record
from ..sweep import document
from ..sweep.document import Sweep
from ..sweep.earlier import COPY
from ..sweep.table import CSV as TABLE
from ..sweep.table import DONE, ENERGY, WAITING
from ..sweep.table import FIRST as HEAD

RUNS = "runs"
"""Of a sweep: the folder of its run folders."""
MOST_BYTES = 256 << 20
"""Of a table."""
FIRST_RESULT = "test_accuracy"
"""The column with which results begin. Those between are the fields that differ between runs."""
SEED = "seed"
DIGEST, SHORT = re.compile("[0-9a-f]{16,}"), 8
"""What names the runs of a sweep, and how many letters of it stand in charts."""
Row = dict[str, Any]
"""A run: text, numbers or None, by column."""


class Run(NamedTuple):
    """A run that is in no sweep."""

    folder: Path
    record: Record
    result: TrainResult | None
    """None if it has not ended."""

    @classmethod
    def of(cls, folder: Path, record: Record) -> "Run":
        """The run in ``folder``. ``ConfigError`` if its result cannot be read."""
        kind = TransferResult if record.experiment.transfer else TrainResult
        ended = (folder / run_folder.RESULT).exists()
        return cls(folder, record, run_folder.read_result(folder, kind) if ended else None)


@dataclass(frozen=True, kw_only=True)
class Study:
    """Runs that are looked at together."""

    name: str
    fields: tuple[str, ...]
    """Columns of what differs between the runs: fields of configurations, by their dotted names."""
    rows: list[Row]
    folders: list[Path]
    """Of the runs, in the order of ``rows``. They need not be there."""
    sweep: Sweep | None = None
    """What it describes itself as; None if these runs are no sweep, or do not tell."""

    @property
    def drawn(self) -> dict[str, Any]:
        """The fields that were drawn at random or that a search proposed, each with its list or `Range`."""
        parts = (self.sweep.random, self.sweep.search) if self.sweep else ()
        return {name: choice for part in parts if part for name, choice in part.choices.items()}

    @property
    def short_name(self) -> str:
        """The last part of the name, as it stands in charts."""
        return Path(self.name).absolute().name

    @property
    def done(self) -> list[Row]:
        """The runs that have a result."""
        return [row for row in self.rows if _ended(row)]

    @property
    def columns(self) -> list[str]:
        """Of the rows, in their order, without those that are always empty."""
        names = dict.fromkeys(name for row in self.rows for name in row)
        return [name for name in names if any(row.get(name) is not None for row in self.rows)]

    def chosen(self, most: int) -> list[tuple[str, Path]]:
        """Names and folders of the runs that are looked at one by one: all that have ended, if there are at most
        ``most``; otherwise the best, the median and the worst of them."""
        ended = [(row, folder) for row, folder in zip(self.rows, self.folders, strict=True) if _ended(row)]
        if len(ended) <= most:
            return [(shortened(row["run"]), folder) for row, folder in ended]
        ended.sort(key=lambda each: each[0][FIRST_RESULT])
        picked = {"best": ended[-1], "median": ended[len(ended) // 2], "worst": ended[0]}
        return [(f"{name}: {shortened(row['run'])}", folder) for name, (row, folder) in picked.items()]


def read_table(folder: Path) -> Study:
    """The sweep in ``folder``. ``ConfigError`` if its table is none."""
    path = folder / TABLE
    try:
        lines = list(csv.DictReader(io.StringIO(files.read(path, MOST_BYTES).decode(), newline="")))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (ValueError, csv.Error) as error:
        raise ConfigError(f"{path}: not the table of a sweep ({error})") from None
    names = [name for name in (lines[0] if lines else ()) if name]
    if not set(HEAD) <= set(names):
        raise ConfigError(f"{path}: not the table of a sweep: it has no runs with the columns {', '.join(HEAD)}")
    if any(line[name] is None for line in lines for name in HEAD):
        raise ConfigError(f"{path}: not the table of a sweep: a line of it is too short")
    varied = list(takewhile(lambda name: name not in (FIRST_RESULT, *ENERGY), names[names.index(HEAD[-1]) + 1:]))
    rows = [{name: line[name] if name in HEAD else _value(line[name]) for name in names} for line in lines]
    return Study(name=str(folder), fields=tuple(varied), rows=rows,
                 folders=[folder / RUNS / row["run"] for row in rows], sweep=_described(folder))


def _described(folder: Path) -> Sweep | None:
    """The description of the sweep in ``folder``; None if there is none that can be read."""
    try:
        return document.read(folder / COPY)
    except (ConfigError, OSError):
        return None


def of_runs(runs: Sequence[Run]) -> Study:
    """``runs`` as a study: its fields are those in which their configurations differ. They are called by their folders,
    from the one that holds all of them."""
    told = [dict(_flat(run.record.experiment.model_dump(mode="json"))) for run in runs]
    names = [name for name in dict.fromkeys(name for fields in told for name in fields) if name != "name"]
    varied = [name for name in names if len({repr(fields.get(name)) for fields in told}) > 1]
    common = os.path.commonpath([run.folder.absolute().parent for run in runs])
    rows = [{"run": os.path.relpath(run.folder, common), "status": DONE if run.result else WAITING, "error": None,
             "config": run.record.experiment.name} | {name: fields.get(name) for name in varied} | _results(run.result)
            for run, fields in zip(runs, told, strict=True)]
    return Study(name="runs", fields=tuple(varied), rows=rows, folders=[run.folder for run in runs])


def shortened(run: str) -> str:
    """The name of a run as it stands in charts: the beginning of a digest, other names as they are."""
    return run[:SHORT] if DIGEST.fullmatch(run) else run


def _ended(row: Row) -> bool:
    return row["status"] == DONE and isinstance(row.get(FIRST_RESULT), int | float)


def _results(result: TrainResult | None) -> Row:
    """The figures of a result."""
    if result is None:
        return {}
    return {each.name: value for each in fields(result)
            if isinstance(value := getattr(result, each.name), int | float)}


def _flat(section: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """The fields of a configuration by their dotted names; lists of sections by their numbers, other lists as text."""
    if isinstance(section, dict):
        for name, value in section.items():
            yield from _flat(value, f"{place}.{name}".lstrip("."))
    elif isinstance(section, list) and any(isinstance(entry, dict) for entry in section):
        for index, entry in enumerate(section):
            yield from _flat(entry, f"{place}[{index}]")
    else:
        yield place, json.dumps(section) if isinstance(section, list) else section


def _value(text: str | None) -> Any:
    """A value of the table: a number if it looks like one, None if there is none."""
    if not text:
        return None
    for kind in (int, float):
        try:
            value = kind(text)
            return value if math.isfinite(value) else None
        except ValueError:
            continue
        except OverflowError:  # a whole number beyond all that can be drawn
            return None
    return text
