"""The ``board`` backend: a run on a board behind its link, step by step with the golden model and compared bit for
bit."""

import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
import torch
from tqdm import tqdm

from ..config import Experiment
from ..contract.errors import ConfigError, InterruptedRunError
from ..contract.hashing import sample_order
from ..contract.parameters import design_digest, replacements
from ..model.compiled.trainer import CompiledTrainer
from ..model.network import Network
from ..sim.compiled import complete
from ..sim.driver import NetworkDriver
from ..sim.epoch import create, digest, read_checkpoint, write_checkpoint
from ..sim.testbenches.tb_crossbar import expect_state
from ..system import files as runs
from ..system.stop import deferred_stop
from ..train import data
from ..train.difference import DifferenceError, expect
from .link import BoardResetError, Link, LinkBench, LinkError, Port
from .serial_port import SerialPort

BAUD = 3_000_000
SPAN = 250
"""Samples between two comparisons of the predictions."""
CHECKPOINT_SECONDS = 60
"""Between two comparisons of the complete state, which are checkpoints too."""
MAX_RESETS = 5
"""Resets of the board, without a checkpoint between them, after which a run is given up."""
SIMULATED_DIVISOR = 4
"""Clocks a bit of a simulated board: those of a 12 MHz board at 3 Mbaud."""


@dataclass(frozen=True)
class Proven:
    """What the board is known to have been in at some moment: its state was compared, or is the one to start from."""

    state: dict[str, np.ndarray]
    sample: int
    """Samples trained, over all epochs."""
    correct: int
    """Of those, predicted correctly before their update."""

    @property
    def position(self) -> dict[str, int]:
        return {"sample": self.sample, "correct": self.correct}


def run(experiment: Experiment, *, built: Experiment | None = None, port: str | None = None, baud: int = BAUD,
        simulate: bool = False, faults: float = 0.0, samples: int | None = None, test_samples: int | None = None,
        data_dir: str | Path | None = None, out: str | Path | None = None, resume: bool = False,
        progress: bool = False) -> dict:
    """Train ``experiment`` on the board at the serial device ``port``, or on a simulated one, for its epochs or the
    first ``samples`` samples of them; compare every prediction and, at checkpoints and at the end, the complete state
    with the golden model; then classify the test set, or the first ``test_samples`` of it, on the board.

    The board was ``built`` for ``experiment``, unless told otherwise: for one that differs from it in the parameters
    that are replaced at run time (`contract.parameters`), such as another device of the same kind.

    A board that is reset on the way gets the last state that was compared, and the samples since once more. On the
    lines of a simulated one, the fraction ``faults`` of all bytes is damaged.

    ``out`` (default ``runs/<name>-board``) takes the checkpoint, from which ``resume`` continues to the same bits, in
    the end the state, ``state.npz``, and ``result.json``, the answer: ``bit_exact``, ``samples``,
    ``training_accuracy``, ``test_accuracy``, ``test_samples``, ``digest`` (of the state, see `sim.epoch.digest`),
    ``first_difference``, ``samples_per_second`` (training), ``link_bytes_per_sample`` (sent in training),
    ``samples_per_second_link`` (what that allows at ``baud``), ``retransmissions`` (of frames), ``resets`` and
    ``out``; what is not known because of a difference is None.

    Raises ``InterruptedRunError`` after Ctrl-C or SIGTERM; ``LinkError``, ``ConfigError``, ``SimulatorError`` or
    ``SimulationError`` in one line if it cannot be run.
    """
    if (port is None) is not simulate:
        raise ConfigError("give the port of a board, or simulate one: either --port DEVICE or --simulate")
    for name, value in (("samples", samples), ("test samples", test_samples)):
        if value is not None and value < 1:
            raise ConfigError(f"{name}={value}: must be at least 1")
    if not 0 <= faults < 1 or faults and not simulate:
        raise ConfigError(f"faults={faults}: a fraction, of a simulated board's bytes")
    experiment.require_in_situ()
    built = built or experiment
    for generated, wanted in zip(built.crossbars, experiment.crossbars, strict=True):
        replacements(generated, wanted)  # says what cannot be replaced
    dataset = data.load(experiment, data_dir)
    total = min(samples or experiment.epochs * len(dataset.train.labels), experiment.epochs * len(dataset.train.labels))
    folder = Path(out) if out is not None else Path("runs") / f"{experiment.name}-board"
    machine = Machine(experiment, dataset, total, folder / "checkpoint.npz")
    if resume:
        machine.resume()
    create(folder)
    with _open(built, port, baud, faults, progress) as line, deferred_stop() as stop:
        machine.link = Link(line, design_digest(built.crossbars, built.loss))
        try:
            accuracy = machine.run(test_samples, stop, progress)
            difference = None
        except DifferenceError as error:
            accuracy, difference = None, str(error.difference)
        except LinkError as error:
            if not machine.saved:
                raise
            raise LinkError(f"{error}; the state after {machine.proven.sample} of {total} samples is saved, "
                            "continue with --resume") from None
        machine.link.close()
    proven, bytes_per_sample = machine.proven, machine.bytes_sent / max(1, machine.trained)
    answer = {
        "bit_exact": difference is None, "samples": proven.sample, "first_difference": difference,
        "digest": digest(proven.state) if difference is None else None,
        "training_accuracy": round(100 * proven.correct / max(1, proven.sample), 3),
        "test_accuracy": accuracy, "test_samples": len(dataset.test.labels[:test_samples]),
        "samples_per_second": round(machine.trained / machine.seconds, 1) if machine.trained else None,
        "link_bytes_per_sample": round(bytes_per_sample, 1) if machine.trained else None,
        "samples_per_second_link": round(baud / 10 / bytes_per_sample, 1) if machine.trained else None,
        "baud": baud, "retransmissions": machine.link.retransmissions, "resets": machine.resets, "out": str(folder),
    }
    if difference is None:
        machine.path.replace(folder / "state.npz")
    runs.replace(folder / "result.json", lambda file: file.write(json.dumps(answer, indent=2).encode()))
    return answer


