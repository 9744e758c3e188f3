"""Training on a board behind its link, or on a simulated one, in lock-step with the golden model."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

from ..config import Experiment
from ..contract.errors import ConfigError, InterruptedRunError, SpinloomError
from ..contract.link import NETWORK, STORED
from ..contract.parameters import replacements
from ..contract.results import Result
from ..contract.store import StoreError
from ..hw.link.linked_design import linked
from ..sim.bench import ProtocolError, complete
from ..sim.board import Noise, SimulatedBoard
from ..sim.simulators import toolchain
from ..sim.stored import simulated_memory
from ..system.progress import bar, waiting
from ..system.stop import deferred_stop
from ..train import data, run_folder
from ..train.difference import DifferenceError
from ..train.identity import Identity
from ..train.lockstep import Lockstep, Plan, Position, digest
from ..train.results import DataRecord, WearResult
from ..train.run_folder import Record
from ..train.stored import DamagedSampleError
from .link import BoardResetError, Link, LinkError, LinkInterruptedError, Patience, Port
from .serial_port import SerialPort
from .supply import LineSupply, MemoryFigures, MemorySupply, Supply

BAUD = 3_000_000
LOWEST_BAUD, HIGHEST_BAUD = 9_600, 12_000_000
"""The slowest line carries a frame in a quarter of a second; no USB adapter has a faster one than the fastest."""
MAX_LOSSES = 5
"""Losses of the board's state, without a checkpoint between them, after which a run is given up: resets, and samples in
its memory that were damaged."""
SIMULATED_DIVISOR = 4
"""Clock cycles a bit of a simulated board: those of a 12 MHz board at 3 Mbaud."""
SIMULATED_PATIENCE = Patience(answer=60, busy=3600)
"""With a simulated board, which is about a hundred times slower."""


@dataclass(frozen=True, kw_only=True)
class RunResult(Result):
    """What a run on a board answers."""

    bit_exact: bool
    """Whether all predictions and all states that were compared are equal."""
    samples: int
    """Samples trained, up to the last comparison of the complete state."""
    first_difference: str | None
    """Where golden model and board differ first. None if they do not."""
    digest: str | None
    """Of the final state: see `train.lockstep.digest`. None unless bit-exact."""
    training_accuracy: float
    """Percentage of the samples that were predicted correctly before their update."""
    test_accuracy: float | None
    """Percentage of the test samples that were predicted correctly. None unless bit-exact."""
    test_samples: int
    samples_per_second: float | None
    """Speed of training."""
    link_bytes_per_sample: float | None
    """Bytes sent in training."""
    samples_per_second_link: float | None
    """Speed that these bytes allow at ``baud``. All three are None if nothing was trained."""
    baud: int
    """Bits a second on the serial line."""
    retransmissions: int
    """Frames sent again, in both directions."""
    resets: int
    """Resets of the board on the way."""
    out: str
    """The folder with checkpoint or state, and this result."""
    data: DataRecord | None = None
    """The data set. None in results of earlier versions."""
    identity: str | None = None
    """Digest of what was run: see `train.identity`. None in results of earlier versions."""
    wear: WearResult | None = None
    """The write pulses of cells, as the golden model counts them. None unless bit-exact, and in results of earlier
    versions."""
    memory: MemoryFigures | None = None
    """What it took to train from the board's memory. None if samples came over the line."""


