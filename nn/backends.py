"""Models that move: from the golden model into hardware, and back."""

from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from ..backends.board import board_crossbars
from ..backends.protocol import Crossbar
from ..backends.rtl import rtl_crossbars
from ..contract.results import Result
from ..train.difference import DifferenceError, expect_state, expect_vector
from .array import Array, ArrayError, arrays, require_arrays
from .bank import LANES, geometries

Model = TypeVar("Model", bound=torch.nn.Module)


def to_backend(model: Model, backend: str, *, lanes: int = LANES) -> Model:
    """Move the arrays of ``model`` to ``backend``, with their complete state, and return it. It then goes on to the
    same bits. What has been recorded for an optimiser moves along.

    ``golden`` is the golden model, ``rtl`` a bank of crossbars in RTL (`hw.bank.Bank`), simulated by Verilator;
    ``board:PORT`` is the same on a board at that serial device. In hardware, arrays have up to ``lanes`` lanes and are
    applied to the maps that they were applied to last.

    ``ArrayError`` names an unknown backend, or an array that has not been applied yet and whose formats are therefore
    open. ``SimulatorError`` if Verilator is missing, ``ConfigError`` or ``LinkError`` if the board cannot be used.
    """
    moving = [array for array in arrays(model) if array.backend != backend]
    if not moving:
        return model
    crossbars = _in_golden_model(moving) if backend == "golden" else _in_hardware(moving, backend, lanes)
    for array, crossbar in zip(moving, crossbars, strict=True):
        array.move(backend, crossbar)
    return model


def _in_golden_model(moving: list[Array]) -> list[Crossbar]:
    """Crossbars in the golden model for the arrays, in their states."""
    crossbars: list[Crossbar] = []
    for array in moving:
        crossbar = array.in_golden_model()
        crossbar.load(array.crossbar.state())
        crossbars.append(crossbar)
    return crossbars


def _in_hardware(moving: list[Array], backend: str, lanes: int) -> list[Crossbar]:
    """Crossbars in hardware for the arrays, in their states."""
    kind, _, port = backend.partition(":")
    if (kind, bool(port)) not in (("rtl", False), ("board", True)):
        raise ArrayError(f"backend={backend!r}: must be golden, rtl, or board:PORT with the serial device of a board")
    wanted = geometries(moving, lanes)
    states = [array.crossbar.state() for array in moving]
    return [*(board_crossbars(wanted, states, port) if port else rtl_crossbars(wanted, states))]


@dataclass(frozen=True, kw_only=True)
class Lockstep(Result):
    """What ``lockstep`` answers."""

    bit_exact: bool
    """Whether all outputs and states were equal."""
    backend: str
    steps: int
    """Steps that were equal."""
    first_difference: str | None = None
    """Where golden model and ``backend`` differ first. None if they do not."""


def lockstep(model: torch.nn.Module, backend: str, *, samples: Iterable[tuple[torch.Tensor, torch.Tensor]],
             loss: Callable[[Any, torch.Tensor], torch.Tensor],
             optimizer: Callable[[torch.nn.Module], torch.optim.Optimizer], lanes: int = LANES) -> Lockstep:
    """Train copies of ``model`` in the golden model and on ``backend`` side by side. Each of ``samples``, inputs and
    targets, is a step of the ``optimizer`` of each copy, such as ``spinloom.optim.InSitu``. After every step outputs
    and complete states are compared. It ends at the first difference. ``model`` stays as it is.

    Raises what `to_backend` does, and ``ArrayError`` if the model has no arrays.
    """
    require_arrays(model)
    twins: list[torch.nn.Module] = [deepcopy(model), deepcopy(model)]
    optimizers: list[torch.optim.Optimizer] = []
    steps = 0
    try:
        for inputs, targets in samples:
            if not optimizers:
                for twin in twins:
                    _look_at(twin, inputs)
                to_backend(twins[1], backend, lanes=lanes)
                optimizers = [optimizer(twin) for twin in twins]
            random = torch.get_rng_state()
            outputs = []
            for twin, stepping in zip(twins, optimizers, strict=True):
                torch.set_rng_state(random)
                outputs.append(_step(twin, stepping, loss, inputs, targets))
            _compare(twins, outputs, steps)
            steps += 1
    except DifferenceError as error:
        return Lockstep(bit_exact=False, backend=backend, steps=steps, first_difference=str(error.difference))
    return Lockstep(bit_exact=True, backend=backend, steps=steps)


def _look_at(model: torch.nn.Module, inputs: torch.Tensor) -> None:
    """Apply ``model`` once, without counting, so that its formats and maps are known."""
    modes = [(module, module.training) for module in model.modules()]
    with torch.no_grad():
        model.eval()(inputs)
    for module, training in modes:
        module.training = training


def _step(model: torch.nn.Module, optimizer: torch.optim.Optimizer,
          loss: Callable[[Any, torch.Tensor], torch.Tensor], inputs: torch.Tensor, targets: torch.Tensor,
          ) -> list[torch.Tensor]:
    """Train ``model`` by one step. Returns the tensors in its outputs."""
    optimizer.zero_grad()
    outputs = model(inputs)
    loss(outputs, targets).backward()
    optimizer.step()
    return [output.detach() for output in _tensors(outputs)]


def _tensors(outputs: Any) -> Iterator[torch.Tensor]:
    """The tensors in ``outputs``: one, or tuples, lists and dictionaries of them."""
    if isinstance(outputs, torch.Tensor):
        yield outputs
    elif isinstance(outputs, tuple | list | dict):
        for part in outputs.values() if isinstance(outputs, dict) else outputs:
            yield from _tensors(part)


def _compare(twins: list[torch.nn.Module], outputs: list[list[torch.Tensor]], step: int) -> None:
    """``DifferenceError`` unless both have the same ``outputs``, and their arrays the same states."""
    for pair in zip(*outputs, strict=True):
        expect_vector("output", "col", *(output.flatten().cpu().numpy() for output in pair), sample=step)
    for pair in zip(*map(arrays, twins), strict=True):
        golden, other = (array.crossbar.state() for array in pair)
        expect_state(golden, other, pair[0].index, sample=step)
