"""The neurons between two crossbars."""

import torch

from ..contract import formats, geometry, tables
from .lfsr import Lfsr


class Neuron:
    """Turns a hidden layer's ADC output into the drive of the next crossbar (arithmetic 5)."""

    def __init__(self, before: geometry.CrossbarGeometry, after: geometry.CrossbarGeometry,
                 torch_device: torch.device | str = "cpu") -> None:
        """The neurons between the crossbars ``before`` and ``after``, of the kind ``after.source``."""
        assert after.source is not None
        self.kind: formats.Neuron = after.source
        self.x = after.x
        self._one = 1 << before.z_frac if self.kind == "ternary" else 0
        if self.kind in ("sigmoid", "stochastic"):
            self._zero = 1 << before.z_bits - 1
            value = (tables.firing(before.z_bits, before.z_frac) if self.kind == "stochastic"
                     else tables.sigmoid(before.z_bits, before.z_frac, self.x.maximum))
            derivative = tables.sigmoid_derivative(before.z_bits, before.z_frac)
            self._value = torch.from_numpy(value).to(torch_device)
            self._derivative = torch.from_numpy(derivative).to(torch_device)

    def __call__(self, z: torch.Tensor, lfsr: Lfsr | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """The drive ``x`` and the derivative ``y`` for the outputs ``z``: int64, of the shape of ``z``. Stochastic
        neurons draw a word each from ``lfsr``, in row-major order."""
        match self.kind:
            case "relu":
                x = z.clamp(0, self.x.maximum)
                return x, (x != 0).to(torch.int64)
            case "hard_tanh":
                x = z.clamp(self.x.minimum, self.x.maximum)
                return x, (x == z).to(torch.int64)
            case "ternary":
                one, half = self._one, self._one >> 1
                x = (z >= one).to(torch.int64) - (z <= -one).to(torch.int64)
                return x, ((z.abs() > half) & (z.abs() < one + half)).to(torch.int64)
            case "sigmoid":
                return self._value[z + self._zero], self._derivative[z + self._zero]
            case "stochastic":
                assert lfsr is not None
                words = lfsr.draw(z.numel()).reshape(z.shape)
                return (words < self.probability(z)).to(torch.int64), self._derivative[z + self._zero]

    def probability(self, z: torch.Tensor) -> torch.Tensor:
        """Of stochastic neurons: how probable it is that they fire, in units of ``2**-FIRING_BITS``."""
        return self._value[z + self._zero]
