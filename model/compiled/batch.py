"""The update of a crossbar by a mini-batch in compiled code: row by row, and every row by all samples.

Nothing is programmed meanwhile. So cells do not depend on each other, and a row's residuals stay in registers. Every
sample has its own rounding and saturation, in the order of the samples.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from .forward import first_grain
from .lanes import Vector, larger, limited, load, pointers, spread, store, zeros
from .tables import COUNTS, FEW, MANY, PRODUCT_ROWS, UPDATE_ROWS, Integer, Layer, Pointer, State


class Batch(NamedTuple):
    """The samples of a mini-batch."""

    x: np.ndarray
    """int16: their maps, one after the other, each with its padding around it."""
    d: np.ndarray
    """int16: their deltas."""
    windows: np.ndarray
    """int64: where in ``x`` the windows with an error begin, those of the first sample first."""
    deltas: np.ndarray
    """int64: where in ``d`` their deltas begin."""
    stops: np.ndarray
    """int64 (samples,): how many of these windows there are, up to the last of each sample."""


class Drives(NamedTuple):
    """Where a row is driven."""

    factors: np.ndarray
    """int32: minus its drives that are not 0, of the windows with an error, sample by sample."""
    deltas: np.ndarray
    """int64: where in ``d`` the deltas that belong to them begin."""
    stops: np.ndarray
    """int64: how many of them there are, up to the last of each sample that has any."""


def batch_of(layers: np.ndarray, maps: np.ndarray, d: np.ndarray) -> Batch:
    """The samples with the drives ``maps`` (n, cells) and the deltas ``d`` (n, positions, cols), both int16, of the
    crossbar with the record ``layers``."""
    count, positions = d.shape[:2]
    batch = Batch(np.zeros(count * int(layers["cells"][0]), np.int16), d.ravel(), *(
        np.empty(size, np.int64) for size in (count * positions, count * positions, count)))
    _enter(layers, batch, maps.ravel(), count)
    return batch


def drives_of(batch: Batch) -> Drives:
    """Memory for the drives of a row."""
    windows = len(batch.windows) + 1  # those that are 0 are written too, before they are found to be
    return Drives(np.empty(windows, np.int32), np.empty(windows, np.int64), np.empty(len(batch.stops) + 1, np.int64))


@njit(cache=True, nogil=True)
def _enter(layers: np.ndarray, batch: Batch, maps: np.ndarray, count: int) -> None:
    """Put ``maps`` into a batch of ``count`` samples, and find the windows with an error."""
    batch, layer = pointers(batch), layers[0]
    place = found = first = 0
    for i in range(count):
        for line in range(layer.lines):
            cell = i * layer.cells + layer.first_inner + line * layer.line
            for inner in range(layer.inner):
                batch.x[cell + inner] = maps[place + inner]
            place += layer.inner
        for position in range(layer.positions):
            any_error = False
            for col in range(layer.cols):
                any_error |= batch.d[first + col] != 0
            batch.windows[found] = i * layer.cells + first_grain(layer, position) * layer.grain
            batch.deltas[found] = first
            found += any_error
            first += layer.cols
        batch.stops[i] = found


@njit(cache=True, nogil=True)
def update_rows(layers: np.ndarray, state: State, batch: Batch, drives: Drives, count: int, learning_rate_shift: int,
                start: int, stop: int) -> None:
    """Update the rows ``start`` .. ``stop - 1`` by a batch of ``count`` samples."""
    state, batch, drives, layer = pointers(state), pointers(batch), pointers(drives), layers[0]
    shift = layer.update_shift + learning_rate_shift
    updates = products = 0
    for row in range(start, stop):
        samples = _list_drives(layer, batch, drives, row, count)
        if samples:
            if layer.narrow_gradient:
                _add(layer, state.chi, batch.d, drives, row, samples, min(shift, 30), np.int32(0))
            else:
                _add(layer, state.chi, batch.d, drives, row, samples, min(shift, 62), np.int64(0))
            updates += samples
            products += drives.stops[samples - 1]
    counters = layer.index * COUNTS
    state.counters[counters + UPDATE_ROWS] += updates
    state.counters[counters + PRODUCT_ROWS] += products


@njit(forceinline=True)
def _list_drives(layer: Layer, batch: Batch, drives: Drives, row: Integer, count: Integer) -> Integer:
    """List where a row is driven; returns by how many of ``count`` samples."""
    stretch, place = divmod(row, layer.stretch)
    cell, bias = stretch * layer.line + place, row == layer.inputs
    samples = found = window = 0
    for i in range(count):
        before = found
        while window < batch.stops[i]:
            drive = layer.bias_value if bias else batch.x[batch.windows[window] + cell]
            drives.factors[found], drives.deltas[found] = -np.int32(drive), batch.deltas[window]
            found += drive != 0
            window += 1
        drives.stops[samples] = found
        samples += found != before
    return samples


@njit(forceinline=True)
def _add(layer: Layer, chi: Pointer, d: Pointer, drives: Drives, row: Integer, samples: Integer, shift: Integer,
         zero: Integer) -> None:
    """Add what ``samples`` make of the drives to the residuals of a row. Sums fit the type of ``zero``."""
    first, col, cols = layer.cell + row * layer.cols, 0, layer.cols
    while col + MANY <= cols:
        _add_lanes(layer, chi, d, drives, first, samples, shift, col, zeros(MANY, zero), zeros(MANY, chi))
        col += MANY
    while col + FEW <= cols:
        _add_lanes(layer, chi, d, drives, first, samples, shift, col, zeros(FEW, zero), zeros(FEW, chi))
        col += FEW
    while col < cols:
        _add_lanes(layer, chi, d, drives, first, samples, shift, col, zeros(1, zero), zeros(1, chi))
        col += 1


@njit(forceinline=True)
def _add_lanes(layer: Layer, chi: Pointer, d: Pointer, drives: Drives, first: Integer, samples: Integer,
               shift: Integer, col: Integer, like: Vector, none: Vector) -> None:
    """``_add`` for columns from ``col`` on: as many as the zeros ``like`` and ``none`` have lanes."""
    lowest, highest = spread(-layer.chi_limit, none), spread(layer.chi_limit - 1, none)
    half, places = spread((1 << shift) >> 1, like), spread(shift, like)
    residuals, i = load(chi, first + col, none), 0
    for sample in range(samples):
        sums = like
        while i < drives.stops[sample]:
            sums = sums + spread(drives.factors[i], like) * load(d, drives.deltas[i] + col, like)
            i += 1
        residuals = residuals + limited((sums + half) >> places, none)
        residuals = larger(residuals, highest, highest, residuals)
        residuals = larger(lowest, residuals, lowest, residuals)
    store(chi, first + col, residuals)
