"""The forward pass of a layer in compiled code: its map, the windows of it, the column sums, the pooling."""

from numba import njit

from ...contract.converters import GAIN_FRAC, OFFSET_FRAC
from ...contract.tables import NORMAL_MASK
from .arithmetic import clip, draw, round_shift
from .lanes import Vector, larger, load, resized, spread, store, zeros
from .tables import BLOCK, FEW, FIRING, MANY, READING, Integer, Layer, Pointer, Scratch, State, Tables


@njit(forceinline=True)
def enter_map(layer: Layer, place: Pointer, cells: Pointer, first: Integer) -> None:
    """Put the values of a map, which are in ``cells`` from ``first`` on, into ``x`` or ``y`` of the scratch."""
    for line in range(layer.lines):
        cell = layer.map + layer.first_inner + line * layer.line
        for i in range(layer.inner):
            place[cell + i] = cells[first + i]
        first += layer.inner


@njit(forceinline=True)
def enter_outputs(layer: Layer, scratch: Scratch, tables: Tables) -> None:
    """Make the outputs of the layer before, behind the pooling, the map of ``layer``."""
    first = 0
    for line in range(layer.lines):
        cell = layer.map + layer.first_inner + line * layer.line
        for place in range(layer.inner):
            z = layer.neuron + scratch.pooled[first + place]
            scratch.x[cell + place] = tables.neuron_x[z]
            scratch.y[cell + place] = tables.neuron_y[z]
        first += layer.inner


@njit
def fire(layer: Layer, state: State, scratch: Scratch, tables: Tables) -> None:
    """Let the stochastic neurons of the map of ``layer``, which has been entered, fire or not."""
    first = 0
    for line in range(layer.lines):
        cell = layer.map + layer.first_inner + line * layer.line
        for place in range(layer.inner):
            probability = tables.firing[layer.neuron + scratch.pooled[first + place]]
            scratch.x[cell + place] = draw(state.lfsrs, layer.index, FIRING, tables) < probability
        first += layer.inner


@njit(forceinline=True)
def list_cells(layer: Layer, scratch: Scratch) -> None:
    """List the cells of the map by their kinds."""
    list_driven(layer, scratch)
    if not layer.alike:
        _list(layer, scratch.x, scratch.y, scratch.lists, layer.needed, scratch.before, layer.needed_before)
        list_sloped(layer, scratch)


@njit(forceinline=True)
def list_driven(layer: Layer, scratch: Scratch) -> None:
    """List the cells of the map whose drive is not 0."""
    _list(layer, scratch.x, scratch.x, scratch.lists, layer.driven, scratch.before, layer.driven_before)


@njit(forceinline=True)
def list_sloped(layer: Layer, scratch: Scratch) -> None:
    """List the cells of the map whose derivative is not 0. If the kinds are ``alike``, it takes the place of the list
    of those that are driven."""
    _list(layer, scratch.y, scratch.y, scratch.lists, layer.sloped, scratch.before, layer.sloped_before)


@njit
def _list(layer: Layer, some: Pointer, others: Pointer, lists: Pointer, first: Integer, before: Pointer,
          first_before: Integer) -> None:
    """List the cells where ``some`` or ``others`` are not 0, from ``first`` on, and count them."""
    count, cell = 0, layer.map
    for grain in range(layer.grains):
        before[first_before + grain] = count
        for _ in range(layer.grain):  # without a branch, which would often be predicted wrongly
            lists[first + count] = cell - layer.map
            count += (some[cell] | others[cell]) != 0
            cell += 1
    before[first_before + layer.grains] = count


@njit(forceinline=True)
def first_grain(layer: Layer, position: Integer) -> Integer:
    """The first grain of the window at a position."""
    down, across = divmod(position, layer.positions_across)
    return down * layer.down_grains + across * layer.right_grains


