"""Modules that have an array: in the place of those of `torch.nn` with the same names and arguments."""

from typing import Any

import torch

from ..contract.errors import shown
from ..contract.formats import ActivationFormat
from ..contract.window import Pair, Window
from .array import Array, ArrayError
from .formats import signed
from .tiles import Tiles, in_arrays

ABSENT = ("groups", "dilation", "padding_mode", "bidirectional", "dropout", "proj_size", "dtype")
"""Arguments of layers of `torch.nn` that layers in arrays do not have."""

TORCH_DEVICES = ("cpu", "cuda")
"""What ``device`` means in `torch.nn`, but not here."""


class Layer(torch.nn.Module):
    """A module whose weights are in arrays."""

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        """As PyTorch does. ``ArrayError`` on float weights."""
        for name in state_dict:
            if name.startswith(prefix + "weight"):
                raise ArrayError(f"{name}: float weights cannot be loaded into an array; load them into an ordinary "
                                 "model, and put that into arrays with spinloom.nn.convert")
        super()._load_from_state_dict(state_dict, prefix, *others)


class Linear(Layer):
    """``torch.nn.Linear`` in an array, without a bias unless asked for. A sample may have any leading axes."""

    def __init__(self, in_features: int, out_features: int, bias: bool = False, *, array: Array | Tiles | None = None,
                 **formats: Any) -> None:
        """In an array of ``formats`` (`tiles.in_arrays`, `Formats.of`), or in the ``array`` of another layer."""
        super().__init__()
        _require_sizes(in_features=in_features, out_features=out_features)
        self.in_features, self.out_features, self.bias = in_features, out_features, bias
        self.array = _array(array, Window.dense((1, 1, in_features), out_features), bias, formats)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """From ``x`` (..., in_features) to (..., out_features). The samples of the array are the rows of ``x``."""
        if x.dim() == 0 or x.shape[-1] != self.in_features:
            raise ArrayError(f"x is {tuple(x.shape)}: a layer of {self.in_features} inputs needs "
                             f"(..., {self.in_features})")
        return self.array(x.reshape(-1, self.in_features)).reshape(*x.shape[:-1], self.out_features)

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}, bias={self.bias}"


