"""Formats from data: every number as fine as it can be without being limited often."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch.utils.hooks import RemovableHandle

from ..contract.formats import ActivationFormat
from ..contract.geometry import BOUNDS
from ..contract.results import Result
from ..contract.window import Window
from ..model import ranges
from ..render.text import columns
from .activation import Activation
from .array import Array, ArrayError, arrays, integers
from .formats import signed, unsigned
from .neurons import ReLU


@dataclass(frozen=True, kw_only=True)
class FormatChoice(Result):
    """The format that was chosen for some numbers."""

    layer: str
    """The module's name in the model."""
    what: str
    """``drive``, ``output``, ``delta``, or ``activation`` of neurons."""
    bits: int
    frac: int
    """Width, which stays, and fraction bits."""
    largest: float
    """The largest magnitude in the batch."""
    limited: float
    """Percentage of the numbers of the batch that are limited to the format."""


@dataclass(frozen=True, kw_only=True)
class Calibration(Result):
    """What `calibrate` has chosen, in the order of the model."""

    choices: tuple[FormatChoice, ...]

    def __str__(self) -> str:
        return columns([{"layer": choice.layer, "numbers": choice.what, "bits": choice.bits, "frac": choice.frac,
                         "largest": choice.largest, "limited %": choice.limited} for choice in self.choices])


def calibrate(model: torch.nn.Module, batch: torch.Tensor,
              loss: Callable[[torch.Tensor], torch.Tensor] | None = None, *, headroom: int = 0,
              delta_headroom: int = 0) -> Calibration:
    """Choose the fraction bits of all formats in ``model`` from one pass of ``batch``: of drives by data, of outputs,
    of ``ReLU``, and with ``loss``, a scalar of the model's outputs, of deltas. Widths stay, and so does the state.

    At most `model.ranges.BEYOND` of the numbers are limited, unless the data need a format that an array cannot have.
    What several calls share, as an array of an LSTM, gets the coarsest format. ``HardTanh`` keeps its range, which is
    its function. Outputs get ``headroom`` bits more of range than the batch needs, deltas ``delta_headroom``, for what
    grows in training; ``ValueError`` if one is negative. Nothing is counted or recorded; modules other than arrays work
    as they do in their mode.
    """
    for name, bits in (("headroom", headroom), ("delta_headroom", delta_headroom)):
        if bits < 0:
            raise ValueError(f"{name}={bits}: it must be 0 or more bits")
    choosing = _Choosing({"output": headroom, "delta": delta_headroom})
    hooks: list[RemovableHandle] = []
    training = [array for array in arrays(model) if array.training]
    for name, module in model.named_modules():
        hooks += choosing.hooks(name.removesuffix(".array"), module)
    if batch.is_floating_point():
        batch = batch.detach().requires_grad_(loss is not None)
    try:
        for array in training:
            array.eval()
        with torch.set_grad_enabled(loss is not None):
            outputs = model(batch)
            if loss is not None:
                leaves = [leaf for leaf in (batch, *model.parameters(), *choosing.leaves) if leaf.requires_grad]
                torch.autograd.grad(loss(outputs), leaves, allow_unused=True)
    finally:
        for hook in hooks:
            hook.remove()
        for array in training:
            array.train()
    return Calibration(choices=tuple(choosing.choices.values()))


