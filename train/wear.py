"""What training costs the cells: how many write pulses each has been given."""

import numpy as np
import torch

from ..model.network import Network


class Wear:
    """The write pulses of a network's cells, which a run keeps beside the network's state: arrays ``layer{l}_pulses``,
    int32 (rows, cols), of cells of several devices (rows, cols, devices)."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._known = True

    @property
    def most(self) -> int | None:
        """Write pulses of the cell, or device of a cell, that was given most. None if they are not known: earlier
        versions of the program did not count them, and one of these began the run."""
        return int(self._network.pulses.max()) if self._known else None

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
