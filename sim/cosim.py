"""Co-simulation: golden model and simulated RTL train on the same samples and must agree in every bit."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..config import Experiment
from ..contract.errors import ConfigError
from ..contract.results import Result
from ..hw.export import netlist as netlists
from ..hw.export.verilog import to_verilog
from ..system.progress import bar, waiting
from ..system.temporary import temporary_folder
from ..train import data
from ..train.difference import DifferenceError
from .simulators import runner, toolchain
from .simulators.toolchain import TOP
from .testbenches.tb_training import TrainingBench, TrainingCase


@dataclass(frozen=True, kw_only=True)
class CosimResult(Result):
    """What ``cosim`` answers."""

    bit_exact: bool
    """Whether all predictions and the final states are equal."""
    samples: int
    """Samples to train on."""
    simulator: str
    netlist: str | None = None
    """The family of FPGAs whose cells were simulated. None if the RTL itself was."""
    cells: dict[str, int] | None = None
    """The netlist's cells by type."""
    cycles_per_sample: float | None = None
    """Clock cycles a sample. None unless bit-exact."""
    bound_cycles_per_sample: float | None = None
    """Clock cycles a sample that the memories alone would need. None unless bit-exact."""
    counters: dict[str, int] | None = None
    """The counters by name, summed over the layers. None unless bit-exact."""
    compared: dict[str, int] | None = None
    """Numbers that were compared: ``predictions``, and the arrays of the final states by name (conductances, residuals,
    LFSRs, counters), all layers together. None unless bit-exact."""
    first_difference: str | None = None
    """Where golden model and RTL differ first. None if they do not."""
    notes: list[str] = field(default_factory=list)
    """Where waveform and log of a difference are."""


def run(experiment: Experiment, *, samples: int = 100, simulator: str = "verilator",
        data_dir: str | Path | None = None, stall: float = 0.0, progress: bool = False,
        trace: bool = False, netlist: str | None = None) -> CosimResult:
    """Train on ``samples`` samples of the experiment's data set, in its order, and compare every prediction and the
    complete state; with ``trace`` every write pulse, too. Streams stall with probability ``stall`` in each clock cycle.

    With ``netlist``, a family of FPGAs, the RTL is synthesised first, and the netlist is simulated instead: see
    `hw.export.netlist`.

    Raises ``SimulatorError``, ``SimulationError``, ``SynthesisError``, or ``ConfigError`` in one line if it cannot be
    run.
    """
    usable = toolchain.require(simulator)
    if samples < 1:
        raise ConfigError(f"samples={samples}: must be at least 1")
    data.load(experiment, data_dir)  # so that missing data is told before the design is built
    if netlist is not None:
        netlists.check(netlist)
    answer = CosimResult(bit_exact=True, samples=samples, simulator=simulator, netlist=netlist)
    with _followed(samples, simulator, progress) as file:
        case = TrainingCase(
            experiment=experiment, seed=experiment.seed, samples=samples, stall=stall, traced=trace,
            data_dir=str(Path(data_dir).resolve()) if data_dir else None, progress=str(file))
        bench = TrainingBench(case)
        verilog: str | None = None
        if netlist is not None:
            made = netlists.netlist(to_verilog(bench.component, TOP), TOP, netlist)
            answer = replace(answer, cells=made.synthesis.cells)
            verilog = made.verilog
        try:
            training = runner.run(bench, usable, verilog=verilog)
        except DifferenceError as error:
            return replace(answer, bit_exact=False, first_difference=str(error.difference), notes=error.__notes__)
    return replace(answer, cycles_per_sample=training.cycles / samples,
                   bound_cycles_per_sample=training.bound_cycles / samples, counters=training.counters,
                   compared=training.compared)


@contextmanager
def _followed(samples: int, simulator: str, show: bool) -> Iterator[Path]:
    """Shows a bar that follows the number in the file that this yields. Until that is there, the simulator is being
    built."""
    with temporary_folder("spinloom-cosim-") as folder, bar(show=show, total=samples, unit=" samples") as shown:
        file = folder / "progress"

        def look() -> None:
            text = file.read_text(encoding="ascii") if file.is_file() else ""
            if text:
                shown.set_description(f"co-simulating on {simulator}", refresh=False)
                shown.update(int(text) - shown.n)

        with waiting(shown, "building the simulator", look):
            yield file
        shown.update(samples - shown.n)
