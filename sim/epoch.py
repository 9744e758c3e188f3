"""The first epoch of a data set, trained in simulated RTL and compared with the golden model bit for bit."""

import hashlib
import json
import time
import zipfile
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from ..config import Experiment
from ..contract.errors import ConfigError, InterruptedRunError
from ..contract.hashing import sample_order
from ..hw.network import Network as Design
from ..model.compiled.trainer import CompiledTrainer
from ..model.network import Network
from ..system.files import replace
from ..system.stop import deferred_stop
from ..train import data
from ..train.difference import DifferenceError, expect
from . import toolchain
from .compiled import CompiledBench, complete
from .driver import NetworkDriver
from .testbenches.tb_crossbar import expect_state

SPAN = 250
"""Samples between two comparisons of the predictions."""
CHECKPOINT_SECONDS = 60
"""Between two comparisons of the complete state, which are checkpoints too."""


def digest(state: dict[str, np.ndarray]) -> str:
    """SHA-256 of a network's complete state: of the bytes, little endian and row-major, of the arrays in the order of
    their names."""
    hashed = hashlib.sha256()
    for name in sorted(state):
        array = state[name]
        hashed.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes())
    return hashed.hexdigest()


def run(experiment: Experiment, *, data_dir: str | Path | None = None, out: str | Path | None = None,
        resume: bool = False, samples: int | None = None, progress: bool = False) -> dict:
    """Train on the first epoch of ``experiment``, or the first ``samples`` samples of its order, in a Verilator model
    of the network, and compare every prediction and, at the end and at every checkpoint, the complete state.

    ``out`` (default ``runs/<name>-epoch``) takes the checkpoint, from which ``resume`` continues to the same bits, in
    the end the state, ``state.npz``, and ``epoch.json``, the answer: ``bit_exact``, ``samples``, ``training_accuracy``,
    ``digest`` (of the final state, None unless bit-exact), ``first_difference``, ``cycles_per_sample``,
    ``bound_cycles_per_sample``, ``cycles_vs_bound``, ``cycles_vs_reads`` (see `model.network.Network`),
    ``simulated_cycles_per_second`` and ``rtl_samples_per_second``.

    Raises ``InterruptedRunError`` after Ctrl-C or SIGTERM; ``ConfigError``, ``SimulatorError`` or ``SimulationError``
    in one line if it cannot be run.
    """
    experiment.require_in_situ()
    toolchain.require("verilator")
    if samples is not None and samples < 1:
        raise ConfigError(f"samples={samples}: must be at least 1")
    train = data.load(experiment, data_dir).train
    order = sample_order(experiment.seed, 0, len(train.labels))[:samples]
    labels = train.labels.astype(np.int64)
    xs = data.drive(train.images, experiment.input.format)
    folder = Path(out) if out is not None else Path("runs") / f"{experiment.name}-epoch"
    path = folder / "checkpoint.npz"
    golden = Network(experiment)
    position = {"sample": 0, "correct": 0, "cycles": 0, "bound_cycles": 0, "read_cycles": 0}
    if resume:
        position = read_checkpoint(path, golden, experiment, len(order), list(position))
    create(folder)

    with tqdm(total=len(order), initial=position["sample"], unit=" samples", disable=not progress) as bar:
        bar.set_description("building the simulator")
        bench = CompiledBench(Design(geometries=experiment.crossbars, loss=experiment.loss))
        bar.set_description("training in simulated RTL")
        bar.unpause()
        try:
            timing = _train(experiment, bench, golden, xs, labels, order, position, path, bar)
            difference = None
        except DifferenceError as error:
            timing, difference = {}, str(error.difference)
        finally:
            bench.close()
    trained = position["sample"]
    answer = {
        "bit_exact": difference is None, "samples": trained, "first_difference": difference,
        "digest": digest(golden.state()) if difference is None else None,
        "training_accuracy": round(100 * position["correct"] / max(1, trained), 3),
        "cycles_per_sample": position["cycles"] / max(1, trained),
        "bound_cycles_per_sample": position["bound_cycles"] / max(1, trained),
        "cycles_vs_bound": position["cycles"] / max(1, position["bound_cycles"]),
        "cycles_vs_reads": position["cycles"] / max(1, position["read_cycles"]),
        "simulated_cycles_per_second": timing.get("cycles_per_second"),
        "rtl_samples_per_second": timing.get("samples_per_second"), "out": str(folder),
    }
    if difference is None:
        path.replace(folder / "state.npz")
    replace(folder / "epoch.json", lambda file: file.write(json.dumps(answer, indent=2).encode()))
    return answer


