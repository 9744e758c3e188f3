"""What neurons make: tensors that know the derivative behind them."""

from collections.abc import Callable
from typing import Any

import torch

MOVING = {
    torch.Tensor.reshape, torch.Tensor.view, torch.Tensor.flatten, torch.Tensor.unflatten, torch.Tensor.permute,
    torch.Tensor.movedim, torch.Tensor.transpose, torch.Tensor.squeeze, torch.Tensor.unsqueeze, torch.Tensor.contiguous,
    torch.reshape, torch.flatten, torch.unflatten, torch.permute, torch.movedim, torch.transpose, torch.squeeze,
    torch.unsqueeze,
}
"""Functions that move elements and do nothing else."""


class Activation(torch.Tensor):
    """The outputs of neurons, with the derivative of each.

    The array that they drive reads no row in its backward pass whose derivative is 0, as the machine does. So they are
    counted alike. Moving elements keeps the derivative. What any other function makes is an ordinary tensor, and what
    has been changed in place has no derivative either.
    """

    _derivative: torch.Tensor
    _made: int

    @classmethod
    def of(cls, values: torch.Tensor, derivative: torch.Tensor) -> "Activation":
        """``values`` with their ``derivative``, a tensor of the same shape."""
        made = values.as_subclass(cls)
        made._derivative, made._made = derivative, made._version
        return made

    @property
    def derivative(self) -> torch.Tensor | None:
        """The derivative; None if values have been changed since."""
        return self._derivative if self._version == self._made else None

    @classmethod
    def __torch_function__(cls, function: Callable, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        with torch._C.DisableTorchFunctionSubclass():
            made = function(*args, **kwargs)
            derivative = args[0].derivative if function in MOVING and isinstance(args[0], cls) else None
            if derivative is not None:
                return cls.of(made, function(derivative, *args[1:], **kwargs))
            return made.as_subclass(torch.Tensor) if type(made) is cls else made
