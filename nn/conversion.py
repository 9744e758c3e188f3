"""Ordinary PyTorch models put into arrays."""

import copy
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear  # in an attention, which reads its weights

from ..contract.results import Result
from ..render.text import columns
from .array import Array, ArrayError
from .calibration import Calibration, calibrate
from .layers import LSTM, Conv2d, Layer, Linear
from .tiles import Tiles, portions

KINDS = torch.nn.Linear, torch.nn.Conv2d, torch.nn.LSTM
"""Layers that there are in arrays."""
STEPS = range(-16, 5)
"""What a ``weight_step`` may be."""


class Bias(Layer):
    """A bias that has stayed a parameter, behind a layer whose weights are in an array."""

    def __init__(self, layer: torch.nn.Module, bias: torch.nn.Parameter) -> None:
        """Of ``layer``, whose channels are those of ``bias``."""
        super().__init__()
        self.layer, self.bias = layer, bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The outputs of the layer and the bias. Channels are the last axis, those of images the second."""
        z = self.layer(x)
        return z + (self.bias[:, None, None] if isinstance(self.layer, Conv2d) else self.bias)


@dataclass(frozen=True, kw_only=True)
class ConvertedArray(Result):
    """What became of the weights of an array."""

    layer: str
    """The module's name in the model."""
    cells: int
    weight_step: int
    """log2 of the weight that one level stands for."""
    write_pulses: int
    """What program-and-verify took; 0 if nothing was written."""
    outside_margin: int
    """Cells that it has left outside the margin."""
    error: float
    """Root mean square of what cells differ from their weights, by that of the weights, in percent."""


class Conversion(NamedTuple):
    """An ordinary model in arrays."""

    model: torch.nn.Module
    arrays: tuple[ConvertedArray, ...]
    digital: tuple[str, ...]
    """Names of the modules with parameters that have stayed what they were; biases behind arrays are not among them."""
    calibration: Calibration | None

    def __str__(self) -> str:
        rows = columns([{"layer": each.layer, "cells": each.cells, "weight step": each.weight_step,
                         "write pulses": each.write_pulses, "outside margin": each.outside_margin,
                         "error %": each.error} for each in self.arrays])
        return rows + ("\nnot in arrays: " + ", ".join(self.digital) if self.digital else "")


def convert(model: torch.nn.Module, batch: torch.Tensor | None = None, loss: Any = None, *, transfer: bool = True,
            **formats: Any) -> Conversion:
    """A copy of ``model`` whose layers ``torch.nn.Linear``, ``Conv2d`` and ``LSTM`` have arrays of ``formats``
    (`Formats.of`).

    With ``transfer``, the states nearest to the float weights are written, with program-and-verify; else arrays are in
    their initial states. Unless given, the ``weight_step`` of an array is the one with which states are nearest to the
    weights. A bias stays a parameter; that of an LSTM becomes a row. Formats are chosen by the ``batch``, and the
    ``loss`` of the model's outputs, as `calibrate` does.

    Layers of other kinds, and of a kind that arrays cannot be (grouped, dilated, bidirectional, in an attention, with a
    ``forward`` of their own, ...), stay what they are, and are named in the result. ``ConfigError`` if the formats do
    not suit, ``ArrayError`` if a weight is not finite.
    """
    model = copy.deepcopy(model)
    done: dict[torch.nn.Module, torch.nn.Module] = {}
    converted: list[ConvertedArray] = []
    for name, module in list(model.named_modules(remove_duplicate=False)):
        if module not in done and _possible(module):
            made, weights = _layer(module, formats)
            done[module] = made.to(weights[0].device)
            converted += [_array(name, array, share, transfer, "weight_step" in formats)
                          for found, each in zip(_found(done[module]), weights, strict=True)
                          for array, share in portions(found, each)]
        if module in done and name:
            model.set_submodule(name, done[module])
    model = done.get(model, model)
    digital = tuple(name or "the model" for name, module in model.named_modules()
                    if not isinstance(module, Bias) and any(True for _ in module.parameters(recurse=False)))
    return Conversion(model, tuple(converted), digital, None if batch is None else calibrate(model, batch, loss))


def _found(layer: torch.nn.Module) -> list[Array | Tiles]:
    """What ``layer`` has in the place of weights."""
    inner = {array for tiles in layer.modules() if isinstance(tiles, Tiles) for array in tiles.found}
    return [module for module in layer.modules() if isinstance(module, Array | Tiles) and module not in inner]


