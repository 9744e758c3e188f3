"""The training loop, and the run folder it leaves behind.

A run folder holds ``experiment.json`` (what was trained, and on how many samples), ``metrics.csv`` (a row an epoch),
``state.npz`` (the complete state, see ``docs/arithmetic.md`` 8), and at the end ``result.json`` and ``plot.png``.
Every file is replaced as a whole, so that a run killed at any moment can be resumed.
"""

import csv
import io
import json
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from ..config import Experiment, parse
from ..contract.geometry import ConfigError
from ..contract.hashing import sample_order
from ..runs import InterruptedRunError, deferred_stop, replace
from . import baseline as floating_point
from . import data
from .kernel import Kernel
from .network import Network
from .plot import plot

METRICS = ("epoch", "samples", "training_accuracy", "test_accuracy", "programming_events",
           "samples_per_second")
"""Columns of ``metrics.csv``: the epoch, counted from 1, and the samples trained in it; accuracies in percent, in
training (of each prediction before its update) and on the test set after the epoch; write pulses; speed, evaluation
excluded."""
CHECKPOINT_SECONDS = 30
FIRST_CHUNK = 16
CHUNK_SECONDS = 0.2
"""Samples trained before progress is first shown and a request to stop heeded, and the time aimed at from then on."""


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep PyTorch to one thread: the operations of one sample are too small to be shared."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@_one_thread()
def run(experiment: Experiment | None, *, data_dir: str | Path | None = None, out: str | Path | None = None,
        resume: str | Path | None = None, samples: int | None = None, baseline: bool = True,
        progress: bool = True, device: str = "cpu", kernel: bool = True) -> dict:
    """Train ``experiment`` in situ and evaluate it; everything goes to the folder ``out`` (default ``runs/<name>``).

    ``samples`` limits training to the first so many. ``resume`` continues the run in that folder to the bits it would
    have reached uninterrupted; experiment, samples and folder are then those of that run. On the CPU the compiled
    kernel trains, unless ``kernel`` is False; the result is the same. Returns ``test_accuracy``,
    ``baseline_accuracy`` (None without ``baseline``), ``programming_events``, ``samples_per_second``, ``epochs``,
    ``samples`` (an epoch) and ``out``. Raises ``ConfigError`` on what cannot be trained or resumed,
    ``InterruptedRunError`` after Ctrl-C or SIGTERM.
    """
    if resume is not None:
        folder = Path(resume)
        given, (experiment, samples) = experiment, _read_experiment(folder)
        if given is not None and given.name != experiment.name:
            raise ConfigError(f"{folder} holds a run of {experiment.name}, not of {given.name}")
    else:
        folder = Path(out) if out is not None else Path("runs") / experiment.name
    if samples is not None and samples < 1:
        raise ConfigError(f"samples={samples}: must be at least 1")

    dataset = data.load(experiment, data_dir)
    images, labels = (array[:samples] for array in dataset.train)
    train_x = data.drive(images, experiment.input.format).to(device)
    test_x = data.drive(dataset.test.images, experiment.input.format).to(device)
    test_labels = torch.from_numpy(dataset.test.labels).to(device)

    network = Network(experiment, device)
    if resume is not None:
        rows, epoch, sample, correct = _read_checkpoint(folder, network, len(labels))
    else:
        rows, epoch, sample, correct = [], 0, 0, 0
        _create(folder, experiment, samples)

    def checkpoint():
        position = {"epoch": epoch, "sample": sample, "correct": correct}
        arrays = network.state() | {name: np.array(value, dtype=np.int64) for name, value in position.items()}
        replace(folder / "state.npz", lambda file: np.savez(file, **arrays))

    trainer = Kernel(network) if kernel and network.device.type == "cpu" else network
    trained, seconds, saved, chunk = 0, 0.0, time.monotonic(), FIRST_CHUNK
    with deferred_stop() as stop, tqdm(total=experiment.epochs * len(labels), unit=" samples", unit_scale=True,
                                        initial=epoch * len(labels) + sample, disable=not progress) as bar:
        checkpoint()
        while epoch < experiment.epochs:
            bar.set_description(f"epoch {epoch + 1}/{experiment.epochs}")
            learning_rate_shift = experiment.learning_rate_shift(epoch)
            order = sample_order(experiment.seed, epoch, len(labels))
            first, started = sample, time.monotonic()
            while sample < len(order):
                span, begun = range(sample, min(sample + chunk, len(order))), time.monotonic()
                predictions = trainer.train_span(train_x, labels, order, span, learning_rate_shift)
                now = time.monotonic()
                chunk = max(1, min(2 * chunk, int(len(span) * CHUNK_SECONDS / max(now - begun, 1e-6))))
                correct += int((predictions == labels[order[span.start:span.stop]]).sum())
                sample = span.stop
                bar.update(len(span))
                if stop.is_set() or now - saved > CHECKPOINT_SECONDS:
                    checkpoint()
                    saved = now
                if stop.is_set():
                    raise InterruptedRunError(f"interrupted in epoch {epoch + 1}, after {sample} of {len(order)} "
                                              f"samples; continue with --resume {folder}")
            elapsed = time.monotonic() - started
            trained, seconds = trained + sample - first, seconds + elapsed

            test_accuracy = 100 * (network.predict(test_x) == test_labels).double().mean().item()
            attempts = sum(crossbar.counters["attempts"] for crossbar in network.crossbars)
            rows.append({
                "epoch": epoch + 1, "samples": len(order),
                "training_accuracy": f"{100 * correct / len(order):.3f}", "test_accuracy": f"{test_accuracy:.3f}",
                "programming_events": attempts - sum(int(row["programming_events"]) for row in rows),
                "samples_per_second": round((sample - first) / elapsed) if elapsed else 0,
            })
            bar.set_postfix_str(f"test accuracy {test_accuracy:.2f} %")
            _write_metrics(folder, rows)
            epoch, sample, correct = epoch + 1, 0, 0
            checkpoint()

    result = {
        "test_accuracy": float(rows[-1]["test_accuracy"]),
        "baseline_accuracy": None,
        "programming_events": sum(int(row["programming_events"]) for row in rows),
        "samples_per_second": round(trained / seconds) if seconds else int(rows[-1]["samples_per_second"]),
        "epochs": epoch, "samples": len(labels), "out": str(folder),
    }
    if baseline:
        with deferred_stop() as stop, tqdm(total=experiment.epochs * len(labels), unit=" samples", unit_scale=True,
                                            desc="floating-point baseline", disable=not progress) as bar:
            def seen(count: int):
                bar.update(count)
                if stop.is_set():
                    raise InterruptedRunError(f"interrupted in the baseline; continue with --resume {folder}")

            train_labels = torch.from_numpy(labels).to(device)
            accuracy = floating_point.accuracy(experiment, train_x, train_labels, test_x, test_labels, seen)
        result["baseline_accuracy"] = round(accuracy, 3)
    replace(folder / "plot.png", lambda file: plot(file, experiment.name, rows, result["baseline_accuracy"]))
    replace(folder / "result.json", lambda file: file.write(json.dumps(result, indent=2).encode()))
    return result


