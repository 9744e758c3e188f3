"""What a report looks at in a run folder itself, of the few runs that it looks at one by one."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...config import Experiment
from ...contract.errors import ConfigError, one_line
from ...train import run_folder
from ...train.results import EpochResult, TrainResult, TransferResult
from ...train.trace import Trace
from ..energy import account
from ..energy.results import EnergyResult
from . import traced
from .traced import Traced


@dataclass(frozen=True, kw_only=True)
class Detail:
    """A run."""

    name: str
    experiment: Experiment
    epochs: list[EpochResult]
    """Ex situ: those of the precursor."""
    result: TrainResult
    pulses: list[np.ndarray]
    """Write pulses of each cell, int64 (rows, cols), or (rows, cols, devices) where cells have several, by layer; empty
    if the run does not tell."""
    failed: int | None
    """Cells at the end of their lives; None if cells do not age."""
    trace: Traced | None
    """None if the run has none, or is ex situ."""
    energy: EnergyResult | None
    """None if there is no cost for what it did."""


def read(name: str, folder: Path, left_out: list[str]) -> Detail | None:
    """The run in ``folder``, which is called ``name``. What cannot be read is told in ``left_out``; None if that is
    the run itself."""
    try:
        record = run_folder.read_record(folder)
        experiment = record.experiment
        kind = TransferResult if experiment.transfer else TrainResult
        trained = folder / run_folder.PRECURSOR if experiment.transfer else folder
        result, epochs = run_folder.read_result(folder, kind), run_folder.read_metrics(trained)
    except ConfigError as error:
        left_out.append(one_line(f"{name}: {error}"))
        return None
    pulses: list[np.ndarray] = []
    failed = trace = energy = None
    try:
        pulses = _pulses(folder, record)
        failed = _failed(folder, record)
        energy = account.run(folder)
        if record.traced and pulses and epochs and not experiment.transfer:
            trace = traced.read(Trace.of(folder), pulses, [each.samples for each in epochs])
    except ConfigError as error:
        left_out.append(one_line(f"{name}: {error}"))
    return Detail(name=name, experiment=experiment, epochs=epochs, result=result, pulses=pulses, failed=failed,
                  trace=trace, energy=energy)


def _pulses(folder: Path, record: run_folder.Record) -> list[np.ndarray]:
    """The write pulses of each cell by layer; none if an earlier version began the run."""
    found = _arrays(folder, record, "pulses")
    shapes = [(crossbar.rows, crossbar.cols, *([crossbar.devices] if crossbar.devices > 1 else []))
              for crossbar in record.experiment.crossbars]
    if found and [each.shape for each in found] != shapes or any((each < 0).any() for each in found):
        raise ConfigError(f"{folder}: the write pulses of its cells are not those of its network; they are left out")
    return [each.astype(np.int64) for each in found]


def _failed(folder: Path, record: run_folder.Record) -> int | None:
    """How many cells have failed; None if they do not age."""
    lives = _arrays(folder, record, "life") if record.experiment.device.ageing else []
    return sum(int((each == 0).sum()) for each in lives) if lives else None


def _arrays(folder: Path, record: run_folder.Record, name: str) -> list[np.ndarray]:
    """The arrays ``name`` of the layers in the run's state; none if not all of them are there."""
    names = [f"layer{layer}_{name}" for layer in range(len(record.experiment.crossbars))]
    arrays = run_folder.read_bound(run_folder.state_path(folder), record, *names)
    return [arrays[each] for each in names] if arrays.keys() >= set(names) else []