@njit(forceinline=True)
def list_rows(layer: Layer, scratch: Scratch, grain: Integer) -> Integer:
    """List the rows that are driven by the window whose first grain is given: their first cells, and their drives.
    Returns their number; ``BLOCK`` rows that are not driven follow."""
    count, row = 0, 0
    for _ in range(layer.stretches):
        behind = row - grain * layer.grain
        before = layer.driven_before + grain
        for i in range(layer.driven + scratch.before[before],
                       layer.driven + scratch.before[before + layer.stretch_grains]):
            cell = scratch.lists[i]
            scratch.firsts[count] = layer.cell + (cell + behind) * layer.cols
            scratch.drives16[count] = scratch.drives32[count] = scratch.x[layer.map + cell]
            count += 1
        grain += layer.line_grains
        row += layer.stretch
    if layer.rows > layer.inputs:
        scratch.firsts[count] = layer.cell + layer.inputs * layer.cols
        scratch.drives16[count] = scratch.drives32[count] = layer.bias_value
        count += 1
    for i in range(count, count + BLOCK):
        scratch.firsts[i], scratch.drives16[i], scratch.drives32[i] = layer.cell, 0, 0
    return count


@njit(forceinline=True)
def reads(layer: Layer, scratch: Scratch, grain: Integer, at_a_time: Integer) -> Integer:
    """Reads, of ``at_a_time`` rows each, of the rows that training needs in the window whose first grain is given."""
    rows, before = layer.rows - layer.inputs, layer.needed_before + grain
    for _ in range(layer.stretches):
        rows += scratch.before[before + layer.stretch_grains] - scratch.before[before]
        before += layer.line_grains
    return rows if at_a_time == 1 else (rows + at_a_time - 1) // at_a_time


@njit
def read_noise(layer: Layer, state: State, tables: Tables, noise: Pointer) -> None:
    """Draw the ``noise`` of a reading of every column, in units of the column sum, or in the finest that the ADC
    resolves if those are coarser."""
    for col in range(layer.cols):
        word = draw(state.lfsrs, layer.index, READING, tables)
        noise[col] = round_shift(layer.read_noise * tables.normal[word & NORMAL_MASK], layer.coarser)


@njit
def drop_bits(layer: Layer, scratch: Scratch, rows: Integer) -> None:
    """Let DACs that do not resolve them convert the drives of the ``rows`` that have been listed."""
    for i in range(rows):
        drive = min(round_shift(scratch.drives32[i], layer.x_dropped), layer.x_highest) << layer.x_dropped
        scratch.drives16[i] = scratch.drives32[i] = drive


@njit
def distort(layer: Layer, scratch: Scratch, tables: Tables, output: Integer) -> None:
    """Put the outputs of converters that are not ideal into ``z``, from ``output`` on, for the sums in ``fine``."""
    limit = layer.z_limit
    for col in range(layer.cols):
        fine = scratch.fine[col] << layer.finer_sums
        fine = clip(fine, -layer.fine_limit, layer.fine_limit - 1)
        fine += round_shift(fine * tables.gain[layer.column + col], GAIN_FRAC) + tables.offset[layer.column + col]
        code = clip(round_shift(fine, OFFSET_FRAC), -limit, limit - 1)
        if layer.nonlinear:
            fine += tables.nonlinearity[(code + limit) >> layer.code_shift]
            code = clip(round_shift(fine, OFFSET_FRAC), -limit, limit - 1)
        scratch.z[output + col] = code


@njit(forceinline=True)
def convert(layer: Layer, state: State, scratch: Scratch, rows: Integer, output: Integer) -> None:
    """Compute the outputs, into ``z`` from ``output`` on, for the ``rows`` that have been listed. Where converters are
    not ideal, the sums go into ``fine``."""
    if layer.narrow_products:
        _convert(layer, state.read_g, scratch, scratch.drives16, rows, output, scratch.drives16, scratch.drives32)
    elif layer.narrow_sum:
        _convert(layer, state.read_g, scratch, scratch.drives32, rows, output, scratch.drives32, scratch.drives32)
    else:
        _convert(layer, state.read_g, scratch, scratch.drives32, rows, output, scratch.drives32, scratch.firsts)


