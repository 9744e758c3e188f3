"""The table of a sweep: a row a run, in CSV and in Parquet."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import fields as fields_of
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

import pyarrow
import pyarrow.parquet

from ...contract.errors import ConfigError
from ...system import files
from ...train.results import TrainResult, TransferResult
from .ranges import label

CSV, PARQUET = "table.csv", "table.parquet"
DONE, FAILED, WAITING = "done", "failed", "waiting"
"""What a run may be."""
FIRST = ("run", "status", "error", "config")
"""Columns before those of the fields that are varied."""
ENERGY = ("energy_joules", "digital_joules")
"""The last columns: joules of the training by `study.energy`, memories banked; those of a dense 32-bit digital
implementation."""
Row = dict[str, Any]


def figures(result: TrainResult) -> Row:
    """The scalars of ``result``, by their names."""
    return {name: getattr(result, name) for name in _scalars(type(result))}


def figure_names() -> list[str]:
    """The columns behind those of the fields, of any run."""
    return [*_scalars(TransferResult), *ENERGY]


def _scalars(kind: type[TrainResult]) -> list[str]:
    """The fields of ``kind`` that are a number or a truth value, or None."""
    kinds = get_type_hints(kind)
    return [each.name for each in fields_of(kind)
            if {*(get_args(kinds[each.name]) or (kinds[each.name],))} <= {int, float, bool, NoneType}]


def write(folder: Path, varied: Sequence[str], rows: Sequence[Row]) -> None:
    """Write both files. Columns are `FIRST`, the fields ``varied``, the figures of the results, `ENERGY`."""
    inner = dict.fromkeys(name for row in rows for name in row)
    names = dict.fromkeys([*FIRST, *varied, *(name for name in inner if name not in ENERGY), *ENERGY])
    columns = {name: _column([row.get(name) for row in rows]) for name in names}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    table = pyarrow.table(columns)
    files.replace(folder / CSV, lambda file: file.write(text.getvalue().encode()))
    files.replace(folder / PARQUET, lambda file: pyarrow.parquet.write_table(table, file))


def read(folder: str | Path) -> list[Row]:
    """The rows of the sweep in ``folder``, by the names of the columns. ``ConfigError`` if there is no table."""
    path = Path(folder) / PARQUET
    try:
        return pyarrow.parquet.read_table(path).to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise ConfigError(f"{path}: not the table of a sweep ({type(error).__name__})") from None


def _column(values: Iterable[Any]) -> list[Any]:
    """``values`` as a column of one type: as they are, if they are all numbers, texts or truth values, or else as
    texts. None stays."""
    values = list(values)
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float}:
        return [float(value) if float in kinds and value is not None else value for value in values]
    if len(kinds) == 1 and kinds <= {str, bool}:
        return values
    return [value if isinstance(value, str | None) else label(value) for value in values]
