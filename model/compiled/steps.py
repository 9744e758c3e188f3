"""The steps of training in compiled code: samples, one after the other, and the ends of mini-batches."""

import numpy as np
from numba import njit

from .forward import (
    convert,
    distort,
    drop_bits,
    enter_map,
    enter_outputs,
    fire,
    first_grain,
    list_cells,
    list_rows,
    pool,
    read_noise,
    reads,
)
from .lanes import pointers
from .programming import relax, visit
from .second import backward, clear_sums, delta_before, drop_delta_bits, find_errors, loss_delta, update
from .tables import (
    BACKWARD_ROWS,
    COUNTS,
    FORWARD_ROWS,
    FORWARDS,
    LIMIT,
    PRODUCT_ROWS,
    SAMPLE,
    TRACED,
    UPDATE_ROWS,
    VISITED_ROWS,
    Integer,
    Layer,
    Samples,
    Scratch,
    State,
    Tables,
)


@njit(cache=True)
def train(layers: np.ndarray, state: State, tables: Tables, scratch: Scratch, samples: Samples, first: int, count: int,
          learning_rate_shift: int, batch: int, start: int, total: int) -> int:
    """Train on the samples from ``first`` to ``count - 1``, of which sample 0 is number ``start`` of an epoch of
    ``total``. It comes back earlier, after any sample, when its trace is full. Returns the sample that is next."""
    state, tables, scratch, samples = pointers(state), pointers(tables), pointers(scratch), pointers(samples)
    last = len(layers) - 1
    for i in range(first, count):
        state.tracing[SAMPLE] += 1
        samples.predictions[i] = _infer(layers, state, tables, scratch, samples, i)
        loss_delta(layers[last], scratch, tables, samples.labels[i])
        for index in range(last, -1, -1):
            if not _second_pass(layers[index], state, tables, scratch, learning_rate_shift, batch == 1):
                break
        if batch == 1:
            for index in range(last + 1):
                if layers[index].relaxation:
                    relax(layers[index], state, tables)

        trained = start + i + 1
        if batch > 1 and (trained % batch == 0 or trained == total):
            for index in range(last + 1):
                visit_all(layers[index], state, tables, scratch)
        if state.tracing[LIMIT] and state.tracing[TRACED] >= state.tracing[LIMIT]:
            return i + 1
    return count


@njit(cache=True)
def predict(layers: np.ndarray, state: State, tables: Tables, scratch: Scratch, samples: Samples, count: int) -> None:
    """Predict ``count`` samples. It counts and draws as training does."""
    state, tables, scratch, samples = pointers(state), pointers(tables), pointers(scratch), pointers(samples)
    for i in range(count):
        samples.predictions[i] = _infer(layers, state, tables, scratch, samples, i)


@njit
def _infer(layers: np.ndarray, state: State, tables: Tables, scratch: Scratch, samples: Samples, i: Integer) -> Integer:
    """The forward pass of sample ``i``; returns the prediction."""
    last = len(layers) - 1
    enter_map(layers[0], scratch.x, samples.xs, samples.chosen[i] * layers[0].inner * layers[0].lines)
    for index in range(last + 1):
        if index:
            enter_outputs(layers[index], scratch, tables)
            if layers[index].fires:
                fire(layers[index], state, scratch, tables)
        forward(layers[index], state, tables, scratch)
        pool(layers[index], scratch)
    best = 0
    for col in range(layers[last].cols):
        if scratch.pooled[col] > scratch.pooled[best]:
            best = col
    return best


@njit
def forward(layer: Layer, state: State, tables: Tables, scratch: Scratch) -> None:
    """The forward pass of a layer whose map has been entered, up to the outputs before the pooling."""
    list_cells(layer, scratch)
    driven = needed = 0
    for position in range(layer.positions):
        grain = first_grain(layer, position)
        if layer.read_noise:
            read_noise(layer, state, tables, scratch.noise)
        rows = list_rows(layer, scratch, grain)
        if layer.x_dropped:
            drop_bits(layer, scratch, rows)
        convert(layer, state, scratch, rows, position * layer.cols)
        if layer.distorted:
            distort(layer, scratch, tables, position * layer.cols)
        driven += rows
        needed += reads(layer, scratch, grain, layer.forward_reads)
    state.row_reads[layer.index] += needed
    counters = layer.index * COUNTS
    state.counters[counters + FORWARDS] += layer.positions
    state.counters[counters + FORWARD_ROWS] += driven


@njit
def _second_pass(layer: Layer, state: State, tables: Tables, scratch: Scratch, learning_rate_shift: Integer,
                 program: bool) -> bool:
    """Backward pass and update of a layer; with ``program``, it is programmed too. Returns whether there is any
    error."""
    count = find_errors(layer, scratch)
    if count == 0:
        return False
    needed = 0
    for i in range(count):
        scratch.errors[i] = first_grain(layer, scratch.errors[i])
        needed += reads(layer, scratch, scratch.errors[i], layer.second_reads)
    state.row_reads[layer.layers + layer.index] += needed
    if layer.index:
        sum_rows(layer, state, scratch, count)
        delta_before(layer, scratch)
    accumulate(layer, state, tables, scratch, count, learning_rate_shift, program)
    return True


@njit
def sum_rows(layer: Layer, state: State, scratch: Scratch, count: Integer) -> None:
    """The backward pass of a layer: the row sums ``e`` of the cells that are listed as asked for, for the ``count``
    windows whose first grains are in ``errors``, and whose deltas are in ``d``."""
    asked, d = 0, scratch.d
    clear_sums(layer, scratch)
    if layer.delta_dropped:
        drop_delta_bits(layer, scratch, count)
        d = scratch.d_read
    for i in range(count):
        asked += backward(layer, state, scratch, scratch.errors[i], d, i * layer.cols)
    state.counters[layer.index * COUNTS + BACKWARD_ROWS] += asked


@njit
def accumulate(layer: Layer, state: State, tables: Tables, scratch: Scratch, count: Integer,
               learning_rate_shift: Integer, program: bool) -> None:
    """The update of a layer for such windows; with ``program``, the rows concerned are visited too."""
    rows, products, reached = update(layer, state, scratch, count, learning_rate_shift, program)
    counters = layer.index * COUNTS
    state.counters[counters + UPDATE_ROWS] += rows
    state.counters[counters + PRODUCT_ROWS] += products
    if program:
        state.counters[counters + VISITED_ROWS] += rows
        if reached:
            visit(layer, state, tables, scratch.firsts, reached)


@njit
def visit_all(layer: Layer, state: State, tables: Tables, scratch: Scratch) -> None:
    """Visit all rows of a layer, whose cells then relax: the end of a mini-batch."""
    state.counters[layer.index * COUNTS + VISITED_ROWS] += layer.rows
    for row in range(layer.rows):
        scratch.firsts[row] = layer.cell + row * layer.cols
    visit(layer, state, tables, scratch.firsts, layer.rows)
    if layer.relaxation:
        relax(layer, state, tables)
