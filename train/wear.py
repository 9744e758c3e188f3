"""What training costs the cells: how many write pulses each has been given."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch

from ..model.crossbar import Crossbar
from ..model.network import Network
from .results import WearResult, WornCell

QUANTILES = ("0.5", "0.9", "0.99", "0.999")


class Wear:
    """The write pulses of a network's cells, which a run keeps beside the network's state: arrays ``layer{l}_pulses``,
    int32 (rows, cols), of cells of several devices (rows, cols, devices)."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._known = True

    @property
    def result(self) -> WearResult | None:
        """The worst cell and the distribution. None if they are not known: earlier versions of the program did not
        count write pulses of cells, and one of these began the run."""
        if not self._known:
            return None
        crossbars = self._network.crossbars
        return wear([crossbar.pulses.cpu().numpy() for crossbar in crossbars], failed_cells(crossbars))

    def state(self) -> dict[str, np.ndarray]:
        """The arrays by name; none if they are not known."""
        return {name: pulses.cpu().numpy().copy() for name, pulses in self._pulses().items()} if self._known else {}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take what ``state()`` returned. ``KeyError`` names an array that is missing where others are there,
        ``ValueError`` one that does not fit; then nothing changes."""
        expected = self._pulses()
        known = any(name in state for name in expected)
        for name, pulses in expected.items() if known else ():
            array = state[name]
            if array.shape != tuple(pulses.shape) or array.dtype != np.int32 or array.min() < 0:
                raise ValueError(f"{name} must hold int32 of shape {tuple(pulses.shape)} from 0 on")
        self._known = known
        for name, pulses in expected.items() if known else ():
            pulses.copy_(torch.from_numpy(state[name]))

    def _pulses(self) -> dict[str, torch.Tensor]:
        return {f"layer{layer}_pulses": crossbar.pulses for layer, crossbar in enumerate(self._network.crossbars)}


def failed_cells(crossbars: Iterable[Crossbar]) -> int | None:
    """How many cells of ``crossbars`` have failed; None if they do not age."""
    lives = [crossbar.life for crossbar in crossbars if crossbar.life is not None]
    return sum(int((life == 0).sum()) for life in lives) if lives else None


def wear(pulses: Sequence[np.ndarray], failed: int | None = None) -> WearResult:
    """The worst cell and the distribution of the write ``pulses`` of cells, integers (rows, cols) or (rows, cols,
    devices), one array a layer; with how many of them have ``failed``."""
    layer = max(range(len(pulses)), key=lambda layer: int(pulses[layer].max()))
    row, col, *device = map(int, np.unravel_index(pulses[layer].argmax(), pulses[layer].shape))
    every = np.concatenate([array.ravel() for array in pulses]).astype(np.int64)
    bits = np.frexp(every.astype(np.float64))[1]
    quantiles = np.quantile(every, list(map(float, QUANTILES)), method="inverted_cdf")
    return WearResult(
        cells=len(every), worst=WornCell(layer=layer, row=row, col=col, device=device[0] if device else None,
                                         pulses=int(pulses[layer].max())),
        quantiles=dict(zip(QUANTILES, map(int, quantiles), strict=True)),
        histogram=tuple(np.bincount(bits).tolist()), failed=failed)
