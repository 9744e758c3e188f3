"""A device from measurements: the specification that measured write pulses follow best."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..contract.device import SIGMA_FRAC
from ..contract.errors import ConfigError
from ..contract.results import Result
from ..render import figure as house
from ..system import files, toml
from . import reading
from .domain_wall import LANDS
from .fit_figure import draw
from .fitting import RESOLUTION, Fittable, Learned, Options, Row, landing_share, without_far_readings
from .kinds import KINDS, parse_device, section_of
from .measurements import Measurements
from .specification import Device

HEAD = b"# Made by spinloom device fit.\n"
"""The first line of a device's file, by which it is known."""
DIGITS = 5
"""Significant digits of a figure in a device's file."""
SMALLEST = 1e-60
"""Smallest range of conductances, in whatever unit, that can be calculated with."""
WIDEST_LANDING = 1
"""Write noise, in levels, beyond which states cannot be told apart."""


@dataclass(frozen=True)
class Fit:
    """A device and what it was learned from."""

    device: Device
    level: float
    """Conductance of one level."""
    table: list[Row]
    """What was found, a row a state or segment; the names of the columns are the keys."""
    notes: list[str] = field(default_factory=list)


class Guess(NamedTuple):
    """A kind of device that measurements look like."""

    kind: str
    why: str
    certainty: str


@dataclass(frozen=True, kw_only=True)
class FitResult(Result):
    """What ``run`` has learned and written."""

    kind: str
    why: str
    """Why it is of this kind, in words."""
    certainty: str
    """How sure that is: ``as asked for``, ``sure``, ``likely`` or ``a guess``."""
    pulses: int
    """Write pulses that were measured."""
    level: float
    """Conductance of one level, in the unit of the measurements."""
    unit: str
    """Its name; empty if it has none."""
    table: list[Row]
    """What was found, a row a state or segment; the names of the columns are the keys."""
    notes: list[str]
    """What the user should know: rows left out, columns and units concluded, figures not learned."""
    picture: str | None
    """The picture of data and fit, if one was asked for."""
    device: Device
    out: str
    """The device's file."""

    def to_json(self) -> dict[str, Any]:
        return super().to_json() | {"device": self.device.model_dump(mode="json")}


def run(data: str | Path, out: str | Path, kind: str | None = None, options: Options | None = None, *,
        columns: Mapping[str, str] | None = None, picture: str | Path | None = None,
        overwrite: bool = False) -> FitResult:
    """Learn a device of ``kind``, or of the kind that the data look like, from the CSV file ``data``; write it to the
    TOML file ``out``. ``columns`` says which column is which, as `reading.read` takes it. ``picture`` names a file for
    a picture of the data beside what the device learned would give. ``ConfigError`` if ``out`` or ``picture`` is there
    already and was not made so, unless ``overwrite``."""
    options = options or Options()
    files.require_apart(out, data)
    if picture is not None:
        files.require_apart(picture, data, out)
        files.require_ours(picture, house.is_ours, overwrite)
    files.require_ours(out, lambda head: head.startswith(HEAD), overwrite)
    measured = reading.read(data, columns, options.unit)
    options = replace(options, unit=measured.unit or options.unit)
    guessed = guess(measured) if kind is None else Guess(kind, "as asked for", "as asked for")
    found = fit(measured, guessed.kind, options)
    save(out, found.device)
    if picture is not None:
        Path(picture).parent.mkdir(parents=True, exist_ok=True)
        house.decorate(Path(picture), lambda file: draw(file, measured, found.device))
    return FitResult(
        kind=guessed.kind, why=guessed.why, certainty=guessed.certainty, pulses=len(measured), level=found.level,
        unit=options.unit, table=found.table, notes=[*measured.notes, *found.notes],
        picture=str(picture) if picture is not None else None, device=found.device, out=str(out))


def fittable() -> dict[str, type[Fittable]]:
    """The kinds of device that can be learned, by name."""
    return {name: kind for name, kind in KINDS.items() if issubclass(kind, Fittable)}


