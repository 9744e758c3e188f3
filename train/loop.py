"""The training loop: in situ, on the golden model, and a floating-point baseline beside it. `run_folder` says what a
run leaves."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from tqdm import tqdm

from ..config import Experiment
from ..contract.errors import ConfigError, InterruptedRunError
from ..model.compiled.trainer import CompiledTrainer
from ..model.network import Network
from ..render.figure import decorate
from ..system.progress import bar
from ..system.stop import deferred_stop
from . import baseline as floating_point
from . import data, run_folder
from .host import HostTrainer
from .identity import Identity
from .plot import plot
from .results import EpochResult, TrainResult
from .run_folder import Position, Record
from .trace import TraceWriter
from .wear import Wear

CHECKPOINT_SECONDS = 30
"""Time between two checkpoints within an epoch."""
FIRST_CHUNK = 16
"""Samples of the first chunk. Progress is shown, and a request to stop is heeded, after each chunk."""
CHUNK_SECONDS = 0.2
"""Time aimed at for the chunks that follow."""


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
        resume: str | Path | None = None, samples: int | None = None, baseline: bool | float = True,
        progress: bool = True, torch_device: str = "cpu", compiled: bool = True, overwrite: bool = False,
        options: dict[str, Any] | None = None, epochs: int | None = None, rates: tuple[int, ...] | None = None,
        dataset: data.Dataset | None = None, trace: bool = False) -> TrainResult:
    """Train ``experiment`` in situ and evaluate it. Everything goes to the folder ``out``; if none is given, to one in
    ``runs/`` whose name differs wherever results differ.

    ``samples`` limits training to the first so many. ``resume`` continues the run in that folder, to the same bits as
    if it had not been interrupted. It must be of the same ``experiment``, if that is given, data and order; a run that
    has ended gives its result. On purpose it can be given more ``epochs``, and the learning-rate shifts ``rates`` from
    the next epoch on. A run that is in ``out`` already is deleted if ``overwrite``, and refused otherwise. ``options``,
    fields of the experiment, are recorded as those that options of the command have given. ``baseline`` may be the
    accuracy of the baseline, where that is known.

    On the CPU the compiled trainer is used, unless ``compiled`` is False; the result is the same. If the experiment has
    a ``host``, the host trains. Without ``baseline`` there is no floating-point baseline. ``dataset`` is that of the
    experiment, if it has been loaded already. With ``trace``, every write pulse is traced (docs/trace.md); a run to
    resume goes on as it began.

    Raises ``ConfigError`` if the experiment cannot be trained or resumed, ``InUseError`` if another process works in
    the folder, ``InterruptedRunError`` after Ctrl-C or SIGTERM.
    """
    if resume is None and (epochs is not None or rates is not None):
        raise ConfigError("epochs and rates change a run that is resumed; give a new run an experiment that has them")
    experiment, samples = run_folder.wanted(experiment, resume, samples)
    dataset = (dataset or data.load(experiment, data_dir)).first(samples)
    identity = Identity.of("train", experiment, dataset)
    folder = Path(resume or out or run_folder.default(identity))
    with (run_folder.hold(folder, identity, resume=resume is not None, overwrite=overwrite, options=options,
                          traced=trace) as record, deferred_stop() as stop):
        begun = run_folder.has_state(folder, resume=resume is not None)
        position = run_folder.read_position(folder, record) if begun else Position(0)
        record = run_folder.change(folder, record, position, epochs=epochs, rates=rates)
        training = _Training(record, dataset, folder, torch_device, compiled)
        if begun:
            training.resume(position)
            result = run_folder.ended(folder, record, TrainResult)
            if result and result.epochs == record.experiment.epochs and not (
                    baseline is not False and result.baseline_accuracy is None):
                if not (folder / run_folder.PLOT).exists():
                    _plot(folder, record.experiment.name, training.rows, result)
                return result
        else:
            training.begin()
        training.run(stop, progress)
        accuracy = None if isinstance(baseline, bool) else baseline
        if baseline is True:
            accuracy = _baseline(record.experiment, dataset, folder, torch_device, stop, progress)
        result = training.result(accuracy)
        run_folder.write_result(folder, result)
        _plot(folder, record.experiment.name, training.rows, result)
        if stop.is_set():
            raise InterruptedRunError(f"interrupted at the end; --resume {folder} gives the result")
    return result


def _plot(folder: Path, name: str, rows: list[EpochResult], result: TrainResult) -> None:
    decorate(folder / run_folder.PLOT, lambda file: plot(file, name, rows, result.baseline_accuracy))


def test_accuracy(network: Network | CompiledTrainer, dataset: data.Dataset) -> float:
    """Percentage of the test samples that ``network`` classifies correctly; its state does not change."""
    test_x = data.drive(dataset.test.images, network.experiment.input.format).to(network.torch_device)
    labels = torch.from_numpy(dataset.test.labels).to(network.torch_device)
    return 100 * (network.predict(test_x) == labels).double().mean().item()


class _Trainer(Protocol):
    """What trains a network: itself, its compiled form, or a host."""

    def train_span(self, xs: torch.Tensor, labels: np.ndarray, order: np.ndarray, span: range,
                   learning_rate_shift: int) -> np.ndarray:
        """As ``Network.train_span``."""


class _Training:
    """A run under way: the network, what trains it, and how far it has come."""

    def __init__(self, record: Record, dataset: data.Dataset, folder: Path, torch_device: str, compiled: bool) -> None:
        self.rows: list[EpochResult] = []
        """The epochs completed."""
        self._record, self._dataset, self._folder = record, dataset, folder
        self._experiment = experiment = record.experiment
        self._xs = data.drive(dataset.train.images, experiment.input.format).to(torch_device)
        self._labels = dataset.train.labels
        self._network = Network(experiment, torch_device)
        self._wear = Wear(self._network)
        self._parts: list[Network | HostTrainer | Wear | TraceWriter] = [self._network, self._wear]
        """All that has a state."""
        self._trace = TraceWriter(folder, record, self._network.record()) if record.traced else None
        self._trainer: _Trainer = self._network
        self._predictor: Network | CompiledTrainer = self._network
        self._stride = 1
        """Samples of which a chunk holds a multiple, unless the epoch ends."""
        if experiment.host:
            host = HostTrainer(self._network)
            self._trainer, self._stride = host, experiment.batch
            self._parts.append(host)
        elif compiled and self._network.torch_device.type == "cpu":
            self._trainer = self._predictor = CompiledTrainer(self._network)
        if self._trace:
            self._parts.append(self._trace)
        self._position = Position(0)
        self._trained, self._seconds = 0, 0.0
        """Samples that this process has trained, and the time that they took."""
        self._chunk, self._saved = FIRST_CHUNK, time.monotonic()

    def begin(self) -> None:
        """Make what a new run needs."""
        if self._trace:
            self._trace.begin()

    def resume(self, position: Position) -> None:
        """Go to where the run in the folder was, ``position``; ``ConfigError`` if its files do not fit together."""
        self._position = position
        run_folder.read_state(self._folder, self._record, *self._parts)
        epoch, sample, _ = self._position
        if self._trace:
            self._trace.recorder.sample = epoch * len(self._labels) + sample
        self.rows = run_folder.read_metrics(self._folder)[:epoch]  # a run killed between the two files has one too many
        written, size = self._pulses(), len(self._labels)
        fits = self._pulses_before() <= written if sample else self._pulses_before() == written
        if len(self.rows) != epoch or sample > size or any(row.samples != size for row in self.rows) or not fits:
            raise ConfigError(f"{self._folder / run_folder.STATE}: does not match "
                              f"{self._folder / run_folder.METRICS_FILE} or the data set")

    def run(self, stop: threading.Event, progress: bool) -> None:
        """Train from the position to the end of the last epoch. ``InterruptedRunError`` once ``stop`` is set; the state
        is then saved."""
        size, epochs = len(self._labels), self._experiment.epochs
        with bar(show=progress, total=epochs * size, unit=" samples", unit_scale=True,
                 initial=self._position.epoch * size + self._position.sample) as shown:
            self._checkpoint()
            while self._position.epoch < epochs:
                shown.set_description(f"epoch {self._position.epoch + 1}/{epochs}")
                speed = self._train_epoch(stop, shown)
                self._end_epoch(speed)
                shown.set_postfix_str(f"test accuracy {self.rows[-1].test_accuracy:.2f} %")
        if stop.is_set():
            raise InterruptedRunError(f"interrupted after the last epoch; continue with --resume {self._folder}")

    def result(self, baseline_accuracy: float | None) -> TrainResult:
        """The result, once the last epoch has ended."""
        last, wear = self.rows[-1], self._wear.result
        return TrainResult(
            test_accuracy=last.test_accuracy, baseline_accuracy=baseline_accuracy,
            write_pulses=self._pulses_before(), most_write_pulses=wear.worst.pulses if wear else None, wear=wear,
            samples_per_second=round(self._trained / self._seconds) if self._seconds else last.samples_per_second,
            epochs=self._position.epoch, samples=len(self._labels), out=self._folder,
            data=self._dataset.record if self._record.digest else None, identity=self._record.digest)

    def _train_epoch(self, stop: threading.Event, shown: tqdm) -> float:
        """Train on the rest of the epoch under way; returns the speed in samples a second."""
        epoch, first, _ = self._position
        order = self._experiment.sample_order(epoch, len(self._labels))
        started = time.monotonic()
        while self._position.sample < len(order):
            shown.update(self._train_chunk(order))
            if stop.is_set() or time.monotonic() - self._saved > CHECKPOINT_SECONDS:
                self._checkpoint()
            if stop.is_set():
                raise InterruptedRunError(f"interrupted in epoch {epoch + 1}, after {self._position.sample} of "
                                          f"{len(order)} samples; continue with --resume {self._folder}")
        trained, elapsed = self._position.sample - first, time.monotonic() - started
        self._trained, self._seconds = self._trained + trained, self._seconds + elapsed
        return trained / elapsed if elapsed else 0.0

    def _train_chunk(self, order: np.ndarray) -> int:
        """Train on the next chunk of the epoch that takes ``order``; returns its samples."""
        epoch, sample, correct = self._position
        end = -(-(sample + self._chunk) // self._stride) * self._stride
        span, begun = range(sample, min(end, len(order))), time.monotonic()
        predictions = self._trainer.train_span(self._xs, self._labels, order, span,
                                               self._experiment.learning_rate_shift(epoch))
        if self._trace:
            self._trace.append()
        elapsed = max(time.monotonic() - begun, 1e-6)
        self._chunk = max(1, min(2 * self._chunk, int(len(span) * CHUNK_SECONDS / elapsed)))
        correct += int((predictions == self._labels[order[span.start:span.stop]]).sum())
        self._position = Position(epoch, span.stop, correct)
        return len(span)

    def _end_epoch(self, speed: float) -> None:
        """Evaluate the epoch that has just been trained, and save it."""
        epoch, _, correct = self._position
        size = len(self._labels)
        self.rows.append(EpochResult(
            epoch=epoch + 1, samples=size, training_accuracy=round(100 * correct / size, 3),
            test_accuracy=round(test_accuracy(self._predictor, self._dataset), 3),
            write_pulses=self._pulses() - self._pulses_before(), samples_per_second=round(speed)))
        run_folder.write_metrics(self._folder, self.rows)
        self._position = Position(epoch + 1)
        self._checkpoint()

    def _pulses(self) -> int:
        """Write pulses so far."""
        return sum(crossbar.counters["attempts"] for crossbar in self._network.crossbars)

    def _pulses_before(self) -> int:
        """Write pulses of the epochs completed."""
        return sum(row.write_pulses for row in self.rows)

    def _checkpoint(self) -> None:
        arrays = {name: array for part in self._parts for name, array in part.state().items()}
        run_folder.write_state(self._folder, arrays, self._position, self._record)
        self._saved = time.monotonic()


def _baseline(experiment: Experiment, dataset: data.Dataset, folder: Path, torch_device: str, stop: threading.Event,
              progress: bool) -> float:
    """The accuracy in percent of the floating-point baseline; ``InterruptedRunError`` once ``stop`` is set."""
    with bar(show=progress, total=experiment.epochs * len(dataset.train.labels),
             unit=" samples", unit_scale=True, desc="floating-point baseline") as shown:
        def seen(count: int) -> None:
            shown.update(count)
            if stop.is_set():
                raise InterruptedRunError(f"interrupted in the baseline; continue with --resume {folder}")

        parts = (dataset.train, dataset.test)
        drives = [data.drive(part.images, experiment.input.format).to(torch_device) for part in parts]
        labels = [torch.from_numpy(part.labels).to(torch_device) for part in parts]
        accuracy = floating_point.accuracy(experiment, drives[0], labels[0], drives[1], labels[1], seen)
        return round(accuracy, 3)
