"""The second pass of a layer in compiled code: the errors of its positions, the row sums, the update."""

import numpy as np
from numba import njit

from .arithmetic import clip, round_shift
from .forward import list_rows
from .lanes import Vector, larger, largest, limited, load, pair_products, resized, spread, store, total, zeros
from .programming import saturate
from .tables import FEW, MANY, SOME, Integer, Layer, Pointer, Scratch, State, Tables


@njit
def loss_delta(last: Layer, scratch: Scratch, tables: Tables, label: Integer) -> None:
    """Compute the delta of the last layer's outputs."""
    for col in range(last.cols):
        z = scratch.pooled[col] + last.z_limit
        scratch.delta[col] = tables.delta_right[z] if col == label else tables.delta_wrong[z]


@njit
def find_errors(layer: Layer, scratch: Scratch) -> Integer:
    """Give the delta of the outputs behind the pooling back to the winners. Returns the number of positions with an
    error, which are then in ``errors``, with their deltas in ``d``."""
    cols, slots, errors, d32 = layer.cols, scratch.slots, scratch.errors, scratch.d32
    found = output = 0
    for _ in range(layer.places_down * layer.places_across):
        for col in range(cols):
            if scratch.delta[output]:
                position = np.int64(scratch.winners[layer.pooled + output])
                if slots[position] < 0:
                    slots[position] = found * cols
                    errors[found] = position
                    for other in range(found * cols, found * cols + cols):
                        d32[other] = 0
                    found += 1
                d32[slots[position] + col] += scratch.delta[output]
            output += 1

    count = 0
    for i in range(found):
        slots[errors[i]] = -1
        errors[count], any_error = errors[i], False
        for col in range(cols):
            value = clip(np.int64(d32[i * cols + col]), -layer.delta_limit, layer.delta_limit - 1)
            scratch.d[count * cols + col] = value
            any_error |= value != 0
        count += any_error  # where windows overlap, they may cancel each other
    return count


@njit
def enter_deltas(layer: Layer, scratch: Scratch, d: Pointer, first: Integer) -> Integer:
    """Take the deltas of all positions from ``d``, from ``first`` on. Returns the number of positions with an error,
    which are then in ``errors``, with their deltas in ``d`` of the scratch."""
    count = 0
    for position in range(layer.positions):
        scratch.errors[count], any_error = position, False
        for col in range(layer.cols):
            scratch.d[count * layer.cols + col] = d[first + col]
            any_error |= d[first + col] != 0
        count += any_error
        first += layer.cols
    return count


@njit
def clear_sums(layer: Layer, scratch: Scratch) -> None:
    """Let no row sum be in the cells that will be asked for."""
    for i in range(scratch.before[layer.sloped_before + layer.grains]):
        scratch.e[scratch.lists[layer.sloped + i]] = 0


@njit
def drop_delta_bits(layer: Layer, scratch: Scratch, count: Integer) -> None:
    """Let DACs that do not resolve them convert the deltas of ``count`` positions, from ``d`` to ``d_read``."""
    limit = layer.delta_limit >> layer.delta_dropped
    for i in range(count * layer.cols):
        rounded = clip(round_shift(np.int64(scratch.d[i]), layer.delta_dropped), -limit, limit - 1)
        scratch.d_read[i] = rounded << layer.delta_dropped


@njit
def backward(layer: Layer, state: State, scratch: Scratch, grain: Integer, d: Pointer, first_d: Integer) -> Integer:
    """Add up the row sums for the cells of the window whose first grain is given, for the deltas in ``d`` from
    ``first_d`` on. Returns the number of rows read."""
    count, row = 0, 0
    for _ in range(layer.stretches):
        behind = row - grain * layer.grain
        before = layer.sloped_before + grain
        start, stop = scratch.before[before], scratch.before[before + layer.stretch_grains]
        for i in range(layer.sloped + start, layer.sloped + stop):
            cell = scratch.lists[i]
            first = layer.cell + (cell + behind) * layer.cols
            if layer.narrow_error:
                scratch.e[cell] += _row_sum(state.read_g, first, d, first_d, layer.cols)
            else:
                scratch.e[cell] += _wide_row_sum(state.read_g, first, d, first_d, layer.cols)
        count += stop - start
        grain += layer.line_grains
        row += layer.stretch
    return count


@njit(forceinline=True)
def _row_sum(g: Pointer, first: Integer, d: Pointer, first_d: Integer, cols: Integer) -> Integer:
    """The sum of ``g * d`` along a row. What a lane adds up must fit 32 bits."""
    col, sums = 0, zeros(FEW, np.int32(0))
    while col + SOME <= cols:
        like = zeros(SOME, g)
        sums = sums + pair_products(load(g, first + col, like), load(d, first_d + col, like), sums)
        col += SOME
    e = total(resized(sums, zeros(FEW, np.int64(0))))
    for rest in range(col, cols):
        e += np.int64(g[first + rest]) * d[first_d + rest]
    return e


