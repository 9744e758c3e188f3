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

from ...contract.device import CURVE_REST_BITS
from ...contract.geometry import COUNTER_BITS, COUNTERS, MAX_SIDE, CrossbarGeometry
from ...contract.hashing import MASK32, MULTIPLIERS, SHIFTS
from ...contract.lfsr import WIDTH
from ...contract.tables import NOISE_FRAC, NORMAL_MASK, normal_quantiles
from ..lfsr import WORD_MASK, jump
from ..network import Network

BLOCK = 4
"""Rows whose products ``x * g`` are added up before the sum is widened."""
SIDE = MAX_SIDE + BLOCK
(FORWARDS, FORWARD_ROWS, BACKWARD_ROWS, UPDATE_ROWS, VISITED_ROWS, ATTEMPTS, VERIFY_ATTEMPTS, FAILURES,
 REFRESHES) = range(len(COUNTERS))
LFSRS = "lfsr", "rounding_lfsr", "read_lfsr"
PROGRAMMING, ROUNDING, READING = range(len(LFSRS))
PULSES = "landing", "step", "switching"
LANDING, STEP, SWITCHING = range(len(PULSES))
RESIDUALS = "verified", "nominal", "none"
VERIFIED, NOMINAL, NONE = range(len(RESIDUALS))


class State(NamedTuple):
    """The state of a network."""

    g: np.ndarray
    g_minus: np.ndarray
    """int16 (cells,): those of all crossbars, layer by layer, row-major; ``g_minus`` is empty without pairs."""
    chi: np.ndarray
    """int32 (cells,)."""
    lfsrs: np.ndarray
    """uint32 (layers, len(LFSRS)); 0 where one does not exist."""
    counters: np.ndarray
    """int64 (layers, len(COUNTERS)); they wrap after the call."""


class Tables(NamedTuple):
    """What the compiled code looks up."""

    neuron_x: np.ndarray
    neuron_y: np.ndarray
    """int16 (layers, size): drive and derivative for each ``z`` of the layer before, counted from its smallest."""
    error: np.ndarray
    """int16 (2, size): error of the labelled column, and of the others, for each ``z``, counted from its smallest."""
    mean: np.ndarray
    sigma: np.ndarray
    probability: np.ndarray
    base: np.ndarray
    slope: np.ndarray
    """int64: the tables of the device, empty where it has none."""
    normal: np.ndarray
    """int64 (2**NORMAL_INDEX_BITS,)."""
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
    some: np.ndarray
    """int64 (SIDE,): rows read backward, or to be visited."""
    drive16: np.ndarray
    drive32: np.ndarray
    """(SIDE,): what drives the rows of ``rows``, 0 for those that pad."""
    sum32: np.ndarray
    sum64: np.ndarray
    """(SIDE,): column sums."""
    noise: np.ndarray
    """int64 (SIDE,): of the readings of the columns."""
    z: np.ndarray
    d: np.ndarray
    d_before: np.ndarray
    """int16 (SIDE,): outputs, errors of the columns, and of the columns of the layer before."""