def guess(measured: Measurements) -> Guess:
    """The kind of device that ``measured`` looks like, why, and how sure that is. ``ConfigError`` if it is none that
    could be told from the others."""
    measured = _directed(without_far_readings(measured)[0])
    for name, kind in fittable().items():
        if recognised := kind.recognise(measured):
            return Guess(name, *recognised)
    if measured.asked == "state":
        raise ConfigError(
            f"{measured.name}: pulses are whole numbers from {measured.pulse.min():g} to {measured.pulse.max():g}, but "
            f"only {100 * landing_share(measured):.0f} % of the scatter after them follows from these: they are no "
            "states aimed at, and no directions; --kind KIND says what they are")
    raise ConfigError(f"{measured.name}: looks like no kind of device; --kind KIND says which it is")


def _directed(measured: Measurements) -> Measurements:
    """``measured``, with pulses coded 1 and 0 as up and down, where they are not states aimed at."""
    if set(np.unique(measured.pulse)) == {0.0, 1.0} and landing_share(measured) < LANDS:
        return replace(measured, pulse=2 * measured.pulse - 1)
    return measured


def fit(measured: Measurements, kind: str, options: Options | None = None) -> Fit:
    """The device of ``kind`` that fits best. ``ConfigError`` names what the measurements lack, the figure that a device
    cannot have, or why what was learned cannot be."""
    kinds, options = fittable(), options or Options()
    if kind not in kinds:
        raise ConfigError(f"kind={kind!r}: a device can be fitted as {', '.join(kinds)}")
    near, notes = without_far_readings(measured)
    directed = near if kind == "domain_wall" else _directed(near)
    if directed is not near:
        notes.append("pulses coded 1 and 0 are taken as up and down")
    _require_resolved(directed)
    learned = kinds[kind].learn(directed, options)
    device = _device(kind, measured, options, learned)
    _require_plausible(device, measured.name)
    return Fit(device, learned.level, learned.table, [*notes, *learned.notes])


def _require_resolved(measured: Measurements) -> None:
    """``ConfigError`` unless the conductances differ by more than how finely numbers are told apart."""
    lowest, highest = measured.readings.min(), measured.readings.max()
    if highest - lowest <= max(RESOLUTION * max(abs(lowest), abs(highest)), SMALLEST):
        raise ConfigError(f"{measured.name}: the conductance is {lowest:g} everywhere; nothing was switched")


def _require_plausible(device: Device, name: str) -> None:
    """``ConfigError`` if a network could not train in ``device``: if it does not move, or lands anywhere."""
    tables = device.compile()
    if tables.pulse == "landing" and np.median(tables.sigma) > WIDEST_LANDING << tables.sub_bits + SIGMA_FRAC:
        sigma = np.median(tables.sigma) / (1 << tables.sub_bits + SIGMA_FRAC)
        raise ConfigError(f"{name}: writes would scatter by {sigma:.2g} levels, so that no state could be told from "
                          "another; are the pulses states aimed at? --kind KIND says what they are")
    if tables.pulse == "step":
        for direction, part in zip(("up", "down"), np.split(np.array(tables.average), 1 if tables.pair else 2),
                                   strict=False):
            if (part <= 0).all():
                raise ConfigError(f"{name}: pulses {direction} would never move the device that was learned; its steps "
                                  "are smaller than a sub-level, or go the other way")
    if tables.pulse == "switching" and not any(tables.probability):
        raise ConfigError(f"{name}: no pulse has switched anything")


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
    """Write ``device`` to a TOML file, for an experiment's ``device = "FILE.toml"``. ``ConfigError`` unless the name
    ends in .toml."""
    path = Path(path)
    if not toml.is_name(path.name):
        raise ConfigError(f"{path}: the name of a device's file must end in .toml")
    path.parent.mkdir(parents=True, exist_ok=True)
    files.replace(path, lambda file: file.write(HEAD + toml.text_of(section_of(device)).encode()))
