"""The second pass of a layer in compiled code: the errors of its positions, the row sums, the update."""

import numpy as np
from numba import njit

from .arithmetic import clip, round_shift
from .forward import list_rows
from .lanes import Lanes, larger, largest, load, pair_products, resized, spread, store, total, zeros
from .programming import saturate
from .tables import FEW, MANY, SOME, Integer, Layer, Tables


@njit
def loss_delta(last: Layer, tables: Tables, z: np.ndarray, label: Integer, delta: np.ndarray) -> Integer:
    """Compute the ``delta`` of the last layer's outputs ``z``; returns the prediction."""
    best = 0
    for col in range(last.cols):
        if z[col] > z[best]:
            best = col
        delta[col] = tables.delta[0 if col == label else 1, z[col] + last.z_limit]
    return best


@njit
def find_errors(layer: Layer, delta: np.ndarray, winners: np.ndarray, slots: np.ndarray, errors: np.ndarray,
                d32: np.ndarray, d: np.ndarray) -> Integer:
    """Give the ``delta`` of the outputs behind the pooling back to the winners. Returns the number of positions with an
    error, which are then in ``errors``, with their deltas in ``d``."""
    cols, found = layer.cols, 0
    for place in range(layer.places_down * layer.places_across):
        for col in range(cols):
            output = place * cols + col
            if delta[output]:
                position = winners[layer.pooled + output]
                if slots[position] < 0:
                    slots[position] = found * cols
                    errors[found] = position
                    for other in range(found * cols, found * cols + cols):
                        d32[other] = 0
                    found += 1
                d32[slots[position] + col] += delta[output]

    count = 0
    for i in range(found):
        slots[errors[i]] = -1
        errors[count], any_error = errors[i], False
        for col in range(cols):
            value = clip(d32[i * cols + col], -layer.delta_limit, layer.delta_limit - 1)
            d[count * cols + col] = value
            any_error |= value != 0
        count += any_error  # they may cancel each other where windows overlap
    return count


@njit
def backward(layer: Layer, g: np.ndarray, sloped: np.ndarray, sloped_before: np.ndarray, place: Integer, d: np.ndarray,
             first_d: Integer, e: np.ndarray) -> Integer:
    """Add to ``e`` the row sums for the cells of the window whose first grain is ``place``, for the deltas in ``d`` from
    ``first_d`` on. Returns the number of rows read."""
    count, row = 0, 0
    for stretch in range(layer.stretches):
        grain = place + stretch * layer.line_grains
        behind = row - grain * layer.grain
        start = sloped_before[layer.grains + grain]
        stop = sloped_before[layer.grains + grain + layer.stretch_grains]
        for i in range(start, stop):
            cell = sloped[layer.map + i]
            first = layer.cell + (cell + behind) * layer.cols
            if layer.narrow_error:
                e[cell] += _row_sum(g, first, d, first_d, layer.cols)
            else:
                e[cell] += _wide_row_sum(g, first, d, first_d, layer.cols)
        count += stop - start
        row += layer.stretch
    return count


@njit
def _row_sum(g: np.ndarray, first: Integer, d: np.ndarray, first_d: Integer, cols: Integer) -> Integer:
    """The sum of ``g * d`` along a row, which must fit 32 bits."""
    col, sums = 0, zeros(FEW, np.int32(0))
    while col + SOME <= cols:
        like = zeros(SOME, g)
        sums = sums + pair_products(load(g, first + col, like), load(d, first_d + col, like), sums)
        col += SOME
    e = np.int64(total(sums))
    for rest in range(col, cols):
        e += np.int32(g[first + rest]) * np.int32(d[first_d + rest])
    return e


@njit
def _wide_row_sum(g: np.ndarray, first: Integer, d: np.ndarray, first_d: Integer, cols: Integer) -> Integer:
    """The sum of ``g * d`` along a row."""
    e = 0
    for col in range(cols):
        e += np.int64(g[first + col]) * d[first_d + col]
    return e


@njit
def delta_before(layer: Layer, e: np.ndarray, y: np.ndarray, delta: np.ndarray) -> None:
    """Turn the row sums ``e`` of a map's cells into the ``delta`` of the layer before."""
    limit, output = layer.source_delta_limit, 0
    for line in range(layer.lines):
        first = layer.first_inner + line * layer.line
        for cell in range(first, first + layer.inner):
            slope, value = y[layer.map + cell], 0
            if slope:
                value = clip(round_shift(e[cell] * slope, layer.error_shift), -limit, limit - 1)
            delta[output] = value
            output += 1


