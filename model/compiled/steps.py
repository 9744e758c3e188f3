"""The passes of a sample in compiled code: forward, backward, update, and the programming of a mini-batch."""

import numpy as np
from numba import njit

from .arithmetic import NOISE_FRAC, NORMAL_MASK, clip, draw, round_shift
from .programming import first_cell, saturate, visit
from .tables import (
    BACKWARD_ROWS,
    BLOCK,
    FORWARD_ROWS,
    FORWARDS,
    READING,
    UPDATE_ROWS,
    VISITED_ROWS,
    Integer,
    Layer,
    Scratch,
    State,
    Tables,
)


@njit(cache=True)
def train(layers: np.ndarray, state: State, row_reads: np.ndarray, tables: Tables, scratch: Scratch, xs: np.ndarray,
          labels: np.ndarray, chosen: np.ndarray, learning_rate_shift: int, batch: int, start: int, total: int,
          predictions: np.ndarray) -> None:
    """Train on the samples ``xs[chosen]`` with ``labels``. The first of them is number ``start`` of an epoch of
    ``total``. Fills ``predictions``, each made before its update, and adds to ``row_reads`` of the network.

    It is one function because taking an array out of ``scratch`` costs time, and here that is done once.
    """
    x, y, rows, active, needed, some, drive16, drive32, sum32, sum64, noise, z, d, d_before = scratch
    g, chi, counters = state.g, state.chi, state.counters
    neuron_x, neuron_y = tables.neuron_x, tables.neuron_y
    depth = len(layers)
    for i in range(len(chosen)):
        # forward
        for index in range(depth):
            layer = layers[index]
            if index == 0:
                for row in range(layer.inputs):
                    x[0, row] = xs[chosen[i], row]
            else:
                zero = layers[index - 1].z_limit
                for row in range(layer.inputs):
                    x[index, row] = neuron_x[index, z[row] + zero]
                    y[index, row] = neuron_y[index, z[row] + zero]
            if layer.rows > layer.inputs:
                x[index, layer.inputs] = layer.bias_value
            active[index], needed[index] = _activate(layer, x[index], y[index], rows[index], drive16, drive32)
            counters[index, FORWARDS] += 1
            counters[index, FORWARD_ROWS] += active[index]
            row_reads[0, index] += needed[index]
            if layer.read_noise:
                _read_noise(layer, state.lfsrs, tables, noise)
            if layer.narrow_sum:
                _forward(layer, g, rows[index], drive16, active[index], sum32, noise, z)
            else:
                _forward(layer, g, rows[index], drive32, active[index], sum64, noise, z)

        # backward and update
        predictions[i] = _delta(layers[depth - 1], tables, z, labels[i], d)
        for index in range(depth - 1, -1, -1):
            layer = layers[index]
            if not d[:layer.cols].any():
                break
            row_reads[1, index] += needed[index]
            if index > 0:
                counters[index, BACKWARD_ROWS] += _backward(layer, g, y[index], d, d_before, some)
            counters[index, UPDATE_ROWS] += active[index]
            shift, reached = layer.update_shift + learning_rate_shift, 0
            for j in range(active[index]):
                row = rows[index, j]
                first = first_cell(layer, row)
                most = _accumulate(chi, first, layer.cols, x[index, row], d, shift)
                if batch > 1 and most >= layer.chi_limit:
                    saturate(layer, chi, first)
                some[reached] = row
                reached += layer.stochastic or most >= layer.threshold
            if batch == 1:
                counters[index, VISITED_ROWS] += active[index]
                if reached:
                    visit(layer, state, tables, some, reached)
            d, d_before = d_before, d

        # the end of a mini-batch
        trained = start + i + 1
        if batch > 1 and (trained % batch == 0 or trained == total):
            _program(layers, state, tables, some)


@njit
def _program(layers: np.ndarray, state: State, tables: Tables, some: np.ndarray) -> None:
    """Visit all rows of all layers: the end of a mini-batch."""
    for index in range(len(layers)):
        layer = layers[index]
        state.counters[index, VISITED_ROWS] += layer.rows
        for row in range(layer.rows):
            some[row] = row
        visit(layer, state, tables, some, layer.rows)


@njit
def _delta(last: Layer, tables: Tables, z: np.ndarray, label: Integer, d: np.ndarray) -> Integer:
    """Compute the delta ``d`` of the last layer's outputs ``z``; returns the prediction."""
    best = 0
    for col in range(last.cols):
        if z[col] > z[best]:
            best = col
        d[col] = tables.delta[0 if col == label else 1, z[col] + last.z_limit]
    return best


