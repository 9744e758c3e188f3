"""Measurements of a device: a row a write pulse, in a CSV file; read, or made from a specification.

The columns ``before``, ``pulse`` and ``after`` are the conductance before the pulse, what was asked of the device,
and the conductance after; ``length``, where there is one, is that of the pulse, and ``device`` names the device that
got it. Conductances and lengths are in any unit. What ``pulse`` means depends on the kind of device: the state aimed
at, counted from 0, or a number whose sign is the direction.
"""

import csv
import io
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np

from ..contract.errors import ConfigError
from ..system.files import replace
from .specification import Device, IncrementalDevice, MtjDevice, PcmPairDevice

REQUIRED = ("before", "pulse", "after")
OPTIONAL = ("length", "device")
LENGTHS = 12
"""Pulse lengths that ``measure`` tries, where the length matters."""


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


def read(path: str | Path) -> Measurements:
    """The measurements in a CSV file; columns of other names are ignored. ``ConfigError`` names the column that is
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
        rows, cells = [], {name: [] for name in places}
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
    text = io.StringIO()
    names = [name for name in REQUIRED + OPTIONAL if getattr(measurements, name) is not None]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for index in range(len(measurements)):
        cells = {name: f"{getattr(measurements, name)[index]:.6g}" for name in names}
        if "device" in cells:
            cells["device"] = measurements.devices[measurements.device[index]]
        writer.writerow([cells[name] for name in names])
    replace(Path(path), lambda file: file.write(text.getvalue().encode()))


def measure(device: Device, pulses: int, seed: int, devices: int = 1, read_noise: float = 0.0) -> Measurements:
    """Measurements as ``devices`` devices of the specification ``device`` would give them, ``pulses`` in all: of its
    real-valued figures, not of its integer tables, so that a fit can be judged by them.

    One level is one unit of conductance, the lowest state 1; a pair is measured as one of its devices, in uS.
    ``read_noise`` is the standard deviation of every reading, in levels. ``ConfigError`` unless there is a pulse for
    every device.
    """
    if not 1 <= devices <= pulses:
        raise ConfigError(f"devices={devices}: must be 1 to the number of pulses, {pulses}")
    random = np.random.default_rng(seed)
    pulser = {IncrementalDevice: _step, PcmPairDevice: _set, MtjDevice: _switch}.get(type(device), _land)
    columns = [np.concatenate(parts) for parts in zip(
        *(pulser(device, len(share), random) for share in np.array_split(np.arange(pulses), devices)), strict=True)]
    level, floor = (device.level, 0.0) if isinstance(device, PcmPairDevice) else (1.0, 1.0)
    before, after = (floor + level * (column + read_noise * random.standard_normal(pulses))
                     for column in (columns[0], columns[2]))
    names = tuple(f"D{number + 1}" for number in range(devices))
    number = np.concatenate([np.full(len(share), index) for index, share in
                             enumerate(np.array_split(np.arange(pulses), devices))])
    return Measurements("", np.arange(pulses) + 2, before, columns[1], after,
                        length=columns[3] if len(columns) > 3 else None,
                        device=number if devices > 1 else None, devices=names if devices > 1 else ())


# Each of these pulses one device, and returns what ``measure`` puts together: before, pulse, after (and length), the
# conductances in levels above the lowest state.

def _land(device: Device, pulses: int, random: np.random.Generator):
    figures = device.physical()
    mean = np.array(figures["mean"]) + (device.states - 1) / 2
    displacement = figures.get("variation", (0.0,))[0] * random.standard_normal()
    target = random.integers(device.states, size=pulses)
    after = mean[target] + displacement + np.array(figures["sigma"])[target] * random.standard_normal(pulses)
    return np.concatenate([[mean[0]], after[:-1]]), target.astype(float), after


def _step(device: IncrementalDevice, pulses: int, random: np.random.Generator):
    """Up until the end of the range is near, then down, and so on."""
    full = device.states - 1
    displacement = device.variation * random.standard_normal()

    def figure(name: str, level: float) -> float:
        points = np.atleast_1d(getattr(device, name))
        return float(np.interp(level / full * len(points) - 0.5, np.arange(len(points)), points))

    rows, level, direction = [], 0.0, 1
    for normal in random.standard_normal(pulses):
        if (level > 0.97 * full and direction > 0) or (level < 0.03 * full and direction < 0):
            direction = -direction
        name = "up" if direction > 0 else "down"
        step = figure(f"{name}_mean", level) + displacement + figure(f"{name}_sigma", level) * normal
        rows.append((level, direction, min(max(level + direction * step, 0.0), full)))
        level = rows[-1][2]
    return np.array(rows).T


def _set(device: PcmPairDevice, pulses: int, random: np.random.Generator):
    """Up until the end of the range is near, then reset."""
    full = device.g_max / device.level
    displacement = device.variation * random.standard_normal()
    rows, level = [], 0.0
    for normal in random.standard_normal(pulses):
        if level > 0.97 * full:
            level = 0.0
        mean, sigma = (figure[0] / device.level + figure[1] * level for figure in (device.step_mean, device.step_sigma))
        rows.append((level, 1.0, min(max(level + mean + displacement + sigma * normal, 0.0), full)))
        level = rows[-1][2]
    return np.array(rows).T


def _switch(device: MtjDevice, pulses: int, random: np.random.Generator):
    """Up or down at random; of a random length, in the unit of ``pulse_length``, if that is what decides."""
    chances = device.physical()["probability"]
    timed = device.curve == "switching_time"
    rows, state = [], 0
    for direction, part, u in zip(random.choice((-1, 1), pulses), random.integers(1, LENGTHS + 1, pulses),
                                  random.random(pulses), strict=True):
        chance = device.probability(part / LENGTHS) if timed else chances[state + (direction < 0) * device.states]
        after = min(max(state + direction * (u < chance), 0), device.states - 1)
        rows.append((state, direction, after) + ((device.pulse_length * part / LENGTHS,) if timed else ()))
        state = after
    return np.array(rows, dtype=float).T
