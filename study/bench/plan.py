"""What is measured, and how much of it."""

from dataclasses import dataclass
from typing import Literal

Trainer = Literal["float32", "compiled", "reference", "aihwkit"]
Simulator = Literal["amaranth", "icarus", "verilator", "compiled"]

TRAINERS: dict[Trainer, str] = {
    "float32": "PyTorch float32, SGD",
    "compiled": "golden model, compiled",
    "reference": "golden model, reference",
    "aihwkit": "aihwkit, MixedPrecisionCompound",
}
"""What trains on the CPU, with its name in tables and figures."""
SIMULATORS: dict[Simulator, str] = {
    "amaranth": "Amaranth's simulator",
    "icarus": "Icarus, cocotb",
    "verilator": "Verilator, cocotb",
    "compiled": "Verilator, compiled driver",
}
"""What simulates the RTL, with its name."""
LayersTrainer = Literal["arrays", "float32", "aihwkit"]

LAYERS: dict[LayersTrainer, str] = {
    "arrays": "spinloom.nn, InSitu",
    "float32": "torch.nn, SGD",
    "aihwkit": "aihwkit, MixedPrecisionCompound",
}
"""What trains layers among PyTorch's, with its name."""
BATCHES = (1, 32)
"""Sizes of the mini-batches in which trainers are compared, and single layers."""
NETWORK_BATCH = 16
"""Size of the mini-batches of a network of layers."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is measured."""

    preset: str
    rounds: int
    """Rounds in which the trainers take turns; the median over them counts."""
    round_seconds: float
    """Each trainer's time in a round."""
    warm_up: int
    """Samples that the golden model has trained on before its speed is measured."""
    convolutions: str
    """A network with convolutions, on which trainers are compared too, and clock cycles counted."""
    reads: tuple[tuple[int, int], ...]
    """Rows that its convolutions read in a clock cycle, in the forward pass and in the second pass."""
    convolutions_steady: int
    """As ``steady``, of this network."""
    convolutions_samples: int
    """As ``samples``, likewise."""
    lanes: tuple[int, ...]
    """Of the first crossbar, most first; the first are all of them."""
    steady: int
    """Samples that the golden model has trained on before the steady state of the RTL is measured."""
    samples: int
    """Samples that the RTL trains on in every measurement."""
    simulator_samples: dict[Simulator, int]
    """Likewise, of ``digits-dw5`` on each simulator."""
    sizes: tuple[int, ...]
    """Columns of the first crossbar in the measurement of scaling."""
    size_lanes: int
    """Lanes of the first crossbar there: few, so that the largest design is built in minutes."""


FULL = Plan(preset="mnist-dw5", rounds=5, round_seconds=1.0, warm_up=10_000, convolutions="mnist-lenet-dw5",
            reads=((1, 1), (2, 1), (5, 1), (5, 5)), convolutions_steady=50_000, convolutions_samples=50,
            lanes=(250, 50, 25), steady=10_000, samples=300,
            simulator_samples={"amaranth": 20, "icarus": 20, "verilator": 400, "compiled": 400},
            sizes=(128, 256, 512, 1024, 2048), size_lanes=32)
QUICK = Plan(preset="digits-dw5", rounds=3, round_seconds=0.15, warm_up=1000, convolutions="digits-conv-dw5",
             reads=((1, 1),), convolutions_steady=1000, convolutions_samples=50,
             lanes=(32, 8), steady=1000, samples=200,
             simulator_samples={"amaranth": 4, "verilator": 100, "compiled": 100}, sizes=(32,), size_lanes=8)
