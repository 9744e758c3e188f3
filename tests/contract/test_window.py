"""Where a crossbar is applied: against PyTorch's convolutions and poolings, whose shapes and cells they must be."""

import re
from itertools import product
from math import prod

import numpy as np
import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from spinloom.contract.window import Window
from torch.nn import functional


@st.composite
def axes(draw):
    """Along one axis: map, kernel, stride, padding, pool, pool_stride. Cells may be left out."""
    kernel, stride, pool_stride = (draw(st.integers(1, 4)) for _ in range(3))
    padding = draw(st.integers(0, kernel - 1))
    size = draw(st.integers(max(1, kernel - 2 * padding), 9))
    return size, kernel, stride, padding, draw(st.integers(1, (size + 2 * padding - kernel) // stride + 1)), pool_stride


@st.composite
def windows(draw):
    """Windows of small maps."""
    sides, kernel, stride, padding, pool, pool_stride = zip(draw(axes()), draw(axes()), strict=True)
    return Window(map=(*sides, draw(st.integers(1, 3))), cols=draw(st.integers(1, 3)), kernel=kernel, stride=stride,
                  padding=padding, pool=pool, pool_stride=pool_stride, drop=True)


def convolved(window):
    """What PyTorch's convolution makes of the window's map."""
    kernel = torch.zeros(window.cols, window.map[2], *window.kernel)
    return functional.conv2d(torch.zeros(window.map[2], *window.map[:2]), kernel, stride=window.stride,
                             padding=window.padding)


@settings(max_examples=60)
@given(window=windows())
def test_shapes_are_those_of_pytorch(window):
    outputs = convolved(window)
    pooled = functional.max_pool2d(outputs, window.pool, window.pool_stride)
    for shape, expected in ((window.outputs, outputs), (window.pooled, pooled)):
        assert shape == (*expected.shape[1:], expected.shape[0])
    assert window.positions == outputs[0].numel()
    assert window.inputs == window.map[2] * window.kernel[0] * window.kernel[1]
    assert window.cells == window.map[0] * window.map[1] * window.map[2]
    assert window.pools == ((window.pool, window.pool_stride) != ((1, 1), (1, 1)))


@settings(max_examples=60)
@given(window=windows())
def test_rows_are_driven_by_the_cells_that_pytorch_unfolds(window):
    height, width, channels = window.map
    cells = torch.arange(1.0, window.cells + 1).reshape(1, height, width, channels).permute(0, 3, 1, 2)
    unfolded = functional.unfold(cells, window.kernel, padding=window.padding, stride=window.stride)[0]
    expected = unfolded.reshape(channels, *window.kernel, -1).permute(3, 1, 2, 0).reshape(window.positions, -1) - 1
    assert window.touched.shape == (window.positions, window.inputs)
    assert window.touched.dtype == window.pool_windows.dtype == np.int64
    assert np.array_equal(np.array(window.touched), expected.numpy())


@settings(max_examples=60)
@given(window=windows())
def test_no_cell_is_in_more_windows_than_the_overlap(window):
    cells = window.touched[window.touched >= 0]
    assert 1 <= np.bincount(cells).max() <= window.overlap
    if window.padding == (0, 0) and all(
            size >= 2 * kernel for size, kernel in zip(window.map[:2], window.kernel, strict=True)):
        assert np.bincount(cells).max() == window.overlap


@settings(max_examples=60)
@given(window=windows())
def test_pooling_takes_the_positions_that_pytorch_takes(window):
    numbers = torch.arange(float(window.positions)).reshape(1, 1, *window.outputs[:2])
    expected = functional.unfold(numbers, window.pool, stride=window.pool_stride)[0].T
    assert np.array_equal(window.pool_windows, expected.numpy())
    assert window.pool_windows.shape == (prod(window.places), prod(window.pool))
    assert window.pooled_cells == prod(window.places) * window.cols


FIELDS = ("map", "cols", "kernel", "stride", "padding", "pool", "pool_stride")


@settings(max_examples=300)
@given(window=windows())
@example(window=Window(map=(7, 7, 1), cols=1, kernel=(3, 3), stride=(2, 2), padding=(1, 1)))
@example(window=Window(map=(6, 6, 1), cols=1, kernel=(3, 3), stride=(2, 2), padding=(1, 1)))
@example(window=Window(map=(5, 5, 1), cols=1, kernel=(2, 2), pool=(3, 3), pool_stride=(3, 3), drop=True))
def test_what_would_leave_cells_out_is_refused_unless_it_is_allowed(window):
    """Exactly that: each cell of the map, and of the outputs, must be in a window."""
    fields = {name: getattr(window, name) for name in FIELDS}
    reached = set(range(window.cells)) <= set(window.touched.ravel().tolist())
    pooled = set(range(window.positions)) <= set(window.pool_windows.ravel().tolist())
    if reached and pooled:
        assert Window(**fields).outputs == window.outputs
        return
    with pytest.raises(ValueError, match="or drop=true") as refused:
        Window(**fields)
    name = str(refused.value).partition("=")[0]
    assert name == "stride" if not reached else name in ("pool", "pool_stride")


@given(size=st.integers(1, 40), width=st.integers(1, 40), stride=st.integers(1, 40), padding=st.integers(0, 5),
       what=st.sampled_from(["stride", "pool_stride", "pool"]))
def test_what_a_refusal_offers_will_do(size, width, stride, padding, what):
    def window(value):
        fields = {"stride": {"kernel": (1, width), "stride": (1, value), "padding": (0, padding)},
                  "pool_stride": {"kernel": (1, 1), "pool": (1, width), "pool_stride": (1, value)},
                  "pool": {"kernel": (1, 1), "pool": (1, value), "pool_stride": (1, value)}}
        return Window(map=(1, size, 1), cols=1, **fields[what])

    assume(width <= size + 2 * padding and padding < width if what == "stride" else max(width, stride) <= size)
    assume(what != "pool_stride" or stride != width)  # which is a matter of the pool
    try:
        window(stride)
    except ValueError as refusal:
        pattern = (rf"{what}={stride}: leaves out \d+ of {size} lines of cells, as the (?:map is|outputs are) {size} "
                   r"wide; use ([\d, ]+?)(?:, \.\.\.)?, or drop=true if they may be left out")
        allowed = re.fullmatch(pattern, str(refusal))[1]
        for value in map(int, allowed.split(", ")):
            window(value)


@pytest.mark.parametrize(("window", "plain"), [
    (Window.dense((1, 1, 784), 10), True), (Window.dense((4, 4, 32), 128), True),
    (Window.dense((1, 1, 7), 12, (2, 2, 3)), True),
    (Window(map=(5, 5, 2), cols=3, kernel=(5, 5)), True),
    (Window(map=(5, 5, 2), cols=3, kernel=(5, 4), drop=True), False),
    (Window(map=(5, 5, 2), cols=3, kernel=(5, 5), stride=(9, 9)), True),
    (Window(map=(5, 5, 2), cols=3, kernel=(3, 3), stride=(9, 9), drop=True), False),
    (Window(map=(1, 1, 2), cols=3, kernel=(1, 1), padding=(0, 0)), True),
    (Window(map=(1, 1, 2), cols=3, kernel=(3, 3), padding=(1, 1)), False),
])
def test_a_dense_layer_is_told_by_its_rows_and_columns(window, plain):
    assert window.plain == plain
    every = np.arange(window.cells)[None]
    assert np.array_equal(window.touched, every) == plain


def test_what_the_next_layer_sees_of_a_dense_one():
    assert Window.dense((4, 4, 2), 12).pooled == (1, 1, 12)
    assert Window.dense((4, 4, 2), 12, (2, 3, 2)).pooled == (2, 3, 2)
    with pytest.raises(ValueError, match=r"map=\[2, 3, 1\]: has 6 cells; .*, which is cols=12"):
        Window.dense((4, 4, 2), 12, (2, 3, 1))


def test_tables_cannot_be_changed():
    window = Window(map=(4, 4, 1), cols=1, kernel=(1, 1))
    for table in (window.touched, window.pool_windows):
        with pytest.raises(ValueError, match="read-only"):
            table[0, 0] = 3


def test_the_largest_maps_take_a_moment():
    """65,536 cells, whichever way: of few rows at many positions, or of many rows at few."""
    wide = Window(map=(256, 256, 1), cols=1, kernel=(3, 3), padding=(1, 1), pool=(2, 2), pool_stride=(2, 2))
    deep = Window(map=(8, 8, 1024), cols=1, kernel=(1, 1))
    assert wide.touched.shape == (1 << 16, 9)
    assert wide.touched[257].tolist() == [i * 256 + j for i, j in product((0, 1, 2), repeat=2)]
    assert wide.pool_windows.shape == (1 << 14, 4)
    assert deep.touched.shape == (64, 1024)
    assert np.array_equal(deep.touched.ravel(), np.arange(1 << 16))
