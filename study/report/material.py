"""What a report is made of: everything in some folders that a command of the program has left there.

Folders of runs and of sweeps are known by their files, other results by the fields of their JSON, whatever the file is
called: ``spinloom cosim digits-dw5 --json > runs/cosim.json``. What cannot be read is named, and the rest is used.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...contract.errors import ConfigError, one_line
from ...system import files
from ...train import run_folder
from ...train.results import EvaluateResult
from ..energy.results import EnergyResult
from .results import Agreement, Fit, Size
from .table import RUNS, TABLE, Run, Study, of_runs, read_table

MOST_BYTES = 16 << 20
"""Of a file of JSON."""
REMEDY = "give the folder of a run or a sweep, or one with results as --json prints them"


@dataclass(frozen=True, kw_only=True)
class Material:
    """What has been found. Names are those of files or folders, as they were given."""

    studies: list[Study] = field(default_factory=list)
    """Sweeps, and the runs that are in none, as one."""
    agreements: list[Agreement] = field(default_factory=list)
    """Of golden model and hardware."""
    evaluations: list[tuple[str, EvaluateResult]] = field(default_factory=list)
    energies: list[tuple[str, EnergyResult]] = field(default_factory=list)
    sizes: list[Size] = field(default_factory=list)
    fits: list[tuple[Path, Fit]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """What could not be read, and why, a line each."""


def gather(folders: Sequence[str | Path]) -> Material:
    """All that is in ``folders`` and in the folders within them. ``ConfigError`` if one of them is no folder, or if
    nothing is found at all."""
    found = Material()
    runs: list[Run] = []
    seen: set[Path] = set()
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise ConfigError(f"{folder}: no such folder; {REMEDY}")
        for place in _folders(folder):
            if place.resolve() in seen:  # a folder that is given twice, or within another
                continue
            seen.add(place.resolve())
            with _told(found):
                runs += _enter(place, found)
    if runs:
        found.studies.append(of_runs(runs))
    if not any((found.studies, found.agreements, found.evaluations, found.energies, found.sizes, found.fits)):
        reason = f": {found.left_out[0]}" if found.left_out else f" in {', '.join(map(str, folders))}"
        raise ConfigError(f"there is nothing to report{reason}; {REMEDY}")
    return found


def _folders(folder: Path) -> Iterator[Path]:
    """``folder`` and the folders in it, but for the runs of a sweep and for precursors."""
    for place, below, names in os.walk(folder):
        left = {run_folder.PRECURSOR} | ({RUNS} if TABLE in names else set())
        below[:] = sorted(name for name in below if name not in left and not name.startswith("."))
        yield Path(place)


def _enter(folder: Path, found: Material) -> list[Run]:
    """Put what lies in ``folder`` itself into ``found``; returns its run, if it is the folder of one of ``train``.
    ``ConfigError`` if that run cannot be read."""
    names = sorted(path.name for path in folder.iterdir() if path.suffix in (".json", ".csv"))
    if TABLE in names:
        with _told(found):
            found.studies.append(read_table(folder))
    run = _run(folder) if run_folder.RECORD in names else None
    of_run = {run_folder.RECORD} | ({run_folder.RESULT} if run else set())
    for name in names:
        if name.endswith(".json") and name not in of_run:
            with _told(found):
                _document(folder / name, found)
    return [run] if run else []


def _run(folder: Path) -> Run | None:
    """The run in ``folder``; None if it is one in lock-step."""
    record = run_folder.read_record(folder)
    if record.identity is not None and record.identity.command != "train":
        return None
    return Run.of(folder, record)


def _document(path: Path, found: Material) -> None:
    """Put what the file ``path`` holds into ``found``."""
    try:
        document = json.loads(files.read(path, MOST_BYTES))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not a whole JSON document ({error})") from None
    _recognise(document, path, found)


def _recognise(document: Any, path: Path, found: Material) -> None:
    """Put the result ``document``, of the file ``path``, into ``found``. Documents of other things are passed over."""
    if not isinstance(document, dict):
        return
    name, keys = str(path), document.keys()
    if {"train", "cosim", "synth"} <= keys and isinstance(document["cosim"], list):  # of the demonstration
        for part in (*document["cosim"], document["synth"]):
            _recognise(part, path, found)
    elif {"bit_exact", "samples"} <= keys:
        found.agreements.append(Agreement.read(document, path))
    elif {"drift", "test_accuracy"} <= keys:
        found.evaluations.append((name, EvaluateResult.from_json(document, name)))
    elif {"digital_joules", "phases"} <= keys:
        found.energies.append((name, EnergyResult.from_json(document, name)))
    elif {"boards", "topology"} <= keys and isinstance(document["boards"], list):
        found.sizes.extend(Size.read(document | board, name) for board in document["boards"] if isinstance(board, dict))
    elif {"luts", "block_rams"} <= keys:
        found.sizes.append(Size.read(document, name))
    elif {"certainty", "table"} <= keys:
        found.fits.append((path, Fit.from_json(document, name)))


@contextmanager
def _told(found: Material) -> Iterator[None]:
    """Within the ``with`` block, a ``ConfigError`` ends the block, and its message is among what is left out."""
    try:
        yield
    except ConfigError as error:
        found.left_out.append(one_line(str(error)))