@njit
def update(layer: Layer, chi: np.ndarray, x: np.ndarray, driven: np.ndarray, driven_before: np.ndarray,
           places: np.ndarray, count: int, d: np.ndarray, shift: Integer, firsts: np.ndarray, drives16: np.ndarray,
           drives32: np.ndarray, factors: np.ndarray, deltas: np.ndarray, many: bool) -> tuple[Integer, Integer, Integer]:
    """Update the rows of a crossbar: by the ``count`` windows whose first grains are in ``places``, and whose deltas are
    in ``d``. Returns how many rows there are, how many drives they have in all, and how many of them have reached the
    threshold; the first cells of these are then in ``firsts``. Residuals are saturated if ``many`` samples come before
    they are visited."""
    reached = 0
    if count == 1:
        rows = list_rows(layer, places[0], x, driven, driven_before, firsts, drives16, drives32)
        for i in range(rows):
            factors[0], deltas[0] = -drives32[i], 0
            first = firsts[i]
            most = _update_row(layer, chi, first, factors, deltas, 1, d, shift, many)
            firsts[reached] = first
            reached += layer.stochastic or most >= layer.threshold
        return rows, rows, reached

    rows, products, first = 0, 0, layer.cell
    for stretch in range(layer.stretches):
        for cell in range(layer.map + stretch * layer.line, layer.map + stretch * layer.line + layer.stretch):
            found = 0
            for i in range(count):  # without a branch, which would often be predicted wrongly
                drive = x[cell + places[i] * layer.grain]
                factors[found], deltas[found] = -np.int32(drive), i * layer.cols
                found += drive != 0
            if found:
                most = _update_row(layer, chi, first, factors, deltas, found, d, shift, many)
                firsts[reached] = first
                reached += layer.stochastic or most >= layer.threshold
                rows += 1
                products += found
            first += layer.cols
    if layer.rows > layer.inputs:
        for i in range(count):
            factors[i], deltas[i] = -layer.bias_value, i * layer.cols
        most = _update_row(layer, chi, first, factors, deltas, count, d, shift, many)
        firsts[reached] = first
        reached += layer.stochastic or most >= layer.threshold
        rows += 1
        products += count
    return rows, products, reached


@njit
def _update_row(layer: Layer, chi: np.ndarray, first: Integer, factors: np.ndarray, deltas: np.ndarray, count: int,
                d: np.ndarray, shift: Integer, many: bool) -> Integer:
    """Add the sum of ``factors * d``, of ``count`` deltas, rounded, to the residuals of a row; returns the largest
    absolute value. There is no saturation in a single sample: below the threshold nothing saturates, and what reaches
    the threshold is visited."""
    if layer.narrow_gradient:
        most = _update(layer, chi, first, factors, deltas, count, d, min(shift, 30), np.int32(0))
    else:
        most = _update(layer, chi, first, factors, deltas, count, d, min(shift, 62), np.int64(0))
    if many and most >= layer.chi_limit:
        saturate(layer, chi, first)
    return most


@njit
def _update(layer: Layer, chi: np.ndarray, first: Integer, factors: np.ndarray, deltas: np.ndarray, count: int,
            d: np.ndarray, shift: Integer, zero: Integer) -> Integer:
    """``_update_row``, where sums fit the type of ``zero``."""
    col, cols, most = 0, layer.cols, np.int32(0)
    while col + MANY <= cols:
        most = max(most, _update_lanes(chi, first, factors, deltas, count, d, shift, col, zeros(MANY, zero),
                                       zeros(MANY, chi)))
        col += MANY
    while col + FEW <= cols:
        most = max(most, _update_lanes(chi, first, factors, deltas, count, d, shift, col, zeros(FEW, zero),
                                       zeros(FEW, chi)))
        col += FEW
    while col < cols:
        most = max(most, _update_lanes(chi, first, factors, deltas, count, d, shift, col, zeros(1, zero),
                                       zeros(1, chi)))
        col += 1
    return most


@njit
def _update_lanes(chi: np.ndarray, first: Integer, factors: np.ndarray, deltas: np.ndarray, count: int, d: np.ndarray,
                  shift: Integer, col: Integer, sums: Lanes, none: Lanes) -> Integer:
    """``_update`` for columns from ``col`` on: as many as the zeros ``sums`` and ``none`` have lanes."""
    like = sums
    for i in range(count):
        sums = sums + spread(factors[i], like) * load(d, deltas[i] + col, like)
    change = (sums + spread((1 << shift) >> 1, like)) >> spread(shift, like)
    bound = spread(1 << 30, like)
    change = larger(change, bound, bound, change)
    change = larger(like - bound, change, like - bound, change)
    residuals = load(chi, first + col, none) + resized(change, none)
    store(chi, first + col, residuals)
    return largest(larger(residuals, none, residuals, none - residuals))
