"""Ex-situ training: a precursor is trained on the golden model, and the states of its cells are written into fresh
devices with program-and-verify.

The run folder holds what `run_folder` says, of the devices written. Its folder ``precursor`` is the run folder of the
precursor.
"""

from pathlib import Path
from typing import Any

import numpy as np

from ..config import Experiment
from ..contract.errors import InterruptedRunError
from ..model.crossbar import WriteReport
from ..model.network import Network
from ..render.figure import decorate
from . import data, run_folder
from . import loop as train
from .identity import Identity
from .plot import plot_attempts
from .results import TrainResult, TransferResult
from .run_folder import Position, Record
from .trace import TraceWriter
from .wear import Wear, failed_cells, wear


def transfer(source: Network, target: Network) -> list[WriteReport]:
    """Write the state of every cell of ``source`` into the cell of ``target`` at the same place, layer by layer."""
    return [after.write(before.states()) for before, after in zip(source.crossbars, target.crossbars, strict=True)]


def run(experiment: Experiment | None, *, data_dir: str | Path | None = None, out: str | Path | None = None,
        resume: str | Path | None = None, samples: int | None = None, overwrite: bool = False,
        options: dict[str, Any] | None = None, epochs: int | None = None, rates: tuple[int, ...] | None = None,
        baseline: bool = True, trace: bool = False, **training: Any) -> TransferResult:
    """Train the precursor of ``experiment``, write it into the devices of ``experiment``, and evaluate both.

    The arguments, ``training`` among them, are those of `loop.run`, and so are the errors raised. Changes on purpose,
    ``epochs`` and ``rates``, are the precursor's, and recorded in its folder. With ``trace``, both machines are traced.
    """
    experiment, samples = run_folder.wanted(experiment, resume, samples)
    dataset = data.load(experiment, data_dir).first(samples)
    identity = Identity.of("train", experiment, dataset)
    folder = Path(resume or out or run_folder.default(identity))
    with run_folder.hold(folder, identity, resume=resume is not None, overwrite=overwrite, options=options,
                         traced=trace) as record:
        inner = folder / run_folder.PRECURSOR
        begun = resume is not None and (inner / run_folder.RECORD).exists()
        place = ({"resume": inner, "epochs": epochs, "rates": rates} if begun
                 else {"out": inner, "overwrite": True, "trace": record.traced})
        try:
            trained = train.run(experiment.precursor, dataset=dataset, baseline=baseline, **place, **training)
        except InterruptedRunError as error:
            raise InterruptedRunError(str(error).replace(str(inner), str(folder))) from None
        result = run_folder.ended(folder, record, TransferResult)
        if result and _is_of(result, trained) and (folder / run_folder.PLOT).exists():
            return result
        return _write(experiment, dataset, folder, record, trained)


def _is_of(result: TransferResult, trained: TrainResult) -> bool:
    """Whether ``result`` is that of writing the precursor that has been ``trained``."""
    return (result.epochs, result.baseline_accuracy, result.precursor_write_pulses) == (
        trained.epochs, trained.baseline_accuracy, trained.write_pulses)


def _write(experiment: Experiment, dataset: data.Dataset, folder: Path, record: Record,
           trained: TrainResult) -> TransferResult:
    """Write the precursor in ``folder`` into the devices of ``experiment``."""
    source, target = Network(experiment.precursor), Network(experiment)
    inner = folder / run_folder.PRECURSOR
    run_folder.read_state(inner, run_folder.read_record(inner), source)
    trace = TraceWriter(folder, record, target.record()) if record.traced else None
    if trace:
        trace.begin()
    reports = transfer(source, target)
    attempts = np.concatenate([report.attempts.ravel() for report in reports])
    worn = wear([report.attempts for report in reports], failed_cells(target.crossbars))
    result = TransferResult(
        test_accuracy=round(train.test_accuracy(target, dataset), 3), baseline_accuracy=trained.baseline_accuracy,
        write_pulses=int(attempts.sum()), samples_per_second=trained.samples_per_second,
        epochs=trained.epochs, samples=trained.samples, out=folder, data=trained.data, identity=record.digest,
        precursor_accuracy=trained.test_accuracy, precursor_write_pulses=trained.write_pulses,
        cells=len(attempts), attempts_per_cell=round(float(attempts.mean()), 3), most_write_pulses=worn.worst.pulses,
        wear=worn, cells_outside_margin=sum(report.failures for report in reports))
    arrays = target.state() | Wear(target).state() | (trace.state() if trace else {})
    run_folder.write_state(folder, arrays, Position(result.epochs), record)
    run_folder.write_result(folder, result)
    decorate(folder / run_folder.PLOT, lambda file: plot_attempts(file, experiment.name, attempts))
    return result
