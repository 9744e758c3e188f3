"""How many samples a second a network trains on, by its clock and by the link to its host."""

from dataclasses import dataclass
from itertools import pairwise
from math import prod, sqrt
from statistics import NormalDist

from ..config import Experiment
from ..contract.geometry import CrossbarGeometry
from ..contract.results import Result
from ..design import BankDesign, Design
from ..hw.latencies import (
    to_layer_before,
    to_next_layer,
    to_next_sample,
    to_second_fold,
    to_update,
    update_cycles,
)
from .board import Board
from .link import link_bytes_per_sample

ACTIVE_INPUTS = {"mnist": 0.191, "digits": 0.511}
"""Share of a data set's pixels that are not zero, measured on the training sets; 1 for others, on the safe side."""
ACTIVE_NEURONS = {"relu": 0.3, "ternary": 0.7}
"""Share of hidden neurons whose row is active in a sample: measured 0.24 to 0.32 on trained networks of 64 to 250 ReLUs
on MNIST, higher before they are trained. 1 for the others."""
BITS_A_BYTE = 10
"""On a serial line, with start and stop bit."""


@dataclass(frozen=True, kw_only=True)
class Speed(Result):
    """How fast a network trains on a board, as estimated."""

    active_rows: list[float]
    """Of each layer, at each of its positions, on average."""
    cycles_per_sample: float
    """Clock cycles."""
    bytes_per_sample: float
    """On the way to the board, which is the busier one."""
    samples_per_second_compute: int
    """At the board's clock."""
    samples_per_second_link: int
    """At the board's baud rate."""


def active_rows(experiment: Experiment) -> list[float]:
    """Rows of each layer's crossbar that are active at a position on average, the bias row included. Those in the
    padding of a map count as if a cell drove them."""
    return [active_share(experiment, geometry) * geometry.inputs + geometry.bias for geometry in experiment.crossbars]


def active_share(experiment: Experiment, geometry: CrossbarGeometry) -> float:
    """Share of the cells of the map before a crossbar that are not zero, on average."""
    if geometry.source is None:
        return ACTIVE_INPUTS.get(experiment.dataset, 1.0)
    return ACTIVE_NEURONS.get(geometry.source, 1.0)


def forward_slots(experiment: Experiment, geometry: CrossbarGeometry) -> float:
    """Slots of a layer's forward pass: at each position, as many as that of its banks needs which has the most driven
    rows, on average."""
    share, reads = active_share(experiment, geometry), geometry.forward_reads
    mean = (share * geometry.inputs + geometry.bias) / reads
    spread = sqrt(geometry.inputs / reads * share * (1 - share))
    most = mean + spread * NormalDist().inv_cdf((reads - 0.375) / (reads + 0.25))
    return geometry.positions * geometry.folds * most


def second_slots(experiment: Experiment, geometry: CrossbarGeometry) -> float:
    """Slots of a layer's second pass: at each position with an error, one for all rows that are read together, if one
    of them is active. Rows are updated one by one."""
    share, reads = active_share(experiment, geometry), geometry.second_reads
    # The update of a bias row goes on while the layer before has begun with its own.
    rows = geometry.inputs / reads * (1 - (1 - share) ** reads) + (0 if geometry.source else geometry.bias)
    slots = error_share(experiment, geometry) * geometry.positions * geometry.folds * rows
    return slots if reads == 1 else max(slots, geometry.rows)


def error_share(experiment: Experiment, geometry: CrossbarGeometry) -> float:
    """Share of a layer's positions that have an error: where some column is a winner, of a neuron that is active."""
    if geometry.positions == 1 or geometry.index == len(experiment.crossbars) - 1:
        return 1.0
    share = active_share(experiment, experiment.crossbars[geometry.index + 1])
    return 1 - (1 - share / prod(geometry.window.pool_stride)) ** geometry.cols


def cycles_per_sample(experiment: Experiment) -> float:
    """Clock cycles of a training sample: the slots of all layers and positions, one after the other, and the pauses
    between the layers. Forward passes go on at the same time up to a layer with a single position.

    What is left out is what depends on the data: cells that are programmed, and layers that need no update.
    """
    crossbars = experiment.crossbars
    slots, together = 0.0, 0.0
    for geometry in crossbars:
        forward = forward_slots(experiment, geometry)
        slots += update_cycles(geometry, second_slots(experiment, geometry))
        if geometry.positions > 1:
            together = max(together, forward)
        else:
            slots, together = slots + together + forward, 0.0
    distances = [
        *(to_next_layer(source) for source in crossbars[:-1]),
        to_update(crossbars[-1]),
        *(to_layer_before(source, target, active_share(experiment, target) * target.window.cells)
          for source, target in pairwise(crossbars)),
        to_next_sample(crossbars[0]),
        *(to_second_fold(geometry) for geometry in crossbars if geometry.folds > 1),
    ]
    return slots + together + sum(distance - 1 for distance in distances)


def speed(experiment: Design, board: Board) -> Speed | None:
    """How fast a network trains on ``board``. None for a bank: that is up to its host."""
    if isinstance(experiment, BankDesign):
        return None
    rows, cycles = active_rows(experiment), cycles_per_sample(experiment)
    first = experiment.crossbars[0]
    size = link_bytes_per_sample(experiment, active_share(experiment, first) * first.window.cells)
    return Speed(
        active_rows=[round(number, 1) for number in rows],
        cycles_per_sample=round(cycles, 1),
        bytes_per_sample=round(size, 1),
        samples_per_second_compute=round(board.clock_mhz * 1e6 / cycles),
        samples_per_second_link=round(board.baud / BITS_A_BYTE / size),
    )
