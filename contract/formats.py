"""Formats of what drives the rows of a crossbar, and of derivatives."""

from dataclasses import dataclass
from typing import Literal

from .tables import DERIVATIVE_BITS, DERIVATIVE_FRAC

Neuron = Literal["relu", "sigmoid", "hard_tanh", "ternary", "stochastic"]


@dataclass(frozen=True, kw_only=True)
class ActivationFormat:
    """The integers that drive the rows of a crossbar."""

    kind: Literal["unsigned", "signed", "ternary"]
    """``ternary`` are -1, 0 and 1, in two bits."""
    bits: int
    frac: int
    """Width and fraction bits."""

    @property
    def signed(self) -> bool:
        """Whether there are negative values."""
        return self.kind != "unsigned"

    @property
    def minimum(self) -> int:
        """Smallest value."""
        return {"unsigned": 0, "signed": -(1 << self.bits - 1), "ternary": -1}[self.kind]

    @property
    def maximum(self) -> int:
        """Largest value."""
        return {"unsigned": (1 << self.bits) - 1, "signed": (1 << self.bits - 1) - 1, "ternary": 1}[self.kind]

    @property
    def magnitude(self) -> int:
        """Largest absolute value."""
        return max(-self.minimum, self.maximum)


def neuron_format(neuron: Neuron, bits: int, z_frac: int) -> ActivationFormat:
    """The format of the output of ``neuron``, ``bits`` wide, for inputs ``z`` with ``z_frac`` fraction bits."""
    match neuron:
        case "relu":
            return ActivationFormat(kind="unsigned", bits=bits, frac=z_frac)
        case "sigmoid":
            return ActivationFormat(kind="unsigned", bits=bits, frac=bits)
        case "hard_tanh":
            return ActivationFormat(kind="signed", bits=bits, frac=z_frac)
        case "ternary":
            return ActivationFormat(kind="ternary", bits=2, frac=0)
        case "stochastic":
            return ActivationFormat(kind="unsigned", bits=1, frac=0)


def derivative_format(neuron: Neuron | None) -> tuple[int, int]:
    """Width and fraction bits of the unsigned derivative of ``neuron``; both 0 where there is no neuron."""
    if neuron is None:
        return 0, 0
    return (DERIVATIVE_BITS, DERIVATIVE_FRAC) if neuron in ("sigmoid", "stochastic") else (1, 0)
