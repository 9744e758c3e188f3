"""What the demonstration finds."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..contract.results import Result
from ..train.results import TrainResult

if TYPE_CHECKING:
    from ..hw.export.synth import Synthesis
    from ..sim.cosim import CosimResult


@dataclass(frozen=True, kw_only=True)
class DemoResult(Result):
    """What the demonstration has found, in the answers of the commands that it consists of."""

    train: TrainResult
    """The answer of ``spinloom train``."""
    generate: dict[str, Any]
    """The answer of ``spinloom generate``."""
    cosim: "tuple[CosimResult, ...]"
    """The answer of ``spinloom cosim`` on each simulator that is installed."""
    synth: "Synthesis"
    """The answer of ``spinloom synth``."""
    bit_exact: bool
    """Whether all co-simulations agree in every bit."""
    picture: str
    """The PNG."""
    seconds: int
    """How long all of it took."""
