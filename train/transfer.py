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
from .plot import plot_attempts
from .results import TransferResult
from .run_folder import Position


def transfer(source: Network, target: Network) -> list[WriteReport]:
    """Write the state of every cell of ``source`` into the cell of ``target`` at the same place, layer by layer."""
    return [after.write(before.states()) for before, after in zip(source.crossbars, target.crossbars, strict=True)]


def run(experiment: Experiment | None, *, data_dir: str | Path | None = None, out: str | Path | None = None,
        resume: str | Path | None = None, samples: int | None = None, **options: Any) -> TransferResult:
    """Train the precursor of ``experiment``, write it into the devices of ``experiment``, and evaluate both.

    The arguments, ``options`` among them, are those of `loop.run`, and so are the errors raised.
    """
    experiment, folder, samples = run_folder.locate(experiment, out=out, resume=resume, samples=samples)
    if resume is None:
        run_folder.create(folder, experiment, samples)
    inner = folder / "precursor"
    place = ({"resume": inner} if resume is not None and (inner / "state.npz").exists()
             else {"out": inner, "samples": samples})
    try:
        trained = train.run(experiment.precursor, data_dir=data_dir, **place, **options)
    except InterruptedRunError as error:
        raise InterruptedRunError(str(error).replace(str(inner), str(folder))) from None

    dataset = data.load(experiment, data_dir)
    source, target = Network(experiment.precursor), Network(experiment)
    run_folder.read_state(inner, source)
    reports = transfer(source, target)
    attempts = np.concatenate([report.attempts.ravel() for report in reports])
    result = TransferResult(
        test_accuracy=round(train.test_accuracy(target, dataset), 3), baseline_accuracy=trained.baseline_accuracy,
        write_pulses=int(attempts.sum()), samples_per_second=trained.samples_per_second,
        epochs=trained.epochs, samples=trained.samples, out=folder,
        precursor_accuracy=trained.test_accuracy, precursor_write_pulses=trained.write_pulses,
        cells=len(attempts), attempts_per_cell=round(float(attempts.mean()), 3), most_attempts=int(attempts.max()),
        cells_outside_margin=sum(report.failures for report in reports))
    run_folder.write_state(folder, target.state(), Position(result.epochs))
    run_folder.write_result(folder, result)
    decorate(folder / "plot.png", lambda file: plot_attempts(file, experiment.name, attempts))
    return result