@njit
def _wide_row_sum(g: Pointer, first: Integer, d: Pointer, first_d: Integer, cols: Integer) -> Integer:
    """The sum of ``g * d`` along a row."""
    e = 0
    for col in range(cols):
        e += np.int64(g[first + col]) * d[first_d + col]
    return e


@njit
def delta_before(layer: Layer, scratch: Scratch) -> None:
    """Turn the row sums into the delta of the layer before."""
    limit, output = layer.source_delta_limit, 0
    for line in range(layer.lines):
        first = layer.first_inner + line * layer.line
        for cell in range(first, first + layer.inner):
            slope, value = np.int64(scratch.y[layer.map + cell]), 0
            if slope:
                value = clip(round_shift(scratch.e[cell] * slope, layer.error_shift), -limit, limit - 1)
            scratch.delta[output] = value
            output += 1


@njit
def update(layer: Layer, state: State, scratch: Scratch, count: Integer, learning_rate_shift: Integer,
           program: bool) -> tuple[Integer, Integer, Integer]:
    """Update the crossbar by the ``count`` windows whose first grains are in ``errors``, and whose deltas are in ``d``.

    Returns how many rows are updated, how many drives they have in all, and how many of them have to be visited, whose
    first cells are then in ``firsts``.
    """
    firsts, factors, deltas = scratch.firsts, scratch.factors, scratch.deltas
    shift = layer.update_shift + learning_rate_shift
    found: Integer
    rows = products = reached = 0
    if count == 1:
        rows = products = list_rows(layer, scratch, scratch.errors[0])
        deltas[0] = 0
        for i in range(rows):
            factors[0] = -scratch.drives32[i]
            firsts[reached] = firsts[i]
            reached += _update_row(layer, state.chi, scratch, firsts[i], count, shift, program)
        return rows, products, reached

    first = layer.cell
    for i in range(count):
        scratch.windows[i] = layer.map + scratch.errors[i] * layer.grain
    for stretch in range(layer.stretches):
        for cell in range(stretch * layer.line, stretch * layer.line + layer.stretch):
            found = np.int64(0)
            for i in range(count):  # without a branch, which would often be predicted wrongly
                drive = scratch.x[scratch.windows[i] + cell]
                factors[found], deltas[found] = -np.int32(drive), i * layer.cols
                found += drive != 0
            if found:
                firsts[reached] = first
                reached += _update_row(layer, state.chi, scratch, first, found, shift, program)
                rows += 1
                products += found
            first += layer.cols
    if layer.rows > layer.inputs:
        for i in range(count):
            factors[i], deltas[i] = -layer.bias_value, i * layer.cols
        firsts[reached] = first
        reached += _update_row(layer, state.chi, scratch, first, count, shift, program)
        rows += 1
        products += count
    return rows, products, reached


@njit
def _update_row(layer: Layer, chi: Pointer, scratch: Scratch, first: Integer, count: Integer, shift: Integer,
                program: bool) -> bool:
    """Add the sum of ``factors * d``, of ``count`` deltas, rounded, to the residuals of a row. Returns whether it has
    to be visited."""
    if layer.narrow_gradient:
        most = _add(layer, chi, scratch, first, count, min(shift, 30), np.int32(0))
    else:
        most = _add(layer, chi, scratch, first, count, min(shift, 62), np.int64(0))
    # Below the threshold nothing saturates, and what reaches it is visited, but not before the end of a mini-batch.
    if not program and most >= layer.chi_limit:
        saturate(layer, chi, first)
    return layer.stochastic or most >= layer.threshold


@njit(forceinline=True)
def _add(layer: Layer, chi: Pointer, scratch: Scratch, first: Integer, count: Integer, shift: Integer,
         zero: Integer) -> Integer:
    """``_update_row``, where sums fit the type of ``zero``; returns the largest absolute value of the residuals."""
    col, cols, most = 0, layer.cols, np.int32(0)
    while col + MANY <= cols:
        most = max(most, _add_lanes(chi, scratch, first, count, shift, col, zeros(MANY, zero), zeros(MANY, chi)))
        col += MANY
    while col + FEW <= cols:
        most = max(most, _add_lanes(chi, scratch, first, count, shift, col, zeros(FEW, zero), zeros(FEW, chi)))
        col += FEW
    while col < cols:
        most = max(most, _add_lanes(chi, scratch, first, count, shift, col, zeros(1, zero), zeros(1, chi)))
        col += 1
    return most


@njit(forceinline=True)
def _add_lanes(chi: Pointer, scratch: Scratch, first: Integer, count: Integer, shift: Integer, col: Integer,
               sums: Vector, none: Vector) -> Integer:
    """``_add`` for columns from ``col`` on: as many as the zeros ``sums`` and ``none`` have lanes."""
    like = sums
    for i in range(count):
        sums = sums + spread(scratch.factors[i], like) * load(scratch.d, scratch.deltas[i] + col, like)
    change = (sums + spread((1 << shift) >> 1, like)) >> spread(shift, like)
    residuals = load(chi, first + col, none) + limited(change, none)
    store(chi, first + col, residuals)
    return largest(larger(residuals, none, residuals, none - residuals))
