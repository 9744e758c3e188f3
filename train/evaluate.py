"""Evaluation of what a run has left, also after its devices have drifted."""

from pathlib import Path

from ..model.network import Network
from ..system.notice import warn
from . import data, run_folder
from . import loop as train
from .drift import drift
from .results import DriftResult, EvaluateResult


def run(folder: str | Path, *, data_dir: str | Path | None = None, seconds: tuple[float, ...] = ()) -> EvaluateResult:
    """The accuracy of the network in the run folder ``folder``, and after each of ``seconds`` since programming. The
    run may be one of ``spinloom train``, ``epoch`` or ``run``, and under way: then its last checkpoint counts. On other
    data than the run's there is a warning. ``ConfigError`` if the folder is not that of a run, or if the device does
    not drift."""
    folder = Path(folder)
    record = run_folder.read_record(folder)
    experiment = record.experiment
    dataset = data.load(experiment, data_dir)
    run_folder.remark_if_unbound(folder, record)
    if record.identity and record.identity.data.sha256 != dataset.record.sha256:
        warn(f"{folder}: was trained on {record.identity.data}, and is evaluated on {dataset.record}")

    def accuracy(time: float | None) -> float:
        network = Network(experiment)
        run_folder.read_state(folder, record, network)
        if time is not None:
            drift(network, time)
        return round(train.test_accuracy(network, dataset), 3)

    return EvaluateResult(test_accuracy=accuracy(None), data=dataset.record,
                          drift=tuple(DriftResult(seconds=time, test_accuracy=accuracy(time)) for time in seconds))
