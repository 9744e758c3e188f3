"""How many write pulses the arrays of a model have been given."""

from dataclasses import replace

import torch

from ..train.results import WearResult
from ..train.wear import wear as worn
from .array import require_arrays


def wear(model: torch.nn.Module) -> WearResult:
    """The worst cell in the arrays of ``model``, and the distribution over all cells. The layer of a cell is the number
    of its array. Only the golden model counts write pulses of cells. ``ArrayError`` if there is no array."""
    found = require_arrays(model)
    result = worn([array.pulses.cpu().numpy() for array in found])
    return replace(result, worst=replace(result.worst, layer=found[result.worst.layer].index))
