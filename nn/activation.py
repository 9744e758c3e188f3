"""What neurons make: tensors that know the derivative behind them."""

from collections.abc import Callable
from typing import Any

import torch

from ..contract.formats import ActivationFormat

MOVING = {
    torch.Tensor.reshape, torch.Tensor.view, torch.Tensor.flatten, torch.Tensor.unflatten, torch.Tensor.permute,
    torch.Tensor.movedim, torch.Tensor.transpose, torch.Tensor.squeeze, torch.Tensor.unsqueeze, torch.Tensor.contiguous,
    torch.reshape, torch.flatten, torch.unflatten, torch.permute, torch.movedim, torch.transpose, torch.squeeze,
    torch.unsqueeze, torch.Tensor.narrow,
}
"""Functions that move elements or leave some out, whatever they are."""
CHOOSING = {torch.nn.functional.max_pool2d, torch.max_pool2d, torch.Tensor.__getitem__}
"""Functions that choose elements."""


class Activation(torch.Tensor):
    """The outputs of neurons, with their format, and the derivative of each.

    The array that they drive reads no row in its backward pass whose derivative is 0, as the machine does. So they are
    counted alike. Moving elements keeps both; choosing among them, as max pooling does, keeps the format. What any
    other function makes is an ordinary tensor, and what has been changed in place has no derivative either.
    """

    format: ActivationFormat
    _derivative: torch.Tensor | None
    _made: int

    @classmethod
    def of(cls, values: torch.Tensor, format: ActivationFormat,  # noqa: A002
           derivative: torch.Tensor | None = None) -> "Activation":
        """``values`` of ``format``, with their ``derivative``, a tensor of the same shape, if it is known."""
        made = values.as_subclass(cls)
        if made.is_inference():  # without a version, and without a backward pass
            made.format, made._derivative, made._made = format, None, 0
        else:
            made.format, made._derivative, made._made = format, derivative, made._version
        return made

    @property
    def derivative(self) -> torch.Tensor | None:
        """The derivative; None if it is not known, or values have been changed since."""
        return self._derivative if self._derivative is not None and self._version == self._made else None

    @classmethod
    def __torch_function__(cls, function: Callable, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        with torch._C.DisableTorchFunctionSubclass():
            made = function(*args, **kwargs)
            first = args[0] if args and isinstance(args[0], cls) else None
            if first is not None and function in MOVING:
                known = first.derivative
                return cls.of(made, first.format, None if known is None else function(known, *args[1:], **kwargs))
            if first is not None and function in CHOOSING:
                return cls.of(made, first.format)
            return made.as_subclass(torch.Tensor) if type(made) is cls else made
