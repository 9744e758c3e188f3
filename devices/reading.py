"""Measurements as people have them: CSV files of several forms, read into `measurements.Measurements`.

Separators are commas, semicolons, tabs, bars or spaces; numbers may have decimal commas where these are not the
separators. The first line that is not empty and does not begin with # names the columns. Names may be followed by a
unit in brackets. There are two forms:

- a row a pulse, with the columns ``before``, ``pulse`` and ``after``;
- a row a reading, with the conductance after each pulse, and a column with the pulses' numbers or directions. What was
  before a pulse is then the reading before. The steps between two trains of pulses are left out.

The optional column ``length`` is the length of the pulse, ``device`` the name of the device that got it. Whatever was
not plainly said, but concluded, is told in ``Measurements.notes``.
"""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..contract.errors import ConfigError, shown
from ..system import files
from .measurements import Measurements

MAX_BYTES = 1 << 26
"""Of a file; a larger one is no table of pulses."""
LARGEST = 1e60
"""Largest number, in whatever unit: the squares of all can be added up. Overflowed readings are far smaller."""
SIEMENS = {"S": 1e6, "mS": 1e3, "uS": 1.0, "nS": 1e-3, "pS": 1e-6}
"""Units of conductance, in uS. Measurements in one of them are taken to uS."""
ROLES = {
    "before": ("before", "conductance before", "g before", "g0", "g initial", "initial conductance"),
    "after": ("after", "conductance after", "g after", "g1", "g final", "final conductance"),
    "pulse": ("pulse", "direction", "polarity", "target", "target state"),
    "conductance": ("conductance", "g"),
    "number": ("number", "pulse number", "pulse no", "pulse #", "pulse index", "n"),
    "length": ("length", "pulse length", "width", "pulse width", "duration"),
    "device": ("device", "device name"),
}
"""What a column holds, and by which names it is found."""
_SEPARATORS = (",", ";", "\t", "|")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_UNIT = re.compile(r"(.*?)\s*[(\[]\s*([^()\[\]]*?)\s*[)\]]")
_TURN = 0.3
"""Part of the range by which a series of readings must turn back for a new train of pulses to begin."""
_DROP, _DROP_STEPS = 0.1, 5
"""A step at a turn is a drop between two trains if it is more than this part of the range, and so many times the median
of as many steps behind it."""


@dataclass
class _Table:
    """The cells of a file, and what is known of them."""

    path: Path
    header: list[str]
    rows: list[int]
    """Line of each row in the file, from 1."""
    cells: list[list[str]]
    notes: list[str]

    def column(self, place: int) -> list[str]:
        """The cells of the column ``place``; one that is empty or missing is refused."""
        column = [line[place].strip() if place < len(line) else "" for line in self.cells]
        for row, cell in zip(self.rows, column, strict=True):
            if not cell:
                raise ConfigError(f"{self.path}: row {row}: {self.header[place]} is empty")
        return column

    def numbers(self, place: int) -> np.ndarray:
        """The column ``place`` as numbers."""
        column = [cell.replace("\N{MINUS SIGN}", "-") for cell in self.column(place)]
        if any("," in cell for cell in column):
            self._remember(f"decimal commas: {next(cell for cell in column if ',' in cell)} is read as "
                           f"{next(cell for cell in column if ',' in cell).replace(',', '.')}")
        name = self.header[place]
        return np.array([_number(cell, f"{self.path}: row {row}: {name}")
                         for row, cell in zip(self.rows, column, strict=True)])

    def _remember(self, note: str) -> None:
        if not any(known.startswith(note.split(":")[0]) for known in self.notes):
            self.notes.append(note)


def read(path: str | Path, names: Mapping[str, str] | None = None, unit: str = "") -> Measurements:
    """The measurements in the file ``path``.

    ``names`` says which column holds what, by the keys of ``ROLES``, where it is not plain. ``unit`` is that of the
    conductances unless the header has one. ``ConfigError`` names the column that is missing, or the row and column that
    hold no finite number.
    """
    table = _table(Path(path))
    places = _places(table, dict(names or {}))
    units = {role: _base_and_unit(table.header[place])[1] for role, place in places.items()}
    form = _pulses if "before" in places else _series
    measured = form(table, places)
    devices = table.column(places["device"]) if "device" in places else []
    measured = _in_microsiemens(measured, units, unit, table)
    if devices and measured.device is None:
        labels = tuple(dict.fromkeys(devices))
        index = {name: number for number, name in enumerate(labels)}
        measured = replace(measured, device=np.array([index[name] for name in devices]), devices=labels)
    return replace(measured, notes=tuple(table.notes))


