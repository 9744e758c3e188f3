"""Ex-situ training: a precursor is trained on the golden model, and the states of its cells are written into fresh
devices with program-and-verify.

The run folder holds what `model.train` says, of the devices written, and in ``precursor`` the run folder of the
precursor. ``result.json`` also tells what the writing took.
"""

from pathlib import Path

import numpy as np

from ..config import Experiment
from ..contract.errors import InterruptedRunError
from ..model.crossbar import WriteReport
from ..model.network import Network
from ..system.files import replace
from . import data, run_folder
from . import loop as train
from .plot import plot_attempts
from .run_folder import Position


def transfer(source: Network, target: Network) -> list[WriteReport]:
    """Write the state of every cell of ``source`` into the cell of ``target`` at the same place, layer by layer."""
    return [after.write(before.states()) for before, after in zip(source.crossbars, target.crossbars, strict=True)]


def run(experiment: Experiment, *, data_dir: str | Path | None = None, out: str | Path | None = None,
        resume: str | Path | None = None, samples: int | None = None, **options) -> dict:
    """Train the precursor of ``experiment``, write it into its devices, and evaluate both; everything goes to the
    folder ``out`` (default ``runs/<name>``), as ``options`` of `train.run` say.

    Returns what `train.run` returns, ``test_accuracy`` and ``programming_events`` being those of the devices written,
    with ``precursor_accuracy``, ``precursor_events``, ``cells``, ``attempts_per_cell`` (write pulses, mean),
    ``most_attempts`` and ``cells_outside_margin``. Raises what `train.run` raises.
    """
    folder = Path(resume or out or Path("runs") / experiment.name)
    if resume:
        experiment, samples = run_folder.read_experiment(folder)
    else:
        run_folder.create(folder, experiment, samples)
    inner = folder / "precursor"
    place = {"resume": inner} if resume and (inner / "state.npz").exists() else {"out": inner, "samples": samples}
    try:
        precursor = train.run(experiment.precursor, data_dir=data_dir, **place, **options)
    except InterruptedRunError as error:
        raise InterruptedRunError(str(error).replace(str(inner), str(folder))) from None

    dataset = data.load(experiment, data_dir)
    source, target = Network(experiment.precursor), Network(experiment)
    run_folder.read_state(inner, source)
    reports = transfer(source, target)
    attempts = np.concatenate([report.attempts.ravel() for report in reports])
    result = precursor | {
        "test_accuracy": round(train.test_accuracy(target, dataset), 3),
        "precursor_accuracy": precursor["test_accuracy"],
        "precursor_events": precursor["programming_events"],
        "programming_events": int(attempts.sum()),
        "cells": len(attempts),
        "attempts_per_cell": round(float(attempts.mean()), 3),
        "most_attempts": int(attempts.max()),
        "cells_outside_margin": sum(report.failures for report in reports),
        "out": str(folder),
    }
    run_folder.write_state(folder, target.state(), Position(result["epochs"]))
    replace(folder / "plot.png", lambda file: plot_attempts(file, experiment.name, attempts))
    run_folder.write_result(folder, result)
    return result
