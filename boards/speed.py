"""How many samples a second a network trains on, by its clock and by the link to its host."""

from dataclasses import dataclass
from itertools import pairwise
from math import prod, sqrt
from statistics import NormalDist
from typing import Literal

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
from ..hw.store.order import PermutedOrder
from ..hw.store.sdram import SdramController
from .board import Board
from .link import link_bytes_per_sample

ACTIVE_INPUTS = {"mnist": 0.191, "digits": 0.511}
"""Share of a data set's pixels that are not zero, measured on the training sets; 1 for others, on the safe side."""
ACTIVE_NEURONS = {"relu": 0.3, "ternary": 0.7}
"""Share of hidden neurons whose row is active in a sample: measured 0.24 to 0.32 on trained networks of 64 to 250 ReLUs
on MNIST, higher before they are trained. 1 for the others."""
INDEX_WORDS, COMMANDS = 2, 2
"""Words of the index that are read for a sample, and commands: for them, and for its words."""
DECODER_PAUSE = 4
"""Clock cycles of the decoder between samples (`hw.store.decoder.Decoder`)."""
SYSTEM_MHZ = 100
"""A clock that systems on chip have for their programmable logic, for which their speed is told."""
BITS_A_BYTE = 10
"""On a serial line, with start and stop bit."""


Limit = Literal["clock", "memory", "link"]


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
    samples_per_second_memory: int | None = None
    """As its memory for samples gives them. None if it has none."""
    samples_per_second_link: int
    """At the board's baud rate, sample by sample."""
    samples_per_second: int
    """The smallest of those that are needed: of the clock's and the memory's if it has a memory for samples, otherwise
    of the clock's and the link's."""
    limit: Limit
    """Which one that is."""


@dataclass(frozen=True, kw_only=True)
class SystemSpeed(Result):
    """How fast a network trains in a system on chip at ``SYSTEM_MHZ``, as estimated, if the memory gives a word in
    every clock cycle."""

    cycles_per_sample: float
    """Clock cycles."""
    samples_per_second_compute: int
    samples_per_second_memory: int
    samples_per_second: int
    """The smaller of the two."""
    limit: Limit
    """Which one that is."""


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


def active_inputs(experiment: Experiment) -> float:
    """Cells of a sample that are not zero, on average."""
    first = experiment.crossbars[0]
    return active_share(experiment, first) * first.window.cells


def memory_cycles(experiment: Experiment, board: Board) -> float:
    """Clock cycles from sample to sample as the memory of ``board`` gives them: of the slowest of what goes on at the
    same time. These are the order of the samples, the reading of their words, and their decoding."""
    controller = board.memory(experiment.require_store())
    words = sample_words(experiment)
    reading = words + INDEX_WORDS + COMMANDS
    if isinstance(controller, SdramController):
        timing, columns = controller.timing, controller.chip.columns_per_word
        opening, refresh = timing.rp + timing.rcd, timing.rp + timing.rfc + timing.rcd
        reading = (columns * (words + INDEX_WORDS) + COMMANDS * opening) / (1 - refresh / controller.refresh_interval)
    return slowest(experiment, reading)


def sample_words(experiment: Experiment) -> float:
    """Words of a stored sample, on average."""
    return 1 + (active_inputs(experiment) + 0.5) / 2


def slowest(experiment: Experiment, reading: float) -> float:
    """Clock cycles from sample to sample, if it takes so many to read one."""
    return max(PermutedOrder.latency, reading, active_inputs(experiment) + DECODER_PAUSE)


def system_speed(design: Design) -> SystemSpeed | None:
    """How fast a network trains from the memory of a system on chip. None if its samples are not there."""
    if isinstance(design, BankDesign) or design.store is None or design.store.memory != "axi":
        return None
    cycles, clock = cycles_per_sample(design), SYSTEM_MHZ * 1e6
    limits: dict[Limit, int] = {
        "clock": round(clock / cycles),
        "memory": round(clock / slowest(design, sample_words(design) + INDEX_WORDS + COMMANDS))}
    return SystemSpeed(
        cycles_per_sample=round(cycles, 1), samples_per_second_compute=limits["clock"],
        samples_per_second_memory=limits["memory"], samples_per_second=min(limits.values()),
        limit=min(limits, key=limits.__getitem__))


def speed(experiment: Design, board: Board) -> Speed | None:
    """How fast a network trains on ``board``. None for a bank: that is up to its host."""
    if isinstance(experiment, BankDesign):
        return None
    rows, cycles = active_rows(experiment), cycles_per_sample(experiment)
    size = link_bytes_per_sample(experiment, active_inputs(experiment))
    clock = board.clock_mhz * 1e6
    limits: dict[Limit, int] = {"clock": round(clock / cycles)}
    by_link = round(board.baud / BITS_A_BYTE / size)
    if experiment.store is None:
        limits["link"] = by_link
    else:
        limits["memory"] = round(clock / memory_cycles(experiment, board))
    return Speed(
        active_rows=[round(number, 1) for number in rows],
        cycles_per_sample=round(cycles, 1),
        bytes_per_sample=round(size, 1),
        samples_per_second_compute=limits["clock"], samples_per_second_memory=limits.get("memory"),
        samples_per_second_link=by_link, samples_per_second=min(limits.values()),
        limit=min(limits, key=limits.__getitem__),
    )