class _Choosing:
    """A calibration under way."""

    def __init__(self, headroom: dict[str, int]) -> None:
        self.choices: dict[tuple[str, str], FormatChoice] = {}
        self.leaves: list[torch.Tensor] = []
        """Outputs of arrays that no gradient would have reached otherwise: nothing before them needs one."""
        self._headroom = headroom

    def hooks(self, name: str, module: torch.nn.Module) -> list[RemovableHandle]:
        """Hooks that choose the formats of ``module``, if it has some, when it is called."""
        if isinstance(module, Array):
            return [module.register_forward_pre_hook(partial(self._before_array, name)),
                    module.register_forward_hook(partial(self._behind_array, name))]
        return [module.register_forward_pre_hook(partial(self._before_relu, name))] if isinstance(module, ReLU) else []

    def _before_array(self, name: str, array: Array, given: tuple[Any, ...]) -> None:
        """Choose the formats of drive and outputs for the maps that are ``given``, and perhaps a window."""
        maps, window = given[0].detach(), given[1] if len(given) > 1 else array.window
        layer, sub_bits = array.formats.layer, array.formats.cells.tables.sub_bits
        drive = given[0].format if isinstance(given[0], Activation) else self._data(name, array, maps)
        sums = _column_sums(array, maps.as_subclass(torch.Tensor), window, drive)
        finest = drive.frac + sub_bits - layer.weight_step
        z_frac = self._choose(name, "output", sums, layer.z_bits, 1, layer.z_frac, finest)
        array.reform(replace(array.formats, drive=drive, layer=layer.model_copy(update={"z_frac": z_frac})))

    def _data(self, name: str, array: Array, maps: torch.Tensor) -> ActivationFormat:
        """The format of the drive by data."""
        old = array.formats.x
        make: Callable[[int, int], ActivationFormat] = signed if (maps < 0).any() else unsigned
        return make(old.bits, self._choose(name, "drive", maps, old.bits, int(make is signed), old.frac))

    def _behind_array(self, name: str, array: Array, given: tuple[Any, ...], outputs: torch.Tensor) -> None:
        if torch.is_grad_enabled():
            if not outputs.requires_grad:
                self.leaves.append(outputs.requires_grad_())
            outputs.register_hook(partial(self._delta, name, array))

    def _delta(self, name: str, array: Array, gradient: torch.Tensor) -> None:
        """Choose the format of the delta for a ``gradient`` that has arrived."""
        layer = array.formats.layer
        delta_frac = self._choose(name, "delta", gradient, layer.delta_bits, 1, layer.delta_frac,
                                  BOUNDS["delta_frac"][-1])
        array.reform(replace(array.formats, layer=layer.model_copy(update={"delta_frac": delta_frac})))

    def _before_relu(self, name: str, relu: ReLU, given: tuple[Any, ...]) -> None:
        old = relu.format
        relu.format = unsigned(old.bits, self._choose(name, "activation", given[0].clamp(min=0), old.bits, 0, old.frac))

    def _choose(self, name: str, what: str, values: torch.Tensor, bits: int, sign: int, present: int,
                finest: int = BOUNDS["z_frac"][-1]) -> int:
        """The fraction bits for ``values`` in ``bits`` bits, of which ``sign`` is the sign: at most ``finest``, and at
        most what has been chosen before. Outputs and deltas have headroom. Where all are 0, those at ``present``."""
        sizes = values.detach().as_subclass(torch.Tensor).abs().double().flatten()
        if not sizes.numel() or not sizes.isfinite().all():
            raise ArrayError(f"{name}: the batch gives it {what}s that are not finite, or none at all; calibrate with "
                             "samples as in training")
        top = (1 << bits - sign) - 1
        found = ranges.finest(sizes, top)
        frac = present if found is None else found - self._headroom.get(what, 0)
        before = self.choices.get((name, what))
        frac = max(min(frac, finest, before.frac if before else finest), BOUNDS["z_frac"][0])
        self.choices[name, what] = FormatChoice(
            layer=name, what=what, bits=bits, frac=frac, largest=sizes.max().item(),
            limited=ranges.limited(sizes, top, frac))
        return frac


def _column_sums(array: Array, maps: torch.Tensor, window: Window, drive: ActivationFormat) -> torch.Tensor:
    """The outputs for ``maps`` before any ADC: float64 (n, positions, cols), exact."""
    crossbar, layer = array.golden.at(window), array.formats.layer
    x = integers("drive", maps, drive.frac, drive.minimum, drive.maximum)[0].double()
    rows = crossbar.windows.gather(x)
    if layer.bias:
        rows = torch.nn.functional.pad(rows, (0, 1), value=drive.maximum)
    scale = 2.0 ** (layer.weight_step - crossbar.geometry.device.sub_bits - drive.frac)
    return rows @ crossbar.model.read_g().double() * scale
