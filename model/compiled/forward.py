"""The forward pass of a layer in compiled code: its map, the windows of it, the column sums, the pooling."""

import numpy as np
from numba import njit

from ...contract.tables import NORMAL_MASK
from .arithmetic import draw, round_shift
from .lanes import Lanes, larger, load, resized, spread, store, zeros
from .tables import BLOCK, FEW, MANY, READING, Integer, Layer, State, Tables


@njit
def enter_sample(layer: Layer, sample: np.ndarray, x: np.ndarray) -> None:
    """Make a ``sample`` the map of the first layer."""
    cell = 0
    for line in range(layer.lines):
        first = layer.map + layer.first_inner + line * layer.line
        for place in range(layer.inner):
            x[first + place] = sample[cell + place]
        cell += layer.inner


@njit
def enter_outputs(layer: Layer, before: Layer, tables: Tables, pooled: np.ndarray, x: np.ndarray,
                  y: np.ndarray) -> None:
    """Make the outputs ``pooled`` of the layer ``before`` the map of ``layer``."""
    neuron_x, neuron_y, zero = tables.neuron_x[layer.index], tables.neuron_y[layer.index], before.z_limit
    cell = 0
    for line in range(layer.lines):
        first = layer.map + layer.first_inner + line * layer.line
        for place in range(layer.inner):
            z = pooled[cell + place] + zero
            x[first + place] = neuron_x[z]
            y[first + place] = neuron_y[z]
        cell += layer.inner


@njit
def list_cells(layer: Layer, x: np.ndarray, y: np.ndarray, driven: np.ndarray, driven_before: np.ndarray,
               sloped: np.ndarray, sloped_before: np.ndarray, needed_before: np.ndarray) -> None:
    """List the cells of the map by their kinds."""
    drives = slopes = needed = cell = 0
    for place in range(layer.grains, layer.grains + layer.map_grains):
        driven_before[place], sloped_before[place], needed_before[place] = drives, slopes, needed
        for _ in range(layer.grain):  # without a branch, which would often be predicted wrongly
            drive, slope = x[layer.map + cell], y[layer.map + cell]
            driven[layer.map + drives] = sloped[layer.map + slopes] = cell
            drives += drive != 0
            slopes += slope != 0
            needed += (drive | slope) != 0
            cell += 1
    place = layer.grains + layer.map_grains
    driven_before[place], sloped_before[place], needed_before[place] = drives, slopes, needed


@njit
def first_grain(layer: Layer, position: Integer) -> Integer:
    """The first grain of the window at a position."""
    down, across = divmod(position, layer.positions_across)
    return down * layer.down_grains + across * layer.right_grains


@njit
def list_rows(layer: Layer, place: Integer, x: np.ndarray, driven: np.ndarray, driven_before: np.ndarray,
              firsts: np.ndarray, drives16: np.ndarray, drives32: np.ndarray) -> Integer:
    """List the rows that are driven by the window whose first grain is ``place``: their first cells, and their drives.
    Returns their number; ``BLOCK`` rows that are not driven follow."""
    count, row = 0, 0
    for stretch in range(layer.stretches):
        grain = place + stretch * layer.line_grains
        behind = row - grain * layer.grain
        for i in range(driven_before[layer.grains + grain],
                       driven_before[layer.grains + grain + layer.stretch_grains]):
            cell = driven[layer.map + i]
            firsts[count] = layer.cell + (cell + behind) * layer.cols
            drives16[count] = drives32[count] = x[layer.map + cell]
            count += 1
        row += layer.stretch
    if layer.rows > layer.inputs:
        firsts[count] = layer.cell + layer.inputs * layer.cols
        drives16[count] = drives32[count] = layer.bias_value
        count += 1
    for i in range(count, count + BLOCK):
        firsts[i], drives16[i], drives32[i] = layer.cell, 0, 0
    return count


@njit
def reads(layer: Layer, place: Integer, needed_before: np.ndarray, at_a_time: Integer) -> Integer:
    """Reads, of ``at_a_time`` rows each, of the rows that training needs in the window whose first grain is
    ``place``."""
    rows, grain = layer.rows - layer.inputs, layer.grains + place
    for _ in range(layer.stretches):
        rows += needed_before[grain + layer.stretch_grains] - needed_before[grain]
        grain += layer.line_grains
    return rows if at_a_time == 1 else (rows + at_a_time - 1) // at_a_time


@njit
def read_noise(layer: Layer, state: State, tables: Tables, noise: np.ndarray) -> None:
    """Draw the ``noise`` of a reading of every column, in units of the column sum, or in the finest that the ADC
    resolves if those are coarser."""
    for col in range(layer.cols):
        word = draw(state.lfsrs, layer.index, READING, tables)
        noise[col] = round_shift(layer.read_noise * tables.normal[word & NORMAL_MASK], layer.coarser)


