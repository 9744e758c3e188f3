"""Evaluation of what a run has left, also after its devices have drifted, and behind wires."""

from collections.abc import Callable
from pathlib import Path

from ..model.network import Network
from ..system.notice import warn
from . import data, run_folder
from . import loop as train
from .drift import drift
from .results import DriftResult, EvaluateResult, WiresResult
from .wires import wires


def run(folder: str | Path, *, data_dir: str | Path | None = None, seconds: tuple[float, ...] = (),
        ratios: tuple[float, ...] = ()) -> EvaluateResult:
    """The accuracy of the network in the run folder ``folder``, after each of ``seconds`` since programming, and behind
    wires of each of ``ratios`` (`train.wires`). The run may be one of ``spinloom train``, ``epoch`` or ``run``, and
    under way: then its last checkpoint counts. On other data than the run's there is a warning. ``ConfigError`` if the
    folder is not that of a run, if the device does not drift, or if wires count already."""
    folder = Path(folder)
    record = run_folder.read_record(folder)
    experiment = record.experiment
    dataset = data.load(experiment, data_dir)
    run_folder.remark_if_unbound(folder, record)
    if record.identity and record.identity.data.sha256 != dataset.record.sha256:
        warn(f"{folder}: was trained on {record.identity.data}, and is evaluated on {dataset.record}")

    def accuracy(change: Callable[[Network, float], None] | None = None, by: float = 0.0) -> float:
        network = Network(experiment)
        run_folder.read_state(folder, record, network)
        if change is not None:
            change(network, by)
        return round(train.test_accuracy(network, dataset), 3)

    return EvaluateResult(
        run=str(folder), test_accuracy=accuracy(), data=dataset.record,
        drift=tuple(DriftResult(seconds=time, test_accuracy=accuracy(drift, time)) for time in seconds),
        wires=tuple(WiresResult(ratio=ratio, test_accuracy=accuracy(wires, ratio)) for ratio in ratios))
