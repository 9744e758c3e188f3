"""Evaluation of a run that has ended, also after its devices have drifted."""

from pathlib import Path

from ..model.network import Network
from . import data, run_folder
from . import loop as train
from .drift import drift
from .results import DriftResult, EvaluateResult


def run(folder: str | Path, *, data_dir: str | Path | None = None, seconds: tuple[float, ...] = ()) -> EvaluateResult:
    """The accuracy of the network in the run folder ``folder``, and after each of ``seconds`` since programming.
    ``ConfigError`` if the folder is not that of a run, or if the device does not drift."""
    folder = Path(folder)
    experiment, _ = run_folder.read_experiment(folder)
    dataset = data.load(experiment, data_dir)

    def accuracy(time: float | None) -> float:
        network = Network(experiment)
        run_folder.read_state(folder, network)
        if time is not None:
            drift(network, time)
        return round(train.test_accuracy(network, dataset), 3)

    return EvaluateResult(test_accuracy=accuracy(None),
                          drift=tuple(DriftResult(seconds=time, test_accuracy=accuracy(time)) for time in seconds))
