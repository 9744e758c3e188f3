"""Windows and pooling against PyTorch's convolution and pooling, forward and back."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from spinloom.config import Experiment, parse
from spinloom.contract.geometry import CrossbarGeometry
from spinloom.model.crossbar import Crossbar
from spinloom.model.window import Windows
from torch.nn import functional


@st.composite
def pairs(draw, lowest: int, highest: tuple[int, int]) -> tuple[int, int]:
    return draw(st.integers(lowest, highest[0])), draw(st.integers(lowest, highest[1]))


@st.composite
def convolutions(draw) -> Experiment:
    """An experiment that begins with a convolution of any window, stride, padding and pooling."""
    kernel = draw(pairs(1, (3, 4)))
    padding = draw(pairs(0, (kernel[0] - 1, kernel[1] - 1)))
    least = [max(1, side - 2 * pad) for side, pad in zip(kernel, padding, strict=True)]
    sides = [side + draw(st.integers(0, 5)) for side in least]
    stride = draw(pairs(1, (3, 3)))
    outputs = [(side + 2 * pad - size) // step + 1
               for side, pad, size, step in zip(sides, padding, kernel, stride, strict=True)]
    pool = draw(pairs(1, (min(3, outputs[0]), min(3, outputs[1]))))
    return parse({
        "input": {"map": [*sides, draw(st.integers(1, 3))], "bits": 4}, "device": {"kind": "ideal", "states": 8},
        "layers": [{"kind": "conv", "cols": draw(st.integers(1, 3)), "kernel": kernel, "stride": stride, "drop": True,
                    "padding": padding, "pool": pool, "pool_stride": draw(pairs(1, (3, 3))), "weight_step": -6,
                    "z_frac": 4, "chi_bits": 24, "chi_frac": 4, "bias": draw(st.booleans())}, {"cols": 2}],
    }, "convolution")


def planes(cells: torch.Tensor, shape: tuple[int, int, int]) -> torch.Tensor:
    """The map ``cells`` of the shape height, width, channels as PyTorch takes it: float64 (channels, height, width)."""
    return cells.double().reshape(shape).movedim(2, 0)


def cells_of(planes: torch.Tensor) -> list:
    return planes.movedim(0, 2).flatten().tolist()


def weights_of(crossbar: Crossbar) -> torch.Tensor:
    """The conductances without the bias row as PyTorch takes a kernel: float64 (cols, channels, height, width)."""
    geometry = crossbar.geometry
    rows = crossbar.g[:geometry.inputs].double()
    return rows.reshape(*geometry.window.kernel, geometry.window.map[2], geometry.cols).permute(3, 2, 0, 1).contiguous()


def random(geometry: CrossbarGeometry, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The drive of a map, and deltas of all positions of which some are 0 everywhere."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 16, (geometry.window.cells,), generator=generator)
    x[torch.rand(x.shape, generator=generator) < 0.4] = 0
    d = torch.randint(-256, 256, (geometry.positions, geometry.cols), generator=generator)
    d[torch.rand(len(d), generator=generator) < 0.4] = 0
    return x, d


@given(experiment=convolutions(), seed=st.integers(0, 1000))
def test_a_crossbar_on_windows_is_a_convolution(experiment, seed):
    """Column sums, row sums and what is accumulated are those of ``conv2d`` and its gradients."""
    geometry = experiment.crossbars[0]
    window, crossbar = geometry.window, Crossbar(geometry, seed)
    x, d = random(geometry, seed)
    image = planes(x, window.map).contiguous().requires_grad_()
    weights, bias = weights_of(crossbar).requires_grad_(), torch.zeros(geometry.cols, dtype=torch.float64)
    if geometry.bias:
        bias = crossbar.g[-1].double() * geometry.bias_value
    bias.requires_grad_()
    sums = functional.conv2d(image[None], weights, bias, window.stride, window.padding)[0]
    (sums * planes(d, window.outputs)).sum().backward()

    drive = crossbar.windows.gather(x)
    assert crossbar.forward(drive).flatten().tolist() == crossbar.adc.convert(
        torch.tensor(cells_of(sums.detach())).long()).tolist()
    assert crossbar.windows.fold(crossbar.backward(d)).tolist() == cells_of(image.grad)
    crossbar.update(drive, d, 0, program=False)
    shift = geometry.update_shift(0)
    gradient = weights.grad.permute(2, 3, 1, 0).reshape(-1, geometry.cols)
    if geometry.bias:
        gradient = torch.cat([gradient, geometry.bias_value * bias.grad[None]])
    assert crossbar.accumulator.chi.tolist() == torch.floor(-gradient / 2**shift + 0.5).tolist()


@given(experiment=convolutions(), seed=st.integers(0, 1000))
def test_counters_count_rows_at_positions(experiment, seed):
    geometry = experiment.crossbars[0]
    crossbar, (x, d) = Crossbar(geometry, seed), random(geometry, seed)
    window, positions, bias = geometry.window, geometry.positions, geometry.bias
    driven = [[cell >= 0 and bool(x[cell]) for cell in rows] + [True] * bias for rows in window.touched]
    errors = [bool(row.any()) for row in d]
    asked = torch.rand(window.cells, generator=torch.Generator().manual_seed(seed)) < 0.5
    drive = crossbar.windows.gather(x)
    crossbar.forward(drive)
    crossbar.backward(d)
    whole = sum(cell >= 0 for rows, error in zip(window.touched, errors, strict=True) if error for cell in rows)
    assert crossbar.counters["backward_rows"] == whole
    masked = crossbar.backward(d, crossbar.windows.gather(asked))
    some = sum(cell >= 0 and bool(asked[cell]) for rows, error in zip(window.touched, errors, strict=True) if error
               for cell in rows)
    crossbar.update(drive, d, 0, program=False)
    updated = {row for rows, error in zip(driven, errors, strict=True) if error for row, x in enumerate(rows) if x}
    expected = dict.fromkeys(crossbar.counters, 0) | {
        "forwards": positions, "forward_rows": sum(map(sum, driven)), "backward_rows": whole + some,
        "update_rows": len(updated)}
    if positions > 1:
        expected["product_rows"] = sum(sum(rows) for rows, error in zip(driven, errors, strict=True) if error)
    assert crossbar.counters == expected
    assert list(crossbar.counters) == list(geometry.counters)
    sums = crossbar.windows.fold(crossbar.row_sums(d))
    assert crossbar.windows.fold(masked).tolist() == torch.where(asked, sums, 0).tolist()


@given(experiment=convolutions(), seed=st.integers(0, 1000))
def test_pooling_is_that_of_pytorch(experiment, seed):
    """Outputs of few values have many ties; the first of equals wins, as in PyTorch."""
    geometry = experiment.crossbars[0]
    window, generator = geometry.window, torch.Generator().manual_seed(seed)
    z = torch.randint(-2, 2, (geometry.positions, geometry.cols), generator=generator)
    outputs = planes(z, window.outputs).requires_grad_()
    pooled, winner = functional.max_pool2d(outputs[None], window.pool, window.pool_stride, return_indices=True)
    cells, winners = Windows(geometry).pool(z)
    assert cells.tolist() == cells_of(pooled[0])
    assert winners is None or winners.flatten().tolist() == cells_of(winner[0])
    delta = torch.randint(-256, 256, cells.shape, generator=generator)
    pooled[0].backward(planes(delta, window.pooled))
    limited = outputs.grad.clamp(-256, 255)  # as wide as the delta
    assert Windows(geometry).spread(delta, winners).flatten().tolist() == cells_of(limited)


@given(experiment=convolutions(), seed=st.integers(0, 1000))
def test_samples_are_worked_on_side_by_side(experiment, seed):
    geometry = experiment.crossbars[0]
    windows, several = Windows(geometry), [random(geometry, seed + i) for i in range(6)]
    x, d = (torch.stack(part).reshape(2, 3, *part[0].shape) for part in zip(*several, strict=True))
    drives, (cells, winners) = windows.gather(x), windows.pool(d)
    one = [windows.gather(each) for each, _ in several], [windows.pool(each) for _, each in several]
    assert drives.flatten(0, 1).tolist() == torch.stack(one[0]).tolist()
    assert cells.flatten(0, 1).tolist() == [pooled.tolist() for pooled, _ in one[1]]
    if winners is not None:
        assert winners.flatten(0, 1).tolist() == [winner.tolist() for _, winner in one[1]]
    assert windows.fold(drives).flatten(0, 1).tolist() == [windows.fold(drive).tolist() for drive in one[0]]
    spread = windows.spread(cells, winners).flatten(0, 1).tolist()
    assert spread == [windows.spread(*pooled).tolist() for pooled in one[1]]


def pooled(**layer) -> Windows:
    return Windows(parse({
        "input": {"map": [1, 5, 1]}, "device": {"kind": "ideal"},
        "layers": [{"kind": "conv", "cols": 1, "kernel": 1, "delta_bits": 4, "delta_frac": 3} | layer, {"cols": 2}],
    }, "pooled").crossbars[0])


@pytest.mark.parametrize(("delta", "expected"), [
    ([3, 4], [0, 0, 7, 0, 0]), ([7, 1], [0, 0, 7, 0, 0]), ([-8, -1], [0, 0, -8, 0, 0]), ([7, -8], [0, 0, -1, 0, 0])])
def test_a_winner_of_two_windows_saturates(delta, expected):
    windows = pooled(pool=[1, 3], pool_stride=[1, 2])
    cells, winner = windows.pool(torch.tensor([[1], [2], [5], [5], [5]]))
    assert (cells.tolist(), winner.tolist()) == ([5, 5], [[2], [2]])
    assert windows.spread(torch.tensor(delta), winner).flatten().tolist() == expected


def test_the_rest_of_a_map_may_be_dropped():
    windows = pooled(pool=[1, 2], drop=True)
    cells, winner = windows.pool(torch.tensor([[0], [0], [1], [2], [9]]))
    assert (cells.tolist(), winner.tolist()) == ([0, 2], [[0], [3]])
