"""How many samples a second a network trains on: as far as its clocks go, and as far as the link to its host does."""

from ..config import Experiment
from ..hw.crossbar.adder_tree import tree_latency
from .board import Board
from .link import link_bytes_per_sample

ACTIVE_INPUTS = {"mnist": 0.191, "digits": 0.511}
"""Share of a data set's pixels that are not zero, measured on the training sets; 1 for others, on the safe side."""
ACTIVE_NEURONS = {"relu": 0.3, "ternary": 0.7}
"""Share of hidden neurons whose row is active in a sample: measured 0.24 to 0.32 on trained networks of 64 to 250 ReLUs
on MNIST, higher before they are trained. 1 for the others."""
BITS_A_BYTE = 10
"""On a serial line, with start and stop bit."""


def active_rows(experiment: Experiment) -> list[float]:
    """Rows of each layer's crossbar that are active in a sample on average, the bias row included."""
    rows = []
    for geometry in experiment.crossbars:
        share = (ACTIVE_NEURONS.get(geometry.source, 1.0) if geometry.source
                 else ACTIVE_INPUTS.get(experiment.dataset, 1.0))
        rows.append(share * geometry.inputs + geometry.bias)
    return rows


def cycles_per_sample(experiment: Experiment) -> float:
    """Clocks of a training sample: the bound of docs/rtl.md 5, and the latencies that come on top of it."""
    crossbars = experiment.crossbars
    bound = sum(rows * geometry.folds * (2 if geometry.ports == 2 else 3)  # with one port, an update takes two clocks
                for rows, geometry in zip(active_rows(experiment), crossbars, strict=True))
    last = crossbars[-1]
    forward, loss = 10 * (len(crossbars) - 1), 9 + last.cols // last.adcs
    backward = sum(9 + tree_latency(geometry.lanes) for geometry in crossbars[1:])
    return bound + forward + loss + backward + 3


def speed(experiment: Experiment, board: Board) -> dict:
    """``active_rows``, ``cycles_per_sample``, ``bytes_per_sample`` and the samples a second that follow at the board's
    clock and at its baud rate: ``samples_per_second_compute``, ``samples_per_second_link``."""
    rows, cycles = active_rows(experiment), cycles_per_sample(experiment)
    size = link_bytes_per_sample(experiment, rows[0] - experiment.layers[0].bias)
    return {
        "active_rows": [round(number, 1) for number in rows],
        "cycles_per_sample": round(cycles, 1),
        "bytes_per_sample": round(size, 1),
        "samples_per_second_compute": round(board.clock_mhz * 1e6 / cycles),
        "samples_per_second_link": round(board.baud / BITS_A_BYTE / size),
    }
