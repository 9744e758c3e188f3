"""What training costs the cells: how many write pulses each has been given."""

import numpy as np
import torch

from ..model.network import Network


class Wear:
    """The write pulses of a network's cells, which a run keeps beside the network's state: arrays ``layer{l}_pulses``,
    int32 (rows, cols)."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._known = True

    @property
    def most(self) -> int | None:
        """Write pulses of the cell that was given most. None if they are not known: earlier versions of the program did
        not count them, and one of these began the run."""
        return int(self._network.pulses.max()) if self._known else None

    def state(self) -> dict[str, np.ndarray]:
        """The arrays by name; none if they are not known."""
        if not self._known:
            return {}
        return {f"layer{layer}_pulses": crossbar.pulses.cpu().numpy().copy()
                for layer, crossbar in enumerate(self._network.crossbars)}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take what ``state()`` returned. ``KeyError`` names an array that is missing where others are there,
        ``ValueError`` one that does not fit."""
        names = list(self.state())
        self._known = any(name in state for name in names)
        if not self._known:
            return
        for name, crossbar in zip(names, self._network.crossbars, strict=True):
            array = state[name]
            if array.shape != tuple(crossbar.pulses.shape) or array.dtype != np.int32 or array.min() < 0:
                raise ValueError(f"{name} must hold int32 of shape {tuple(crossbar.pulses.shape)} from 0 on")
        for name, crossbar in zip(names, self._network.crossbars, strict=True):
            crossbar.pulses.copy_(torch.from_numpy(state[name]))