def run(experiment: Experiment, *, built: Experiment | None = None, port: str | None = None, baud: int = BAUD,
        simulate: bool = False, stored: bool = False, filled: bool = False, faults: float = 0.0,
        samples: int | None = None, test_samples: int | None = None,
        data_dir: str | Path | None = None, out: str | Path | None = None, resume: bool = False,
        overwrite: bool = False, progress: bool = False) -> RunResult:
    """Train ``experiment`` on the board at the serial device ``port``, or on a simulated one, for its epochs or the
    first ``samples`` samples of them. Compare every prediction and, at checkpoints and at the end, the complete state
    with the golden model. Then classify the test set, or the first ``test_samples`` of it, on the board.

    The board was ``built`` for ``experiment``, unless told otherwise. ``experiment`` may differ from it in the
    parameters that are replaced at run time (`contract.parameters`): it may have another device of the same kind.

    If samples are ``stored``, the board's memory is filled with those of the data set that are not there yet. The board
    then takes them from there, in the order that it computes; predictions are compared by how many are correct. The
    SDRAM of a simulated board may be ``filled`` directly: over a simulated line that takes long.

    A board that is reset on the way, or finds a sample in its memory damaged, gets the last state that was compared,
    and the samples since then once more. On the lines of a simulated board the fraction ``faults`` of all bytes is
    damaged.

    The folder ``out`` takes the checkpoint, from which ``resume`` continues to the same bits. In the end it holds the
    state, ``state.npz``, and the answer, ``result.json``; ``resume`` then gives that answer. Unless it is given, it is
    one in ``runs/`` whose name differs wherever results differ. ``overwrite`` deletes a run that is there already.

    Raises ``InterruptedRunError`` within seconds after Ctrl-C or SIGTERM; ``InUseError`` if another process works in
    the folder; ``LinkError``, ``ConfigError``, ``SimulatorError`` or ``SimulationError`` in one line if it cannot be
    run.
    """
    if (port is None) is not simulate:
        raise ConfigError("give the port of a board, or simulate one: either --port DEVICE or --simulate")
    if not LOWEST_BAUD <= baud <= HIGHEST_BAUD:
        raise ConfigError(f"baud={baud}: must be {LOWEST_BAUD} to {HIGHEST_BAUD}")
    for name, value in (("samples", samples), ("test samples", test_samples)):
        if value is not None and value < 1:
            raise ConfigError(f"{name}={value}: must be at least 1")
    if not 0 <= faults < 1:
        raise ConfigError(f"faults={faults}: must be a fraction, from 0 to below 1")
    if faults and not simulate:
        raise ConfigError(f"faults={faults}: only bytes of a simulated board can be damaged; give --simulate, or leave "
                          "--faults out")
    experiment.require_in_situ()
    built = built or experiment
    if filled and not (simulate and stored and experiment.require_store().memory == "sdram"):
        raise ConfigError("filled: only the SDRAM of a simulated board is; give --filled with --simulate and --stored, "
                          'and memory = "sdram"')
    if stored and experiment.require_store() != built.store:
        raise ConfigError("store: the machine was generated with another memory for samples")
    for generated, wanted in zip(built.crossbars, experiment.crossbars, strict=True):
        replacements(generated, wanted)  # says what cannot be replaced
    dataset = data.load(experiment, data_dir)
    total = data.taken(samples, experiment.epochs * len(dataset.train.labels), "samples of all epochs")
    if test_samples is not None:
        test_samples = data.taken(test_samples, len(dataset.test.labels), "test samples")
    test = data.Samples(*(part[:test_samples] for part in dataset.test))
    memory = MemorySupply(experiment, dataset.train, test) if stored else None
    supply: Supply = memory or LineSupply(experiment, NETWORK if built.store is None else STORED)
    identity = Identity.of("run --stored" if stored else "run", experiment, dataset, samples=total, test=test_samples,
                           built=built)
    folder = Path(out) if out is not None else run_folder.default(identity, "-board")
    with run_folder.hold(folder, identity, resume=resume, overwrite=overwrite) as record:
        answer = run_folder.ended(folder, record, RunResult)
        if answer and answer.bit_exact and (folder / run_folder.STATE).exists():
            return answer
        trained = Training(Plan(experiment, dataset.train, total), folder, record, supply)
        if resume:
            trained.resume()
        fill = memory.fill if memory and filled else None
        with _open(built, port, baud, faults, fill, progress) as line, deferred_stop() as stop:
            link = Link(line, built.design_digest, stop=stop,
                        patience=SIMULATED_PATIENCE if simulate else None)
            accuracy, difference = None, None
            try:
                accuracy = trained.run(link, test, stop, progress)
            except DifferenceError as error:
                difference = str(error.difference)
            link.close()
        answer = trained.result(link, accuracy, difference, len(test.labels), baud, dataset.record)
        if answer.bit_exact:
            trained.lockstep.finish()
        run_folder.write_result(folder, answer)
    return answer


@contextmanager
def _open(built: Experiment, port: str | None, baud: int, faults: float, fill: Callable[[np.ndarray], None] | None,
          progress: bool) -> Iterator[Port]:
    """The line to the board: simulated if ``port`` is None, and then with ``faults``. ``fill`` is given the columns of
    the SDRAM that it has then."""
    if port is not None:
        with closing(SerialPort(port, baud)) as line:
            yield line
        return
    toolchain.require("verilator")
    with (bar(show=progress, bar_format="{desc}, {elapsed}") as shown,
          waiting(shown, "building the simulated board")):
        board = SimulatedBoard(
            linked(built, divisor=SIMULATED_DIVISOR, memory=simulated_memory),
            Noise(Random(built.seed), faults), Noise(Random(built.seed + 1), faults))
    with board, closing(SerialPort(board.port, baud)) as line:
        if fill:
            fill(board.columns)
        yield line