def _train(experiment: Experiment, bench: CompiledBench, golden: Network, xs: torch.Tensor, labels: np.ndarray,
           order: np.ndarray, position: dict[str, int], path: Path, bar: tqdm) -> dict[str, float]:
    """Train both from ``position``, which moves on, to the end of ``order``. Returns the speed of the design."""
    trainer = CompiledTrainer(golden)
    driver = NetworkDriver(bench, experiment.crossbars, experiment.loss)
    complete(driver.load(golden.state()))
    shift, batch = experiment.learning_rate_shift(0), experiment.batch
    bound, reads, first = position["bound_cycles"], position["read_cycles"], position["sample"]
    cycles, seconds, saved = 0, 0.0, time.monotonic()
    with deferred_stop() as stop:
        while (done := position["sample"]) < len(order):
            span = range(done, min(done + SPAN, len(order)))
            start, started = bench.cycle, time.monotonic()
            for sample in span:
                driver.submit(xs[order[sample]].numpy(), int(labels[order[sample]]), shift, batch == 1)
                if batch > 1 and ((sample + 1) % batch == 0 or sample + 1 == len(order)):
                    driver.submit_program()
            complete(driver.finish())
            seconds += time.monotonic() - started
            cycles += bench.cycle - start
            position["cycles"] += bench.cycle - start

            expected = trainer.train_span(xs, labels, order, span, shift)
            for sample, prediction in zip(span, expected.tolist(), strict=True):
                expect("prediction", prediction, complete(driver.prediction()), sample=sample)
            position["correct"] += int((expected == labels[order[span.start:span.stop]]).sum())
            position |= {"sample": span.stop, "bound_cycles": bound + golden.bound_cycles,
                         "read_cycles": reads + golden.read_cycles}
            bar.update(len(span))

            now = time.monotonic()
            if stop.is_set() or now - saved > CHECKPOINT_SECONDS or span.stop == len(order):
                expected, actual = golden.state(), complete(driver.state())
                for layer in range(len(golden.crossbars)):
                    expect_state(expected, actual, layer, f"layer{layer}_", sample=span.stop)
                write_checkpoint(path, experiment, actual, position)
                saved = now
            if stop.is_set() and span.stop < len(order):
                raise InterruptedRunError(f"interrupted after {span.stop} of {len(order)} samples; "
                                          "continue with --resume")
    return {"cycles_per_second": cycles / seconds, "samples_per_second": (position["sample"] - first) / seconds}


def create(folder: Path) -> None:
    """Make the folder of a run, if it is not there; ``ConfigError`` if that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot write to {folder}: {error.strerror}") from None


def write_checkpoint(path: Path, experiment: Experiment, state: dict[str, np.ndarray],
                     position: dict[str, int]) -> None:
    """Replace ``path`` by the state and position of a run of ``experiment``."""
    arrays = state | {"experiment": np.array(experiment.model_dump_json())}
    arrays |= {name: np.array(value, dtype=np.int64) for name, value in position.items()}
    replace(path, lambda file: np.savez(file, **arrays))


def read_checkpoint(path: Path, golden: Network, experiment: Experiment, count: int, names: list[str]) -> dict[str,
int]:
    """Load the state into ``golden``; returns the position, ``names``, in a run of ``count`` samples. ``ConfigError``
    if the file is not a checkpoint of such a run."""
    try:
        with np.load(path) as file:
            arrays = dict(file)
        position = {name: int(arrays[name]) for name in names}
        golden.load(arrays)
    except FileNotFoundError:
        raise ConfigError(f"there is no run to resume: {path} does not exist") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ConfigError(f"{path}: cannot be resumed from: {error}") from None
    if str(arrays["experiment"]) != experiment.model_dump_json():
        raise ConfigError(f"{path}: is of another configuration; start again without --resume")
    if not 0 <= position["correct"] <= position["sample"] <= count:
        raise ConfigError(f"{path}: is of a longer run; start again without --resume")
    return position