def _create(folder: Path, experiment: Experiment, samples: int | None):
    """A run folder for a new run; one that is there already is emptied of its results."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("state.npz", "metrics.csv", "result.json", "plot.png"):
            (folder / name).unlink(missing_ok=True)
        document = {"experiment": experiment.model_dump(mode="json"), "samples": samples}
        replace(folder / "experiment.json", lambda file: file.write(json.dumps(document, indent=2).encode()))
    except OSError as error:
        raise ConfigError(f"cannot write to {folder}: {error.strerror}") from None


def _read_experiment(folder: Path) -> tuple[Experiment, int | None]:
    path = folder / "experiment.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return parse(document["experiment"], str(path)), document["samples"]
    except OSError as error:
        raise ConfigError(f"{folder} is not a run to resume: cannot read {path}: {error.strerror}") from None
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: not the description of a run ({error})") from None


def _read_checkpoint(folder: Path, network: Network, count: int) -> tuple[list[dict], int, int, int]:
    """Load the state into ``network``; returns the rows of the epochs completed, and the position."""
    path = folder / "state.npz"
    try:
        with np.load(path) as file:
            state = dict(file)
        position = [int(state[name]) for name in ("epoch", "sample", "correct")]
        network.load(state)
        epoch, sample, correct = position
        rows = _read_metrics(folder)[:epoch]  # a run killed between the two files has a row too many
    except FileNotFoundError as error:
        raise ConfigError(f"{folder} is not a run to resume: there is no {error.filename}") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ConfigError(f"{path}: cannot be resumed from: {error}") from None
    if len(rows) != epoch or not 0 <= correct <= sample <= count:
        raise ConfigError(f"{path}: does not match {folder / 'metrics.csv'} or the data set")
    return rows, epoch, sample, correct


def _write_metrics(folder: Path, rows: list[dict]):
    text = io.StringIO()
    writer = csv.DictWriter(text, METRICS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    replace(folder / "metrics.csv", lambda file: file.write(text.getvalue().encode()))


def _read_metrics(folder: Path) -> list[dict]:
    """The rows written so far, none before the end of the first epoch."""
    path = folder / "metrics.csv"
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
