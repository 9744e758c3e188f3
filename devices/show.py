"""What a device is, to look at: its integer tables beside the figures that they stand for, and a picture."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np

from ..contract.device import PROBABILITY_BITS, SIGMA_FRAC, DeviceTables
from ..contract.results import Result
from ..render import figure as house
from ..system.files import replace, require_ours
from . import cycle
from .specification import Device
from .stepping import directions, edges

SHARE = ", "
"""In the place of an entry of a distribution: what comes before its quantile."""
SHOWN = {"5 %": 0.05, "25 %": 0.25, "median": 0.5, "75 %": 0.75, "95 %": 0.95}
"""The quantiles of a distribution that are shown."""


@dataclass(frozen=True, kw_only=True)
class Entry(Result):
    """An entry of an integer table, beside the figure that it stands for."""

    table: str
    """Which field of ``DeviceTables`` it is in."""
    place: str
    """What the entry is for, in words; empty for a single figure."""
    physical: float
    """The figure, in levels; of probabilities and ``stuck``, a fraction."""
    entry: int
    stands_for: float
    """What the entry stands for, in the unit of ``physical``."""
    error: float
    """``stands_for - physical``."""


@dataclass(frozen=True, kw_only=True)
class ShowResult(Result):
    """What ``run`` has shown."""

    old_keys: ClassVar[dict[str, str]] = {"kernel": "pulse"}

    kind: str
    pulse: str
    """The pulse law: ``landing``, ``step`` or ``switching``."""
    states: int
    """Number of nominal states."""
    g_bits: int
    """Width of the conductance level."""
    tables: tuple[Entry, ...]
    device: Device
    picture: str
    """The PNG."""

    def to_json(self) -> dict[str, Any]:
        return super().to_json() | {"device": self.device.model_dump(mode="json")}


def run(device: Device, name: str, picture: str | Path, overwrite: bool = False) -> ShowResult:
    """The tables of ``device``; draws it, under ``name``, to the PNG ``picture``. ``ConfigError`` if that is a file
    there already and no picture of ours, unless ``overwrite``."""
    path = Path(picture)
    require_ours(path, house.is_ours, overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, lambda file: draw(file, device, name))
    tables = device.compile()
    return ShowResult(kind=device.kind, pulse=tables.pulse, states=tables.states, g_bits=tables.g_bits,
                      tables=tuple(entries(device)), device=device, picture=str(path))


def entries(device: Device) -> list[Entry]:
    """Every entry of the integer tables of ``device``."""
    tables = device.compile()
    sub_level = 2.0**-tables.sub_bits
    units = {"sigma": sub_level / 2**SIGMA_FRAC, "variation": sub_level / 2**SIGMA_FRAC,
             "probability": 2.0**-PROBABILITY_BITS, "curve": 2.0**-PROBABILITY_BITS, "stuck": 2.0**-16}
    rows = []
    for name, figures in device.physical().items():
        values = _values(tables, name)
        for place, physical, entry in zip(_places(tables, name, len(values)), figures, values, strict=True):
            stands_for = entry * units.get(name, sub_level)
            rows.append(Entry(table=name, place=place, physical=physical, entry=entry, stands_for=stands_for,
                              error=stands_for - physical))
    return rows


def distributions(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """The quantiles among ``entries`` to read: for each distribution a row with five of them, in levels, as the machine
    has it, and the largest error."""
    rows, quantiles = [], (entry for entry in entries if entry.table == "quantiles")
    for place, group in groupby(quantiles, lambda entry: entry.place.partition(SHARE)[0]):
        each = list(group)
        places = [len(each) * share - 0.5 for share in SHOWN.values()]
        figures = np.interp(places, range(len(each)), [entry.stands_for for entry in each])
        rows.append({"step": place, **dict(zip(SHOWN, figures.tolist(), strict=True)),
                     "error": max((entry.error for entry in each), key=abs)})
    return rows


def _values(tables: DeviceTables, name: str) -> tuple[int, ...]:
    if name == "curve":
        return tables.curve.base if tables.curve else ()
    value = getattr(tables, name)
    return value if isinstance(value, tuple) else (value,)


def _places(tables: DeviceTables, name: str, count: int) -> list[str]:
    """What each of the ``count`` entries of the table ``name`` is for."""
    if name == "curve":
        return [f"at {index / count:g} of a level" for index in range(count)]
    if count == 1:
        return [""]
    if tables.pulse == "landing":
        return [f"to state {state}" for state in range(count)]
    if tables.pulse == "switching":
        return [f"{direction} from state {state}" for direction in ("up", "down") for state in range(tables.states)]
    ends = edges(tables)
    places = [f"{direction} from {low:g} to {high:g}" for direction in directions(tables)
              for low, high in zip(ends, ends[1:], strict=False)]
    each = count // len(places)
    shares = [""] if each == 1 else [f"{SHARE}{100 * (i + 0.5) / each:.1f} %" for i in range(each)]
    return [place + share for place in places for share in shares]


def draw(file: BinaryIO, device: Device, name: str) -> None:
    """Write a PNG of ``device``: figures as lines, the integer tables that stand for them as bars and steps; and its
    cycle."""
    tables = device.compile()
    picture = house.new(9, 11)
    house.headline(picture, f"{name}: {device.kind}, {tables.states} states, {2**tables.sub_bits} sub-levels a level")
    places = picture.add_gridspec(2, 1, height_ratios=(7, 4))
    device.draw(picture.add_subfigure(places[0]), tables)
    cycle.draw(picture.add_subfigure(places[1]).subplots(), device, tables)
    house.plain(*picture.axes)
    house.save(picture, file)
