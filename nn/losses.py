"""The losses of the machine as modules (arithmetic 6). Like the machine's, they are sums over the samples, not means:
the delta of a sample does not depend on how many there are."""

from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.nn.functional import one_hot

from .array import ArrayError


class CrossEntropy(torch.nn.Module):
    """The cross-entropy of a logistic function for each output, of which that of the label should be 1.

    Its gradient is rounded as in the machine, to ``frac`` fraction bits: the ``delta_frac`` of the last layer.
    """

    def __init__(self, frac: int = 8) -> None:
        super().__init__()
        self.frac = frac

    def forward(self, z: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The loss of the outputs ``z`` (n, cols) for ``labels``, int64 (n,)."""
        return _CrossEntropy.apply(z, _right(z, labels), self.frac)

    def extra_repr(self) -> str:
        return f"frac={self.frac}"


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: torch.Tensor, right: torch.Tensor, frac: int) -> torch.Tensor:
        one = (1 << frac) - 1
        wide = z.double()
        delta = torch.floor(one / (1 + torch.exp(-wide)) + 0.5) - one * right
        ctx.save_for_backward((delta * 2.0**-frac).to(z.dtype))
        return torch.nn.functional.binary_cross_entropy_with_logits(wide, right.double(), reduction="sum").to(z.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        return gradient * ctx.saved_tensors[0], None, None


class SquaredHinge(torch.nn.Module):
    """Half the square of what each output lacks to 1, of the others of what it lacks to -1."""

    def forward(self, z: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The loss of the outputs ``z`` (n, cols) for ``labels``, int64 (n,)."""
        sign = 2 * _right(z, labels).to(z.dtype) - 1
        return (1 - sign * z).clamp(min=0).square().sum() / 2


def _right(z: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """1 for the output of each label, 0 for the others, in the shape of ``z``; ``ArrayError`` if ``labels`` are not
    those of the outputs ``z``."""
    if labels.shape != z.shape[:-1]:
        raise ArrayError(f"labels of shape {tuple(labels.shape)}: outputs of shape {tuple(z.shape)} need "
                         f"{tuple(z.shape[:-1])}")
    try:
        return one_hot(labels, z.shape[-1])
    except RuntimeError:
        raise ArrayError(f"labels of {labels.dtype}, from {labels.min()} to {labels.max()}: {z.shape[-1]} outputs need "
                         f"torch.int64, from 0 to {z.shape[-1] - 1}") from None
