"""Wires: what a trained network is worth in arrays whose lines have a resistance."""

import numpy as np
import torch

from ..contract.errors import ConfigError
from ..contract.wires import left
from ..model.network import Network


def wires(network: Network, ratio: float) -> None:
    """Let the cells of ``network`` count as they do behind wires, each by the factor of `contract.wires.left`, rounded
    to sub-levels. ``ratio`` is the resistance of a wire between two cells, as a share of that of a device at its
    largest conductance.

    A cell is a pair of devices in two arrays, of which one counts negative. Those of a single device have as much in
    one of them as it is above 0 or below it, and nothing in the other. Cells of several devices have two such arrays
    for each of these. ``ConfigError`` if the network was trained with wires.
    """
    if trained := network.experiment.converters.wire_ratio:
        raise ConfigError(f"converters.wire_ratio={trained:g}: the network was trained with wires, which count already")
    for crossbar in network.crossbars:
        device, pairs = crossbar.geometry.device.single, crossbar.g_minus
        largest = device.span if device.pair else -device.origin
        levels = crossbar.levels()
        for place in range(crossbar.geometry.devices):
            g = levels[..., place].numpy().astype(np.float64)
            minus = np.maximum(-g, 0) if pairs is None else pairs.numpy()
            plus, minus = (np.floor(part * left(part / largest, ratio) + 0.5) for part in (g + minus, minus))
            levels[..., place] = torch.from_numpy(plus - minus)
            if pairs is not None:
                pairs.copy_(torch.from_numpy(minus))
        crossbar.set_levels(levels)