class CompiledTrainer:
    """Trains a ``Network`` in place of its own ``train_span``, to the same bits.

    It works on the network's own arrays, without a copy. Making one compiles it, for some seconds the first time
    on a machine, and far less than one from then on.
    """

    def __init__(self, network: Network) -> None:
        """A trainer for ``network``; ``ValueError`` unless that is on the CPU."""
        if network.torch_device.type != "cpu":
            raise ValueError(f"the network is on the PyTorch device {network.torch_device}; the compiled trainer "
                             "runs on the CPU only")
        self.network = network
        geometries = [crossbar.geometry for crossbar in network.crossbars]
        starts = np.cumsum([0] + [geometry.rows * geometry.cols for geometry in geometries])
        fields = [_fields(geometry, start) for geometry, start in zip(geometries, starts, strict=False)]
        self._layers = np.array([tuple(field.values()) for field in fields],
                                dtype=[(name, np.int64) for name in fields[0]])
        arrays = {name: array.numpy() for name, array in network.arrays.items()}
        self._arrays = arrays["g"], arrays.get("g_minus", np.zeros(0, dtype=np.int16)), arrays["chi"]
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

        crossbars = self.network.crossbars
        state = State(
            *self._arrays,
            np.array([[lfsrs[name].state if name in lfsrs else 0 for name in LFSRS]
                      for lfsrs in (crossbar.lfsrs for crossbar in crossbars)], dtype=np.uint32),
            np.array([list(crossbar.counters.values()) for crossbar in crossbars], dtype=np.int64))
        row_reads = np.array(self.network.row_reads, dtype=np.int64)
        _train(self._layers, state, row_reads, self._tables, self._scratch, drives, labels[chosen].astype(np.int64),
               chosen, learning_rate_shift, self.network.experiment.batch, span.start, len(order), predictions)
        for crossbar, lfsrs, counters in zip(crossbars, state.lfsrs.tolist(), state.counters.tolist(), strict=True):
            for name, lfsr in zip(LFSRS, lfsrs, strict=True):
                if name in crossbar.lfsrs:
                    crossbar.lfsrs[name].state = lfsr
            crossbar.counters.update(zip(COUNTERS, (count & (1 << COUNTER_BITS) - 1 for count in counters),
                                         strict=True))
        self.network.row_reads = row_reads.tolist()
        return predictions


