"""A crossbar among float tensors."""

from collections.abc import Callable
from itertools import groupby
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from ..backends.golden import GoldenCrossbar
from ..backends.protocol import Crossbar, State
from ..contract.errors import SpinloomError
from ..contract.geometry import CrossbarGeometry
from ..contract.window import Window
from ..model.crossbar import StateError
from ..system.notice import warn
from . import seed
from .activation import Activation
from .formats import Formats, signed, unsigned
from .rounding import rounded
from .saturation import Saturation

MANY = 100
"""Backward passes that an array keeps for an optimiser before anything is said."""


class ArrayError(SpinloomError, ValueError):
    """A tensor, a state or a learning rate does not fit an array; in one line, with the remedy."""

    exit_status = 2


class Recorded(NamedTuple):
    """What training needs of some samples."""

    call: int
    """The number of the forward pass that they were in."""
    window: Window
    """What the crossbar was applied to."""
    x: torch.Tensor
    """Drives of their maps: int16 (n, cells)."""
    d: torch.Tensor
    """Deltas: int16 (n, positions, cols)."""


class Array(torch.nn.Module):
    """A crossbar that is driven by floats and answers in floats: weights that are cells.

    Integers begin and end here. A drive is rounded to nearest, ties up, and limited to its format; so is the gradient
    of the outputs, which becomes the delta. Outputs and row sums are exact, if float tensors have bits enough: float64
    has in every case. Unless a format of the drive is given, the first forward pass settles it: it is that of the
    neurons before, and for data ``signed()`` if there are negative ones, else ``unsigned()``.

    In training every sample is recorded with its delta, until an optimiser takes it. In evaluation nothing is recorded
    or counted, and read noise is drawn as it would come next, by every call again.

    `state_dict` has the complete state, and beside it the write pulses of the cells and the formats, which whoever
    loads it takes over.
    """

    optimized = False
    """Whether an optimiser of `spinloom.optim` has had it."""

    def __init__(self, formats: Formats, window: Window) -> None:
        """An array of ``formats`` in the initial state. It is applied to ``window``, unless a call has another one."""
        super().__init__()
        self.formats, self.window = formats, window
        self._made_for = window
        self.seed, self.index = seed.take()
        self.crossbar: Crossbar = self.in_golden_model()
        """Where it is."""
        self.backend = "golden"
        """What that is called."""
        self.applied = False
        """Whether there has been a forward pass. ``window`` is then that of the last one."""
        self.handle = torch.zeros(0, requires_grad=True)
        """What autograd and optimisers know the array by. It holds nothing. With ``handle.requires_grad_(False)``,
        nothing is recorded."""
        self.saturation = Saturation()
        """How many of its numbers have been limited to their formats in training."""
        self.changes = 0
        """How often its cells or formats have been changed."""
        self._recorded: list[Recorded] = []
        self._calls = 0
        self._pulses: torch.Tensor | None = None  # of a crossbar that is elsewhere, when it left the golden model

    @property
    def golden(self) -> GoldenCrossbar:
        """The crossbar, if it is in the golden model; ``ArrayError`` if not."""
        if isinstance(self.crossbar, GoldenCrossbar):
            return self.crossbar
        raise ArrayError(f"array {self.index} is on {self.backend}: take the model back first, with "
                         "to_backend(model, \"golden\")")

    @property
    def pulses(self) -> torch.Tensor:
        """Write pulses of every cell, int32 (rows, cols), or of every device of cells of several, (rows, cols,
        devices). Only the golden model counts them: elsewhere, those up to when it was left."""
        return self.golden.model.pulses if self._pulses is None else self._pulses

    def move(self, backend: str, crossbar: Crossbar) -> None:
        """Go on in ``crossbar``, which is on ``backend`` and in the state of the present one."""
        pulses = self.pulses
        self.backend, self.crossbar = backend, crossbar
        if isinstance(crossbar, GoldenCrossbar):
            crossbar.model.pulses.copy_(pulses)
            self._pulses = None
        else:
            self._pulses = pulses

    def forward(self, maps: torch.Tensor, window: Window | None = None) -> torch.Tensor:
        """The outputs (n, positions, cols) for the maps of ``n`` samples, floats (n, cells), at the positions of
        ``window``, or of its own. ``ArrayError`` if they are no such floats."""
        window = window or self.window
        if not maps.is_floating_point() or maps.dim() != 2 or maps.shape[1] != window.cells:
            raise ArrayError(f"a drive of {maps.dtype} {tuple(maps.shape)}: the array needs floats of shape "
                             f"(samples, {window.cells})")
        if torch.jit.is_tracing():
            raise ArrayError("what happens in an array cannot be traced by torch.jit or torch.onnx, which would keep "
                             "the numbers of one call: save state_dict()")
        if maps.device != self.crossbar.torch_device:
            raise ArrayError(f"a drive on {maps.device}: the array is on {self.crossbar.torch_device}; move one of "
                             "them with to()")
        if self.formats.drive is None:
            self.settle(maps)
        derivative = maps.derivative if isinstance(maps, Activation) else None
        outputs = _Reading.apply(maps.as_subclass(torch.Tensor), self.handle if self.training else None, self, window,
                                 None if derivative is None else derivative != 0)
        self.window, self.applied = window, True
        return outputs

    def reform(self, formats: Formats) -> None:
        """Give it other ``formats``. The state stays; what has been recorded and how much was limited is forgotten.
        ``ConfigError`` if the formats contradict, ``StateError`` if the state does not fit them, ``ArrayError`` unless
        it is in the golden model."""
        self._remake(formats, self.golden.torch_device)
        self.saturation = Saturation()

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Self:
        """What ``to`` and its like are made of. A crossbar in the golden model moves to another device of PyTorch as
        parameters do; what has been recorded is then forgotten."""
        super()._apply(fn, recurse)
        device = fn(torch.zeros(0, device=self.crossbar.torch_device)).device
        if isinstance(self.crossbar, GoldenCrossbar) and device != self.crossbar.torch_device:
            self._remake(self.formats, device)
        return self

    def _remake(self, formats: Formats, device: torch.device, state: State | None = None) -> None:
        """Put its state, or another ``state``, into a crossbar of ``formats`` on a ``device`` of PyTorch."""
        crossbar = self.in_golden_model(formats, device)
        crossbar.load(state or self.crossbar.state())
        self.move("golden", crossbar)
        self.formats, self._recorded, self.changes = formats, [], self.changes + 1

    def in_golden_model(self, formats: Formats | None = None, device: torch.device | str = "cpu") -> GoldenCrossbar:
        """A crossbar such as this one, of ``formats`` or its own, in the initial state, on a ``device`` of PyTorch."""
        geometry = (formats or self.formats).geometry(self._made_for, self.seed, self.index)
        with torch.inference_mode(False):  # tensors made there could not be changed elsewhere
            return GoldenCrossbar.new(geometry, self.seed, device)

    @property
    def geometry(self) -> CrossbarGeometry:
        """That of the crossbar as it was applied last; ``ArrayError`` if it has not been applied yet."""
        if not self.applied:
            raise ArrayError(f"array {self.index} has not been applied to anything yet: call the model with some data "
                             "before it moves, so that formats and maps are known")
        return self.formats.geometry(self.window, self.seed, self.index)

    def numbered(self) -> int:
        """The number of the next forward pass."""
        self._calls += 1
        return self._calls

    def record(self, recorded: Recorded) -> None:
        """Keep samples for an optimiser. If ``MANY`` passes are kept and it has none, a warning says so."""
        self._recorded.append(recorded)
        if len(self._recorded) == MANY and not self.optimized:
            warn(f"array {self.index}: no optimiser trains it; give the model to spinloom.optim.InSitu or Host, as "
                 "those of torch.optim know parameters only, or call eval()")

    def count(self, what: str, limited: int, total: int) -> None:
        """Count ``limited`` numbers of ``total``; if they are many, a warning says so once."""
        self.saturation.count(f"array {self.index}", what, limited, total)

    def take(self) -> list[Recorded]:
        """What has been recorded, in the order of the forward passes; of those in a row with the same window, all
        samples together. It is then forgotten."""
        taken, self._recorded = sorted(self._recorded, key=lambda recorded: recorded.call), []
        runs = [list(run) for _, run in groupby(taken, key=lambda recorded: recorded.window)]
        return [run[0] if len(run) == 1 else _together(run) for run in runs]

    def require_rate(self, learning_rate_shift: int) -> None:
        """``ArrayError`` if the learning rate ``2**-learning_rate_shift`` cannot be selected."""
        lowest, highest = self.crossbar.geometry.learning_rate_shifts
        if not lowest <= learning_rate_shift <= highest:
            remedy = ("a larger one needs a smaller chi_frac" if learning_rate_shift < lowest else
                      "let a schedule end there, or do not call step any more")
            raise ArrayError(f"a learning rate of 2**-{learning_rate_shift}: array {self.index} can "
                             f"have 2**-{lowest} to 2**-{highest}; {remedy}")

    def train_recorded(self, learning_rate_shift: int) -> None:
        """Take what has been recorded, and update the cells by it, at the learning rate ``2**-learning_rate_shift``.
        One sample programs the rows that it updates; of more, all are accumulated, and then all cells programmed."""
        taken = self.take()
        single = sum(len(recorded.x) for recorded in taken) == 1
        for recorded in taken:
            self.crossbar.at(recorded.window).update(recorded.x, recorded.d, learning_rate_shift, program=single)
        if taken and not single:
            self.crossbar.program()
        self.changes += bool(taken)

    def apply_increments(self, dw: torch.Tensor) -> None:
        """Add ``dw`` (rows, cols), in units of the residual, to the residuals, and program what has reached the
        threshold."""
        self.crossbar.apply(dw)
        self.changes += 1

    def get_extra_state(self) -> dict[str, torch.Tensor]:
        """The arrays of the state by name, ``pulses``, and ``formats`` (`Formats.numbers`)."""
        return {name: torch.from_numpy(np.asarray(array.astype(np.int64) if array.dtype == np.uint32 else array))
                for name, array in self.state().items()} | {"formats": torch.tensor(self.formats.numbers)}

    def set_extra_state(self, state: dict[str, torch.Tensor]) -> None:
        """Restore what ``get_extra_state`` returned. Without ``formats`` it keeps its own. ``StateError`` if the state
        does not fit, ``ConfigError`` if the formats do not suit the devices, ``ArrayError`` if they are other ones and
        it is not in the golden model."""
        values = {name: tensor.cpu().numpy() for name, tensor in state.items() if name != "formats"}
        formats = self.formats.of_numbers(state["formats"].tolist()) if "formats" in state else self.formats
        if formats != self.formats:
            self._remake(formats, self.golden.torch_device, values)
        self.load(values)

    def state(self) -> State:
        """The state of the crossbar (`model.crossbar.Crossbar.state`), and the ``pulses`` of its cells."""
        return self.crossbar.state() | {"pulses": self.pulses.cpu().numpy().copy()}

    def load(self, state: State) -> None:
        """Take the ``state`` of a crossbar (`model.crossbar.Crossbar.state`) and, if they are there, the ``pulses`` of
        its cells. ``StateError`` if it does not fit."""
        self.crossbar.load(state)
        self.changes += 1
        if "pulses" in state:
            pulses = torch.as_tensor(state["pulses"])
            if pulses.shape != self.pulses.shape:
                raise StateError(f"array {self.index}: pulses are of shape {tuple(pulses.shape)}; there are "
                                 f"{tuple(self.pulses.shape)}")
            self.pulses.copy_(pulses)

    def settle(self, maps: torch.Tensor) -> None:
        """Choose the format of the drive by ``maps``. It stays open if there are none, or one is not a number."""
        if not maps.numel() or maps.isnan().any():
            return
        settled = maps.format if isinstance(maps, Activation) else signed() if (maps < 0).any() else unsigned()
        self.reform(self.formats.driven(settled))

    def extra_repr(self) -> str:
        geometry, device = self.crossbar.geometry, self.formats.cells.device
        return (f"{geometry.rows} x {geometry.cols} cells, device={_described(device)}, {self.formats}, "
                f"backend={self.backend}")


