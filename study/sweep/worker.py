"""What a process of a sweep does: it trains a run."""

import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ...config import Experiment, load, parse
from ...contract.errors import ConfigError
from ...system.claim import STALE_SECONDS, InUseError
from ...train import loop, run_folder, transfer
from ...train.baseline import DECISIVE
from ...train.results import TrainResult

PATIENCE = STALE_SECONDS + 30
"""Seconds that a run waits for a folder in which the process before it, which was lost, may still seem to live."""

_baselines: dict[str, float] = {}
"""The accuracies of the baselines that this process has trained, by what decides them."""


def begin() -> None:
    """Make this process a worker. It leaves Ctrl-C to the process that has started it, which tells it by SIGTERM, and
    ends when that ends, however it does. What libraries write on standard error is lost: progress is one line."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    tqdm.set_lock(threading.RLock())  # its own is a semaphore, which would stay if this process is killed
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def compile_code() -> None:
    """Compile the trainer, unless Numba has kept it from before."""
    import torch

    from ...model.compiled.trainer import CompiledTrainer
    from ...model.network import Network

    experiment = load("digits-dw5")
    CompiledTrainer(Network(experiment)).predict(torch.zeros((1, experiment.input.count), dtype=torch.int16))


def train(document: dict[str, Any], folder: Path, *, data_dir: str | None, data: str, samples: int | None,
          baseline: bool, afresh: bool, mend: bool) -> TrainResult:
    """The result of the run of the experiment in ``document`` in ``folder``, which is begun, also if it is there
    already and ``afresh``, or continued;
    if it is too damaged for that, it is begun anew if ``mend``.
    ``data`` is the digest of the data set. Raises what `train.loop.run` raises.

    A baseline that this process has trained already is not trained again.
    """
    experiment = parse(document, "sweep")
    of = json.dumps([data, samples, experiment.model_dump(mode="json", include=DECISIVE)])
    known = baseline and not experiment.transfer and _baselines.get(of) or baseline
    options: dict[str, Any] = {"data_dir": data_dir, "samples": samples, "baseline": known}
    try:
        result = _train(experiment, folder, afresh, **options)
    except ConfigError:
        if afresh or not mend:
            raise
        result = _train(experiment, folder, True, **options)
    if result.baseline_accuracy is not None:
        _baselines[of] = result.baseline_accuracy
    return result


def _train(experiment: Experiment, folder: Path, afresh: bool, *, samples: int | None, **options: Any) -> TrainResult:
    """The result of the run of ``experiment`` in ``folder``, once no other process works there."""
    runner = transfer.run if experiment.transfer else loop.run
    first = time.monotonic()
    while True:
        continued = (folder / run_folder.RECORD).exists() and not afresh
        place: dict[str, Any] = {"resume": folder} if continued else {
            "out": folder, "samples": samples, "overwrite": True}
        try:
            return runner(None if continued else experiment, progress=False, **place, **options)
        except InUseError:
            if time.monotonic() - first > PATIENCE:
                raise
            time.sleep(1)
