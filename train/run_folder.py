"""The folder that a run leaves, and from which it is resumed.

It holds ``experiment.json`` (what is trained, on which data, what has been changed on purpose since, and the shapes of
the network for people), ``metrics.csv`` (a row for each epoch, of ``spinloom train``), ``state.npz`` (the complete
state, see ``docs/arithmetic.md`` 8) and, of a traced run, ``trace.bin`` (``docs/trace.md``). At the end come
``result.json`` and ``plot.png``. Runs in lock-step have ``checkpoint.npz`` until they have ended; ``spinloom epoch``
calls its result ``epoch.json``.

One process at a time works in a run folder. Every file is replaced as a whole, but for the trace, of which the state
says how much counts. All of them carry the digest of `identity.Identity`. So a run that is killed at any moment can be
resumed, and files of different runs are not mistaken for each other.
"""

import csv
import glob
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from ..config import Experiment, parse
from ..contract.errors import ConfigError
from ..contract.results import Result
from ..system import files
from ..system.claim import claimed
from ..system.files import write_json
from ..system.notice import warn
from . import state_file
from .identity import Identity, configuration_differences, digest_of, listed
from .results import EpochResult

METRICS = (*(field.name for field in fields(EpochResult)), *EpochResult.old_keys)
"""Columns of ``metrics.csv``: the fields of `EpochResult`, then the names that some of them had before."""
RECORD = "experiment.json"
STATE, CHECKPOINT = "state.npz", "checkpoint.npz"
METRICS_FILE, PLOT = "metrics.csv", "plot.png"
TRACE = "trace.bin"
RESULT, EPOCH_RESULT = "result.json", "epoch.json"
PRECURSOR = "precursor"
"""Of a transfer: the run folder of the precursor."""
MOST_BYTES = 16 << 20
"""Of a file of text in a run folder."""
OTHERS = 3
"""Folders that a message names at most."""
MOST_EPOCHS = 1_000_000
"""Before a change of the learning rate."""

AnyResult = TypeVar("AnyResult", bound=Result)


class OtherRunError(ConfigError):
    """The run in a folder is of something else than what is to be continued."""


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


