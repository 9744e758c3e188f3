"""Training compiled for one CPU thread: the integers of ``model.network``, tens of times as fast.

It is driven by events: only rows whose input is not zero are touched, and cells are looked at one by one only in rows
where a residual has reached the threshold. Whatever depends on a ``z`` alone, neurons and loss, comes from tables
filled by the golden model's own classes. In inner loops NumPy's scalar functions stand for operators: they keep the
width of their operands, where compiled operators widen to 64 bits and vectors then hold half as much.
"""

from typing import NamedTuple

import numpy as np
import torch
from numba import njit

from ..contract.geometry import COUNTER_BITS, COUNTERS, MAX_SIDE, CrossbarGeometry
from ..contract.lfsr import WIDTH
from .lfsr import jump
from .network import Network
from .programmer import landings

BLOCK = 4
"""Rows whose products ``x * g`` are added up before the sum is widened."""
SIDE = MAX_SIDE + BLOCK
FORWARDS, FORWARD_ROWS, BACKWARD_ROWS, UPDATE_ROWS, ATTEMPTS = range(len(COUNTERS) - 1)


class Tables(NamedTuple):
    """What the compiled code looks up."""

    neuron_x: np.ndarray
    neuron_y: np.ndarray
    """int16 (layers, size): drive and derivative for each ``z`` of the layer before, counted from its smallest."""
    error: np.ndarray
    """int16 (2, size): error of the labelled column, and of the others, for each ``z``, counted from its smallest."""
    landing: np.ndarray
    """int16 (states, 2**NORMAL_INDEX_BITS), see ``programmer.landings``."""
    leap: np.ndarray
    """uint32 (4, 256): the images, one draw on, of the values of each byte of an LFSR's state."""


class Scratch(NamedTuple):
    """Where the compiled code works: vectors of a layer's inputs, rows or columns."""

    x: np.ndarray
    y: np.ndarray
    """int16 (layers, SIDE): drive and derivative of every row."""
    rows: np.ndarray
    active: np.ndarray
    """int64 (layers, SIDE): the rows with ``x != 0``, padded by ``BLOCK`` others; (layers,): how many they are."""
    read: np.ndarray
    """int64 (SIDE,): rows read backward."""
    drive16: np.ndarray
    drive32: np.ndarray
    """(SIDE,): what drives the rows of ``rows``, 0 for those that pad."""
    sum32: np.ndarray
    sum64: np.ndarray
    """(SIDE,): column sums."""
    z: np.ndarray
    d: np.ndarray
    d_before: np.ndarray
    """int16 (SIDE,): outputs, errors of the columns, and of the columns of the layer before."""


class Kernel:
    """Trains a ``Network`` in place of its own ``train_span``, to the same bits.

    The network holds the state before and after every call; in between it is worked on in a copy, int16 ``g`` and int32
    ``chi``, which costs about a millisecond a call and 200,000 cells. Making a kernel compiles it, for some seconds
    the first time on a machine, and far less than one from then on.
    """

    def __init__(self, network: Network):
        """A kernel for ``network``; ``ValueError`` unless that is on the CPU."""
        if network.device.type != "cpu":
            raise ValueError(f"the network is on the device {network.device}; the compiled kernel runs on the CPU only")
        self.network = network
        geometries = [crossbar.geometry for crossbar in network.crossbars]
        starts = np.cumsum([0] + [geometry.rows * geometry.cols for geometry in geometries])
        fields = [_fields(geometry, start) for geometry, start in zip(geometries, starts, strict=False)]
        self._layers = np.array([tuple(field.values()) for field in fields],
                                dtype=[(name, np.int64) for name in fields[0]])
        self._g = np.zeros(starts[-1], dtype=np.int16)
        self._chi = np.zeros(starts[-1], dtype=np.int32)
        self._tables = _tables(network)
        self._scratch = _scratch(len(geometries))
        self.train_span(torch.zeros((1, geometries[0].inputs), dtype=torch.int16), np.zeros(1, dtype=np.int64),
                        np.zeros(1, dtype=np.int64), range(0), 0)

    def train_span(self, xs: torch.Tensor, labels: np.ndarray, order: np.ndarray, span: range,
                   learning_rate_shift: int) -> np.ndarray:
        """As ``Network.train_span``; ``xs`` is taken without a copy if it is int16."""
        drives = np.ascontiguousarray(xs.numpy(), dtype=np.int16)
        needed = len(labels), int(self._layers[0]["inputs"])
        if drives.shape != needed:  # compiled code does not check its indices
            raise ValueError(f"samples of shape {drives.shape}: {needed[0]} labels and {needed[1]} inputs "
                             f"need {needed}")
        chosen = order[span.start:span.stop].astype(np.int64)
        predictions = np.empty(len(chosen), dtype=np.int64)

        state = self.network.state()
        names = [f"layer{layer}_" for layer in range(len(self._layers))]
        np.concatenate([state[name + "g"].ravel() for name in names], out=self._g)
        np.concatenate([state[name + "chi"].ravel() for name in names], out=self._chi)
        lfsrs = np.array([state[name + "lfsr"] for name in names], dtype=np.uint32)
        counters = np.stack([state[name + "counters"] for name in names])
        row_reads = np.array(self.network.row_reads, dtype=np.int64)
        _train(self._layers, self._g, self._chi, lfsrs, counters, row_reads, self._tables,
               self._scratch, drives, labels[chosen].astype(np.int64), chosen, learning_rate_shift,
               self.network.experiment.batch, span.start, len(order), predictions)
        for name, layer, lfsr, counts in zip(names, self._layers, lfsrs, counters, strict=True):
            shape = layer["rows"], layer["cols"]
            cells = slice(layer["cell"], layer["cell"] + layer["rows"] * layer["cols"])
            state |= {name + "g": self._g[cells].reshape(shape), name + "chi": self._chi[cells].reshape(shape),
                      name + "lfsr": lfsr, name + "counters": counts & (1 << COUNTER_BITS) - 1}
        self.network.load(state)
        self.network.row_reads = row_reads.tolist()
        return predictions


