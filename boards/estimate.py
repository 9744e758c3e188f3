"""What a design needs and reaches on a board: in a moment, without synthesis.

Memories and multipliers follow from the configuration by rule. LUTs are those of blocks that were counted by themselves
(``counted_luts``), and a weighed sum of a few figures of the structure (``structure``). The weights are what a figure
costs in the family, as `calibrate` has fitted them to designs that were built.
"""

from bisect import bisect_left
from dataclasses import dataclass
from math import ceil, prod
from typing import ClassVar, Literal, NamedTuple

import numpy as np

from ..config import Experiment
from ..contract.converters import MISMATCH_BITS, NONLINEARITY_BITS, fine_bits
from ..contract.device import SIGMA_BITS
from ..contract.errors import ConfigError, SpinloomError
from ..contract.geometry import COUNTER_BITS, MAX_SIDE, CrossbarGeometry
from ..contract.link import SLOT, SLOTS
from ..contract.results import Result
from ..contract.shapes import LayerShape
from ..contract.tables import DERIVATIVE_BITS, FIRING_BITS, NORMAL_BITS, NORMAL_INDEX_BITS
from ..contract.widths import divisors, index_bits
from ..design import Design
from ..hw.basics.single_port_ram import SPRAM_DEPTH, SPRAM_WIDTH
from ..hw.crossbar.active_rows import entry_layout
from ..hw.crossbar.array_memory import LUT_DEPTH, column_bits
from ..hw.crossbar.crossbar import answers_depth, outputs_depth, require_no_wires
from ..hw.crossbar.error_map import WORD as FLAGS
from ..hw.crossbar.error_map import flag_words
from ..hw.crossbar.feature_map import WORD, Blocks, lookups
from ..hw.crossbar.layouts import (
    banks,
    cell_layout,
    conversion_layout,
    level_layout,
    padded_rows,
    row_sum_layout,
)
from ..hw.crossbar.noise import STORED_BITS
from ..hw.crossbar.position_deltas import origin_layout
from ..hw.crossbar.programming_queue import DEPTH, queued_layout
from ..hw.store.memory import WORD_BITS
from ..hw.store.reader import BUFFER
from . import calibration
from .board import Board
from .catalogue import find
from .results import BoardResult, Resources
from .speed import Speed, SystemSpeed, speed, system_speed

BLOCK_RAMS = {
    "ecp5": {512: 36, 1024: 18, 2048: 9, 4096: 4, 8192: 2, 16384: 1},
    "ice40": {256: 16, 512: 8, 1024: 4, 2048: 2},
    "gowin": {512: 36, 1024: 18, 2048: 9, 4096: 4, 8192: 2, 16384: 1},
}
"""Widths of a block RAM by its depth, with one port to read and one to write."""
DSP_BITS = {"ecp5": 18, "ice40": 16, "gowin": 18}
"""Width of a DSP's factors."""
BYTE = 9
"""Bits of a word of a block RAM that are written together."""
LEAST_FACTOR = {"ecp5": 2, "ice40": 2, "gowin": 4}
"""Width of the narrowest factor for which a DSP is used."""
LEAST_BITS = {
    "ecp5": {"array": 0, "table": 2048, "tables": 2048, "buffer": 0},
    "ice40": {"array": 0, "table": 60, "tables": 2048, "buffer": 160},
    "gowin": {"array": 0, "table": 2048, "tables": 2048, "buffer": 1024},
}
"""A memory of no more bits than this, by its kind, is put into LUTs and flip-flops instead."""
LUT_RAM_DEPTH = {"ecp5": 16, "ice40": 0, "gowin": 16}
"""A buffer of no more words is put into LUTs as well, which can be memories of that depth."""
LUT_RAM_WIDTH = 4
"""Bits of the words of such a memory."""
LUT_RAMS = {"ecp5": 32}
"""Such memories that cost as much as a block RAM: a buffer, or an array that may be in them, takes what costs less."""
STORE_LUTS = {"ecp5": (674, 34.3, 407), "ice40": (575, 30.4, 0), "gowin": (791, 41.0, 397)}
"""LUTs of a `Feeder` with a `MemoryAccess`, for each bit of an address and of a sample's number besides, and of an
`SdramController`: from what `hw.export.synth.count` says of them, for two sizes on an ECP5 and one on the others."""
SOFT_LUTS = {"ecp5": 25 * 2 / 48, "ice40": 36 / 18, "gowin": 80 / 18}
"""LUTs of a multiplier that is built of them, for each product of two bits: of `soft_multiplier_ecp5.v` with 6x8 bits,
and of Yosys's own with 3x6, as `hw.export.synth.count` says."""
SIX_INPUT_LUTS = (978, 0.615)
"""LUTs of six inputs of a network behind AXI: so many, and for each LUT that its structure and its store are estimated
to need on an ECP5. Fitted to five designs that `hw.export.synth` counted for 7-series."""
PARTS_OF_WORDS = {"ecp5": (512, 9, 4)}
"""Words of a block RAM, bits of a part of one, and its parts, which are written one by one: words of a buffer that are
far from each other may share a word of a block RAM."""


