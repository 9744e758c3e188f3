"""From floats to the integers of a format: to nearest, ties up, and limited."""

from typing import Any

import numpy as np
import torch
from numba import njit

from ..model import compiled  # noqa: F401 - settles where Numba keeps what it compiles


def rounded(values: torch.Tensor, scale: float, lowest: int, highest: int) -> tuple[torch.Tensor, int, bool]:
    """``values`` times ``scale``: int16, rounded, and limited to ``lowest`` .. ``highest``; how many of them are
    limited by more than a unit; and whether all of them are numbers."""
    where = in_one_pass if values.device.type == "cpu" else by_tensors
    return where(values, scale, lowest, highest)


def by_tensors(values: torch.Tensor, scale: float, lowest: int, highest: int) -> tuple[torch.Tensor, int, bool]:
    """``rounded``, on any device of PyTorch."""
    found = torch.floor(values.double() * scale + 0.5)
    beyond = int(((found < lowest - 1) | (found > highest + 1)).sum())
    return found.clamp(lowest, highest).to(torch.int16), beyond, not values.isnan().any()


def in_one_pass(values: torch.Tensor, scale: float, lowest: int, highest: int) -> tuple[torch.Tensor, int, bool]:
    """``rounded``, compiled, in main memory. The elements are in the same order there as before."""
    given = values if values.dtype in (torch.float32, torch.float64) else values.float()
    axes = sorted(range(values.dim()), key=values.stride, reverse=True)
    given = given.permute(axes).contiguous()
    found = torch.empty(given.shape, dtype=torch.int16)
    beyond, numbers = _round(given.view(-1).numpy(), found.view(-1).numpy(), scale, float(lowest), float(highest))
    return found.permute([axes.index(axis) for axis in range(values.dim())]), beyond, numbers


@njit(cache=True, nogil=True)
def _round(values: np.ndarray, integers: np.ndarray, scale: float, lowest: float, highest: float) -> Any:
    """Put what ``rounded`` makes of ``values`` into ``integers``; returns the rest of it."""
    beyond, numbers = 0, True
    for i in range(len(values)):
        found = np.floor(np.float64(values[i]) * scale + 0.5)
        numbers &= found == found
        beyond += (found < lowest - 1) | (found > highest + 1)
        integers[i] = np.int16(min(max(found, lowest), highest))
    return beyond, numbers