def _fields(geometry: CrossbarGeometry, cell: int) -> dict[str, int]:
    """What the compiled code knows of a crossbar whose first cell has the index ``cell``."""
    device = geometry.device
    return {
        "cell": cell, "inputs": geometry.inputs, "rows": geometry.rows, "cols": geometry.cols,
        "bias_value": geometry.bias_value,
        "narrow_sum": BLOCK * geometry.x.magnitude << device.g_bits - 1 < 1 << 15,
        "adc_shift": geometry.adc_shift, "z_limit": 1 << geometry.z_bits - 1,
        "narrow_error": geometry.error_bits <= 32,
        "error_shift": geometry.error_shift if geometry.source else 0,
        "source_delta_limit": 1 << geometry.source_delta_bits - 1 if geometry.source else 0,
        "update_shift": geometry.update_shift(0), "chi_limit": 1 << geometry.chi_bits - 1,
        "threshold": geometry.threshold, "origin": device.origin, "lowest_top": device.lowest_top,
        "highest_bottom": device.highest_bottom, "sub_bits": device.sub_bits, "states": device.states,
        "verified": geometry.residual == "verified", "residual_shift": geometry.residual_shift,
    }


def _every_z(geometry: CrossbarGeometry) -> torch.Tensor:
    return torch.arange(-(1 << geometry.z_bits - 1), 1 << geometry.z_bits - 1)


def _tables(network: Network) -> Tables:
    geometries = [crossbar.geometry for crossbar in network.crossbars]
    shape = len(geometries), 1 << max(geometry.z_bits for geometry in geometries)
    x, y = np.zeros(shape, dtype=np.int16), np.zeros(shape, dtype=np.int16)
    for layer, neuron in enumerate(network.neurons, start=1):
        z = _every_z(geometries[layer - 1])
        x[layer, :len(z)], y[layer, :len(z)] = neuron(z)
    z = _every_z(geometries[-1])
    values = torch.arange(256)
    return Tables(
        x, y, network.loss.error(torch.stack([z, z]), 0).numpy().astype(np.int16),  # label 0 is the first row
        landings(geometries[0].device).numpy().astype(np.int16),
        torch.stack([jump(values << shift, 1) for shift in range(0, WIDTH, 8)]).numpy().astype(np.uint32))


def _scratch(layers: int) -> Scratch:
    return Scratch(
        np.zeros((layers, SIDE), np.int16), np.zeros((layers, SIDE), np.int16), np.zeros((layers, SIDE), np.int64),
        np.zeros(layers, np.int64), np.zeros(SIDE, np.int64),
        np.zeros(SIDE, np.int16), np.zeros(SIDE, np.int32), np.zeros(SIDE, np.int32), np.zeros(SIDE, np.int64),
        np.zeros(SIDE, np.int16), np.zeros(SIDE, np.int16), np.zeros(SIDE, np.int16))


