"""The training loop: in situ, on the golden model, beside a floating-point baseline. `run_folder` says what it
leaves."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from tqdm import tqdm

from ..config import Experiment
from ..contract.errors import ConfigError, InterruptedRunError
from ..contract.hashing import sample_order
from ..model.compiled.trainer import CompiledTrainer
from ..model.network import Network
from ..system.files import replace
from ..system.stop import deferred_stop
from . import baseline as floating_point
from . import data, run_folder
from .host import HostTrainer
from .plot import plot
from .run_folder import Position

CHECKPOINT_SECONDS = 30
FIRST_CHUNK = 16
CHUNK_SECONDS = 0.2
"""Samples trained before progress is first shown and a request to stop heeded, and the time aimed at from then on."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep PyTorch to one thread: the operations of one sample are too small to be shared."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@one_thread()
def run(experiment: Experiment | None, *, data_dir: str | Path | None = None, out: str | Path | None = None,
        resume: str | Path | None = None, samples: int | None = None, baseline: bool = True,
        progress: bool = True, torch_device: str = "cpu", compiled: bool = True) -> dict:
    """Train ``experiment`` in situ and evaluate it; everything goes to the folder ``out`` (default ``runs/<name>``).

    ``samples`` limits training to the first so many. ``resume`` continues the run in that folder to the bits it would
    have reached uninterrupted; experiment, samples and folder are then those of that run. On the CPU the compiled
    trainer is used, unless ``compiled`` is False; the result is the same. Where the experiment has a ``host``, that
    trains.
    Returns ``test_accuracy``, ``baseline_accuracy`` (None without ``baseline``), ``programming_events``,
    ``samples_per_second``, ``epochs``, ``samples`` (an epoch) and ``out``. Raises ``ConfigError`` on what cannot be
    trained or resumed, ``InterruptedRunError`` after Ctrl-C or SIGTERM.
    """
    if resume is not None:
        folder = Path(resume)
        given, (experiment, samples) = experiment, run_folder.read_experiment(folder)
        if given is not None and given.name != experiment.name:
            raise ConfigError(f"{folder} holds a run of {experiment.name}, not of {given.name}")
    else:
        folder = Path(out) if out is not None else Path("runs") / experiment.name
    if samples is not None and samples < 1:
        raise ConfigError(f"samples={samples}: must be at least 1")

    dataset = data.load(experiment, data_dir)
    images, labels = (array[:samples] for array in dataset.train)
    train_x = data.drive(images, experiment.input.format).to(torch_device)

    network = Network(experiment, torch_device)
    trainer, stateful, stride = _trainer(network, compiled)
    if resume is not None:
        rows, epoch, sample, correct = _resume(folder, stateful, len(labels))
    else:
        rows, epoch, sample, correct = [], 0, 0, 0
        run_folder.create(folder, experiment, samples)

    def checkpoint() -> None:
        arrays = {name: array for part in stateful for name, array in part.state().items()}
        run_folder.write_state(folder, arrays, Position(epoch, sample, correct))

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
                end = -(-(sample + chunk) // stride) * stride
                span, begun = range(sample, min(end, len(order))), time.monotonic()
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

            accuracy = test_accuracy(network, dataset)
            attempts = sum(crossbar.counters["attempts"] for crossbar in network.crossbars)
            rows.append({
                "epoch": epoch + 1, "samples": len(order),
                "training_accuracy": f"{100 * correct / len(order):.3f}", "test_accuracy": f"{accuracy:.3f}",
                "programming_events": attempts - sum(int(row["programming_events"]) for row in rows),
                "samples_per_second": round((sample - first) / elapsed) if elapsed else 0,
            })
            bar.set_postfix_str(f"test accuracy {accuracy:.2f} %")
            run_folder.write_metrics(folder, rows)
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
            def seen(count: int) -> None:
                bar.update(count)
                if stop.is_set():
                    raise InterruptedRunError(f"interrupted in the baseline; continue with --resume {folder}")

            test_x = data.drive(dataset.test.images, experiment.input.format).to(torch_device)
            accuracy = floating_point.accuracy(
                experiment, train_x, torch.from_numpy(labels).to(torch_device), test_x,
                torch.from_numpy(dataset.test.labels).to(torch_device), seen)
        result["baseline_accuracy"] = round(accuracy, 3)
    replace(folder / "plot.png", lambda file: plot(file, experiment.name, rows, result["baseline_accuracy"]))
    run_folder.write_result(folder, result)
    return result


def test_accuracy(network: Network, dataset: data.Dataset) -> float:
    """Percentage of the test samples that ``network`` classifies correctly; it stays as it is."""
    test_x = data.drive(dataset.test.images, network.experiment.input.format).to(network.torch_device)
    labels = torch.from_numpy(dataset.test.labels).to(network.torch_device)
    return 100 * (network.predict(test_x) == labels).double().mean().item()


def _trainer(network: Network, compiled: bool) -> tuple[Network | CompiledTrainer | HostTrainer, list, int]:
    """What trains ``network``, everything that then has a state, and the samples of which it takes a multiple."""
    if network.experiment.host:
        host = HostTrainer(network)
        return host, [network, host], network.experiment.batch
    return (CompiledTrainer(network) if compiled and network.torch_device.type == "cpu" else network), [network], 1


def _resume(folder: Path, stateful: list, count: int) -> tuple[list[dict], int, int, int]:
    """Load the state; returns the rows of the epochs completed, and the position."""
    epoch, sample, correct = run_folder.read_state(folder, *stateful)
    rows = run_folder.read_metrics(folder)[:epoch]  # a run killed between the two files has a row too many
    if len(rows) != epoch or not 0 <= correct <= sample <= count:
        raise ConfigError(f"{folder / 'state.npz'}: does not match {folder / 'metrics.csv'} or the data set")
    return rows, epoch, sample, correct