@njit
def _convert(layer: Layer, g: Pointer, scratch: Scratch, drives: Pointer, rows: Integer, output: Integer,
             product: Pointer, total: Pointer) -> None:
    """``convert``, where the sum of a block's products fits the type of ``product``, that of all the type of
    ``total``."""
    col, cols = 0, layer.cols
    while col + MANY <= cols:
        _convert_lanes(layer, g, scratch, drives, rows, output, col, zeros(MANY, product), zeros(MANY, total))
        col += MANY
    while col < cols and cols >= FEW:  # the last ones overlap
        _convert_lanes(layer, g, scratch, drives, rows, output, min(col, cols - FEW), zeros(FEW, product),
                       zeros(FEW, total))
        col += FEW
    while col < cols:
        _convert_lanes(layer, g, scratch, drives, rows, output, col, zeros(1, product), zeros(1, total))
        col += 1


@njit(forceinline=True)
def _convert_lanes(layer: Layer, g: Pointer, scratch: Scratch, drives: Pointer, rows: Integer, output: Integer,
                   col: Integer, product: Vector, total: Vector) -> None:
    """``_convert`` for columns from ``col`` on: as many as the zeros ``product`` and ``total`` have lanes."""
    like, firsts = total, scratch.firsts
    for i in range(0, rows, BLOCK):
        x0, x1 = spread(drives[i], product), spread(drives[i + 1], product)
        x2, x3 = spread(drives[i + 2], product), spread(drives[i + 3], product)
        g0, g1 = load(g, firsts[i] + col, product), load(g, firsts[i + 1] + col, product)
        g2, g3 = load(g, firsts[i + 2] + col, product), load(g, firsts[i + 3] + col, product)
        total = total + resized(x0 * g0 + x1 * g1 + (x2 * g2 + x3 * g3), like)
    total = (total >> spread(layer.finer, like)) + load(scratch.noise, col, like)
    if layer.distorted:
        store(scratch.fine, col, total >> spread(layer.fine_shift, like))
        return
    total = (total + spread((1 << layer.adc_shift) >> 1, like)) >> spread(layer.adc_shift, like)
    lowest, highest = spread(-layer.z_limit, like), spread(layer.z_limit - 1, like)
    total = larger(total, highest, highest, total)
    store(scratch.z, output + col, larger(lowest, total, lowest, total))


@njit
def pool(layer: Layer, scratch: Scratch) -> None:
    """Keep the largest of the outputs in every window of the pooling, and the position that it is from."""
    output, cols = 0, layer.cols
    for down in range(layer.places_down):
        for across in range(layer.places_across):
            position = down * layer.pool_down * layer.positions_across + across * layer.pool_right
            col = 0
            while col < cols and cols >= FEW:
                _pool_lanes(layer, scratch, position, min(col, cols - FEW), output, zeros(FEW, scratch.z),
                            zeros(FEW, scratch.winners))
                col += FEW
            while col < cols:
                _pool_lanes(layer, scratch, position, col, output, zeros(1, scratch.z), zeros(1, scratch.winners))
                col += 1
            output += cols


@njit(forceinline=True)
def _pool_lanes(layer: Layer, scratch: Scratch, position: Integer, col: Integer, output: Integer, most: Vector,
                winner: Vector) -> None:
    """``pool`` for columns from ``col`` on, as many as there are lanes, in the window that begins at ``position``. Its
    first column goes to ``output``."""
    cols, winner = layer.cols, spread(position, winner)
    most = load(scratch.z, position * cols + col, most)
    for _ in range(layer.pool_height):
        for other in range(position, position + layer.pool_width):
            here = load(scratch.z, other * cols + col, most)
            winner = larger(here, most, spread(other, winner), winner)
            most = larger(here, most, here, most)
        position += layer.positions_across
    store(scratch.pooled, output + col, most)
    store(scratch.winners, layer.pooled + output + col, winner)
