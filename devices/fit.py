"""A device from measurements: the specification that measured write pulses follow best."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..contract.errors import ConfigError
from ..contract.results import Result
from ..system.files import replace
from . import measurements
from .fitting import Fittable, Learned, Options, Row
from .kinds import KINDS, parse_device
from .measurements import Measurements
from .specification import Device

DIGITS = 5
"""Significant digits of a figure in a device's file."""


@dataclass(frozen=True)
class Fit:
    """A device and what it was learned from."""

    device: Device
    level: float
    """Conductance of one level."""
    table: list[Row]
    """What was found, a row a state or segment; the names of the columns are the keys."""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class FitResult(Result):
    """What ``run`` has learned and written."""

    kind: str
    why: str
    """Why it is of this kind, in words."""
    pulses: int
    """Write pulses that were measured."""
    level: float
    """Conductance of one level, in the unit of the measurements."""
    unit: str
    """Its name; empty if it has none."""
    table: list[Row]
    """What was found, a row a state or segment; the names of the columns are the keys."""
    notes: list[str]
    device: Device
    out: str
    """The device's file."""

    def to_json(self) -> dict[str, Any]:
        return super().to_json() | {"device": self.device.model_dump(mode="json")}


def run(data: str | Path, out: str | Path, kind: str | None = None, options: Options | None = None) -> FitResult:
    """Learn a device of ``kind``, or of the kind that the data look like, from the CSV file ``data``; write it to the
    TOML file ``out``."""
    options = options or Options()
    measured = measurements.read(data)
    kind, why = (kind, "as asked for") if kind is not None else guess(measured)
    found = fit(measured, kind, options)
    save(out, found.device)
    return FitResult(kind=kind, why=why, pulses=len(measured), level=found.level, unit=options.unit, table=found.table,
                     notes=found.notes, device=found.device, out=str(out))


def fittable() -> dict[str, type[Fittable]]:
    """The kinds of device that can be learned, by name."""
    return {name: kind for name, kind in KINDS.items() if issubclass(kind, Fittable)}


def guess(measured: Measurements) -> tuple[str, str]:
    """The kind of device that ``measured`` looks like, and why."""
    for name, kind in fittable().items():
        if why := kind.recognise(measured):
            return name, why
    raise ConfigError(f"{measured.name}: looks like no kind of device; --kind KIND says which it is")


def fit(measured: Measurements, kind: str, options: Options | None = None) -> Fit:
    """The device of ``kind`` that fits best. ``ConfigError`` names what the measurements lack, or the figure that a
    device cannot have."""
    kinds, options = fittable(), options or Options()
    if kind not in kinds:
        raise ConfigError(f"kind={kind!r}: a device can be fitted as {', '.join(kinds)}")
    everything = np.concatenate([measured.before, measured.after])
    if everything.min() == everything.max():
        raise ConfigError(f"{measured.name}: the conductance is {everything[0]:g} everywhere; nothing was switched")
    learned = kinds[kind].learn(measured, options)
    return Fit(_device(kind, measured, options, learned), learned.level, learned.table, learned.notes)


def _device(kind: str, measured: Measurements, options: Options, learned: Learned) -> Device:
    """The device of what was learned. Unless the user says how finely a level is resolved, it is as fine as the figures
    need and the tables can hold."""
    section = {"kind": kind, "measured": _origin(measured, options, learned.level)} | rounded(learned.figures)
    bits = options.sub_bits or learned.sub_bits
    while True:
        try:
            return parse_device(section | {"sub_bits": bits}, measured.name)
        except ConfigError:
            if options.sub_bits is not None or bits == 1:
                raise
        bits -= 1


def _origin(measured: Measurements, options: Options, level: float) -> str:
    name = "".join(letter if letter.isprintable() else "?" for letter in Path(measured.name).name)
    return f"{name}, {len(measured)} pulses; one level is {level:.5g} {options.unit or 'units of the measurements'}"


def rounded(value: Any) -> Any:
    """Figures, of whatever nesting, to ``DIGITS`` significant digits."""
    if isinstance(value, dict):
        return {name: rounded(entry) for name, entry in value.items()}
    if isinstance(value, np.ndarray | tuple | list):
        return tuple(map(rounded, value))
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def save(path: str | Path, device: Device) -> None:
    """Write ``device`` to a TOML file, for an experiment's ``device = "FILE.toml"``. Fields at their default are left
    out, but for those of size. ``ConfigError`` unless the name ends in .toml."""
    path = Path(path)
    if path.suffix != ".toml":
        raise ConfigError(f"{path}: the name of a device's file must end in .toml")
    defaults = parse_device({"kind": device.kind}, str(path)).model_dump(mode="json")
    lines = [f"{name} = {json.dumps('none' if value is None else value)}"
             for name, value in device.model_dump(mode="json").items()
             if name in ("kind", "states", "sub_bits") or value != defaults[name]]
    lines.sort(key=lambda line: not line.startswith("kind"))
    replace(path, lambda file: file.write(("\n".join(lines) + "\n").encode()))
