"""The voltage drop along the wires of an array, by ladders (docs/converters.md).

A word line is driven at its first column, a bit line is read at its last row. A line alone, with the lines across it at
ground, is a ladder of resistances whose node voltages are exact. What a cell is worth is taken as the product of the
node voltages at its place in its two ladders.
"""

import numpy as np

from .device import nominal
from .geometry import CrossbarGeometry

RATIO_FRAC = 32
"""Fraction bits of the resistance of a wire between two cells, as a share of that of a device at its largest."""
FACTOR_FRAC = 12
"""Fraction bits of the factor that is left of a cell in training."""


def ladder(conductances: np.ndarray, ratio: float) -> np.ndarray:
    """What is left of the voltage at each cell of lines that are driven at their first cell: float64 (lines, cells).
    ``conductances``, likewise, are shares of the largest, ``ratio`` is the resistance of a wire between two cells, and
    before the first, as a share of that of a device at its largest conductance."""
    admittance, voltage = ratio * conductances, np.empty_like(conductances)
    for j in range(conductances.shape[1] - 2, -1, -1):  # of the rest of the line, cell j among it
        admittance[:, j] += admittance[:, j + 1] / (1 + admittance[:, j + 1])
    voltage[:, 0] = 1 / (1 + admittance[:, 0])
    for j in range(1, conductances.shape[1]):
        voltage[:, j] = voltage[:, j - 1] / (1 + admittance[:, j])
    return voltage


def left(conductances: np.ndarray, ratio: float) -> np.ndarray:
    """The factor by which wires weaken each cell of an array of ``conductances``: all as for ``ladder``."""
    down = np.ascontiguousarray(conductances[::-1].T)
    return ladder(conductances, ratio) * ladder(down, ratio).T[::-1]


def mean_factors(geometry: CrossbarGeometry) -> np.ndarray:
    """The factor of each cell of a crossbar in training, in ``2**-FACTOR_FRAC``: int64 (rows, cols) (arithmetic 4.7).
    All conductances count as their mean, so that the factors stay as they are. The devices of a cell of several lie in
    arrays of their own, each at the cell's place, so they have the same factor."""
    device = geometry.device.single
    levels = [int(nominal(state, device.states, device.sub_bits)) for state in range(device.states)]
    mean = sum(max(0, level) for level in levels) / (device.states * levels[-1])
    ratio = geometry.wires * 2.0**-RATIO_FRAC * mean
    across, down = (ladder(np.ones((1, count)), ratio)[0] for count in (geometry.cols, geometry.rows))
    return np.floor(down[::-1, None] * across * 2.0**FACTOR_FRAC + 0.5).astype(np.int64)