def arrays(model: torch.nn.Module) -> list[Array]:
    """The arrays in ``model``, each once."""
    return [module for module in model.modules() if isinstance(module, Array)]


def require_arrays(model: torch.nn.Module) -> list[Array]:
    """The arrays in ``model``; ``ArrayError`` if there are none."""
    found = arrays(model)
    if not found:
        raise ArrayError("the model has no arrays: put its layers into some, with spinloom.nn.convert")
    return found


def _together(run: list[Recorded]) -> Recorded:
    """All samples of ``run``, which have the same window."""
    return run[0]._replace(x=torch.cat([recorded.x for recorded in run]), d=torch.cat([recorded.d for recorded in run]))


class _Reading(torch.autograd.Function):
    """A forward pass through an array, and the backward pass that belongs to it."""

    @staticmethod
    def forward(ctx: Any, maps: torch.Tensor, handle: torch.Tensor | None, array: Array, window: Window,
                asked: torch.Tensor | None) -> torch.Tensor:
        """As ``Array.forward``. ``asked``, (n, cells), are the cells whose gradient will be asked for: all unless
        given. Without the ``handle`` of the array, nothing is counted or recorded."""
        formats, crossbar = array.formats, array.crossbar.at(window)
        x, limited = integers("drive", maps, formats.x.frac, formats.x.minimum, formats.x.maximum)
        z = crossbar.evaluate(x) if handle is None else crossbar.forward(x)
        if handle is not None:
            largest = (1 << formats.layer.z_bits - 1) - 1
            array.count("drive", limited, x.numel())
            array.count("output", int(((z == largest) | (z == -largest - 1)).sum()), z.numel())
        ctx.save_for_backward(x, asked)
        ctx.array, ctx.window, ctx.dtype, ctx.changes = array, window, maps.dtype, array.changes
        ctx.call = None if handle is None else array.numbered()
        return z.to(maps.dtype) * 2.0**-formats.layer.z_frac

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        x, asked = ctx.saved_tensors
        layer, sub_bits = ctx.array.formats.layer, ctx.array.formats.cells.tables.sub_bits
        if ctx.call is not None and ctx.array.changes != ctx.changes:
            raise ArrayError(f"array {ctx.array.index} has been changed since the forward pass that a backward pass "
                             "belongs to: call backward() before step(), or the model again after it")
        limit = 1 << layer.delta_bits - 1
        d, limited = integers("gradient", gradient, layer.delta_frac, -limit, limit - 1)
        if ctx.call is not None:
            ctx.array.count("delta", limited, d.numel())
        # As gradients of parameters: those that autograd.grad or backward(inputs=...) do not ask for go nowhere.
        if ctx.needs_input_grad[1] and torch._C._will_engine_execute_node(ctx.next_functions[1][0]):
            ctx.array.record(Recorded(ctx.call, ctx.window, x, d))
        if not ctx.needs_input_grad[0]:
            return None, None, None, None, None
        crossbar = ctx.array.crossbar.at(ctx.window)
        e = crossbar.row_sums(d) if ctx.call is None else crossbar.backward(d, asked)
        scale = 2.0 ** -(layer.delta_frac + sub_bits - layer.weight_step)
        return (e.double() * scale).to(ctx.dtype), None, None, None, None


def integers(name: str, values: torch.Tensor, frac: int, lowest: int, highest: int) -> tuple[torch.Tensor, int]:
    """``values`` in units of ``2**-frac``: int16, rounded to nearest, ties up, and limited; and how many of them are
    limited by more than a unit. ``ArrayError`` if one of them, which are called ``name``, is not a number."""
    found, beyond, numbers = rounded(values.detach(), 2.0**frac, lowest, highest)
    if not numbers:
        raise ArrayError(f"a {name} that is not a number has reached an array; look for what has made it, for instance "
                         "with torch.autograd.detect_anomaly")
    return found, beyond


def _described(device: Any) -> str:
    """A device in short: its kind, and the fields that have been given."""
    given = ", ".join(f"{name}={getattr(device, name)}" for name in type(device).model_fields
                      if name in device.model_fields_set - {"kind"})
    return f"{device.kind}({given})"