class Training:
    """A training in lock-step on a board that may lose its state on the way."""

    def __init__(self, plan: Plan, folder: Path, record: Record, supply: Supply) -> None:
        """``folder`` takes the checkpoints; ``record`` is what it says of the run. Samples come by ``supply``."""
        self.lockstep = Lockstep(plan, folder, record, Position())
        self.resets, self.repairs = 0, 0
        self._supply = supply
        self._saved = False  # there is a checkpoint to continue from

    def resume(self) -> None:
        """Go to the checkpoint. ``ConfigError`` if there is none of this run."""
        self.lockstep.resume()
        self._saved = True

    def run(self, link: Link, test: data.Samples, stop: threading.Event, progress: bool) -> float:
        """Train, then return the accuracy on the samples ``test`` in percent."""
        since = 0  # losses since the last checkpoint
        while True:
            reached = self.lockstep.proven
            try:
                return self._attempt(link, test, stop, progress)
            except (BoardResetError, DamagedSampleError) as error:
                self.resets += isinstance(error, BoardResetError)
                self.repairs += isinstance(error, DamagedSampleError)
                since = since + 1 if reached is self.lockstep.proven else 1
                if since >= MAX_LOSSES:
                    raise LinkError(self._told(f"{error}, {since} times without getting any further")) from None
            except (LinkError, StoreError) as error:
                raise LinkError(self._told(error)) from None
            except ProtocolError as error:
                raise LinkError(self._told(f"the board answers wrongly: {error}")) from None
            except LinkInterruptedError as error:
                raise InterruptedRunError(self._told(error)) from None

    def _attempt(self, link: Link, test: data.Samples, stop: threading.Event, progress: bool) -> float:
        """Train from what is proven to the end, and evaluate, unless the board loses its state."""
        lockstep, experiment, supply = self.lockstep, self.lockstep.plan.experiment, self._supply
        link.open()
        driver = supply.driver(link)
        complete(driver.configure(experiment.crossbars))  # another program may have replaced parameters
        if not lockstep.ended:
            supply.provide(link, driver, progress=progress)
        complete(lockstep.start(driver, lambda: link.bytes_sent, supply.twins))
        lockstep.save()
        self._saved = True
        with bar(show=progress, total=lockstep.plan.total, initial=lockstep.position.sample, unit=" samples",
                 desc="training on the board") as shown:
            complete(lockstep.train(stop, shown))
        supply.provide(link, driver, test=True, progress=progress)
        xs = data.drive(test.images, experiment.input.format)
        with bar(show=progress, total=len(xs), unit=" samples", desc="evaluating on the board") as shown:
            return round(complete(lockstep.evaluate(xs, test.labels, stop, shown)), 3)

    def _told(self, error: SpinloomError | str) -> str:
        """The line for ``error``, with how to continue where that is possible."""
        if not self._saved:
            return str(error)
        return (f"{error}; the state after {self.lockstep.proven.position.sample} of "
                f"{self.lockstep.plan.total} samples is saved, continue with --resume")

    def result(self, link: Link, accuracy: float | None, difference: str | None, test_samples: int, baud: int,
               data_record: DataRecord) -> RunResult:
        """What the run answers."""
        proven, effort = self.lockstep.proven, self.lockstep.effort
        position, bytes_per_sample = proven.position, effort.metered / max(1, effort.samples)
        return RunResult(
            bit_exact=difference is None, samples=position.sample, first_difference=difference,
            digest=digest(proven.state) if difference is None else None,
            training_accuracy=round(100 * position.correct / max(1, position.sample), 3),
            test_accuracy=accuracy, test_samples=test_samples,
            samples_per_second=round(effort.samples / effort.seconds, 1) if effort.samples else None,
            link_bytes_per_sample=round(bytes_per_sample, 1) if effort.samples else None,
            samples_per_second_link=round(baud / 10 / bytes_per_sample, 1) if effort.samples else None,
            baud=baud, retransmissions=link.retransmissions, resets=self.resets, out=str(self.lockstep.folder),
            data=data_record if self.lockstep.record.digest else None, identity=self.lockstep.record.digest,
            wear=self.lockstep.wear if difference is None else None,
            memory=self._supply.figures(effort, self.repairs))