def _fields(geometry: CrossbarGeometry, cell: int) -> dict[str, int]:
    """What the compiled code knows of a crossbar whose first cell has the index ``cell``."""
    device = geometry.device
    stochastic = geometry.rounding == "stochastic"
    return {
        "index": geometry.index, "cell": cell, "inputs": geometry.inputs, "rows": geometry.rows, "cols": geometry.cols,
        "bias_value": geometry.bias_value,
        "narrow_sum": BLOCK * geometry.x.magnitude << device.g_bits - 1 < 1 << 15,
        "adc_shift": geometry.adc_shift, "z_limit": 1 << geometry.z_bits - 1, "read_noise": geometry.read_noise,
        "narrow_error": geometry.error_bits <= 32,
        "error_shift": geometry.error_shift if geometry.source else 0,
        "source_delta_limit": 1 << geometry.source_delta_bits - 1 if geometry.source else 0,
        "update_shift": geometry.update_shift(0), "chi_limit": 1 << geometry.chi_bits - 1,
        "threshold": geometry.threshold, "held": geometry.held, "stochastic": stochastic,
        "threshold_shift": geometry.threshold_shift, "curve_bits": device.curve.bits if stochastic else 0,
        "residual": RESIDUALS.index(geometry.residual), "residual_shift": geometry.residual_shift,
        "margin": geometry.margin, "max_attempts": geometry.max_attempts,
        "pulse": PULSES.index(device.pulse), "g_limit": 1 << device.g_bits - 1, "origin": device.origin,
        "lowest_top": device.lowest_top, "highest_bottom": device.highest_bottom, "sub_bits": device.sub_bits,
        "states": device.states, "pair": device.pair, "span": device.span, "segment_shift": device.segment_shift,
        "segments": device.segments, "refresh_high": device.refresh_high, "refresh_low": device.refresh_low,
        "differs": device.differs, "cell_seed": geometry.cell_seed, "variation": device.variation,
        "stuck": device.stuck,
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
    device, values = geometries[0].device, torch.arange(256)
    curve = (device.curve.base, device.curve.slope) if device.curve else ((), ())
    return Tables(
        x, y, network.loss.error(torch.stack([z, z]), 0).numpy().astype(np.int16),  # label 0 is the first row
        *(np.array(table, dtype=np.int64) for table in (device.mean, device.sigma, device.probability, *curve)),
        normal_quantiles(),
        torch.stack([jump(values << shift, 1) for shift in range(0, WIDTH, 8)]).numpy().astype(np.uint32))


def _scratch(layers: int) -> Scratch:
    return Scratch(
        np.zeros((layers, SIDE), np.int16), np.zeros((layers, SIDE), np.int16), np.zeros((layers, SIDE), np.int64),
        np.zeros(layers, np.int64), np.zeros(SIDE, np.int64),
        np.zeros(SIDE, np.int16), np.zeros(SIDE, np.int32), np.zeros(SIDE, np.int32), np.zeros(SIDE, np.int64),
        np.zeros(SIDE, np.int64),
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
def _mix32(value):
    value &= MASK32
    for i in range(len(MULTIPLIERS)):
        value = (value ^ value >> SHIFTS[i]) * MULTIPLIERS[i] & MASK32
    return value ^ value >> SHIFTS[-1]


@njit(cache=True)
def _first(layer, row):
    return layer.cell + row * layer.cols


@njit(cache=True)
def _forward(layer, g, rows, drives, active, sums, noise, z) -> None:
    """``z`` of the crossbar whose ``active`` first ``rows`` are driven with ``drives``. The sum of a block's products
    fits the type of ``drives``, that of all of them the type of ``sums``. ``noise`` of the readings is used where there
    is any."""
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
    shift, finer = layer.adc_shift, max(layer.adc_shift - NOISE_FRAC, 0)
    if not layer.read_noise:
        for col in range(cols):
            z[col] = _clip(_round_shift(np.int64(sums[col]), shift), -layer.z_limit, layer.z_limit - 1)
    else:
        for col in range(cols):
            total = (np.int64(sums[col]) >> finer) + noise[col]
            z[col] = _clip(_round_shift(total, shift - finer), -layer.z_limit, layer.z_limit - 1)


@njit(cache=True)
def _read_noise(layer, lfsrs, tables, noise) -> None:
    """Draw the ``noise`` of a reading of every column, in units of the sum, but no finer than it is resolved."""
    coarser = max(NOISE_FRAC - layer.adc_shift, 0)
    for col in range(layer.cols):
        word = _draw(lfsrs, layer.index, READING, tables)
        noise[col] = _round_shift(layer.read_noise * tables.normal[word & NORMAL_MASK], coarser)


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
def _leap(state, leap):
    return leap[0, state & 255] ^ leap[1, state >> 8 & 255] ^ leap[2, state >> 16 & 255] ^ leap[3, state >> 24]


@njit(cache=True)
def _draw(lfsrs, index, kind, tables):
    state = _leap(lfsrs[index, kind], tables.leap)
    lfsrs[index, kind] = state
    return np.int64(state) & WORD_MASK


@njit(cache=True)
def _saturate(layer, chi, first) -> None:
    """Saturate the residuals of a row."""
    limit = np.int32(layer.chi_limit)
    residuals = chi[first:first + layer.cols]
    for col in range(layer.cols):
        residuals[col] = max(np.int32(-limit), min(np.int32(limit - 1), residuals[col]))


@njit(cache=True)
def _bound(layer, g, chi, first):
    """Saturate and bound the residuals of a row; returns their largest absolute value."""
    limit, held = np.int32(layer.chi_limit), np.int32(layer.held)
    highest = np.int32(layer.threshold - 1)
    lowest = np.int32(-highest)
    lowest_top, highest_bottom = np.int32(layer.lowest_top), np.int32(layer.highest_bottom)
    levels, residuals = g[first:first + layer.cols], chi[first:first + layer.cols]
    most = np.int32(0)
    for col in range(layer.cols):
        value, level = max(np.int32(-limit), min(np.int32(limit - 1), residuals[col])), np.int32(levels[col])
        value = held if value > highest and level >= lowest_top else value
        value = np.int32(-held) if value < lowest and level <= highest_bottom else value
        residuals[col] = value
        most = max(most, np.absolute(value))
    return most


@njit(cache=True)
def _visit(layer, state, tables, rows, count) -> None:
    """Visit the cells of the ``count`` first ``rows``: saturate, round and bound their residuals, and program what has
    reached the threshold."""
    g, chi, cols = state.g, state.chi, layer.cols
    for i in range(count):
        first = _first(layer, rows[i])
        if layer.stochastic:
            _round(layer, state.lfsrs, tables, chi, first)
        if _bound(layer, g, chi, first) >= layer.threshold:
            for cell in range(first, first + cols):
                if abs(chi[cell]) >= layer.threshold:
                    _program(layer, state, tables, cell)


@njit(cache=True)
def _round(layer, lfsrs, tables, chi, first) -> None:
    """Saturate and round the residuals of a row stochastically. What is left is programmed or dropped by ``_visit``."""
    shift, curve_bits = layer.threshold_shift, layer.curve_bits
    below, most = (1 << shift) - 1, (layer.chi_limit >> shift) - 1
    lfsr, leap, base, slope = lfsrs[layer.index, ROUNDING], tables.leap, tables.base, tables.slope
    for cell in range(first, first + layer.cols):
        lfsr = _leap(lfsr, leap)
        value = _clip(np.int64(chi[cell]), -layer.chi_limit, layer.chi_limit - 1)
        magnitude = abs(value)
        place = (magnitude & below) << curve_bits
        segment, rest = place >> shift, (place & below) << CURVE_REST_BITS >> shift
        probability = base[segment] + (slope[segment] * rest >> CURVE_REST_BITS)
        k = min((magnitude >> shift) + ((np.int64(lfsr) & WORD_MASK) < probability), most)
        chi[cell] = np.sign(value) * (k << shift)
    lfsrs[layer.index, ROUNDING] = lfsr


@njit(cache=True)
def _noise(sigma, word, tables):
    return _round_shift(sigma * tables.normal[word & NORMAL_MASK], NOISE_FRAC)


@njit(cache=True)
def _state_of(layer, g):
    return _clip((g - layer.origin + (1 << layer.sub_bits >> 1)) >> layer.sub_bits, 0, layer.states - 1)


@njit(cache=True)
def _fixed(layer, tables, cell):
    """The displacement of a cell, and whether it is stuck."""
    if not layer.differs:
        return 0, False
    row, col = divmod(cell - layer.cell, layer.cols)
    word = _mix32(layer.cell_seed + (row << 16) + col)
    return _noise(layer.variation, word, tables), word >> 16 < layer.stuck


@njit(cache=True)
def _pulse(layer, state, tables, cell, fixed, toward, up) -> None:
    """A write pulse: toward the state ``toward`` where the device lands at states, else up or down."""
    state.counters[layer.index, ATTEMPTS] += 1
    word = _draw(state.lfsrs, layer.index, PROGRAMMING, tables)
    displacement, stuck = fixed
    if stuck:
        return
    g = np.int64(state.g[cell])
    if layer.pulse == SWITCHING:
        old = _state_of(layer, g)
        new = _clip(old + 1 if up else old - 1, 0, layer.states - 1)
        if word < tables.probability[old if up else layer.states + old]:
            state.g[cell] = layer.origin + (new << layer.sub_bits)
        return
    minus = np.int64(state.g_minus[cell]) if layer.pair else 0
    if layer.pulse == LANDING:
        entry = toward
    elif layer.pair:
        entry = (g + minus if up else minus) >> layer.segment_shift
    else:
        entry = ((g + (layer.span >> 1)) >> layer.segment_shift) + (0 if up else layer.segments)
    moved = tables.mean[entry] + displacement + _noise(tables.sigma[entry], word, tables)
    if layer.pulse == LANDING:
        state.g[cell] = _clip(moved, -layer.g_limit, layer.g_limit - 1)
    elif layer.pair:
        plus = _clip(g + minus + moved, 0, layer.span) if up else g + minus
        minus = minus if up else _clip(minus + moved, 0, layer.span)
        state.g[cell], state.g_minus[cell] = plus - minus, minus
    else:
        half = layer.span >> 1
        state.g[cell] = _clip(g + moved if up else g - moved, -half, half)


@njit(cache=True)
def _program(layer, state, tables, cell) -> None:
    """Program a cell that has reached the threshold, bounded."""
    residual, before = np.int64(state.chi[cell]), np.int64(state.g[cell])
    magnitude = abs(residual) // layer.threshold
    k = magnitude if residual > 0 else -magnitude
    old = _state_of(layer, before)
    target = _clip(old + k, 0, layer.states - 1)
    fixed = _fixed(layer, tables, cell)
    for _ in range(1 if layer.pulse == LANDING else abs(target - old)):
        _pulse(layer, state, tables, cell, fixed, target, k > 0)
    if layer.pair:
        minus = np.int64(state.g_minus[cell])
        plus = minus + state.g[cell]
        if max(plus, minus) > layer.refresh_high and min(plus, minus) > layer.refresh_low:
            _refresh(layer, state, tables, cell, fixed)
    if layer.residual == VERIFIED:
        left = residual - ((state.g[cell] - before) << layer.residual_shift)
        state.chi[cell] = _clip(left, -layer.chi_limit, layer.chi_limit - 1)
    else:
        state.chi[cell] = residual - k * layer.threshold if layer.residual == NOMINAL else 0


@njit(cache=True)
def _refresh(layer, state, tables, cell, fixed) -> None:
    """Reset a pair, and rewrite it to the level that it had."""
    counters, goal = state.counters[layer.index], np.int64(state.g[cell])
    counters[REFRESHES] += 1
    if not fixed[1]:
        state.g[cell] = state.g_minus[cell] = 0
    tries = 0
    while abs(state.g[cell] - goal) > layer.margin and tries < layer.max_attempts:
        _pulse(layer, state, tables, cell, fixed, 0, state.g[cell] < goal)
        tries += 1
    counters[VERIFY_ATTEMPTS] += tries
    counters[FAILURES] += abs(state.g[cell] - goal) > layer.margin


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
def _train(layers, state, row_reads, tables, scratch, xs, labels, chosen, learning_rate_shift, batch, start, total,
           predictions) -> None:
    """Train on the samples ``xs[chosen]``, the first of them number ``start`` of an epoch of ``total``."""
    x, y, rows, active, some, drive16, drive32, sum32, sum64, noise, z, d, d_before = scratch
    g, chi, counters = state.g, state.chi, state.counters
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
            row_reads[0, index] += needed[index]
            if layer.read_noise:
                _read_noise(layer, state.lfsrs, tables, noise)
            if layer.narrow_sum:
                _forward(layer, g, rows[index], drive16, active[index], sum32, noise, z)
            else:
                _forward(layer, g, rows[index], drive32, active[index], sum64, noise, z)

        last = layers[depth - 1]
        best = 0
        for col in range(last.cols):
            if z[col] > z[best]:
                best = col
            d[col] = tables.error[0 if col == labels[i] else 1, z[col] + last.z_limit]
        predictions[i] = best

        for index in range(depth - 1, -1, -1):
            layer = layers[index]
            shift = layer.update_shift + learning_rate_shift
            if not d[:layer.cols].any():
                break
            row_reads[1, index] += needed[index]
            if index > 0:
                counters[index, BACKWARD_ROWS] += _backward(layer, g, y[index], d, d_before, some)
            counters[index, UPDATE_ROWS] += active[index]
            reached = 0
            for j in range(active[index]):
                row = rows[index, j]
                first = _first(layer, row)
                most = _accumulate(chi, first, layer.cols, x[index, row], d, shift)
                if batch > 1 and most >= layer.chi_limit:
                    _saturate(layer, chi, first)
                some[reached] = row
                reached += layer.stochastic or most >= layer.threshold
            if batch == 1:
                counters[index, VISITED_ROWS] += active[index]
                if reached:
                    _visit(layer, state, tables, some, reached)
            d, d_before = d_before, d

        trained = start + i + 1
        if batch > 1 and (trained % batch == 0 or trained == total):
            for index in range(depth):
                layer = layers[index]
                counters[index, VISITED_ROWS] += layer.rows
                for row in range(layer.rows):
                    some[row] = row
                _visit(layer, state, tables, some, layer.rows)