def _table(path: Path) -> _Table:
    text = _text(path)
    if "\0" in text:
        raise ConfigError(f"{path}: not text: it has null characters")
    lines = text.splitlines(keepends=True)
    first = next((index for index, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
    header = lines[first] if lines[first:] else ""
    separator = max(_SEPARATORS, key=header.count)
    if header.count(separator):
        reader = csv.reader(io.StringIO("".join(lines[first:]), newline=""), delimiter=separator)
        try:
            parsed = [(first + reader.line_num, line) for line in reader]
        except csv.Error as error:
            raise ConfigError(f"{path}: row {first + reader.line_num}: {error}") from None
    else:
        parsed = [(first + index, line.split()) for index, line in enumerate(lines[first:], 1)]
    names = [cell.strip() for cell in parsed[0][1]] if parsed else []
    rows = [(row, line) for row, line in parsed[1:] if any(cell.strip() for cell in line)]
    return _Table(path, names, [row for row, _ in rows], [line for _, line in rows], [])


def _text(path: Path) -> str:
    try:
        content = files.read(path, MAX_BYTES)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    try:
        return content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        latin = content.decode("latin-1")
        if set(re.sub(r"[\x00-\x7f]", "", latin)) <= set("µ°±Ω²"):
            return latin  # a unit as older instruments write it
        raise ConfigError(f"{path}: not text in UTF-8: {error}") from None


def _base_and_unit(name: str) -> tuple[str, str]:
    """The name of a column in lower case, and the unit behind it; empty if there is none."""
    match = _UNIT.fullmatch(name.strip())
    base, unit = match.groups() if match else (name, "")
    return " ".join(base.replace("_", " ").split()).casefold(), unit.replace("µ", "u").replace("μ", "u")


def _places(table: _Table, names: dict[str, str]) -> dict[str, int]:
    """Where in a line each role's column is."""
    there = ", ".join(filter(None, table.header)) or "none"
    bases = [_base_and_unit(name)[0] for name in table.header]
    places: dict[str, int] = {}
    for role, name in names.items():
        exact = [index for index, header in enumerate(table.header) if header == name.strip()]
        found = exact or [index for index, base in enumerate(bases) if base == _base_and_unit(name)[0]]
        if not found:
            raise ConfigError(f"{table.path}: no column {name!r}, which --{role} names; there are {there}")
        places[role] = _only(table, found, name)
    for role, known in ROLES.items():
        for name in () if role in places else known:
            found = [index for index, base in enumerate(bases) if base == name and index not in places.values()]
            if found:
                places[role] = _only(table, found, name)
                if name != role:
                    table.notes.append(f"column {table.header[found[0]]!r} is taken as {role}")
                break
    if "conductance" in places and ("number" in places or "pulse" in places) and "before" not in places:
        return {role: place for role, place in places.items() if role not in ("before", "after")}
    for role in ("before", "pulse", "after"):
        if role not in places:
            raise ConfigError(f"{table.path}: no column {role!r}; the first line must name the columns, and names "
                              f"{there}; call it {role!r}, or name it: `spinloom device fit --{role} NAME`")
    if not table.rows:
        raise ConfigError(f"{table.path}: no measurements below the names of the columns")
    return {role: place for role, place in places.items() if role not in ("conductance", "number")}


def _only(table: _Table, found: list[int], name: str) -> int:
    if len(found) > 1:
        raise ConfigError(f"{table.path}: there is more than one column {name!r}")
    return found[0]


def _number(cell: str, place: str) -> float:
    if _DECIMAL_COMMA.fullmatch(cell):
        cell = cell.replace(",", ".")
    if cell.lstrip("+-").casefold() in ("nan", "inf", "infinity"):
        raise ConfigError(f"{place}={cell!r} is not finite")
    if not _NUMBER.fullmatch(cell):
        raise ConfigError(f"{place}={shown(cell)} is not a number")
    number = float(cell)
    if abs(number) > LARGEST:
        raise ConfigError(f"{place}={shown(cell)} is beyond {LARGEST:g}")
    return number


def _pulses(table: _Table, places: dict[str, int]) -> Measurements:
    """A row a pulse."""
    before, pulse, after = (table.numbers(places[role]) for role in ("before", "pulse", "after"))
    length = table.numbers(places["length"]) if "length" in places else None
    return Measurements(str(table.path), np.array(table.rows), before, pulse, after, length)


def _series(table: _Table, places: dict[str, int]) -> Measurements:
    """A row a reading after a pulse."""
    if len(table.rows) < 2:
        raise ConfigError(f"{table.path}: no measurements below the names of the columns")
    conductance, count = table.numbers(places["conductance"]), len(table.rows)
    pulse = table.numbers(places["pulse"]) if "pulse" in places else None
    number = table.numbers(places["number"]) if "number" in places else None
    if number is None and pulse is not None and (np.diff(pulse) == 1).mean() > 0.5:
        pulse, number = None, pulse
    begins = np.zeros(count, dtype=bool)
    begins[0] = True
    device = None
    if "device" in places:
        labels = table.column(places["device"])
        devices = tuple(dict.fromkeys(labels))
        device = np.array([devices.index(label) for label in labels])
        begins[1:] |= np.diff(device) != 0
    if number is not None:
        begins[1:] |= np.diff(number) <= 0
    if begins.all():
        raise ConfigError(f"{table.path}: every reading begins a train of pulses, by its number or device, so that "
                          "none has one before it")
    if pulse is None:
        pulse, turns = _directions(conductance, begins)
        begins |= turns
        table.notes.append(f"directions follow from the readings: {int((pulse[~begins] > 0).sum())} pulses up, "
                           f"{int((pulse[~begins] < 0).sum())} down, in {int(begins.sum())} trains")
    kept = ~begins
    before = np.concatenate([[np.nan], conductance[:-1]])
    table.notes.append(f"before a pulse is the reading before; {int(begins.sum())} readings that begin a train have "
                       "none")
    return Measurements(
        str(table.path), np.array(table.rows)[kept], before[kept], pulse[kept], conductance[kept],
        length=table.numbers(places["length"])[kept] if "length" in places else None,
        device=device[kept] if device is not None else None, devices=devices if device is not None else ())


def _directions(conductance: np.ndarray, begins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The direction, 1 or -1, of the pulse before each reading, by the trend of its train; and where a train begins
    that no number tells of: where the readings turn back, and at the drop between two trains."""
    reach = _TURN * np.ptp(conductance)
    pulse, turns = np.ones(len(conductance)), np.zeros(len(conductance), dtype=bool)
    starts = np.append(np.flatnonzero(begins), len(begins))
    for first, end in zip(starts, starts[1:], strict=False):
        extreme, trend = first, 0.0  # the furthest reading of the trend, and its sign
        start = first
        for index in range(first + 1, end):
            change = conductance[index] - conductance[extreme]
            if trend == 0 and abs(change) > reach:
                trend, extreme = np.sign(change), index
            elif trend and change * trend >= 0:
                extreme = index
            elif trend and abs(change) > reach:
                drop = _drop(conductance[extreme:min(index + 1 + _DROP_STEPS, end)])
                turn = extreme + 1 if drop is None else extreme + drop
                turns[turn] = drop is not None
                pulse[start:turn] = trend
                start, trend, extreme = turn, -trend, index
        pulse[start:end] = trend or np.sign(conductance[end - 1] - conductance[start]) or 1.0
    return pulse, turns


def _drop(conductance: np.ndarray) -> int | None:
    """The place of the reading behind the drop in a series that turns back; None if it has none."""
    steps = np.abs(np.diff(conductance))
    place = int(steps.argmax())
    behind = steps[place + 1:place + 1 + _DROP_STEPS]
    wide = steps[place] > _DROP * np.ptp(conductance) and len(behind) and steps[place] > _DROP_STEPS * np.median(behind)
    return place + 1 if wide else None


def _in_microsiemens(measured: Measurements, units: dict[str, str], unit: str, table: _Table) -> Measurements:
    """``measured`` in uS if its unit is one of ``SIEMENS``, else as it is, with the name of its unit."""
    before, after = (units.get(role) or units.get("conductance", "") for role in ("before", "after"))
    if before != after and (before not in SIEMENS or after not in SIEMENS):
        raise ConfigError(f"{table.path}: the columns before and after have the units {before!r} and {after!r}")
    if "ohm" in before.casefold() or "Ω" in before:
        raise ConfigError(f"{table.path}: the readings are resistances ({before}); conductances are needed")
    if unit and before and unit != before:
        raise ConfigError(f"{table.path}: --unit {unit} contradicts the header, which says {before}")
    given = _base_and_unit(f"({unit})")[1]
    before, after = before or given, after or given
    if before not in SIEMENS:
        return replace(measured, unit=before)
    if (before, after) != ("uS", "uS"):
        table.notes.append(f"conductances in {before} are taken to uS")
    return replace(measured, before=measured.before * SIEMENS[before], after=measured.after * SIEMENS[after],
                   unit="uS")
