"""A crossbar without a network around it, in compiled code: many samples in a call."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numba import njit
from numpy.typing import ArrayLike

from ...contract.window import Window
from ..crossbar import Crossbar
from ..lfsr import jump
from ..samples import applied
from ..window import Windows
from .batch import batch_of, drives_of, update_rows
from .forward import enter_map, first_grain, list_driven, list_sloped
from .lanes import pointers
from .programming import relax
from .second import enter_deltas
from .state import arrays_of, give_back, state_of
from .steps import accumulate, forward, sum_rows, visit_all
from .tables import (
    READING,
    Integer,
    Layer,
    Scratch,
    State,
    Tables,
    crossbar_tables,
    layer_records,
    scratch,
)
from .threads import parts, together

POSITION = 1 << 12
"""Products in the time of which a position is entered and left."""


class CompiledCrossbar:
    """Does what a ``Crossbar`` does, for many samples in a call and in its place, to the same bits.

    It works on the crossbar's own arrays, without a copy. A sample is the map that drives the crossbar, and not its
    windows. Operands are integers of any type and within the formats of the geometry; ``ValueError`` on a wrong shape.

    The bits are those of samples that are taken one after the other. Threads share the samples of a call, as many as
    PyTorch has (`torch.set_num_threads`), except where cells are programmed. What leaves the state as it is may be
    called by several threads at a time.
    """

    def __init__(self, crossbar: Crossbar, window: Window | None = None) -> None:
        """Of ``crossbar``, applied to ``window``, or to its own (`model.samples.applied`). ``ValueError`` unless the
        crossbar is on the CPU."""
        if crossbar.torch_device.type != "cpu":
            raise ValueError(f"the crossbar is on the PyTorch device {crossbar.torch_device}; compiled code runs on "
                             "the CPU only")
        self.crossbar, geometry = crossbar, applied(crossbar, window)
        window = geometry.window
        self.geometry = geometry
        """That of the crossbar, applied to the window."""
        self.windows = Windows(geometry)
        """What makes windows of maps."""
        self._map, self._outputs = (window.cells,), (window.positions, window.cols)
        self._layers = layer_records([geometry])
        self._tables = crossbar_tables(geometry)
        self._products = window.positions * geometry.rows * geometry.cols
        self._reading = self._products + window.positions * POSITION
        self._draws = window.positions * geometry.cols if geometry.read_noise else 0
        self._scratches = [scratch([geometry], self._layers)]
        """Where no thread works at present."""

    def forward(self, maps: ArrayLike) -> np.ndarray:
        """The outputs ``z``, int16 (n, positions, cols), for the drives ``maps`` (n, cells)."""
        z, state = self._forward(maps)
        give_back(state, [self.crossbar])
        return z

    def evaluate(self, maps: ArrayLike) -> np.ndarray:
        """As ``forward``, but counters and LFSRs stay as they are."""
        return self._forward(maps)[0]

    def backward(self, d: ArrayLike, asked: ArrayLike | None = None) -> np.ndarray:
        """The exact sums ``e``, int64 (n, cells), of the rows that each cell of the maps drives, for the deltas ``d``
        (n, positions, cols).

        ``asked``, bool (n, cells), restricts it to some cells; the sums of the others are 0.
        """
        e, state = self._backward(d, asked)
        give_back(state, [self.crossbar])
        return e

    def row_sums(self, d: ArrayLike) -> np.ndarray:
        """As ``backward`` for all cells, but nothing is counted."""
        return self._backward(d, None)[0]

    def update(self, maps: ArrayLike, d: ArrayLike, learning_rate_shift: int, program: bool = True) -> None:
        """``Crossbar.update`` for each sample: ``maps`` (n, cells) are their drives, ``d`` (n, positions, cols) their
        deltas."""
        maps, d = self._checked(maps, self._map), self._checked(d, self._outputs)
        if len(maps) != len(d):
            raise ValueError(f"{len(maps)} maps and the deltas of {len(d)}: there must be as many")
        if program:
            state, scratch = self._state(), self._scratch()
            _update(self._layers, state, self._tables, scratch, maps.ravel(), d.ravel(), len(maps),
                    learning_rate_shift)
            self._scratches.append(scratch)
        else:
            state = self._accumulate(maps, d, learning_rate_shift)
        give_back(state, [self.crossbar])

    def program(self) -> None:
        """``Crossbar.program``."""
        state, scratch = self._state(), self._scratch()
        _program(self._layers, state, self._tables, scratch)
        self._scratches.append(scratch)
        give_back(state, [self.crossbar])

    def apply(self, dw: ArrayLike) -> None:
        """``Crossbar.apply``."""
        self.crossbar.add(torch.as_tensor(dw))
        self.program()

    def _forward(self, maps: ArrayLike) -> tuple[np.ndarray, State]:
        """The outputs, and the state that a forward pass leaves."""
        maps = self._checked(maps, self._map)
        z = np.empty((len(maps), *self._outputs), dtype=np.int16)

        def run(state: State, scratch: Scratch, share: range) -> None:
            _forward(self._layers, state, self._tables, scratch, maps.ravel(), z.reshape(-1), share.start, share.stop)
        return z, self._shared(run, parts(len(maps), self._reading), self._draws)

    def _backward(self, d: ArrayLike, asked: ArrayLike | None) -> tuple[np.ndarray, State]:
        """The row sums, and the state that a backward pass leaves."""
        d = self._checked(d, self._outputs)
        asked = self._checked(np.ones((len(d), *self._map), np.int16) if asked is None else asked, self._map)
        if len(asked) != len(d):
            raise ValueError(f"the deltas of {len(d)} samples, and {len(asked)} maps of what is asked for: there must "
                             "be as many")
        e = np.zeros((len(d), *self._map), dtype=np.int64)

        def run(state: State, scratch: Scratch, share: range) -> None:
            _backward(self._layers, state, scratch, d.ravel(), asked.ravel(), e.reshape(-1), share.start, share.stop)
        return e, self._shared(run, parts(len(d), self._reading))

    def _accumulate(self, maps: np.ndarray, d: np.ndarray, learning_rate_shift: int) -> State:
        """Update by a mini-batch, of which nothing is programmed. Returns the state that it leaves."""
        batch, rows = batch_of(self._layers, maps, d), self.crossbar.geometry.rows

        def run(state: State, _: Scratch, share: range) -> None:
            update_rows(self._layers, state, batch, drives_of(batch), len(maps), learning_rate_shift, share.start,
                        share.stop)
        return self._shared(run, parts(rows, len(maps) * self._products // rows))

    def _shared(self, run: Callable[[State, Scratch, range], None], shares: list[range], draws: int = 0) -> State:
        """Let threads ``run`` their ``shares`` of samples, each of which draws ``draws`` words of read noise, or of
        rows. Returns the state that one thread would leave after all of them."""
        last, scratches = self._state(), [self._scratch() for _ in shares]
        others = [last._replace(lfsrs=last.lfsrs.copy(), counters=np.zeros_like(last.counters),
                                row_reads=last.row_reads.copy()) for _ in shares[1:]]
        states = [*others, last]
        for state, share in zip(states, shares, strict=True):
            if draws and share.start:
                state.lfsrs[READING] = int(jump(torch.tensor(int(state.lfsrs[READING])), share.start * draws))
        together([partial(run, *each) for each in zip(states, scratches, shares, strict=True)])
        self._scratches += scratches
        for state in others:
            last.counters[:] += state.counters
        return last

    def _scratch(self) -> Scratch:
        """Where to work, which is put back behind: other threads may work meanwhile."""
        try:
            return self._scratches.pop()
        except IndexError:
            return scratch([self.geometry], self._layers)

    def _checked(self, values: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
        """``values`` as int16, contiguous; ``ValueError`` unless they are (n, *shape)."""
        checked = np.ascontiguousarray(values, dtype=np.int16)
        if checked.shape != (len(checked), *shape):  # compiled code does not check its indices
            raise ValueError(f"operands of shape {checked.shape}: they must be (samples, "
                             f"{', '.join(map(str, shape))})")
        return checked

    def _state(self) -> State:
        crossbar = self.crossbar
        arrays = arrays_of({name: array.numpy() for name, array in crossbar.arrays.items()}, crossbar.pulses.numpy())
        return state_of([crossbar], arrays, row_reads=np.zeros(2, dtype=np.int64))


@njit(cache=True, nogil=True)
def _forward(layers: np.ndarray, state: State, tables: Tables, scratch: Scratch, maps: np.ndarray, z: np.ndarray,
             start: int, stop: int) -> None:
    """``CompiledCrossbar.forward`` of the samples ``start`` .. ``stop - 1``."""
    state, tables, scratch = pointers(state), pointers(tables), pointers(scratch)
    layer = layers[0]
    first = start * layer.positions * layer.cols
    for i in range(start, stop):
        enter_map(layer, scratch.x, maps, i * layer.inner * layer.lines)
        forward(layer, state, tables, scratch)
        for place in range(layer.positions * layer.cols):
            z[first + place] = scratch.z[place]
        first += layer.positions * layer.cols


@njit(cache=True, nogil=True)
def _backward(layers: np.ndarray, state: State, scratch: Scratch, d: np.ndarray, asked: np.ndarray, e: np.ndarray,
              start: int, stop: int) -> None:
    """``CompiledCrossbar.backward`` of the samples ``start`` .. ``stop - 1``."""
    state, scratch = pointers(state), pointers(scratch)
    layer = layers[0]
    first = start * layer.inner * layer.lines
    for i in range(start, stop):
        enter_map(layer, scratch.y, asked, first)
        errors = _enter_errors(layer, scratch, d, i)
        if errors:
            list_sloped(layer, scratch)
            sum_rows(layer, state, scratch, errors)
        for line in range(layer.lines):
            cell = layer.first_inner + line * layer.line
            for place in range(layer.inner):
                if errors and asked[first + place]:
                    e[first + place] = scratch.e[cell + place]
            first += layer.inner


@njit(cache=True)
def _update(layers: np.ndarray, state: State, tables: Tables, scratch: Scratch, maps: np.ndarray, d: np.ndarray,
            count: int, learning_rate_shift: int) -> None:
    """``CompiledCrossbar.update`` of ``count`` samples, each of which programs cells."""
    state, tables, scratch = pointers(state), pointers(tables), pointers(scratch)
    layer = layers[0]
    for i in range(count):
        errors = _enter_errors(layer, scratch, d, i)
        if errors:
            enter_map(layer, scratch.x, maps, i * layer.inner * layer.lines)
            list_driven(layer, scratch)
            accumulate(layer, state, tables, scratch, errors, learning_rate_shift, True)
        if layer.relaxation:
            relax(layer, state, tables)


@njit(cache=True)
def _program(layers: np.ndarray, state: State, tables: Tables, scratch: Scratch) -> None:
    """``CompiledCrossbar.program``."""
    visit_all(layers[0], pointers(state), pointers(tables), pointers(scratch))


@njit
def _enter_errors(layer: Layer, scratch: Scratch, d: np.ndarray, i: Integer) -> Integer:
    """Enter the deltas of sample ``i``. Returns how many of its windows have an error; their first grains are then in
    ``errors``."""
    count = enter_deltas(layer, scratch, d, i * layer.positions * layer.cols)
    for place in range(count):
        scratch.errors[place] = first_grain(layer, scratch.errors[place])
    return count
