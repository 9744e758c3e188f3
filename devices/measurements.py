"""Measurements of devices: write pulses. `reading` reads them from files of many forms; ``write`` leaves the plain one.

The columns ``before``, ``pulse`` and ``after`` are the conductance before the pulse, what was asked of the device, and
the conductance after. What ``pulse`` means depends on the kind of device: the state aimed at, counted from 0, or a
number whose sign is the direction. The optional column ``length`` is the length of the pulse, ``device`` the name of
the device that got it. Conductances and lengths are in any unit.
"""

import csv
import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from ..system import files

REQUIRED = ("before", "pulse", "after")


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
    unit: str = ""
    """Of the conductances; empty if it is not known."""
    notes: tuple[str, ...] = ()
    """What was concluded when they were read."""

    def __len__(self) -> int:
        return len(self.row)

    @property
    def asked(self) -> Literal["state", "up", "direction"]:
        """What was asked of the device, by the looks of it: to go to a state, where all pulses are whole numbers from 0
        up that differ; to go up, always; or to go up or down."""
        if (self.pulse >= 0).all() and (self.pulse == np.floor(self.pulse)).all() \
                and self.pulse.min() < self.pulse.max():
            return "state"
        return "up" if (self.pulse > 0).all() else "direction"

    @property
    def readings(self) -> np.ndarray:
        """All conductances: those before, then those after."""
        return np.concatenate([self.before, self.after])

    def only(self, kept: np.ndarray) -> "Measurements":
        """The rows that are ``kept``, a mask."""
        rest = {name: array[kept] for name in ("length", "device") if (array := getattr(self, name)) is not None}
        return replace(self, row=self.row[kept], before=self.before[kept], pulse=self.pulse[kept],
                       after=self.after[kept], **rest)


def write(path: str | Path, measurements: Measurements) -> None:
    """Put ``measurements`` into a CSV file, a row a pulse, that `reading.read` reads."""
    columns = {name: [f"{value:.6g}" for value in array] for name in (*REQUIRED, "length")
               if (array := getattr(measurements, name)) is not None}
    if measurements.device is not None:
        columns["device"] = [measurements.devices[index] for index in measurements.device]
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    files.replace(Path(path), lambda file: file.write(text.getvalue().encode()))