class Conv2d(Layer):
    """``torch.nn.Conv2d`` in an array, without a bias unless asked for.

    A sample is an image, and applies the array at every position. Row ``(u * width + v) * in_channels + c`` of the
    array is the cell ``(u, v)`` of the kernel in channel ``c``.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int | Pair, stride: int | Pair = 1,
                 padding: int | Pair = 0, *, bias: bool = False, array: Array | Tiles | None = None,
                 **formats: Any) -> None:
        """In an array of ``formats`` (`tiles.in_arrays`, `Formats.of`), or in the ``array`` of another layer."""
        super().__init__()
        _require_sizes(in_channels=in_channels, out_channels=out_channels)
        self.in_channels, self.out_channels, self.bias = in_channels, out_channels, bias
        self.kernel_size, self.stride = _pair("kernel_size", kernel_size, 1), _pair("stride", stride, 1)
        self.padding = _pair("padding", padding, 0)
        height, width = self.kernel_size  # of several positions, wherever it will be applied
        self.array = _array(array, Window(map=(height + 1, width + 1, in_channels), cols=out_channels,
                                          kernel=self.kernel_size), bias, formats)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """From images ``x`` (n, in_channels, height, width) to (n, out_channels, height, width)."""
        if x.dim() != 4 or x.shape[1] != self.in_channels:
            raise ArrayError(f"x is {tuple(x.shape)}: a convolution of {self.in_channels} channels needs (samples, "
                             f"{self.in_channels}, height, width)")
        window = self.window(x.shape[2], x.shape[3])
        z = self.array(x.permute(0, 2, 3, 1).flatten(1), window)
        return z.unflatten(1, window.outputs[:2]).permute(0, 3, 1, 2)

    def window(self, height: int, width: int) -> Window:
        """Where it is applied to an image; ``ArrayError`` if it does not fit."""
        try:
            return Window(map=(height, width, self.in_channels), cols=self.out_channels, kernel=self.kernel_size,
                          stride=self.stride, padding=self.padding, drop=True)
        except ValueError as error:
            raise ArrayError(f"images of {height} x {width}: {error}") from None

    def extra_repr(self) -> str:
        return (f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}, "
                f"padding={self.padding}, bias={self.bias}")


class LSTM(Layer):
    """``torch.nn.LSTM`` of one direction. The weights of a layer are one array, driven by ``[x, h]`` and a bias row,
    whose columns are the gates ``i, f, g, o``; what follows is PyTorch's. Every step in time is a sample of the array.

    Drives are signed unless ``formats`` say otherwise, as ``h`` is.
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, *, batch_first: bool = False,
                 **formats: Any) -> None:
        """In arrays of ``formats`` (`tiles.in_arrays`, `Formats.of`)."""
        super().__init__()
        _require_sizes(input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.batch_first = batch_first
        if (bias := formats.pop("bias", True)) is not True:
            raise ArrayError(f"bias={shown(bias)}: an LSTM has a bias row; leave bias out")
        formats = {"drive": signed()} | formats
        self.drive: ActivationFormat = formats["drive"]
        self.arrays = torch.nn.ModuleList(
            _array(None, Window.dense((1, 1, size + hidden_size), 4 * hidden_size), True, formats)
            for size in [input_size] + [hidden_size] * (num_layers - 1))

    def forward(self, x: torch.Tensor, state: tuple[torch.Tensor, torch.Tensor] | None = None,
                ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
        """From ``x`` (time, n, input_size), or (n, time, input_size) with ``batch_first``, to the outputs ``h`` of the
        last layer at all times, likewise, and the ``state`` at the end: ``h`` and ``c``, both (num_layers, n,
        hidden_size). It begins with ``state``, or with zeros."""
        if not isinstance(x, torch.Tensor):
            raise ArrayError(f"x is a {type(x).__name__}: an LSTM needs a tensor; make one with "
                             "torch.nn.utils.rnn.pad_packed_sequence")
        if x.dim() != 3 or x.shape[2] != self.input_size or not x.shape[1 if self.batch_first else 0]:
            raise ArrayError(f"x is {tuple(x.shape)}: an LSTM of {self.input_size} inputs needs "
                             f"{'(samples, time' if self.batch_first else '(time, samples'}, {self.input_size})")
        steps = x.unbind(1 if self.batch_first else 0)
        if state is None:
            zeros = x.new_zeros(self.num_layers, steps[0].shape[0], self.hidden_size)
            state = zeros, zeros
        shape = (self.num_layers, len(steps[0]), self.hidden_size)
        if any(part.shape != shape for part in state):
            given = ", ".join(str(tuple(part.shape)) for part in state)
            raise ArrayError(f"the state is of shapes {given}: h and c of {shape} are needed")
        ends = []
        for array, h, c in zip(self.arrays, *state, strict=True):
            outputs = []
            for step in steps:
                h, c = _cell(array, step, h, c)
                outputs.append(h)
            steps = tuple(outputs)
            ends.append((h, c))
        last = [torch.stack(part) for part in zip(*ends, strict=True)]
        return torch.stack(steps, dim=1 if self.batch_first else 0), (last[0], last[1])

    def extra_repr(self) -> str:
        return (f"{self.input_size}, {self.hidden_size}, num_layers={self.num_layers}, "
                f"batch_first={self.batch_first}")


class Flatten(torch.nn.Module):
    """Maps (n, channels, height, width) as the machine sees them, (n, height * width * channels): channels go by
    fastest. ``torch.nn.Flatten`` has them go by slowest, which is another order of the rows that follow.
    ``ArrayError`` if it is given no maps."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.ndim != 4:
            raise ArrayError(f"x is {tuple(x.shape)}: maps are (samples, channels, height, width); torch.nn.Flatten is "
                             f"for other shapes")
        return x.permute(0, 2, 3, 1).flatten(1)


class Unflatten(torch.nn.Module):
    """The way back from `Flatten`, to maps of ``height`` and ``width``."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.sides = height, width

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(1, (*self.sides, -1)).permute(0, 3, 1, 2)

    def extra_repr(self) -> str:
        return f"{self.sides[0]}, {self.sides[1]}"


def _cell(array: torch.nn.Module, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor,
          ) -> tuple[torch.Tensor, torch.Tensor]:
    """A step of an LSTM layer: ``h`` and ``c`` after it."""
    i, f, g, o = array(torch.cat([x, h], dim=1)).squeeze(1).chunk(4, dim=1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def _array(shared: Array | Tiles | None, window: Window, bias: bool, formats: dict[str, Any]) -> Array | Tiles:
    """A new array for ``window``, or the one that is ``shared``; ``ArrayError`` if that does not fit."""
    _require_arguments(bias, formats)
    if shared is None:
        return in_arrays(window, bias, **formats)
    if formats:
        raise ArrayError(f"{', '.join(formats)}: the array of another layer has its own formats; leave them out")
    made, has_bias = shared.window, shared.formats.layer.bias
    if (made.inputs, made.cols, has_bias) != (window.inputs, window.cols, bias):
        raise ArrayError(f"a layer of {window.inputs} inputs and {window.cols} columns, bias={bias}: the array has "
                         f"{made.inputs} inputs and {made.cols} columns, bias={has_bias}")
    return shared


def _require_arguments(bias: bool, formats: dict[str, Any]) -> None:
    """``ArrayError`` if a layer of `torch.nn` could have these, but a layer in an array cannot."""
    for name in ABSENT:
        if name in formats:
            raise ArrayError(f"{name}={shown(formats[name])}: layers in arrays do not have {name}; leave it out")
    if not isinstance(bias, bool):
        raise ArrayError(f"bias={shown(bias)}: must be True or False")
    if isinstance(formats.get("device"), torch.device) or formats.get("device") in TORCH_DEVICES:
        raise ArrayError(f"device={shown(formats['device'])}: is the memory device of the cells here, such as "
                         "\"domain_wall\"; to choose where PyTorch computes, use .to(...)")


def _require_sizes(**sizes: int) -> None:
    """``ArrayError`` unless all ``sizes`` are whole numbers from 1 on."""
    for name, size in sizes.items():
        if type(size) is not int or size < 1:
            raise ArrayError(f"{name}={shown(size)}: must be a whole number from 1 on")


def _pair(name: str, given: int | Pair, least: int) -> Pair:
    """Both sides of what is called ``name``; ``ArrayError`` unless they are whole numbers from ``least`` on."""
    sides = tuple(given) if isinstance(given, tuple | list) else (given, given)
    if len(sides) != 2 or not all(isinstance(side, int) and side >= least for side in sides):
        raise ArrayError(f"{name}={shown(given)}: must be a whole number from {least} on, or two, vertically and "
                         "horizontally")
    return sides[0], sides[1]