@njit
def convert(layer: Layer, g: np.ndarray, firsts: np.ndarray, drives16: np.ndarray, drives32: np.ndarray, count: int,
            noise: np.ndarray, z: np.ndarray, first_z: int) -> None:
    """Compute the outputs of a crossbar, into ``z`` from ``first_z`` on, whose ``count`` rows with the first cells
    ``firsts`` are driven."""
    if layer.narrow_products:
        _convert(layer, g, firsts, drives16, count, noise, z, first_z, np.int32(0))
    elif layer.narrow_sum:
        _convert(layer, g, firsts, drives32, count, noise, z, first_z, np.int32(0))
    else:
        _convert(layer, g, firsts, drives32, count, noise, z, first_z, np.int64(0))


@njit
def _convert(layer: Layer, g: np.ndarray, firsts: np.ndarray, drives: np.ndarray, count: int, noise: np.ndarray,
             z: np.ndarray, first_z: int, zero: Integer) -> None:
    """``convert``, where the sum of a block's products fits the type of ``drives``, that of all the type of ``zero``."""
    col, cols = 0, layer.cols
    while col + MANY <= cols:
        _convert_lanes(layer, g, firsts, drives, count, noise, z, first_z, col, zeros(MANY, drives),
                       zeros(MANY, zero))
        col += MANY
    while col < cols and cols >= FEW:  # the last ones overlap
        _convert_lanes(layer, g, firsts, drives, count, noise, z, first_z, min(col, cols - FEW),
                       zeros(FEW, drives), zeros(FEW, zero))
        col += FEW
    while col < cols:
        _convert_lanes(layer, g, firsts, drives, count, noise, z, first_z, col, zeros(1, drives), zeros(1, zero))
        col += 1


@njit
def _convert_lanes(layer: Layer, g: np.ndarray, firsts: np.ndarray, drives: np.ndarray, count: int, noise: np.ndarray,
                   z: np.ndarray, first_z: int, col: int, product: Lanes, sums: Lanes) -> None:
    """``_convert`` for columns from ``col`` on: as many as the 0 of the types ``product`` and ``sums`` have lanes."""
    for i in range(0, count, BLOCK):
        x0, x1 = spread(drives[i], product), spread(drives[i + 1], product)
        x2, x3 = spread(drives[i + 2], product), spread(drives[i + 3], product)
        g0, g1 = load(g, firsts[i] + col, product), load(g, firsts[i + 1] + col, product)
        g2, g3 = load(g, firsts[i + 2] + col, product), load(g, firsts[i + 3] + col, product)
        sums = sums + resized(x0 * g0 + x1 * g1 + (x2 * g2 + x3 * g3), sums)
    total = (sums >> spread(layer.finer, sums)) + load(noise, col, sums)
    total = (total + spread((1 << layer.adc_shift) >> 1, sums)) >> spread(layer.adc_shift, sums)
    lowest, highest = spread(-layer.z_limit, sums), spread(layer.z_limit - 1, sums)
    total = larger(total, highest, highest, total)
    store(z, first_z + col, larger(lowest, total, lowest, total))


@njit
def pool(layer: Layer, z: np.ndarray, pooled: np.ndarray, winners: np.ndarray) -> None:
    """Keep the largest of the outputs ``z`` of every window of the pooling, and the positions that they are from."""
    output, cols = 0, layer.cols
    for down in range(layer.places_down):
        for across in range(layer.places_across):
            position = down * layer.pool_down * layer.positions_across + across * layer.pool_right
            col = 0
            while col < cols and cols >= FEW:
                _pool_lanes(layer, z, position, min(col, cols - FEW), pooled, winners, output, zeros(FEW, z),
                            zeros(FEW, winners))
                col += FEW
            while col < cols:
                _pool_lanes(layer, z, position, col, pooled, winners, output, zeros(1, z), zeros(1, winners))
                col += 1
            output += cols


@njit
def _pool_lanes(layer: Layer, z: np.ndarray, position: int, col: int, pooled: np.ndarray, winners: np.ndarray,
                output: int, most: Lanes, winner: Lanes) -> None:
    """``pool`` for columns from ``col`` on, as many as there are lanes, in the window that begins at ``position``.
    ``output`` is the place of its first column."""
    cols = layer.cols
    most, winner = load(z, position * cols + col, most), spread(position, winner)
    for down in range(layer.pool_height):
        for other in range(position, position + layer.pool_width):
            here = load(z, other * cols + col, most)
            winner = larger(here, most, spread(other, winner), winner)
            most = larger(here, most, here, most)
        position += layer.positions_across
    store(pooled, output + col, most)
    store(winners, layer.pooled + output + col, winner)