@njit
def _activate(layer: Layer, x: np.ndarray, y: np.ndarray, rows: np.ndarray, drive16: np.ndarray,
              drive32: np.ndarray) -> tuple[Integer, Integer]:
    """List the rows that are driven, and their drives. Returns their number, and that of the rows that training has to
    read."""
    active = needed = 0
    for row in range(layer.rows):  # without a branch, which would often be predicted wrongly
        rows[active] = row
        active += x[row] != 0
        needed += (x[row] | y[row]) != 0
    for i in range(active):
        drive16[i] = drive32[i] = x[rows[i]]
    for i in range(active, active + BLOCK):
        rows[i], drive16[i], drive32[i] = 0, 0, 0
    return active, needed


@njit
def _forward(layer: Layer, g: np.ndarray, rows: np.ndarray, drives: np.ndarray, active: Integer, sums: np.ndarray,
             noise: np.ndarray, z: np.ndarray) -> None:
    """Compute the outputs ``z`` of a crossbar whose ``active`` first ``rows`` are driven with ``drives``. The sum of a
    block's products fits the type of ``drives``, that of all products the type of ``sums``. ``noise`` is added if the
    layer has read noise."""
    cols = layer.cols
    for col in range(cols):
        sums[col] = 0
    for i in range(0, active, BLOCK):
        x0, x1, x2, x3 = drives[i], drives[i + 1], drives[i + 2], drives[i + 3]
        first0, first1 = first_cell(layer, rows[i]), first_cell(layer, rows[i + 1])
        first2, first3 = first_cell(layer, rows[i + 2]), first_cell(layer, rows[i + 3])
        g0, g1 = g[first0:first0 + cols], g[first1:first1 + cols]
        g2, g3 = g[first2:first2 + cols], g[first3:first3 + cols]
        for col in range(cols):
            sums[col] += np.add(np.add(np.multiply(x0, g0[col]), np.multiply(x1, g1[col])),
                                np.add(np.multiply(x2, g2[col]), np.multiply(x3, g3[col])))
    shift, finer = layer.adc_shift, max(layer.adc_shift - NOISE_FRAC, 0)
    if not layer.read_noise:
        for col in range(cols):
            z[col] = clip(round_shift(np.int64(sums[col]), shift), -layer.z_limit, layer.z_limit - 1)
    else:
        for col in range(cols):
            total = (np.int64(sums[col]) >> finer) + noise[col]
            z[col] = clip(round_shift(total, shift - finer), -layer.z_limit, layer.z_limit - 1)


@njit
def _read_noise(layer: Layer, lfsrs: np.ndarray, tables: Tables, noise: np.ndarray) -> None:
    """Draw the ``noise`` of a reading of every column, in units of the column sum, or in the finest that the ADC
    resolves if those are coarser."""
    coarser = max(NOISE_FRAC - layer.adc_shift, 0)
    for col in range(layer.cols):
        word = draw(lfsrs, layer.index, READING, tables)
        noise[col] = round_shift(layer.read_noise * tables.normal[word & NORMAL_MASK], coarser)


@njit
def _backward(layer: Layer, g: np.ndarray, y: np.ndarray, d: np.ndarray, d_before: np.ndarray,
              read: np.ndarray) -> Integer:
    """Compute the delta ``d_before`` (inputs,) of the layer before from the delta ``d`` (cols,) and the derivatives
    ``y`` (inputs,). Leaves in ``read`` the rows read, and returns their number."""
    limit = layer.source_delta_limit
    count = 0
    for row in range(layer.inputs):
        d_before[row] = 0
        read[count] = row
        count += y[row] != 0
    for i in range(count):
        row = read[i]
        first = first_cell(layer, row)
        if layer.narrow_error:
            e = np.int64(_row_sum(g, first, layer.cols, d, np.int32(0)))
        else:
            e = _row_sum(g, first, layer.cols, d, np.int64(0))
        d_before[row] = clip(round_shift(e * y[row], layer.error_shift), -limit, limit - 1)
    return count


@njit
def _row_sum(g: np.ndarray, first: Integer, cols: Integer, d: np.ndarray, zero: Integer) -> Integer:
    """The sum of ``g * d`` along a row, which must fit the type of ``zero``."""
    levels = g[first:first + cols]
    total = zero
    for col in range(cols):
        total = np.add(total, np.multiply(np.int32(levels[col]), np.int32(d[col])))
    return total


@njit
def _accumulate(chi: np.ndarray, first: Integer, cols: Integer, x: Integer, d: np.ndarray, shift: Integer) -> Integer:
    """Add ``-x * d``, scaled, to the residuals of a row; returns the largest absolute value. There is no saturation:
    below the threshold nothing saturates, and what reaches the threshold is visited."""
    # Of 27 bits, the product is rounded to 0 by all shifts from 30 on.
    shift = np.int32(min(shift, 30))
    half = np.int32((1 << shift) >> 1)
    factor = np.int32(np.int16(-x))
    residuals = chi[first:first + cols]
    most = np.int32(0)
    for col in range(cols):
        value = np.add(residuals[col], np.right_shift(np.add(np.multiply(factor, np.int32(d[col])), half), shift))
        residuals[col] = value
        most = max(most, np.absolute(value))
    return most