@dataclass(frozen=True, kw_only=True)
class Change(Result):
    """What was changed on purpose when a run was resumed."""

    epoch: int
    """The first epoch, counted from 0, that it is meant for."""
    epochs: int | None = None
    """Epochs to train from then on."""
    learning_rate_shifts: tuple[int, ...] | None = None
    """Those of this epoch and the following ones."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """What a run folder says of its run."""

    began: Experiment
    """The experiment as the run began."""
    samples: int | None
    """Samples of an epoch (``spinloom train``). None: all of them, or not recorded."""
    identity: Identity | None
    """None for runs that an earlier version began."""
    digest: str | None
    """Of the identity; None as before."""
    options: dict[str, Any] | None = None
    """Fields of the experiment that options of the command gave at the start, in the place of the configuration's. None
    if they were not recorded."""
    changes: tuple[Change, ...] = ()
    """What has been changed since."""
    traced: bool = False
    """Whether its write pulses are traced."""

    @property
    def experiment(self) -> Experiment:
        """The experiment with all changes."""
        experiment = self.began
        for change in self.changes:
            changed: dict[str, Any] = {}
            if change.epochs is not None:
                changed["epochs"] = change.epochs
            if change.learning_rate_shifts is not None:
                before = [experiment.learning_rate_shift(epoch) for epoch in range(change.epoch)]
                changed["learning_rate_shifts"] = [*before, *change.learning_rate_shifts]
            experiment = experiment.replaced(**changed)
        return experiment


def wanted(experiment: Experiment | None, resume: str | Path | None,
           samples: int | None) -> tuple[Experiment, int | None]:
    """What is to be trained, before changes, and on how many samples. A run to ``resume`` has both in its folder, and
    ``experiment``, if given, must be what it began with. ``ConfigError`` if it is not, or if there is no such run."""
    if resume is None:
        if experiment is None:
            raise ConfigError("there is nothing to train: give an experiment, or a run to resume")
        if samples is not None and samples < 1:
            raise ConfigError(f"samples={samples}: must be at least 1")
        return experiment, samples
    folder = Path(resume)
    record = read_record(folder)
    if experiment is not None:
        _refuse(folder, configuration_differences(record.began, experiment))
    return record.began, record.samples


def default(identity: Identity, suffix: str = "") -> Path:
    """The folder of a run for which none is given. It differs wherever results differ."""
    return Path("runs") / f"{files.safe_name(identity.experiment.name)}-{identity.digest[:8]}{suffix}"


@contextmanager
def hold(folder: Path, identity: Identity, *, resume: bool = False, overwrite: bool = False,
         options: dict[str, Any] | None = None, traced: bool = False) -> Iterator[Record]:
    """Within the ``with`` block, ``folder`` belongs to this process and to the run of ``identity``: one that begins, or
    one to ``resume``. Gives what the folder says of it. ``options`` and ``traced`` are those of a run that begins.

    ``ConfigError`` if the run to resume is of anything else, naming what differs, or if there is a run already that is
    not to be resumed; ``overwrite`` deletes it. ``InUseError`` if another process has the folder.
    """
    if resume and overwrite:
        raise ConfigError("a run is either resumed or overwritten: give one of --resume and --overwrite")
    if resume and traced:
        raise ConfigError("a run that is resumed is traced if it has been from its beginning: leave out --trace")
    if resume:  # before anything is made there
        if not any((folder / name).exists() for name in (RECORD, CHECKPOINT, STATE)):
            raise ConfigError(f"there is no run to resume in {folder}{_told_others(folder)}")
        read_record(folder)
    with claimed(folder):
        if resume:
            record = read_record(folder)
            _check(folder, record, identity)
        else:
            _refuse_run(folder, identity.command, overwrite)
            record = create(folder, identity, options, traced)
        yield record


def create(folder: Path, identity: Identity, options: dict[str, Any] | None = None, traced: bool = False) -> Record:
    """Make ``folder`` that of a new run. What another run has left there is deleted."""
    record = Record(began=identity.experiment, samples=identity.samples, identity=identity, digest=identity.digest,
                    options=options or {}, traced=traced)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _clear(folder)
        _write_record(folder, record)
    except OSError as error:
        raise ConfigError(f"cannot write to {folder}: {error.strerror}") from None
    return record


def change(folder: Path, record: Record, position: Position, *, epochs: int | None,
           rates: tuple[int, ...] | None) -> Record:
    """Let the run in ``folder``, which has come to ``position``, train ``epochs`` epochs, and with the learning-rate
    shifts ``rates`` from the next epoch on; what is None stays. Returns the record of it. ``ConfigError`` if that is
    not possible."""
    current = record.experiment
    if epochs == current.epochs:
        epochs = None
    if epochs is None and rates is None:
        return record
    if record.identity is None:
        raise ConfigError(f"{folder}: was begun by an earlier version, which records no changes; resume it as it is")
    if epochs is not None and epochs < current.epochs:
        raise ConfigError(f"--epochs {epochs}: the run in {folder} is one of {current.epochs} epochs; it can get more, "
                          "not fewer")
    following = position.epoch + (position.sample > 0)
    if rates is not None and following >= (epochs or current.epochs):
        raise ConfigError(f"--rates: the run in {folder} has no epoch to come; give it more with --epochs")
    changed = replace(record, changes=(*record.changes, Change(epoch=following, epochs=epochs,
                                                               learning_rate_shifts=rates)))
    changed.experiment  # noqa: B018 - says what is out of bounds
    for name in (RESULT, PLOT):  # those of the shorter run
        (folder / name).unlink(missing_ok=True)
    _write_record(folder, changed)
    return changed


def read_record(folder: Path) -> Record:
    """What ``folder`` says of its run; ``ConfigError`` if it is not the folder of a run."""
    path = folder / RECORD
    if not path.exists() and (record := _record_of_state(folder)):
        return record
    document = _read_json(path, f"{folder} is not the folder of a run: ", "not the description of a run")
    if not isinstance(document, dict) or not isinstance(document.get("experiment"), dict):
        raise ConfigError(f"{path}: not the description of a run (it has no experiment)")
    samples = document.get("samples")
    if not isinstance(samples, int | None) or isinstance(samples, bool) or samples is not None and samples < 1:
        raise ConfigError(f"{path}: samples={json.dumps(samples)[:40]}: not the description of a run")
    if "digest" not in document:
        return Record(began=parse(document["experiment"], str(path)), samples=samples, identity=None, digest=None)
    if document["digest"] != digest_of(document):
        raise ConfigError(f"{path}: was changed after the run began, as its digest tells; put back what was there. "
                          "--epochs and --rates change a run when it is resumed")
    identity = Identity.from_json(document, str(path))
    options, changes, traced = document.get("options"), document.get("changes"), document.get("traced", False)
    if not isinstance(options, dict) or not isinstance(changes, list) or not isinstance(traced, bool):
        raise ConfigError(f"{path}: not the description of a run (options and changes are missing)")
    record = Record(began=identity.experiment, samples=samples, identity=identity, digest=document["digest"],
                    options=options, changes=tuple(Change.from_json(entry, f"{path}: changes") for entry in changes),
                    traced=traced)
    if any(not 0 <= change.epoch <= MOST_EPOCHS for change in record.changes):
        raise ConfigError(f"{path}: changes: the epoch must be one of the run")
    return record


def read_experiment(folder: Path) -> tuple[Experiment, int | None]:
    """What the run in ``folder`` trains, and on how many samples; ``ConfigError`` if it is not the folder of a run."""
    record = read_record(folder)
    return record.experiment, record.samples


def remark_if_unbound(folder: Path, record: Record) -> None:
    """A warning, if an earlier version began the run."""
    if record.digest is None:
        warn(f"{folder}: the run was begun by an earlier version, which did not record its data; whether data and "
             "files are those of this run cannot be checked")


def write_state(folder: Path, arrays: dict[str, np.ndarray], position: Position, record: Record) -> None:
    """Write ``state.npz``: ``arrays``, the position, and the digest of ``record``."""
    place = {name: np.array(value, dtype=np.int64) for name, value in position._asdict().items()}
    state_file.write_arrays(folder / STATE, arrays | place, record.digest)


def has_state(folder: Path, *, resume: bool) -> bool:
    """Whether the run in ``folder`` has got as far as to leave a state. One to ``resume`` that has not begins again;
    ``ConfigError`` if it has left a result."""
    if (folder / STATE).exists() or (folder / CHECKPOINT).exists():
        return True
    if resume and (folder / RESULT).exists():
        raise ConfigError(f"{folder} has no state: there is no {folder / STATE}, but {RESULT} is there; begin again "
                          "with --overwrite")
    if resume:
        warn(f"{folder}: the run had not got as far as to leave a state; it begins at the start")
    return False


def state_path(folder: Path) -> Path:
    """The file with the latest state of the run in ``folder``, which may be one in lock-step that has not ended.
    ``ConfigError`` if there is none."""
    for name in (CHECKPOINT, STATE):
        if (folder / name).exists():
            return folder / name
    raise ConfigError(f"{folder} has no state: there is no {folder / STATE}")


def read_state(folder: Path, record: Record, *parts: Stateful) -> None:
    """Load the latest state into ``parts``; ``ConfigError`` if it is of another run than ``record``, or does not fit
    them."""
    path = state_path(folder)
    load_into(path, read_bound(path, record), *parts)


def read_position(folder: Path, record: Record) -> Position:
    """The position in ``state.npz``; ``ConfigError`` if it is of another run, or none that a run can have."""
    path = folder / STATE
    arrays = read_bound(path, record, *Position._fields)
    position = Position(*(state_file.integer(path, arrays, name) for name in Position._fields))
    if not 0 <= position.epoch <= record.experiment.epochs or not 0 <= position.correct <= position.sample:
        raise ConfigError(f"{path}: cannot be loaded: epoch {position.epoch}, {position.correct} of {position.sample} "
                          "samples: there is no such position")
    return position


def read_bound(path: Path, record: Record, *names: str) -> dict[str, np.ndarray]:
    """The arrays of the state file ``path``, those of ``names`` if given; ``ConfigError`` if it is not a state of
    ``record``."""
    try:
        arrays = state_file.read_arrays(path, record.began, *names, *([state_file.DIGEST] if names else []))
    except FileNotFoundError:
        raise ConfigError(f"{path.parent} has no state: there is no {path}") from None
    digest = state_file.text(path, arrays, state_file.DIGEST)
    if digest != record.digest:
        raise ConfigError(f"{path}: is the state of another run than that of {path.parent / RECORD} (its digest is "
                          f"{_short(digest)}, that of the run {_short(record.digest)})")
    return arrays


def load_into(path: Path, arrays: dict[str, np.ndarray], *parts: Stateful) -> None:
    """Load ``arrays``, which come from ``path``, into ``parts``; ``ConfigError`` if they do not fit."""
    try:
        for part in parts:
            part.load(arrays)
    except KeyError as error:
        raise ConfigError(f"{path}: cannot be loaded: it has no array {error}") from None
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise ConfigError(f"{path}: cannot be loaded: {error}") from None


def write_metrics(folder: Path, rows: list[EpochResult]) -> None:
    """Write ``metrics.csv``; accuracies have three decimal places."""
    text = io.StringIO()
    writer = csv.DictWriter(text, METRICS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: f"{value:.3f}" if isinstance(value, float) else value
                         for name, value in row.to_json().items()})
    files.replace(folder / METRICS_FILE, lambda file: file.write(text.getvalue().encode()))


def read_metrics(folder: Path) -> list[EpochResult]:
    """The epochs completed so far; ``ConfigError`` if the file does not hold them."""
    path = folder / METRICS_FILE
    if not path.exists():
        return []
    try:
        rows = list(csv.DictReader(io.StringIO(_read_text(path), newline="")))
    except csv.Error as error:
        raise ConfigError(f"{path}: not the metrics of a run ({error})") from None
    results = [EpochResult.from_json(row, f"{path}, epoch {epoch}") for epoch, row in enumerate(rows, start=1)]
    for epoch, row in enumerate(results, start=1):
        if row.epoch != epoch or row.samples < 1 or row.write_pulses < 0 or not all(
                0 <= accuracy <= 100 for accuracy in (row.training_accuracy, row.test_accuracy)):
            raise ConfigError(f"{path}, epoch {epoch}: figures that no epoch can have")
    return results


def write_result(folder: Path, result: Result, name: str = RESULT) -> None:
    """Write ``result.json``, or the result called ``name``."""
    write_json(folder / name, result.to_json())


def read_result(folder: Path, kind: type[AnyResult], name: str = RESULT) -> AnyResult:
    """The result of ``kind`` of the run in ``folder``, which has ended; ``ConfigError`` if there is none."""
    path = folder / name
    return kind.from_json(_read_json(path, "", "not the result of a run"), str(path))


def ended(folder: Path, record: Record, kind: type[AnyResult], name: str = RESULT) -> AnyResult | None:
    """The result of the run of ``record``, if it has ended; None if there is none that can be read, or if it is of
    another run."""
    try:
        result = read_result(folder, kind, name)
    except ConfigError:
        return None
    return result if getattr(result, "identity", None) == record.digest else None


def _check(folder: Path, record: Record, identity: Identity) -> None:
    """``ConfigError`` if the run of ``record`` is not that of ``identity``."""
    if record.identity is not None:
        _refuse(folder, record.identity.differences(identity))
        return
    differences = configuration_differences(record.began, identity.experiment)
    if record.samples not in (None, identity.samples):
        differences.append(f"samples: {record.samples} recorded, {identity.samples} now")
    if not differences and record.digest not in (None, identity.digest):
        differences.append("data, order or number of the samples differ")
    _refuse(folder, differences)
    remark_if_unbound(folder, record)


def _refuse(folder: Path, differences: list[str]) -> None:
    if differences:
        raise OtherRunError(f"{folder} cannot be resumed, as it is the run of something else: {listed(differences)}")


def _refuse_run(folder: Path, command: str, overwrite: bool) -> None:
    """``ConfigError`` if there is a run in ``folder`` that would be lost, unless that is wanted."""
    found = [name for name in (RESULT, EPOCH_RESULT, STATE, CHECKPOINT) if (folder / name).exists()]
    if not found or overwrite:
        return
    if CHECKPOINT not in found and {RESULT, EPOCH_RESULT} & set(found):
        raise ConfigError(f"{folder} holds a finished run; take another folder with --out, or --overwrite it")
    resume = f"--resume {folder}" if command == "train" else "--resume"
    raise ConfigError(f"{folder} holds a run that has not ended; continue it with {resume}, take another folder with "
                      "--out, or --overwrite it")


def _told_others(folder: Path) -> str:
    """The folders beside ``folder`` that may be meant, if it has the name of a default one."""
    match = re.fullmatch(r"(?P<name>.+)-[0-9a-f]{8}(?P<suffix>-\w+)?", folder.name)
    if match is None:
        return ""
    others = sorted(str(path) for path in folder.parent.glob(f"{glob.escape(match['name'])}*{match['suffix'] or ''}"))
    if not others:
        return ""
    more = " and more" if len(others) > OTHERS else ""
    return (f"; runs of another configuration or of other data are in {', '.join(others[:OTHERS])}{more}: name one "
            "with --out to see what differs")


def _clear(folder: Path) -> None:
    """Delete what a run has left in ``folder``, in such an order that at any moment the run can be resumed, though it
    may have to begin again, or is none any more."""
    for name in (RESULT, EPOCH_RESULT):
        (folder / name).unlink(missing_ok=True)
    if (folder / PRECURSOR).is_dir():
        _clear(folder / PRECURSOR)
    for name in (STATE, CHECKPOINT, TRACE, METRICS_FILE, PLOT, RECORD):
        (folder / name).unlink(missing_ok=True)


def _write_record(folder: Path, record: Record) -> None:
    assert record.identity is not None
    write_json(folder / RECORD, record.identity.to_json() | {
        "digest": record.digest, "options": record.options,
        "changes": [change.to_json() for change in record.changes], "traced": record.traced,
        "topology": record.began.topology, "shapes": [shape.to_json() for shape in record.began.shapes]})


def _record_of_state(folder: Path) -> Record | None:
    """What the state of a run in lock-step says where there is no ``experiment.json``, as earlier versions left it.
    None if there is no such state."""
    if not any((folder / name).exists() for name in (CHECKPOINT, STATE)):
        return None
    path = state_path(folder)
    arrays = state_file.read_arrays(path, None, "experiment", state_file.DIGEST)
    described = state_file.text(path, arrays, "experiment")
    if described is None:
        return None
    try:
        document = json.loads(described)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: cannot be loaded: experiment is no description ({error})") from None
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: cannot be loaded: experiment is no description")
    return Record(began=parse(document, str(path)), samples=None, identity=None,
                  digest=state_file.text(path, arrays, state_file.DIGEST))


def _read_json(path: Path, prefix: str, what: str) -> Any:
    try:
        return json.loads(_read_text(path, prefix, what))
    except (ValueError, RecursionError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{path}: {what} ({error})") from None


def _read_text(path: Path, prefix: str = "", what: str = "not a file of a run") -> str:
    try:
        return files.read(path, MOST_BYTES).decode("utf-8")
    except OSError as error:
        raise ConfigError(f"{prefix}cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: {what} ({error})") from None


def _short(digest: str | None) -> str:
    return "none" if digest is None else digest[:12]