class EstimateError(SpinloomError, RuntimeError):
    """A design does not fit on a board."""


class Memory(NamedTuple):
    """A memory of a design."""

    depth: int
    """Words."""
    width: int
    """Bits of a word."""
    kind: Literal["array", "table", "tables", "buffer"] = "buffer"
    """``array``: of a crossbar's cells. ``table``: of constants, read by one port; ``tables``: read by several ports.
    ``buffer``: any other."""
    ports: int = 2
    """1 if it is read and written through the same port."""
    reads: int = 1
    """Ports to read."""


@dataclass(frozen=True, kw_only=True)
class Shortage(Result):
    """Why a design does not fit."""

    exceeds: list[str]
    """The resources of which the part has too little."""
    largest: str | None
    """The largest of its kind that does fit (see ``largest``); None if there is none."""


@dataclass(frozen=True, kw_only=True)
class Estimate(BoardResult):
    """What a design needs and reaches on a board, as estimated."""

    board: str
    part: str
    fits: bool
    resources: Resources
    capacity: dict[str, int]
    """What the part has of each resource."""
    clock_mhz: float
    """The clock of the board's designs, in MHz."""
    speed: Speed | None
    """None for a bank."""
    shortage: Shortage | None = None
    """None if it fits."""

    inlined: ClassVar[tuple[str, ...]] = ("resources", "speed", "shortage")


@dataclass(frozen=True, kw_only=True)
class SystemEstimate(BoardResult):
    """What a network behind AXI, with its samples in the memory of a system on chip, needs and reaches, as
    estimated."""

    luts: int
    """LUTs of six inputs, of AMD's 7-series or UltraScale+, as `hw.export.synth` counts them."""
    speed: SystemSpeed

    inlined: ClassVar[tuple[str, ...]] = ("speed",)


@dataclass(frozen=True, kw_only=True)
class Estimates(BoardResult):
    """The estimates of a design for several boards."""

    experiment: str
    """The name of the design."""
    topology: str
    """As ``784-250-10``."""
    shapes: tuple[LayerShape, ...]
    """Of every crossbar."""
    boards: tuple[Estimate, ...]
    system: SystemEstimate | None = None
    """Of a network whose samples are in the memory of a system on chip."""


