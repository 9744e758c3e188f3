"""What a report looks at in a run folder itself, of the few runs that it looks at one by one."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...config import Experiment
from ...contract.errors import ConfigError, one_line
from ...train import run_folder
from ...train.results import EpochResult, TrainResult, TransferResult
from ..energy import account
from ..energy.results import EnergyResult


@dataclass(frozen=True, kw_only=True)
class Detail:
    """A run."""

    name: str
    experiment: Experiment
    epochs: list[EpochResult]
    """Ex situ: those of the precursor."""
    result: TrainResult
    pulses: list[np.ndarray]
    """Write pulses of each cell, int64 (rows, cols), by layer; empty if the run does not tell."""
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
    energy = None
    try:
        pulses = _pulses(folder, record)
        energy = account.run(folder)
    except ConfigError as error:
        left_out.append(one_line(f"{name}: {error}"))
    return Detail(name=name, experiment=experiment, epochs=epochs, result=result, pulses=pulses, energy=energy)


def _pulses(folder: Path, record: run_folder.Record) -> list[np.ndarray]:
    """The write pulses of each cell by layer; none if an earlier version began the run."""
    names = [f"layer{layer}_pulses" for layer in range(len(record.experiment.crossbars))]
    arrays = run_folder.read_bound(run_folder.state_path(folder), record, *names)
    if not arrays.keys() >= set(names):
        return []
    found = [arrays[name].astype(np.int64) for name in names]
    shapes = [(crossbar.rows, crossbar.cols) for crossbar in record.experiment.crossbars]
    if [each.shape for each in found] != shapes or any((each < 0).any() for each in found):
        raise ConfigError(f"{folder}: the write pulses of its cells are not those of its network; they are left out")
    return found
