"""What the trace of a run tells: its pulses and attempts layer by layer, and the trajectories of cells."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..contract.errors import ConfigError
from ..contract.results import Result
from ..system import files
from ..train.run_folder import TRACE
from ..train.trace import SELECTED, Trace

FIELDS: tuple[str, ...] = SELECTED.names or ()
HEAD = f"{','.join(FIELDS)}\n".encode()
"""The first line of a file of pulses."""


@dataclass(frozen=True, kw_only=True)
class LayerTrace(Result):
    """The pulses of a layer that were asked for."""

    layer: int
    pulses: int
    up: int
    """Those that went up."""
    verify: int
    """Those of program-and-verify."""
    programmed: int
    """First attempts: how often a cell was programmed or rewritten."""
    most_attempts: int
    """Pulses of the cell that took most of them at once; 0 without pulses."""
    cells_pulsed: int
    """Cells with at least one pulse."""
    cells: int


@dataclass(frozen=True, kw_only=True)
class TraceResult(Result):
    """What ``trace`` answers."""

    pulses: int
    first_sample: int | None
    last_sample: int | None
    """Those of the first and of the last pulse; None without pulses."""
    layers: tuple[LayerTrace, ...]
    trajectory: tuple[dict[str, int], ...] | None = None
    """The pulses of the cell that was asked for, with the fields of `train.trace.SELECTED`."""
    csv: Path | None = None
    """The file that the pulses were written to."""


def run(folder: str | Path, *, cell: tuple[int, int, int] | None = None, layer: int | None = None,
        samples: range | None = None, csv: str | Path | None = None, overwrite: bool = False) -> TraceResult:
    """Summarise the trace of the run in ``folder``: all of it or, as far as these are given, that of a ``cell`` (layer,
    row, column) or a ``layer``, in ``samples``. ``csv`` is a file to write the pulses to.

    ``ConfigError`` if the run is not traced, has no such place, or has no pulse from the first of ``samples`` on, or if
    ``csv`` is a file of something else than pulses, unless ``overwrite``.
    """
    trace = Trace.of(folder)
    if samples is not None:
        _require_samples(trace, samples)
    place: dict[str, int | None] = {"layer": layer}
    if cell is not None:
        place = dict(zip(("layer", "row", "col"), cell, strict=True))
    layers, span = _summary(trace, trace.parts(samples=samples, **place))
    if csv is not None:
        files.require_apart(csv, Path(folder) / TRACE)
        files.require_ours(csv, lambda head: head.startswith(HEAD), overwrite)
        files.replace(Path(csv), lambda file: _write_csv(file, trace.parts(samples=samples, **place)))
    trajectory = None
    if cell is not None:
        trajectory = tuple(dict(zip(FIELDS, map(int, pulse), strict=True))
                           for pulse in trace.select(samples=samples, **place).tolist())
    return TraceResult(pulses=sum(each.pulses for each in layers), first_sample=span[0], last_sample=span[1],
                       layers=layers, trajectory=trajectory, csv=None if csv is None else Path(csv))


def _require_samples(trace: Trace, samples: range) -> None:
    """``ConfigError`` if ``samples`` are none, or begin behind the last pulse of ``trace``."""
    name = f"samples {samples.start} to {samples.stop - 1}"
    if not samples:
        raise ConfigError(f"{name}: there are none; give the first one first")
    last = int(trace.pulses["sample"][-1]) if len(trace) else 0
    if samples.start > last:
        raise ConfigError(f"{name}: there is no pulse; the last one of the run is that of sample {last}")


def _summary(trace: Trace, parts: Iterable[np.ndarray]) -> tuple[tuple[LayerTrace, ...], tuple[int | None, int | None]]:
    """What ``parts`` hold of each layer, and their first and last sample."""
    totals = np.zeros((len(trace.shapes), 5), dtype=np.int64)
    pulsed = [np.zeros(shape[:2], dtype=bool) for shape in trace.shapes]
    first = last = None
    for part in parts:
        for layer, (total, cells) in enumerate(zip(totals, pulsed, strict=True)):
            there = part[part["layer"] == layer]
            total[:4] += len(there), there["up"].sum(), there["verify"].sum(), (there["attempt"] == 1).sum()
            total[4] = max(total[4], there["attempt"].max(initial=0))
            cells[there["row"], there["col"]] = True
        if len(part):
            first, last = int(part["sample"][0]) if first is None else first, int(part["sample"][-1])
    names = "pulses", "up", "verify", "programmed", "most_attempts"
    return tuple(LayerTrace(layer=layer, cells_pulsed=int(cells.sum()), cells=cells.size,
                            **dict(zip(names, total.tolist(), strict=True)))
                 for layer, (total, cells) in enumerate(zip(totals, pulsed, strict=True))), (first, last)


def _write_csv(file: BinaryIO, parts: Iterable[np.ndarray]) -> None:
    file.write(HEAD)
    for part in parts:
        np.savetxt(file, part, fmt="%d", delimiter=",")