@njit(cache=True)
def _round_shift(value, shift):
    # From 62 on every value that occurs, of less than 48 bits, is rounded to 0: as it is by 62.
    shift = min(shift, 62)
    return (value + ((1 << shift) >> 1)) >> shift


@njit(cache=True)
def _clip(value, lowest, highest):
    return max(lowest, min(highest, value))


@njit(cache=True)
def _first(layer, row):
    return layer.cell + row * layer.cols


@njit(cache=True)
def _forward(layer, g, rows, drives, active, sums, z):
    """``z`` of the crossbar whose ``active`` first ``rows`` are driven with ``drives``. The sum of a block's products
    fits the type of ``drives``, that of all of them the type of ``sums``."""
    cols = layer.cols
    for col in range(cols):
        sums[col] = 0
    for i in range(0, active, BLOCK):
        x0, x1, x2, x3 = drives[i], drives[i + 1], drives[i + 2], drives[i + 3]
        first0, first1 = _first(layer, rows[i]), _first(layer, rows[i + 1])
        first2, first3 = _first(layer, rows[i + 2]), _first(layer, rows[i + 3])
        g0, g1 = g[first0:first0 + cols], g[first1:first1 + cols]
        g2, g3 = g[first2:first2 + cols], g[first3:first3 + cols]
        for col in range(cols):
            sums[col] += np.add(np.add(np.multiply(x0, g0[col]), np.multiply(x1, g1[col])),
                                np.add(np.multiply(x2, g2[col]), np.multiply(x3, g3[col])))
    for col in range(cols):
        z[col] = _clip(_round_shift(np.int64(sums[col]), layer.adc_shift), -layer.z_limit, layer.z_limit - 1)


@njit(cache=True)
def _row_sum(g, first, cols, d, zero):
    """The sum of ``g * d`` over a row, exact in the type of ``zero``."""
    levels = g[first:first + cols]
    total = zero
    for col in range(cols):
        total = np.add(total, np.multiply(np.int32(levels[col]), np.int32(d[col])))
    return total


@njit(cache=True)
def _backward(layer, g, y, d, errors, read):
    """The error of the columns before, (inputs,), from ``d`` (cols,) and the derivatives ``y`` (inputs,). Leaves in
    ``read`` the rows read, and returns their number."""
    limit = layer.source_delta_limit
    count = 0
    for row in range(layer.inputs):
        errors[row] = 0
        read[count] = row
        count += y[row] != 0
    for i in range(count):
        row = read[i]
        first = _first(layer, row)
        if layer.narrow_error:
            e = np.int64(_row_sum(g, first, layer.cols, d, np.int32(0)))
        else:
            e = _row_sum(g, first, layer.cols, d, np.int64(0))
        errors[row] = _clip(_round_shift(e * y[row], layer.error_shift), -limit, limit - 1)
    return count


@njit(cache=True)
def _accumulate(chi, first, cols, x, d, shift):
    """Add ``-x * d``, scaled, to the residuals of a row, without saturation: below the threshold there is none,
    and what reaches it is visited. Returns the largest absolute value."""
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


@njit(cache=True)
def _draw(lfsr, leap):
    state = lfsr[0]
    state = leap[0, state & 255] ^ leap[1, state >> 8 & 255] ^ leap[2, state >> 16 & 255] ^ leap[3, state >> 24]
    lfsr[0] = state
    return state


@njit(cache=True)
def _saturate(layer, chi, first):
    """Saturate the residuals of a row."""
    limit = np.int32(layer.chi_limit)
    residuals = chi[first:first + layer.cols]
    for col in range(layer.cols):
        residuals[col] = max(np.int32(-limit), min(np.int32(limit - 1), residuals[col]))


@njit(cache=True)
def _visit(layer, g, chi, first, lfsr, tables):
    """Saturate and bound the residuals of a row, and program what has still reached the threshold; returns the number
    of attempts."""
    limit = np.int32(layer.chi_limit)
    highest = np.int32(layer.threshold - 1)
    lowest = np.int32(-highest)
    lowest_top, highest_bottom = np.int32(layer.lowest_top), np.int32(layer.highest_bottom)
    levels, residuals = g[first:first + layer.cols], chi[first:first + layer.cols]
    most = np.int32(0)
    for col in range(layer.cols):
        value, level = max(np.int32(-limit), min(np.int32(limit - 1), residuals[col])), np.int32(levels[col])
        value = min(value, highest) if level >= lowest_top else value
        value = max(value, lowest) if level <= highest_bottom else value
        residuals[col] = value
        most = max(most, np.absolute(value))
    return _program(layer, g, chi, first, lfsr, tables) if most > highest else 0


