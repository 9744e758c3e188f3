"""The steps of training in compiled code: samples, one after the other, and the ends of mini-batches."""

import numpy as np
from numba import njit

from .forward import (
    convert,
    enter_outputs,
    enter_sample,
    first_grain,
    list_cells,
    list_rows,
    pool,
    read_noise,
    reads,
)
from .programming import visit
from .second import backward, delta_before, find_errors, loss_delta, update
from .tables import (
    BACKWARD_ROWS,
    FORWARD_ROWS,
    FORWARDS,
    PRODUCT_ROWS,
    UPDATE_ROWS,
    VISITED_ROWS,
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
    (x, y, driven, driven_before, sloped, sloped_before, needed_before, firsts, drives16, drives32, noise, z, pooled,
     winners, delta, slots, errors, d32, d, e, factors, deltas) = scratch
    g, chi, counters = state.g, state.chi, state.counters
    depth = len(layers)
    for i in range(len(chosen)):
        # forward
        for index in range(depth):
            layer = layers[index]
            if index == 0:
                enter_sample(layer, xs[chosen[i]], x)
            else:
                enter_outputs(layer, layers[index - 1], tables, pooled, x, y)
            list_cells(layer, x, y, driven, driven_before, sloped, sloped_before, needed_before)
            for position in range(layer.positions):
                place = first_grain(layer, position)
                if layer.read_noise:
                    read_noise(layer, state, tables, noise)
                count = list_rows(layer, place, x, driven, driven_before, firsts, drives16, drives32)
                convert(layer, g, firsts, drives16, drives32, count, noise, z, position * layer.cols)
                counters[index, FORWARD_ROWS] += count
                row_reads[0, index] += reads(layer, place, needed_before, layer.forward_reads)
            counters[index, FORWARDS] += layer.positions
            pool(layer, z, pooled, winners)

        # backward and update
        predictions[i] = loss_delta(layers[depth - 1], tables, pooled, labels[i], delta)
        for index in range(depth - 1, -1, -1):
            layer = layers[index]
            count = find_errors(layer, delta, winners, slots, errors, d32, d)
            if count == 0:
                break
            for j in range(count):
                errors[j] = first_grain(layer, errors[j])
                row_reads[1, index] += reads(layer, errors[j], needed_before, layer.second_reads)
            if index > 0:
                for j in range(sloped_before[layer.grains + layer.map_grains]):
                    e[sloped[layer.map + j]] = 0
                for j in range(count):
                    counters[index, BACKWARD_ROWS] += backward(layer, g, sloped, sloped_before, errors[j], d,
                                                               j * layer.cols, e)
                delta_before(layer, e, y, delta)
            rows, products, reached = update(layer, chi, x, driven, driven_before, errors, count, d,
                                             layer.update_shift + learning_rate_shift, firsts, drives16, drives32,
                                             factors, deltas, batch > 1)
            counters[index, UPDATE_ROWS] += rows
            counters[index, PRODUCT_ROWS] += products
            if batch == 1:
                counters[index, VISITED_ROWS] += rows
                visit(layer, state, tables, firsts, reached)

        # the end of a mini-batch
        trained = start + i + 1
        if batch > 1 and (trained % batch == 0 or trained == total):
            _program(layers, state, tables, firsts)


@njit
def _program(layers: np.ndarray, state: State, tables: Tables, firsts: np.ndarray) -> None:
    """Visit all rows of all layers: the end of a mini-batch."""
    for index in range(len(layers)):
        layer = layers[index]
        state.counters[index, VISITED_ROWS] += layer.rows
        for row in range(layer.rows):
            firsts[row] = layer.cell + row * layer.cols
        visit(layer, state, tables, firsts, layer.rows)