def _possible(module: torch.nn.Module) -> bool:
    """Whether there is such a layer in an array."""
    if any(isinstance(module, kind) and type(module).forward is not kind.forward for kind in KINDS):
        return False  # it does something of its own
    if isinstance(module, torch.nn.Conv2d):
        return (module.groups == 1 and module.dilation == (1, 1) and module.padding_mode == "zeros"
                and not isinstance(module.padding, str)
                and all(pad < side for pad, side in zip(module.padding, module.kernel_size, strict=True)))
    if isinstance(module, torch.nn.LSTM):
        return not (module.bidirectional or module.proj_size or module.dropout)
    return isinstance(module, torch.nn.Linear) and not isinstance(module, NonDynamicallyQuantizableLinear)


def _layer(module: Any, formats: dict[str, Any]) -> tuple[torch.nn.Module, list[torch.Tensor]]:
    """What takes the place of ``module``, and the weights of its arrays: (rows, cols) each."""
    if isinstance(module, torch.nn.LSTM):
        lstm = LSTM(module.input_size, module.hidden_size, module.num_layers, batch_first=module.batch_first, **formats)
        one = lstm.drive.maximum * 2.0**-lstm.drive.frac
        return lstm, [_lstm_weights(module, index, one) for index in range(module.num_layers)]
    layer: Linear | Conv2d
    if isinstance(module, torch.nn.Linear):
        layer = Linear(module.in_features, module.out_features, **formats)
        weights = module.weight.detach().T
    else:
        layer = Conv2d(module.in_channels, module.out_channels, module.kernel_size, module.stride, module.padding,
                       **formats)
        weights = module.weight.detach().permute(2, 3, 1, 0).flatten(0, 2)
    return (layer if module.bias is None else Bias(layer, module.bias)), [weights]


def _lstm_weights(module: torch.nn.LSTM, index: int, one: float) -> torch.Tensor:
    """The weights of the layer ``index`` of an LSTM, whose bias row is driven by ``one``: (rows, cols)."""
    parts = [getattr(module, f"weight_{kind}_l{index}").detach().T for kind in ("ih", "hh")]
    bias = parts[0].new_zeros(4 * module.hidden_size)
    if module.bias:
        bias = sum((getattr(module, f"bias_{kind}_l{index}").detach() for kind in ("ih", "hh")), bias) / one
    return torch.cat([*parts, bias[None]])


def _array(name: str, array: Array, weights: torch.Tensor, transfer: bool, given: bool) -> ConvertedArray:
    """Choose the weight step of ``array`` for ``weights`` (rows, cols), unless it is ``given``, and transfer them."""
    wanted, states = weights.double(), array.crossbar.geometry.device.states
    if not wanted.isfinite().all():
        raise ArrayError(f"{name}: weights that are not finite cannot be written into an array")
    if not given:
        step = min(STEPS, key=lambda step: _error(wanted, _states(wanted, step, states), step, states))
        layer = array.formats.layer.model_copy(update={"weight_step": step})
        array.reform(replace(array.formats, layer=layer))
    step = array.formats.layer.weight_step
    report = array.golden.model.write(_states(wanted, step, states)) if transfer else None
    sub_bits = array.crossbar.geometry.device.sub_bits
    off = array.golden.model.g.double() * 2.0 ** (step - sub_bits) - wanted
    return ConvertedArray(
        layer=name, cells=wanted.numel(), weight_step=step, write_pulses=int(report.attempts.sum()) if report else 0,
        outside_margin=report.failures if report else 0,
        error=100 * (off.square().mean() / wanted.square().mean()).sqrt().item())


def _states(weights: torch.Tensor, step: int, states: int) -> torch.Tensor:
    """The states nearest to ``weights`` where a level stands for ``2**step``: int64."""
    return torch.floor(weights * 2.0**-step + states / 2).clamp(0, states - 1).to(torch.int64)


def _error(weights: torch.Tensor, chosen: torch.Tensor, step: int, states: int) -> float:
    """The sum of the squares of what the states ``chosen`` differ from ``weights``."""
    return (((chosen - (states - 1) / 2) * 2.0**step - weights).square().sum()).item()
