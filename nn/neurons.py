"""The neurons of the machine as modules, from outputs of an array to drives of the next (arithmetic 5.2).

Their outputs are rounded to a format, ``format``. Backward, a gradient is multiplied with the machine's derivative.
Where an output of an array arrives as it is, they give the integers of `model.neuron`; anything else, behind a batch
normalisation for instance, is rounded to nearest, ties up.
"""

from abc import ABC, abstractmethod
from typing import Any

import torch

from ..contract.formats import ActivationFormat, neuron_format
from ..contract.formats import Neuron as NeuronKind
from ..contract.lfsr import NEURON_STREAM, hashed_state
from ..contract.tables import DERIVATIVE_FRAC, FIRING_BITS
from ..model.lfsr import Lfsr
from . import formats
from .activation import Activation
from .rounding import rounded
from .seed import upcoming


class Neuron(torch.nn.Module, ABC):
    """Neurons of a kind, whose outputs have ``format``."""

    kind: NeuronKind

    def __init__(self, format: ActivationFormat) -> None:  # noqa: A002
        super().__init__()
        self.format = format

    def forward(self, z: torch.Tensor) -> Activation:
        """The drive, a multiple of ``2**-format.frac``, for the outputs ``z``, of any shape."""
        x, derivative = self._integers(z.detach().as_subclass(torch.Tensor))
        values = _Activate.apply(z, (x * 2.0**-self.format.frac).to(z.dtype), derivative.to(z.dtype))
        return Activation.of(values, self.format, derivative)

    @abstractmethod
    def _integers(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The drive, in units of ``2**-format.frac``, and the derivative."""

    def extra_repr(self) -> str:
        return f"bits={self.format.bits}, frac={self.format.frac}"


class _Activate(torch.autograd.Function):
    """From outputs to ``values``; backward by ``derivative``."""

    @staticmethod
    def forward(ctx: Any, z: torch.Tensor, values: torch.Tensor, derivative: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(derivative)
        return values

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        return gradient * ctx.saved_tensors[0], None, None


class ReLU(Neuron):
    """From 0 to ``2**bits - 1``, with ``frac`` fraction bits: the ``z_frac`` of the layer before. `state_dict` has the
    format, which `calibrate` chooses."""

    kind = "relu"

    def __init__(self, bits: int = 8, frac: int = formats.Z_FRAC) -> None:
        super().__init__(formats.unsigned(bits, frac))

    def _integers(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x, _, numbers = rounded(z, 2.0**self.format.frac, 0, self.format.maximum)
        return x if numbers else torch.where(z.isnan(), z, x), x != 0

    def get_extra_state(self) -> dict[str, torch.Tensor]:
        """Width and fraction bits of the ``format``."""
        return {"format": torch.tensor([self.format.bits, self.format.frac])}

    def set_extra_state(self, state: dict[str, torch.Tensor]) -> None:
        """Restore what ``get_extra_state`` returned."""
        self.format = formats.unsigned(*state["format"].tolist())

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        """As PyTorch does. A state without the format, as one of `torch.nn.ReLU`, leaves it as it is."""
        state_dict.setdefault(prefix + "_extra_state", self.get_extra_state())
        super()._load_from_state_dict(state_dict, prefix, *others)


class HardTanh(Neuron):
    """From ``-2**(bits-1)`` to ``2**(bits-1) - 1``, with ``frac`` fraction bits: the ``z_frac`` of the layer before."""

    kind = "hard_tanh"

    def __init__(self, bits: int = 8, frac: int = formats.Z_FRAC) -> None:
        super().__init__(formats.signed(bits, frac))

    def _integers(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        nearest = _nearest(z.double() * 2.0**self.format.frac)
        x = nearest.clamp(self.format.minimum, self.format.maximum)
        return x, x == nearest


class Sigmoid(Neuron):
    """The logistic function, in ``bits`` bits from 0 to almost 1."""

    kind = "sigmoid"

    def __init__(self, bits: int = 8) -> None:
        super().__init__(neuron_format("sigmoid", formats.unsigned(bits).bits, 0))

    def _integers(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        s, one = 1 / (1 + torch.exp(-z.double())), 2.0**DERIVATIVE_FRAC
        return _nearest(s * self.format.maximum), _nearest(s * (1 - s) * one) / one

    def extra_repr(self) -> str:
        return f"bits={self.format.bits}"


class Ternary(Neuron):
    """-1, 0 or 1: what has reached 1 in magnitude keeps its sign. The derivative is 1 between 1/2 and 3/2."""

    kind = "ternary"

    def __init__(self) -> None:
        super().__init__(formats.TERNARY)

    def _integers(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        size = z.abs()
        return z.clamp(-1, 1).trunc(), (size > 0.5) & (size < 1.5)

    def extra_repr(self) -> str:
        return ""


class Stochastic(Neuron):
    """1 with the probability that the logistic function gives, else 0. The derivative is that of the probability: the
    gradient passes straight through what has been drawn.

    Each output draws a word from an LFSR, sample by sample, in the machine's order of cells: inputs of four dimensions
    are images. The LFSR is that of the next array that is made after these neurons. In evaluation, words are drawn as
    training would draw them, and the LFSR stays as it is.
    """

    kind = "stochastic"

    def __init__(self) -> None:
        super().__init__(neuron_format("stochastic", 1, 0))
        seed, index = upcoming()
        self.lfsr = Lfsr(hashed_state(seed, NEURON_STREAM, index))

    def _integers(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        s, one = 1 / (1 + torch.exp(-z.double())), 2.0**DERIVATIVE_FRAC
        chances = _nearest(s * ((1 << FIRING_BITS) - 1))
        cells = chances.movedim(1, -1) if z.dim() == 4 else chances
        lfsr = self.lfsr if self.training else Lfsr(self.lfsr.state)
        fires = lfsr.draw(z.numel()).reshape(cells.shape).to(z.device) < cells
        fires = torch.where(cells.isnan(), cells, fires)  # what is not a number stays so, and the next array says it
        return (fires.movedim(-1, 1) if z.dim() == 4 else fires), _nearest(s * (1 - s) * one) / one

    def get_extra_state(self) -> torch.Tensor:
        """The state of the LFSR."""
        return torch.tensor(self.lfsr.state)

    def set_extra_state(self, state: torch.Tensor) -> None:
        """Restore what ``get_extra_state`` returned."""
        self.lfsr.state = int(state)

    def extra_repr(self) -> str:
        return ""


def _nearest(values: torch.Tensor) -> torch.Tensor:
    """To nearest, ties up."""
    return torch.floor(values + 0.5)
