"""The sums of drive times delta over a mini-batch in compiled code: what gradients are made of.

Windows are taken in pairs, whose products processors add up in one instruction. Pairs in which a row is not driven are
left out.
"""

from functools import cache, partial
from typing import NamedTuple

import numpy as np
from numba import njit

from ...contract.geometry import CrossbarGeometry
from .batch import Batch, batch_of
from .lanes import Vector, halves, load, pair_products, pointers, resized, spread, store, zeros
from .tables import FEW, MANY, Integer, Layer, layer_records
from .threads import parts, together

CACHED = 1 << 13
"""Pairs of deltas that rows are worked on with one after the other: they stay in the first cache."""


class Pairs(NamedTuple):
    """The pairs of windows with an error, and where a row is driven in them."""

    deltas: np.ndarray
    """int16: of each pair and column, both deltas; without a second window, it is 0. Columns are filled up with 0."""
    drives: np.ndarray
    """int32: the drives of a row, that of the first window in the low half, where they are not both 0."""
    places: np.ndarray
    """int64: where in ``deltas`` the deltas that belong to them begin."""
    sums: np.ndarray
    """int64: the sums of all cells, row by row. Columns are filled up."""


def product_sums(geometry: CrossbarGeometry, maps: np.ndarray, d: np.ndarray) -> np.ndarray:
    """The sums of drive times delta of every cell, over all samples and positions: int64 (rows, cols). ``maps``, int16
    (n, cells), are the drives, ``d``, int16 (n, positions, cols), the deltas, both within the formats of
    ``geometry``."""
    layers, cols = _record(geometry), -(-geometry.cols // FEW) * FEW
    batch = batch_of(layers, np.ascontiguousarray(maps), np.ascontiguousarray(d))
    windows = int(batch.stops[-1]) if len(d) else 0
    deltas, sums = np.zeros((windows + 1) * cols, np.int16), np.zeros(geometry.rows * cols, np.int64)
    _enter(batch, deltas, windows, geometry.cols, cols)
    fitting = ((1 << 31) - 1) // (2 * geometry.x.magnitude << geometry.delta_bits - 1)  # pairs whose sum fits 32 bits
    at_a_time = max(1, min(fitting, CACHED // cols))

    def add(share: range) -> None:
        pairs = Pairs(deltas, np.empty(at_a_time + 1, np.int32), np.empty(at_a_time + 1, np.int64), sums)
        _add_rows(layers, batch, pairs, windows, cols, at_a_time, share.start, share.stop)

    together([partial(add, share) for share in parts(geometry.rows, windows * cols)])
    return sums.reshape(geometry.rows, cols)[:, :geometry.cols]


@cache
def _record(geometry: CrossbarGeometry) -> np.ndarray:
    return layer_records([geometry])


@njit(cache=True, nogil=True)
def _enter(batch: Batch, deltas: np.ndarray, windows: int, cols: int, filled: int) -> None:
    """Put the deltas of the ``windows`` with an error, ``cols`` each, into ``deltas``."""
    for window in range(windows):
        first, place = batch.deltas[window], (window - (window & 1)) * filled + (window & 1)
        for col in range(cols):
            deltas[place + 2 * col] = batch.d[first + col]


@njit(cache=True, nogil=True)
def _add_rows(layers: np.ndarray, batch: Batch, pairs: Pairs, windows: int, cols: int, at_a_time: int, start: int,
              stop: int) -> None:
    """Add up the products of the rows ``start`` .. ``stop - 1``, of ``at_a_time`` pairs, whose sum fits 32 bits."""
    batch, pairs, layer = pointers(batch), pointers(pairs), layers[0]
    for first in range(0, windows, 2 * at_a_time):
        for row in range(start, stop):
            count = _list_pairs(layer, batch, pairs, row, first, min(first + 2 * at_a_time, windows), cols)
            _add(pairs, row * cols, count, cols)


@njit(forceinline=True)
def _list_pairs(layer: Layer, batch: Batch, pairs: Pairs, row: Integer, first: Integer, stop: Integer,
                cols: Integer) -> Integer:
    """List where a row is driven in the windows ``first`` .. ``stop - 1``; returns in how many pairs."""
    stretch, place = divmod(row, layer.stretch)
    cell, bias = stretch * layer.line + place, row == layer.inputs
    count = 0
    for window in range(first, stop, 2):
        low = layer.bias_value if bias else batch.x[batch.windows[window] + cell]
        high = np.int32(0)
        if window + 1 < stop:
            high = layer.bias_value if bias else batch.x[batch.windows[window + 1] + cell]
        pairs.drives[count], pairs.places[count] = np.int32(high) << 16 | np.int32(low) & 0xFFFF, window * cols
        count += (low | high) != 0
    return count


@njit(forceinline=True)
def _add(pairs: Pairs, cell: Integer, count: Integer, cols: Integer) -> None:
    """Add the products of the ``count`` pairs that are listed to the sums from ``cell`` on."""
    col = 0
    while col + MANY <= cols:
        _add_lanes(pairs, cell, count, col, zeros(MANY, pairs.drives), zeros(MANY, pairs.sums))
        col += MANY
    while col < cols:
        _add_lanes(pairs, cell, count, col, zeros(FEW, pairs.drives), zeros(FEW, pairs.sums))
        col += FEW


@njit(forceinline=True)
def _add_lanes(pairs: Pairs, cell: Integer, count: Integer, col: Integer, like: Vector, wide: Vector) -> None:
    """``_add`` for columns from ``col`` on: as many as the zeros ``like`` and ``wide`` have lanes."""
    sums = like
    for i in range(count):
        drives = halves(spread(pairs.drives[i], like))
        sums = sums + pair_products(load(pairs.deltas, pairs.places[i] + 2 * col, drives), drives, like)
    store(pairs.sums, cell + col, load(pairs.sums, cell + col, wide) + resized(sums, wide))