@contextmanager
def _open(built: Experiment, port: str | None, baud: int, faults: float, progress: bool) -> Iterator[Port]:
    """The line to the board: simulated if ``port`` is None, and then with ``faults``."""
    if port is not None:
        with closing(SerialPort(port, baud)) as line:
            yield line
        return
    from ..hw.link.linked_network import LinkedNetwork
    from ..sim import toolchain
    from ..sim.board import Noise, SimulatedBoard

    toolchain.require("verilator")
    with tqdm(bar_format="{desc}, {elapsed}", desc="building the simulated board", disable=not progress):
        board = SimulatedBoard(
            LinkedNetwork(geometries=built.crossbars, loss=built.loss, divisor=SIMULATED_DIVISOR),
            Noise(Random(built.seed), faults), Noise(Random(built.seed + 1), faults))
    with board, closing(SerialPort(board.port, baud)) as line:
        yield line


class Machine:
    """The network on the board and the golden model, given the same samples."""

    link: Link

    def __init__(self, experiment: Experiment, dataset: data.Dataset, total: int, path: Path) -> None:
        """For the first ``total`` samples of all epochs, with checkpoints in ``path``."""
        self.experiment = experiment
        self.total = total
        self.path = path
        self.golden = Network(experiment)
        self._trainer = CompiledTrainer(self.golden)
        self.proven = Proven(self.golden.state(), 0, 0)
        self.trained, self.seconds, self.bytes_sent = 0, 0.0, 0
        """Samples, and what they took."""
        self.resets = 0
        self.saved = False
        """Whether what is proven is in the checkpoint."""
        self._xs, self._test_xs = (data.drive(part.images, experiment.input.format) for part in dataset)
        self._labels, self._test_labels = dataset.train.labels.astype(np.int64), dataset.test.labels

    def resume(self) -> None:
        """Go to the checkpoint; ``ConfigError`` if there is none of this run."""
        position = read_checkpoint(self.path, self.golden, self.experiment, self.total, ["sample", "correct"])
        self.proven = Proven(self.golden.state(), **position)

    def run(self, test_samples: int | None, stop, progress: bool) -> float:
        """Train, then return the accuracy on the test set in percent."""
        since = 0  # resets
        while True:
            reached = self.proven
            try:
                self.link.open()
                driver = NetworkDriver(LinkBench(self.link), self.experiment.crossbars, self.experiment.loss)
                self.golden.load(self.proven.state)
                complete(driver.configure(self.experiment.crossbars))  # another program may have replaced parameters
                complete(driver.load(self.proven.state))
                self._save()
                self._train(driver, stop, progress)
                return self._evaluate(driver, test_samples, stop, progress)
            except BoardResetError as error:
                self.resets += 1
                since = since + 1 if reached is self.proven else 1
                if since >= MAX_RESETS:
                    raise LinkError(f"{error}, {since} times without getting any further") from None

    def _train(self, driver: NetworkDriver, stop, progress: bool) -> None:
        """Train both from what is proven to the end."""
        experiment, count = self.experiment, len(self._labels)
        now, saved = self.proven, time.monotonic()
        with tqdm(total=self.total, initial=now.sample, unit=" samples", desc="training on the board",
                  disable=not progress) as bar:
            while now.sample < self.total:
                epoch, first = divmod(now.sample, count)
                order, shift = sample_order(experiment.seed, epoch, count), experiment.learning_rate_shift(epoch)
                span = range(first, min(first + SPAN, count, first + self.total - now.sample))
                sent, started = self.link.bytes_sent, time.monotonic()
                for place in span:
                    sample = order[place]
                    driver.submit(self._xs[sample].numpy(), int(self._labels[sample]), shift, experiment.batch == 1)
                    if experiment.batch > 1 and ((place + 1) % experiment.batch == 0 or place + 1 == count):
                        driver.submit_program()
                complete(driver.finish())
                self.seconds += time.monotonic() - started
                self.bytes_sent += self.link.bytes_sent - sent
                self.trained += len(span)

                expected = self._trainer.train_span(self._xs, self._labels, order, span, shift)
                for place, prediction in zip(span, expected.tolist(), strict=True):
                    expect("prediction", prediction, complete(driver.prediction()), sample=epoch * count + place)
                correct = int((expected == self._labels[order[span.start:span.stop]]).sum())
                now = replace(now, sample=now.sample + len(span), correct=now.correct + correct)
                bar.update(len(span))
                if stop.is_set() or time.monotonic() - saved > CHECKPOINT_SECONDS or now.sample == self.total:
                    self._prove(driver, now)
                    saved = time.monotonic()
                if stop.is_set():
                    raise InterruptedRunError(f"interrupted after {now.sample} of {self.total} samples; "
                                              "continue with --resume")

    def _prove(self, driver: NetworkDriver, now: Proven) -> None:
        """Compare the complete states, and keep them."""
        expected, actual = self.golden.state(), complete(driver.state())
        for layer in range(len(self.golden.crossbars)):
            expect_state(expected, actual, layer, f"layer{layer}_", sample=now.sample)
        self.proven = replace(now, state=actual)
        self._save()

    def _save(self) -> None:
        write_checkpoint(self.path, self.experiment, self.proven.state, self.proven.position)
        self.saved = True

    def _evaluate(self, driver: NetworkDriver, test_samples: int | None, stop, progress: bool) -> float:
        """The accuracy on the test set, in percent."""
        xs, labels = self._test_xs[:test_samples], self._test_labels[:test_samples]
        expected = self.golden.predict(xs).tolist()
        for first in tqdm(range(0, len(xs), SPAN), unit_scale=SPAN, unit=" samples", desc="evaluating on the board",
                          disable=not progress):
            for x in xs[first:first + SPAN]:
                driver.submit_inference(x.numpy())
            for sample, prediction in enumerate(expected[first:first + SPAN], start=first):
                expect("inference", prediction, complete(driver.prediction()), sample=sample)
            if stop.is_set():
                raise InterruptedRunError("interrupted in the evaluation; continue with --resume")
        return round(100 * (torch.tensor(expected) == torch.from_numpy(labels)).double().mean().item(), 3)
