"""The folder that a run leaves, and from which it is resumed.

It holds ``experiment.json`` (what is trained, and on how many samples), ``metrics.csv`` (a row for each epoch) and
``state.npz`` (the complete state, see ``docs/arithmetic.md`` 8). At the end come ``result.json`` and ``plot.png``.
Every file is replaced as a whole, so a run that is killed at any moment can be resumed.
"""

import csv
import io
import json
import zipfile
import zlib
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from ..config import Experiment, parse
from ..contract.errors import ConfigError
from ..system.files import replace, write_json
from .results import EpochResult, TrainResult

METRICS = (*(field.name for field in fields(EpochResult)), *EpochResult.old_keys)
"""Columns of ``metrics.csv``: the fields of `EpochResult`, then the names that some of them had before."""

AnyResult = TypeVar("AnyResult", bound=TrainResult)


class Stateful(Protocol):
    """What keeps a state in ``state.npz``."""

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take what is its own from ``state``."""


class Position(NamedTuple):
    """How far a run has come."""

    epoch: int
    """Epochs completed."""
    sample: int = 0
    """Samples trained in the epoch under way."""
    correct: int = 0
    """Those of them that were predicted correctly, each before its update."""


def locate(experiment: Experiment | None, *, out: str | Path | None, resume: str | Path | None,
           samples: int | None) -> tuple[Experiment, Path, int | None]:
    """What is to be trained, in which folder, and on how many samples. A new run of ``experiment`` goes to ``out``
    (default ``runs/<name>``); a run to ``resume`` has everything in its folder, and ``experiment``, if given, must have
    its name. ``ConfigError`` if there is no such run."""
    if resume is None:
        if experiment is None:
            raise ConfigError("there is nothing to train: give an experiment, or a run to resume")
        if samples is not None and samples < 1:
            raise ConfigError(f"samples={samples}: must be at least 1")
        return experiment, Path(out) if out is not None else Path("runs") / experiment.name, samples
    folder = Path(resume)
    found, samples = read_experiment(folder)
    if experiment is not None and experiment.name != found.name:
        raise ConfigError(f"{folder} holds a run of {found.name}, not of {experiment.name}")
    return found, folder, samples


def create(folder: Path, experiment: Experiment, samples: int | None) -> None:
    """Make ``folder`` that of a new run. The results of a run that was there before are deleted."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("state.npz", "metrics.csv", "result.json", "plot.png"):
            (folder / name).unlink(missing_ok=True)
        write_json(folder / "experiment.json", {"experiment": experiment.model_dump(mode="json"), "samples": samples})
    except OSError as error:
        raise ConfigError(f"cannot write to {folder}: {error.strerror}") from None


def read_experiment(folder: Path) -> tuple[Experiment, int | None]:
    """What the run in ``folder`` trains, and on how many samples; ``ConfigError`` if it is not the folder of a run."""
    path = folder / "experiment.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return parse(document["experiment"], str(path)), document["samples"]
    except OSError as error:
        raise ConfigError(f"{folder} is not the folder of a run: cannot read {path}: {error.strerror}") from None
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: not the description of a run ({error})") from None


def write_state(folder: Path, arrays: dict[str, np.ndarray], position: Position) -> None:
    """Write ``state.npz``: ``arrays`` and the position."""
    place = {name: np.array(value, dtype=np.int64) for name, value in position._asdict().items()}
    content: dict[str, Any] = arrays | place
    replace(folder / "state.npz", lambda file: np.savez(file, **content))


def read_state(folder: Path, *parts: Stateful) -> Position:
    """Load ``state.npz`` into ``parts``; ``ConfigError`` if it does not fit them."""
    path = folder / "state.npz"
    try:
        with np.load(path) as file:
            state = dict(file)
        for part in parts:
            part.load(state)
        return Position(*(int(state[name]) for name in Position._fields))
    except FileNotFoundError as error:
        raise ConfigError(f"{folder} has no state: there is no {error.filename}") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ConfigError(f"{path}: cannot be loaded: {error}") from None


def write_metrics(folder: Path, rows: list[EpochResult]) -> None:
    """Write ``metrics.csv``; accuracies have three decimal places."""
    text = io.StringIO()
    writer = csv.DictWriter(text, METRICS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: f"{value:.3f}" if isinstance(value, float) else value
                         for name, value in row.to_json().items()})
    replace(folder / "metrics.csv", lambda file: file.write(text.getvalue().encode()))


def read_metrics(folder: Path) -> list[EpochResult]:
    """The epochs completed so far; ``ConfigError`` if the file does not hold them."""
    path = folder / "metrics.csv"
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [EpochResult.from_json(row, f"{path}, epoch {epoch}")
                for epoch, row in enumerate(csv.DictReader(file), start=1)]


def write_result(folder: Path, result: TrainResult) -> None:
    """Write ``result.json``."""
    write_json(folder / "result.json", result.to_json())


def read_result(folder: Path, kind: type[AnyResult]) -> AnyResult:
    """The result of ``kind`` of the run in ``folder``, which has ended; ``ConfigError`` if there is none."""
    path = folder / "result.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not the result of a run ({error})") from None
    return kind.from_json(document, str(path))