def memories(design: Design, slots: int = SLOTS) -> list[Memory]:
    """The memories of a design and its link, of ``slots``, that are large enough to matter."""
    found = [Memory(slots * SLOT, 8)] * 2
    for geometry in design.crossbars:
        words = geometry.folds * padded_rows(geometry)
        found += [
            *[Memory(words // banks(geometry), geometry.lanes * level_layout(geometry).size, "array", geometry.ports)]
            * banks(geometry),
            Memory(words, geometry.lanes * geometry.chi_bits, "array", geometry.ports),
            Memory(DEPTH, queued_layout(geometry).size),
            Memory(len(geometry.counters), COUNTER_BITS),
            *(row_memories if geometry.plain else window_memories)(geometry),
        ]
        if geometry.device.pulse != "switching":
            found.append(Memory(1 << NORMAL_INDEX_BITS - 1, STORED_BITS, "table"))
            found.append(Memory(len(geometry.device.mean), geometry.single.device.g_bits + SIGMA_BITS, "table"))
        if geometry.read_noise:
            found += [Memory(1 << NORMAL_INDEX_BITS - 1, STORED_BITS, "table")] * geometry.adcs
        if geometry.mismatched:
            column = MISMATCH_BITS * (2 if geometry.gain else 1)
            found.append(Memory(geometry.cols // geometry.adcs, geometry.adcs * column))
        if geometry.nonlinearity:
            found.append(Memory(len(geometry.nonlinearity), NONLINEARITY_BITS, reads=geometry.adcs))
    for source, target in zip(design.crossbars, design.crossbars[1:], strict=False):
        if target.source == "sigmoid":
            found += [Memory(1 << source.z_bits, target.x.bits + DERIVATIVE_BITS + 1, "table")] * source.adcs
        if target.source == "stochastic":
            found += [Memory(1 << source.z_bits, FIRING_BITS + DERIVATIVE_BITS, "table")] * source.adcs
    if isinstance(design, Experiment) and design.store:
        found.append(Memory(BUFFER, WORD_BITS + 1))
        if design.store.memory == "block_ram":
            found.append(Memory(design.store.words, WORD_BITS, ports=1))
    if design.loss == "cross_entropy":
        last = design.crossbars[-1]
        found.append(Memory(1 << last.z_bits, last.delta_frac, "tables" if last.adcs > 1 else "table", reads=last.adcs))
    return found


def row_memories(geometry: CrossbarGeometry) -> list[Memory]:
    """What a plain crossbar has besides: the list of active rows, deltas, row sums that wait."""
    found = [Memory(geometry.inputs, entry_layout(geometry).size)]
    if geometry.folds > 1:
        found.append(Memory(geometry.folds, geometry.lanes * geometry.delta_bits))
    if geometry.source is not None:
        found.append(Memory(answers_depth(geometry), row_sum_layout(geometry).size))
    return found


def window_memories(geometry: CrossbarGeometry) -> list[Memory]:
    """What other crossbars have: the feature map, its flags, deltas and origins of positions, outputs that wait, sums
    of cells, and those of the pooling. Each has one port to read."""
    window, blocks, several = geometry.window, Blocks.of(geometry), lookups(geometry)
    cell = geometry.x.bits + geometry.derivative_bits
    origin, conversion = origin_layout(geometry).size, conversion_layout(geometry).size
    found = [
        *[Memory(window.cells, cell)] * max(geometry.forward_reads, geometry.second_reads),
        *[Memory(ceil(window.cells / WORD), WORD)] * (several * geometry.second_reads),
        *[Memory(blocks.count, blocks.size)] * (geometry.forward_reads if blocks.size > 1 else 0),
        Memory(blocks.lines, blocks.line_blocks * blocks.kinds),
        Memory(geometry.positions * geometry.folds, geometry.lanes * ceil(geometry.delta_bits / BYTE) * BYTE),
        Memory(ceil(geometry.positions / several), several * origin),
        *[Memory(geometry.positions, index_bits(geometry.positions * geometry.folds) + origin)] * 2,
        Memory(ceil(geometry.rows / geometry.second_reads), index_bits(window.cells) + 2, "table"),
        Memory(outputs_depth(geometry), conversion),
    ]
    if geometry.source is not None:
        kept = geometry.derivative_bits if geometry.derivative_bits > 1 else 0
        found += [Memory(window.cells, geometry.error_bits + kept)] * geometry.second_reads
        found += [Memory(flag_words(geometry), FLAGS)] * geometry.second_reads
    if window.pools:
        groups, winner = geometry.cols // geometry.adcs, sum((side - 1).bit_length() for side in window.pool)
        rows = min(window.places[0], ceil(window.pool[0] / window.pool_stride[0]))  # of windows, open at once
        found += [Memory(prod(window.places) * groups, geometry.adcs * winner),
                  Memory(rows * window.places[1] * groups, conversion + geometry.adcs * winner)]
    return found


def multipliers(design: Design) -> list[tuple[int, int]]:
    """The two widths of every multiplier."""
    widths = []
    for geometry in design.crossbars:
        lowest, highest = geometry.learning_rate_shifts
        factor = max(geometry.x.bits + 1, geometry.delta_bits if geometry.source else 0)
        widths += [(geometry.device.g_bits, factor)] * (geometry.lanes * banks(geometry))
        widths += ([(geometry.x.bits + 1 + highest - lowest, geometry.delta_bits)]
                   * (geometry.lanes * geometry.second_reads))
        if geometry.device.pulse != "switching":
            widths.append((NORMAL_BITS, SIGMA_BITS))
        if geometry.gain:
            widths += [(fine_bits(geometry), MISMATCH_BITS)] * geometry.adcs
    behind = design.crossbars[1:] if design.loss else ()  # a bank converts no deltas
    return widths + [(geometry.error_bits, geometry.derivative_bits + 1) for geometry in behind]


def split_multipliers(design: Design, board: Board) -> tuple[int, int]:
    """How many DSPs the multipliers take, and the area, product of the widths, of those left for the LUTs: the
    narrowest, where there are more than ``board`` has DSPs for."""
    width, free, soft = DSP_BITS[board.family], board.capacity["dsps"], 0
    for a, b in sorted(multipliers(design), key=prod, reverse=True):
        number = ceil(a / width) * ceil(b / width)
        if min(a, b) >= LEAST_FACTOR[board.family] and number <= free:
            free -= number
        else:
            soft += a * b
    return board.capacity["dsps"] - free, soft


def structure(design: Design, board: Board) -> dict[str, float]:
    """The figures of a design that its LUTs, but for ``counted_luts``, are a weighed sum of, on ``board``."""
    crossbars = design.crossbars
    small = sum(memory.depth * memory.width for memory in memories(design, board.slots)
                if not block_rams(board, memory) and not single_port_rams(board, memory))
    return {
        "network": 1,
        "cross_entropy": int(design.loss == "cross_entropy"),
        "crossbars": len(crossbars),
        "windows": sum(not g.plain for g in crossbars),
        "column_sums": sum(g.lanes * g.sum_bits for g in crossbars),
        "cells": sum(g.lanes * cell_layout(g).size for g in crossbars),
        "row_sums": sum(g.lanes * (g.device.g_bits + g.delta_bits) for g in crossbars if g.source),
        "converted": sum(g.adcs * g.z_bits for g in crossbars),
        "small_memories": small,
        "stochastic": sum(g.lanes for g in crossbars if g.rounding == "stochastic"),
    }


def block_rams(board: Board, memory: Memory) -> int:
    """Block RAMs of a memory: the fewest in any of their shapes."""
    if single_port_rams(board, memory) or memory.depth * memory.width <= LEAST_BITS[board.family][memory.kind]:
        return 0
    copies = memory.reads if board.family == "ice40" else ceil(memory.reads / 2)  # two ports to read, or one
    bits = column_bits(memory.depth) if memory.kind == "array" else None
    columns = ceil(memory.width / bits) if bits else 1
    shapes = [ceil(memory.depth / depth) * ceil((bits or memory.width) / width)
              for depth, width in BLOCK_RAMS[board.family].items()]
    if board.family in PARTS_OF_WORDS and memory.kind == "buffer":
        depth, part, parts = PARTS_OF_WORDS[board.family]
        shapes.append(ceil(ceil(memory.depth / depth) * ceil(memory.width / part) / parts))
    number = copies * columns * min(shapes)
    return 0 if _in_luts(board, memory, number) else number


def _in_luts(board: Board, memory: Memory, number: int) -> bool:
    """Whether synthesis puts a memory, which would take ``number`` block RAMs, into LUTs."""
    if board.family not in LUT_RAMS:
        return memory.kind == "buffer" and memory.depth <= LUT_RAM_DEPTH[board.family]
    may_be = memory.kind == "buffer" or memory.kind == "array" and memory.depth <= LUT_DEPTH
    return may_be and lut_rams(board, memory) < LUT_RAMS[board.family] * number


def lut_rams(board: Board, memory: Memory) -> int:
    """Memories in LUTs that a memory takes there."""
    return ceil(memory.depth / LUT_RAM_DEPTH[board.family]) * ceil(memory.width / LUT_RAM_WIDTH)


def single_port_rams(board: Board, memory: Memory) -> int:
    """Large single-port memories that a memory of one port takes where ``board`` has any (`ArrayMemory`)."""
    if memory.ports == 2 or "single_port_rams" not in board.capacity:
        return 0
    return ceil(memory.depth / SPRAM_DEPTH) * ceil(memory.width / SPRAM_WIDTH)


def resources(design: Design, board: Board, weights: dict[str, float] | None = None) -> Resources:
    """What a design needs on ``board``, as estimated; with ``weights`` of ``structure`` other than the
    calibration's."""
    weights = weights or calibration.current().weights[board.family]
    figures = structure(design, board)
    found = memories(design, board.slots)
    return Resources(
        luts=round(sum(weights[name] * figure for name, figure in figures.items()) + counted_luts(design, board)),
        block_rams=sum(block_rams(board, memory) for memory in found),
        dsps=split_multipliers(design, board)[0],
        single_port_rams=sum(single_port_rams(board, memory) for memory in found)
        if "single_port_rams" in board.capacity else None,
    )


def counted_luts(design: Design, board: Board) -> float:
    """LUTs that need no weights: of multipliers that are built of them, and of what a memory for samples needs."""
    return SOFT_LUTS[board.family] * split_multipliers(design, board)[1] + store_luts(design, board)


def store_luts(design: Design, board: Board) -> float:
    """LUTs of what feeds a network from a memory for samples, and of the controller of that; 0 if it has none."""
    if not isinstance(design, Experiment) or design.store is None:
        return 0
    address_bits, most = design.store.sizes
    least, a_bit, controller = STORE_LUTS[board.family]
    return least + a_bit * (address_bits + index_bits(most)) + controller * (design.store.memory == "sdram")


def estimate(design: Design, board: Board) -> Estimate:
    """What a design needs and reaches on ``board``, as estimated. ``ConfigError`` if hardware cannot have it."""
    for geometry in design.crossbars:
        require_no_wires(geometry)
    needed = resources(design, board)
    over, shortage = exceeds(needed, board), None
    if over:
        smaller = largest(design, board)
        shortage = Shortage(exceeds=over, largest=_smaller(smaller, design) if smaller else None)
    return Estimate(board=board.name, part=board.part, fits=not over, resources=needed, capacity=board.capacity,
                    clock_mhz=board.clock_mhz, speed=speed(design, board), shortage=shortage)


def estimate_system(design: Design) -> SystemEstimate | None:
    """What a network needs and reaches behind AXI. None if its samples are not in the memory of a system on chip."""
    reached = system_speed(design)
    if reached is None:
        return None
    alike = find("ulx3s")
    soft = SOFT_LUTS[alike.family] * split_multipliers(design, alike)[1]  # AMD's parts have DSPs enough
    least, a_lut = SIX_INPUT_LUTS
    return SystemEstimate(luts=round(least + a_lut * (resources(design, alike).luts - soft)), speed=reached)


def exceeds(needed: Resources, board: Board) -> list[str]:
    """The resources of which ``board`` has less than is ``needed``."""
    return [name for name, number in needed.counted().items() if number > board.capacity[name]]


def fits(design: Design, board: Board) -> bool:
    """Whether a design is estimated to fit on ``board``."""
    return not exceeds(resources(design, board), board)


def largest(design: Design, board: Board) -> Design | None:
    """The largest design of the kind of ``design`` that is estimated to fit on ``board``; None if there is none. It is
    the bank with the most lanes; or the network with the most hidden neurons, in the proportions of ``design``, and
    among these with the most lanes, with fewer layers if it must be."""
    if isinstance(design, Experiment):
        return _largest_network(design, board)
    candidates = (design.narrowed(1 << power) for power in range(MAX_SIDE.bit_length() - 1, -1, -1))
    return next((candidate for candidate in candidates if fits(candidate, board)), None)


def _largest_network(experiment: Experiment, board: Board) -> Experiment | None:
    """As ``largest``, of a network."""
    hidden = max((layer.cols for layer in experiment.layers[:-1]), default=1)
    for depth in range(len(experiment.layers), 0, -1):
        # What fits at all fits with one lane a layer.
        size = bisect_left(range(1, hidden + 1), True,
                           key=lambda size: not _fits(_scaled(experiment, depth, size / hidden, 1), board))
        if size:
            candidates = (_scaled(experiment, depth, size / hidden, 1 << power) for power in range(10, -1, -1))
            return next(candidate for candidate in candidates if _fits(candidate, board))
    return None


def _fits(experiment: Experiment | None, board: Board) -> bool:
    return experiment is not None and fits(experiment, board)


def _scaled(experiment: Experiment, depth: int, share: float, most_lanes: int) -> Experiment | None:
    """``experiment`` with ``depth`` layers, its hidden ones scaled, and its lanes limited, of one row a clock cycle;
    None if it cannot be. Windows stay, channels and neurons are scaled."""
    layers = []
    for index, layer in enumerate((*experiment.layers[:depth - 1], experiment.layers[-1])):
        cols = max(1, round(share * layer.cols)) if index < depth - 1 else layer.cols
        view = layer.map
        if view is not None and index < depth - 1:
            view = (*view[:2], max(1, round(share * view[2])))
            cols = prod(view)
        lanes = max(d for d in divisors(cols) if d <= min(most_lanes, layer.lanes or cols))
        layers.append(layer.model_copy(update={"cols": cols, "map": view, "lanes": lanes, "adcs": None,
                                               "forward_reads": 1, "second_reads": 1}))
    try:
        return experiment.replaced(layers=layers)
    except ConfigError:
        return None


def describe(design: Design) -> str:
    """A design in its short form, and its lanes."""
    return f"{design.topology} with {' and '.join(str(g.lanes) for g in design.crossbars)} lanes"


def _smaller(found: Design, design: Design) -> str:
    """``describe`` of what was ``found`` in the place of ``design``, with what else differs."""
    several = any(banks(geometry) > 1 for geometry in design.crossbars)
    return describe(found) + several * ", and one read in a clock cycle"


def check(design: Design, board: Board) -> None:
    """``EstimateError`` in one line if a design is estimated not to fit on ``board``."""
    answer = estimate(design, board)
    if answer.shortage:
        needed = answer.resources.counted()
        wanted = ", ".join(f"{needed[name]:,} of {board.capacity[name]:,} {name.replace('_', ' ')}"
                           for name in answer.shortage.exceeds)
        remedy = f"; the largest that fits is about {answer.shortage.largest}" if answer.shortage.largest else \
            "; nothing of this kind does"
        raise EstimateError(f"{describe(design)} does not fit on {board.title}: it needs about {wanted}{remedy}")


def weigh(rows: list[dict[str, float]], targets: list[float], shares: list[float]) -> dict[str, float]:
    """The weights, none negative, with which the sums of ``rows`` come closest to ``targets``, relatively. An error of
    a row counts ``shares`` times."""
    names, roots = list(rows[0]), np.sqrt(np.array(shares))
    figures = np.array([[row[name] / target for name in names] for row, target in zip(rows, targets, strict=True)])
    figures *= roots[:, np.newaxis]
    scales = np.maximum(figures.max(axis=0), 1e-12)
    weights = _least_squares(figures / scales, roots) / scales
    return dict(zip(names, weights.tolist(), strict=True))


def _least_squares(matrix: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The ``x``, none negative, with which ``matrix @ x`` is closest to ``wanted``. By Lawson and Hanson: one figure
    after the other is let in, and those that would be negative leave."""
    x, inside = np.zeros(matrix.shape[1]), np.zeros(matrix.shape[1], dtype=bool)
    while True:
        gain = np.where(inside, 0, matrix.T @ (wanted - matrix @ x))
        if gain.max() < 1e-9:
            return x
        inside[gain.argmax()] = True
        while True:
            best = np.zeros_like(x)
            best[inside] = np.linalg.lstsq(matrix[:, inside], wanted, rcond=None)[0]
            if (best[inside] > 0).all():
                break
            falls = inside & (best <= 0)
            x += (x[falls] / (x[falls] - best[falls])).min() * (best - x)
            inside &= x > 1e-12
            x[~inside] = 0
        x = best
