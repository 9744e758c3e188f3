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
    one of them as it is above 0 or below it, and nothing in the other. ``ConfigError`` if the network was trained with
    wires.
    """
    if trained := network.experiment.converters.wire_ratio:
        raise ConfigError(f"converters.wire_ratio={trained:g}: the network was trained with wires, which count already")
    for crossbar in network.crossbars:
        device, arrays = crossbar.geometry.device, crossbar.arrays
        g = arrays["g"].numpy().astype(np.float64)
        minus = arrays["g_minus"].numpy() if device.pair else np.maximum(-g, 0)
        largest = device.span if device.pair else -device.origin
        plus, minus = (np.floor(part * left(part / largest, ratio) + 0.5) for part in (g + minus, minus))
        arrays["g"].copy_(torch.from_numpy(plus - minus))
        if device.pair:
            arrays["g_minus"].copy_(torch.from_numpy(minus))
