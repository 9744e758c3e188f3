"""The folder that a run leaves behind, and resumes from.

It holds ``experiment.json`` (what was trained, and on how many samples), ``metrics.csv`` (a row an epoch),
``state.npz`` (the complete state, see ``docs/arithmetic.md`` 8), and at the end ``result.json`` and ``plot.png``. Every
file is replaced as a whole, so that a run killed at any moment can be resumed.
"""

import csv
import io
import json
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..config import Experiment, parse
from ..contract.errors import ConfigError
from ..system.files import replace

METRICS = ("epoch", "samples", "training_accuracy", "test_accuracy", "programming_events",
           "samples_per_second")
"""Columns of ``metrics.csv``: the epoch, counted from 1, and the samples trained in it; accuracies in percent, in
training (of each prediction before its update) and on the test set after the epoch; write pulses; speed, evaluation
excluded."""


class Position(NamedTuple):
    """How far a run has come."""

    epoch: int
    """Epochs completed."""
    sample: int = 0
    correct: int = 0
    """Samples trained in the epoch under way, and how many of them were predicted correctly before their update."""


def create(folder: Path, experiment: Experiment, samples: int | None) -> None:
    """A run folder for a new run; one that is there already is emptied of its results."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("state.npz", "metrics.csv", "result.json", "plot.png"):
            (folder / name).unlink(missing_ok=True)
        document = {"experiment": experiment.model_dump(mode="json"), "samples": samples}
        replace(folder / "experiment.json", lambda file: file.write(json.dumps(document, indent=2).encode()))
    except OSError as error:
        raise ConfigError(f"cannot write to {folder}: {error.strerror}") from None


def read_experiment(folder: Path) -> tuple[Experiment, int | None]:
    """What the run in ``folder`` trains, and on how many samples; ``ConfigError`` if it is not one."""
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
    replace(folder / "state.npz", lambda file: np.savez(file, **arrays, **place))


def read_state(folder: Path, *parts) -> Position:
    """Load ``state.npz`` into ``parts``, each by its method ``load``; ``ConfigError`` if it does not fit them."""
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


def write_metrics(folder: Path, rows: list[dict]) -> None:
    """Write ``metrics.csv``."""
    text = io.StringIO()
    writer = csv.DictWriter(text, METRICS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    replace(folder / "metrics.csv", lambda file: file.write(text.getvalue().encode()))


def read_metrics(folder: Path) -> list[dict]:
    """The rows written so far, none before the end of the first epoch."""
    path = folder / "metrics.csv"
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_result(folder: Path, result: dict) -> None:
    """Write ``result.json``."""
    replace(folder / "result.json", lambda file: file.write(json.dumps(result, indent=2).encode()))
