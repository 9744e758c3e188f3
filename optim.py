"""Optimisers of arrays. Whatever else a model has, parameters outside of arrays, any optimiser trains beside them."""

from collections.abc import Callable
from inspect import Parameter, signature
from math import inf, log2
from typing import Any

import torch

from .contract.errors import SpinloomError
from .model.gradient import gradient, increments
from .nn.array import Array, Recorded, arrays


class OptimizerError(SpinloomError, ValueError):
    """An optimiser that cannot work; in one line, with the remedy."""

    exit_status = 2


class InSitu(torch.optim.Optimizer):
    """Gradient descent inside of the arrays, as the machine does it.

    A step updates the cells by every sample since the last one, each with its own rounding. Of one sample, the rows
    concerned are then programmed; of more, a mini-batch, all cells are. What has been recorded of a sample is then
    forgotten, as it is by ``zero_grad``.

    The learning rate ``lr`` of a parameter group is ``2**-learning_rate_shift`` at first. Of what schedulers
    set, the machine takes the nearest power of two, which must be one that the arrays can have.
    """

    def __init__(self, model: torch.nn.Module, learning_rate_shift: int = 6) -> None:
        """For the arrays in ``model``; ``OptimizerError`` if there are none."""
        self._arrays = _arrays(model)
        super().__init__([array.handle for array in self._arrays], {"lr": 2.0**-learning_rate_shift})

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the arrays; write pulses happen here. ``OptimizerError`` if the learning rate is not positive,
        ``ArrayError`` if an array cannot have it; no array is then trained."""
        loss = _evaluated(closure)
        rate = self.param_groups[0]["lr"]
        if not 0 < rate < inf:
            raise OptimizerError(f"lr={rate}: must be positive; to train no array, do not call step")
        shift = round(-log2(rate))
        for array in self._arrays:
            array.require_rate(shift)
        for array in self._arrays:
            array.train_recorded(shift)
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget what has been recorded."""
        for array in self._arrays:
            array.take()

    def __getstate__(self) -> dict[str, Any]:
        """What copies and pickles have: beside that of any optimiser, the arrays."""
        return super().__getstate__() | {"_arrays": self._arrays}


class Host(torch.optim.Optimizer):
    """Any optimiser of PyTorch, which makes increments for the arrays.

    It sees a float64 parameter for each array, of a value for each cell, in levels, and the exact gradient of all
    samples since the last step: their sum, as ever in PyTorch. By what it changes the parameter, the residuals are
    incremented; cells that reach the threshold are then programmed. The parameter is 0 before each step, so there is
    nothing for a weight decay to decay. The learning rate is in levels. Parameter groups, state and learning-rate
    schedulers are those of the optimiser.
    """

    def __init__(self, optimizer: Callable[..., torch.optim.Optimizer], model: torch.nn.Module, **options: Any) -> None:
        """``optimizer``, such as ``torch.optim.Adam``, with its ``options`` for the arrays in ``model``;
        ``OptimizerError`` if there are none, and if the optimiser evaluates a closure, as ``torch.optim.LBFGS`` does:
        the gradient of arrays is that of samples that have been recorded once."""
        self._arrays = _arrays(model)
        geometries = [array.crossbar.geometry for array in self._arrays]
        self._levels = [torch.zeros((geometry.rows, geometry.cols), dtype=torch.float64, device=array.pulses.device)
                        for array, geometry in zip(self._arrays, geometries, strict=True)]
        super().__init__(self._levels, {})
        self.optimizer = optimizer(self._levels, **options)
        if any(each.default is Parameter.empty for each in signature(self.optimizer.step).parameters.values()):
            raise OptimizerError(f"{type(self.optimizer).__name__} evaluates a closure several times in a step, but "
                                 "arrays are trained by samples that are recorded once; use another, such as Adam")
        self._join()

    def gradients(self) -> list[torch.Tensor]:
        """The parameters of the arrays, with the gradients of what has been recorded since the last step in their
        ``grad``, which a step then goes by: something to clip. That of an array without samples is None."""
        for array, levels in zip(self._arrays, self._levels, strict=True):
            for recorded in array.take():
                found = _gradient(array, recorded)
                levels.grad = found if levels.grad is None else levels.grad + found
        return self._levels

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step of the optimiser, and apply the increments. Arrays without a gradient stay as they are.
        ``OptimizerError`` if the optimiser makes a step that is not a number."""
        loss = _evaluated(closure)
        for levels in self.gradients():
            levels.zero_()
        self.optimizer.step()
        if any(levels.isnan().any() for levels in self._levels):
            raise OptimizerError("the optimiser has made a step that is not a number; look at its learning rate")
        for array, levels in zip(self._arrays, self._levels, strict=True):
            if levels.grad is not None:
                levels.grad = None
                geometry = array.crossbar.geometry
                array.apply_increments(increments(levels * 2.0**-geometry.rate_offset, geometry))
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget what has been recorded."""
        for array, levels in zip(self._arrays, self._levels, strict=True):
            array.take()
            levels.grad = None

    def state_dict(self) -> dict[str, Any]:
        """That of the optimiser."""
        return self.optimizer.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As the optimiser does."""
        self.optimizer.load_state_dict(state_dict)
        self._join()

    def __getstate__(self) -> dict[str, Any]:
        """What copies and pickles have: beside that of any optimiser, the arrays and what trains them."""
        return super().__getstate__() | {
            "_arrays": self._arrays, "_levels": self._levels, "optimizer": self.optimizer}

    def _join(self) -> None:
        """Let schedulers see the optimiser's own groups."""
        self.param_groups, self.state, self.defaults = (
            self.optimizer.param_groups, self.optimizer.state, self.optimizer.defaults)


def _arrays(model: torch.nn.Module) -> list[Array]:
    """The arrays in ``model``, which are then known to have an optimiser; ``OptimizerError`` if there are none."""
    if not isinstance(model, torch.nn.Module):
        raise OptimizerError(f"{type(model).__name__}: an optimiser of arrays is given the model itself, as arrays are "
                             "no parameters")
    found = arrays(model)
    if not found:
        raise OptimizerError("the model has no array; use layers of spinloom.nn, or an optimiser of torch.optim")
    for array in found:
        array.optimized = True
    return found


def _gradient(array: Array, recorded: Recorded) -> torch.Tensor:
    """The gradient of the cells by the samples ``recorded``, float64 (rows, cols)."""
    crossbar = array.crossbar.at(recorded.window)
    return gradient(crossbar.geometry, recorded.x, recorded.d, 1, crossbar.windows.gather)


def _evaluated(closure: Callable[[], Any] | None) -> Any:
    if closure is None:
        return None
    with torch.enable_grad():
        return closure()