@njit(cache=True)
def _program(layer, g, chi, first, lfsr, tables):
    """Program the cells of a row that have reached the threshold, bounded; returns the number of attempts."""
    landing, threshold, last = tables.landing, layer.threshold, layer.states - 1
    highest = np.int32(threshold - 1)
    levels, residuals = g[first:first + layer.cols], chi[first:first + layer.cols]
    attempts = 0
    for col in range(layer.cols):
        if np.absolute(residuals[col]) <= highest:
            continue
        attempts += 1
        residual = np.int64(residuals[col])
        steps = residual // threshold if residual > 0 else -(-residual // threshold)
        level = np.int64(levels[col])
        state = _clip((level - layer.origin + ((1 << layer.sub_bits) >> 1)) >> layer.sub_bits, 0, last)
        landed = np.int64(landing[_clip(state + steps, 0, last), _draw(lfsr, tables.leap) & (landing.shape[1] - 1)])
        levels[col] = landed
        if layer.verified:
            left = residual - ((landed - level) << layer.residual_shift)
            residuals[col] = _clip(left, -layer.chi_limit, layer.chi_limit - 1)
        else:
            residuals[col] = residual - steps * threshold
    return attempts


@njit(cache=True)
def _activate(layer, x, y, rows, drive16, drive32):
    """List the rows driven. Returns their number, and that of the rows that training has to read."""
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


@njit(cache=True)
def _train(layers, g, chi, lfsrs, counters, row_reads, tables, scratch, xs, labels, chosen, learning_rate_shift,
           batch, start, total, predictions):
    """Train on the samples ``xs[chosen]``, the first of them number ``start`` of an epoch of ``total``."""
    x, y, rows, active, read, drive16, drive32, sum32, sum64, z, d, d_before = scratch
    depth = len(layers)
    needed = np.zeros(depth, np.int64)
    for i in range(len(chosen)):
        for index in range(depth):
            layer = layers[index]
            if index == 0:
                for row in range(layer.inputs):
                    x[0, row] = xs[chosen[i], row]
            else:
                zero = layers[index - 1].z_limit
                for row in range(layer.inputs):
                    x[index, row] = tables.neuron_x[index, z[row] + zero]
                    y[index, row] = tables.neuron_y[index, z[row] + zero]
            if layer.rows > layer.inputs:
                x[index, layer.inputs] = layer.bias_value
            active[index], needed[index] = _activate(layer, x[index], y[index], rows[index], drive16, drive32)
            counters[index, FORWARDS] += 1
            counters[index, FORWARD_ROWS] += active[index]
            row_reads[index] += needed[index]
            if layer.narrow_sum:
                _forward(layer, g, rows[index], drive16, active[index], sum32, z)
            else:
                _forward(layer, g, rows[index], drive32, active[index], sum64, z)

        last = layers[depth - 1]
        best = 0
        for col in range(last.cols):
            if z[col] > z[best]:
                best = col
            d[col] = tables.error[0 if col == labels[i] else 1, z[col] + last.z_limit]
        predictions[i] = best

        for index in range(depth - 1, -1, -1):
            layer, lfsr, attempts = layers[index], lfsrs[index:index + 1], 0
            shift = layer.update_shift + learning_rate_shift
            if not d[:layer.cols].any():
                break
            row_reads[index] += needed[index]
            if index > 0:
                counters[index, BACKWARD_ROWS] += _backward(layer, g, y[index], d, d_before, read)
            counters[index, UPDATE_ROWS] += active[index]
            for j in range(active[index]):
                row = rows[index, j]
                first = _first(layer, row)
                reached = _accumulate(chi, first, layer.cols, x[index, row], d, shift)
                if batch > 1:
                    if reached >= layer.chi_limit:
                        _saturate(layer, chi, first)
                elif reached >= layer.threshold:
                    attempts += _visit(layer, g, chi, first, lfsr, tables)
            counters[index, ATTEMPTS] += attempts
            d, d_before = d_before, d

        trained = start + i + 1
        if batch > 1 and (trained % batch == 0 or trained == total):
            for index in range(depth):
                layer, lfsr = layers[index], lfsrs[index:index + 1]
                for row in range(layer.rows):
                    counters[index, ATTEMPTS] += _visit(layer, g, chi, _first(layer, row), lfsr, tables)
