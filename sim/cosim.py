"""Co-simulation: golden model and simulated RTL train on the same samples and must agree in every bit."""

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from ..config import Experiment
from ..contract.errors import ConfigError
from ..train import data
from ..train.difference import DifferenceError
from . import runner, toolchain
from .testbenches.tb_training import TrainingBench, TrainingCase


def run(experiment: Experiment, *, samples: int = 100, simulator: str = "verilator",
        data_dir: str | Path | None = None, stall: float = 0.0, progress: bool = False) -> dict:
    """Train on ``samples`` samples of the experiment's data set, in its order, and compare every prediction and the
    complete state.

    Streams stall with probability ``stall`` a cycle. The answer has the keys ``bit_exact``, ``samples``, ``simulator``,
    ``cycles_per_sample``, ``bound_cycles_per_sample`` and ``counters``, of all layers (all None unless bit-exact),
    ``first_difference`` (None if there is none) and ``notes``: where waveform and log of a difference are.

    Raises ``SimulatorError``, ``SimulationError``, or ``ConfigError`` in one line if it cannot be run.
    """
    toolchain.require(simulator)
    if samples < 1:
        raise ConfigError(f"samples={samples}: must be at least 1")
    data.load(experiment, data_dir)  # so that missing data is told before the design is built
    answer = {"bit_exact": True, "samples": samples, "simulator": simulator, "cycles_per_sample": None,
              "bound_cycles_per_sample": None, "counters": None, "first_difference": None, "notes": []}
    with _bar(samples, simulator, progress) as file:
        parameters = TrainingCase(
            experiment=experiment, seed=experiment.seed, samples=samples, stall=stall,
            data_dir=str(Path(data_dir).resolve()) if data_dir else None, progress=str(file))
        try:
            counted = runner.run(TrainingBench(parameters), simulator)
        except DifferenceError as error:
            return answer | {"bit_exact": False, "first_difference": str(error.difference),
                             "notes": error.__notes__}
    return answer | {"cycles_per_sample": counted["cycles"] / samples,
                     "bound_cycles_per_sample": counted["bound_cycles"] / samples, "counters": counted["counters"]}


@contextmanager
def _bar(samples: int, simulator: str, show: bool) -> Iterator[Path]:
    """A progress bar that follows the number in the file that it yields."""
    with tempfile.TemporaryDirectory() as folder, tqdm(
            total=samples, desc=f"co-simulating on {simulator}", unit=" samples", disable=not show) as bar:
        file, ended = Path(folder) / "progress", threading.Event()

        def follow() -> None:
            while not ended.wait(0.5):
                text = file.read_text(encoding="ascii") if file.is_file() else ""
                bar.update(int(text or bar.n) - bar.n)

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield file
            bar.update(samples - bar.n)
        finally:
            ended.set()
            thread.join()
