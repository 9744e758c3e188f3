"""Traces: every write pulse of a run, one by one, in the file ``trace.bin`` of its folder (docs/trace.md)."""

import json
import os
from bisect import bisect_left
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Self

import numpy as np

from ..config import Experiment
from ..contract.errors import ConfigError
from ..contract.pulses import ATTEMPT_BITS, PULSE, UP, VERIFY
from ..model.recorder import Recorder
from ..system import files
from . import run_folder, state_file
from .run_folder import TRACE, Record

FORMAT, VERSION = "spinloom trace", 1
TRACED = "traced"
"""The array of ``state.npz`` that tells how many pulses of the trace had been given."""
SELECTED = np.dtype([("sample", "u4"), ("layer", "u1"), ("row", "u2"), ("col", "u2"), ("device", "u1"),
                     ("before", "i2"), ("asked", "i2"), ("after", "i2"), ("attempt", "u2"), ("up", "?"),
                     ("verify", "?")])
"""A write pulse as it is selected from a trace, with its place and its flags in fields of their own."""
MOST_HEADER = 1 << 16
"""Bytes."""
PART = 1 << 18
"""Pulses that are looked at together."""


class TraceWriter:
    """Writes what ``recorder`` keeps to the trace in ``folder``, that of the run of ``record``.

    What `state` returns says how many pulses the trace holds. They are on the disk then, and whatever is there beyond
    them when that state is loaded will be overwritten.
    """

    def __init__(self, folder: Path, record: Record, recorder: Recorder) -> None:
        self.recorder = recorder
        self._path = folder / TRACE
        self._header = header(record)
        self.written = 0
        """Pulses in the file."""

    def begin(self) -> None:
        """Make the file, without a pulse."""
        files.replace(self._path, lambda file: file.write(self._header))

    def append(self) -> None:
        """Write what has been recorded."""
        pulses = self.recorder.take()
        if len(pulses):
            self._put(pulses)
            self.written += len(pulses)

    def state(self) -> dict[str, np.ndarray]:
        self.append()
        self._put(None)
        return {TRACED: np.array(self.written, dtype=np.int64)}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Continue where ``state`` was. ``KeyError`` or ``ValueError`` if the trace does not reach as far, or is of
        another run."""
        written = state[TRACED]
        if written.shape != () or not np.issubdtype(written.dtype, np.integer) or written < 0:
            raise ValueError(f"{TRACED} must be one integer, 0 or more")
        size = len(self._header) + int(written) * PULSE.itemsize
        if not self._path.is_file() or self._path.stat().st_size < size or not self._is_of_run():
            raise ValueError(f"{self._path} is not the trace that belongs to it; put that back, or begin again with "
                             "--overwrite")
        self.written = int(written)

    def _is_of_run(self) -> bool:
        with files.open_regular(self._path) as file:
            return file.read(len(self._header)) == self._header

    def _put(self, pulses: np.ndarray | None) -> None:
        """Write ``pulses`` behind those that are written; None: cut off what is there, and see to it that all is on the
        disk. ``OSError`` names the file."""
        try:
            with self._path.open("r+b") as file:
                file.seek(len(self._header) + self.written * PULSE.itemsize)
                if pulses is not None:
                    file.write(pulses.tobytes())
                else:
                    file.truncate()
                    os.fsync(file.fileno())
        except OSError as error:
            raise OSError(error.errno, error.strerror or str(error), str(self._path)) from error


def header(record: Record) -> bytes:
    """The header of the trace of the run of ``record``."""
    text = json.dumps({"format": FORMAT, "version": VERSION, "identity": record.digest,
                       "layers": _shapes(record.experiment), "pulse": PULSE.descr})
    return f"{text}{' ' * (-(len(text) + 1) % PULSE.itemsize)}\n".encode("ascii")


def _shapes(experiment: Experiment) -> list[list[int]]:
    """Of each layer: rows, columns and, if they are several, the devices of a cell."""
    return [[crossbar.rows, crossbar.cols, *([crossbar.devices] if crossbar.devices > 1 else [])]
            for crossbar in experiment.crossbars]


class Trace:
    """A trace that has been written: that of a run which has ended, or up to its last checkpoint."""

    def __init__(self, pulses: np.ndarray, shapes: list[list[int]], name: str = "trace") -> None:
        """Of ``pulses``, ``PULSE`` (n,), of layers with ``shapes``. ``name`` is for messages."""
        self.pulses = pulses
        """All pulses, ``PULSE`` (n,); of a file, they are mapped to memory."""
        self.shapes = shapes
        """Of each layer: rows, columns and, if they are several, the devices of a cell."""
        self._name = name
        self._firsts = np.cumsum([0, *map(prod, shapes)])

    @classmethod
    def of(cls, folder: str | Path) -> Self:
        """The trace in the folder of a run. ``ConfigError`` if there is none, or none that fits the run."""
        folder = Path(folder)
        record, path = run_folder.read_record(folder), folder / TRACE
        if not record.traced:
            raise ConfigError(f"{folder}: the run is not traced; run it again with --trace")
        state = run_folder.state_path(folder)
        arrays = run_folder.read_bound(state, record, TRACED)
        count, head = state_file.integer(state, arrays, TRACED), _read_header(path)
        expected = header(record)
        if head != expected:
            raise ConfigError(f"{path}: {_reason(head)}")
        if count < 0 or path.stat().st_size < len(expected) + count * PULSE.itemsize:
            raise ConfigError(f"{path}: holds less than the {count:,} pulses of {state}; it has been cut")
        pulses = np.memmap(path, PULSE, "r", len(expected), (count,)) if count else np.empty(0, PULSE)
        return cls(pulses, _shapes(record.experiment), str(path))

    def __len__(self) -> int:
        return len(self.pulses)

    def select(self, *, layer: int | None = None, row: int | None = None, col: int | None = None,
               samples: range | None = None) -> np.ndarray:
        """The pulses of a layer, row and column, and of ``samples``, as far as these are given: ``SELECTED`` (n,). They
        stay in their order. ``ConfigError`` if the network has no such place."""
        return np.concatenate([np.empty(0, SELECTED), *self.parts(layer=layer, row=row, col=col, samples=samples)])

    def parts(self, *, samples: range | None = None, **place: int | None) -> Iterator[np.ndarray]:
        """What ``select`` gives, some of it at a time."""
        self._require(**place)
        first, end = 0, len(self.pulses)
        if samples is not None:
            numbers = self.pulses["sample"]
            first, end = bisect_left(numbers, samples.start), bisect_left(numbers, samples.stop)
        for start in range(first, end, PART):
            yield _matching(self._told(self.pulses[start:min(start + PART, end)]), place)

    def counts(self) -> list[np.ndarray]:
        """How many pulses each cell, or each device of cells of several, has been given: for each layer, int64 of its
        shape."""
        counts = np.zeros(self._firsts[-1], dtype=np.int64)
        for start in range(0, len(self.pulses), PART):
            counts += np.bincount(self._cells(self.pulses[start:start + PART]), minlength=len(counts))
        return [count.reshape(shape) for count, shape in zip(np.split(counts, self._firsts[1:-1]), self.shapes,
                                                             strict=True)]

    def _cells(self, pulses: np.ndarray) -> np.ndarray:
        """The numbers of their cells, int64 (n,). ``ConfigError`` if the network has no such cell."""
        cells = pulses["cell"].astype(np.int64)
        if cells.max(initial=0) >= self._firsts[-1]:
            raise ConfigError(f"{self._name}: names cells that the network does not have; it is damaged")
        return cells

    def _told(self, pulses: np.ndarray) -> np.ndarray:
        """``pulses`` as ``SELECTED``."""
        cells, attempts = self._cells(pulses), pulses["attempt"]
        found = np.empty(len(pulses), SELECTED)
        for name in ("sample", "before", "asked", "after"):
            found[name] = pulses[name]
        found["layer"] = layers = np.searchsorted(self._firsts, cells, side="right") - 1
        devices = np.array([shape[2] if len(shape) > 2 else 1 for shape in self.shapes])[layers]
        places, found["device"] = np.divmod(cells - self._firsts[layers], devices)
        found["row"], found["col"] = np.divmod(places, np.array(self.shapes)[layers, 1])
        found["attempt"] = attempts & (1 << ATTEMPT_BITS) - 1
        found["up"], found["verify"] = attempts & UP, attempts & VERIFY
        return found

    def _require(self, layer: int | None = None, row: int | None = None, col: int | None = None) -> None:
        """``ConfigError`` if the network has no such place."""
        layers = self.shapes if layer is None else self.shapes[layer:layer + 1] if layer >= 0 else []
        if not any((row is None or 0 <= row < rows) and (col is None or 0 <= col < cols) for rows, cols, *_ in layers):
            place = ", ".join(f"{name} {value}" for name, value in (("layer", layer), ("row", row), ("column", col))
                              if value is not None)
            sizes = ", ".join(f"{rows} x {cols}" for rows, cols, *_ in self.shapes)
            raise ConfigError(f"{self._name}: {place}: there is no such place; the layers have {sizes} cells")


def _matching(part: np.ndarray, place: dict[str, int | None]) -> np.ndarray:
    """Those of ``part`` that are at ``place``."""
    chosen = np.ones(len(part), dtype=bool)
    for name, value in place.items():
        if value is not None:
            chosen &= part[name] == value
    return part[chosen]


def _read_header(path: Path) -> bytes:
    try:
        with files.open_regular(path) as file:
            return file.readline(MOST_HEADER)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None


def _reason(head: bytes) -> str:
    """Why a trace with this header is not that of the run."""
    try:
        document = json.loads(head)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        return "is no trace"
    if document.get("version") != VERSION:
        return (f"is a trace of version {json.dumps(document.get('version'))[:20]}; this version of Spinloom reads "
                f"{VERSION}")
    return "is the trace of another run than that of the folder"
