"""Measurements of devices: write pulses, one a row of a CSV file.

The columns ``before``, ``pulse`` and ``after`` are the conductance before the pulse, what was asked of the device, and
the conductance after. What ``pulse`` means depends on the kind of device: the state aimed at, counted from 0, or a
number whose sign is the direction. The optional column ``length`` is the length of the pulse, ``device`` the name of
the device that got it. Conductances and lengths are in any unit.
"""

import csv
import io
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from ..contract.errors import ConfigError
from ..system.files import replace

REQUIRED = ("before", "pulse", "after")
OPTIONAL = ("length", "device")


class Response(NamedTuple):
    """What one device did under write pulses: float64 arrays, a pulse an entry. Conductances are in levels above the
    lowest state."""

    before: np.ndarray
    pulse: np.ndarray
    after: np.ndarray
    length: np.ndarray | None = None
    """Of each pulse, in the unit in which such devices are measured; None where it does not matter."""


@dataclass(frozen=True)
class Measurements:
    """Write pulses: arrays of one length, float64 unless said otherwise."""

    name: str
    """The file that they are from."""
    row: np.ndarray
    """Line of the file, from 1."""
    before: np.ndarray
    pulse: np.ndarray
    after: np.ndarray
    length: np.ndarray | None = None
    device: np.ndarray | None = None
    """int64: which of ``devices``."""
    devices: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.row)

    @property
    def asked(self) -> Literal["length", "state", "up", "direction"]:
        """What was asked of the device, by the looks of it: to switch under a pulse of a length; to go to a state,
        where all pulses are whole numbers from 0 up that differ; to go up, always; or to go up or down."""
        if self.length is not None:
            return "length"
        if (self.pulse >= 0).all() and (self.pulse == np.floor(self.pulse)).all() \
                and self.pulse.min() < self.pulse.max():
            return "state"
        return "up" if (self.pulse > 0).all() else "direction"


def read(path: str | Path) -> Measurements:
    """The measurements in a CSV file. Columns of other names are ignored. ``ConfigError`` names the column that is
    missing, or the row and column that hold no finite number."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not text in UTF-8: {error}") from None
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        places = _places(path, [name.strip() for name in next(reader, [])])
        rows: list[int] = []
        cells: dict[str, list[str]] = {name: [] for name in places}
        for line in reader:
            if any(cell.strip() for cell in line):
                rows.append(reader.line_num)
                for name, place in places.items():
                    cells[name].append(line[place].strip() if place < len(line) else "")
    except csv.Error as error:
        raise ConfigError(f"{path}: row {reader.line_num}: {error}") from None
    if not rows:
        raise ConfigError(f"{path}: no measurements below the names of the columns")
    for name, column in cells.items():
        for row, cell in zip(rows, column, strict=True):
            if not cell:
                raise ConfigError(f"{path}: row {row}: {name} is empty")
    arrays = {name: np.array([_number(cell, f"{path}: row {row}: {name}")
                              for row, cell in zip(rows, cells[name], strict=True)])
              for name in places if name != "device"}
    devices = tuple(dict.fromkeys(cells.get("device", ())))
    if devices:
        index = {name: number for number, name in enumerate(devices)}
        arrays["device"] = np.array([index[name] for name in cells["device"]])
    return Measurements(str(path), np.array(rows), devices=devices, **arrays)


def _places(path: Path, header: list[str]) -> dict[str, int]:
    """Where in a line each column is."""
    for name in REQUIRED:
        if name not in header:
            there = ", ".join(filter(None, header)) or "none"
            raise ConfigError(f"{path}: no column {name!r}; the first line must name the columns, and names {there}")
    for name in REQUIRED + OPTIONAL:
        if header.count(name) > 1:
            raise ConfigError(f"{path}: there is more than one column {name!r}")
    return {name: header.index(name) for name in REQUIRED + OPTIONAL if name in header}


def _number(cell: str, place: str) -> float:
    try:
        number = float(cell)
    except ValueError:
        raise ConfigError(f"{place}={cell!r} is not a number") from None
    if not isfinite(number):
        raise ConfigError(f"{place}={cell!r} is not finite")
    return number


def write(path: str | Path, measurements: Measurements) -> None:
    """Put ``measurements`` into a CSV file that ``read`` reads."""
    columns = {name: [f"{value:.6g}" for value in array] for name in (*REQUIRED, "length")
               if (array := getattr(measurements, name)) is not None}
    if measurements.device is not None:
        columns["device"] = [measurements.devices[index] for index in measurements.device]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    replace(Path(path), lambda file: file.write(text.getvalue().encode()))
