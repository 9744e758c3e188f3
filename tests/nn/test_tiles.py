"""Layers in several arrays, against the sum of what each of them does."""

from copy import deepcopy

import pytest
import spinloom as sl
import torch
from spinloom import nn, optim
from spinloom.contract.errors import ConfigError
from spinloom.nn.tiles import Tiles

WALL = sl.device("domain_wall", states=5, sigma=0.2)
CELLS = {"device": WALL, "weight_step": -3, "z_bits": 12}


def weights(array: nn.Array) -> torch.Tensor:
    """What the cells stand for, (rows, cols); the bias row is the last one."""
    geometry = array.crossbar.geometry
    return array.golden.model.g.double() * 2.0 ** (geometry.weight_step - geometry.device.sub_bits)


def random(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).mul(256).floor() / 256


def test_outputs_are_the_sums_of_those_of_the_arrays():
    nn.manual_seed(1)
    layer = nn.Linear(11, 7, bias=True, tile=(5, 3), **CELLS)
    assert [tuple(array.crossbar.geometry.window.map) for array in nn.arrays(layer)][::3] == [(1, 1, 4), (1, 1, 4),
                                                                                              (1, 1, 3)]
    assert [array.crossbar.geometry.rows for array in nn.arrays(layer)] == [5, 5, 5, 4, 4, 4, 3, 3, 3]
    assert [array.crossbar.geometry.cols for array in nn.arrays(layer)] == [3, 2, 2] * 3
    assert {array.crossbar.geometry.weight_step for array in nn.arrays(layer)} == {-3}
    x = random(6, 11)
    parts = [x[:, :4], x[:, 4:8], x[:, 8:]]
    apart = [array(parts[number // 3]) for number, array in enumerate(deepcopy(layer).array.arrays)]
    expected = sum(torch.cat(apart[3 * row:3 * row + 3], dim=2) for row in range(3)).squeeze(1)
    assert layer(x).tolist() == expected.tolist()


def test_it_is_the_exact_layer_where_the_converters_are_fine():
    """No output is rounded: of a 4-bit drive, sums have few fraction bits."""
    nn.manual_seed(1)
    ideal = sl.device("ideal", states=5)
    fine = {"device": ideal, "weight_step": 0, "z_bits": 12, "z_frac": 5, "drive": nn.unsigned(4)}
    layer = nn.Conv2d(5, 4, 3, padding=1, bias=True, tile=(20, 3), **fine)
    arrays = nn.arrays(layer)
    assert [(array.crossbar.geometry.rows, array.crossbar.geometry.cols) for array in arrays] == [
        (19, 2), (19, 2), (18, 2), (18, 2), (9, 2), (9, 2)]
    rows = [torch.cat([weights(arrays[2 * row]), weights(arrays[2 * row + 1])], dim=1) for row in range(3)]
    bias = rows[0][18]
    kernel = torch.cat([part[:9 * count].unflatten(0, (3, 3, count)) for part, count in zip(rows, (2, 2, 1),
                                                                                            strict=True)], dim=2)
    x = (random(2, 5, 6, 4) * 16).floor() / 16
    expected = torch.nn.functional.conv2d(x, kernel.permute(3, 2, 0, 1), bias * 15 / 16, padding=1)
    assert layer(x).tolist() == expected.tolist()


def model(**tile) -> torch.nn.Sequential:
    nn.manual_seed(2)
    return torch.nn.Sequential(
        nn.Conv2d(3, 4, 3, **CELLS, **tile), torch.nn.MaxPool2d(2), nn.ReLU(bits=6), nn.Flatten(),
        nn.Linear(16, 5, bias=True, **CELLS, **tile))


def batches(count: int, size: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(count)
    return [(torch.rand(size, 3, 6, 6, generator=generator), torch.randint(0, 5, (size,), generator=generator))
            for _ in range(count)]


@pytest.mark.parametrize("optimizer", [optim.InSitu, lambda twin: optim.Host(torch.optim.Adam, twin, lr=0.3)])
def test_they_train_in_rtl_as_in_the_golden_model(verilator, optimizer):
    tiled = model(tile=18)
    assert len(nn.arrays(tiled)) == 2 + 1
    result = nn.lockstep(tiled, "rtl", samples=batches(3, 2), loss=nn.CrossEntropy(), optimizer=optimizer)
    assert (result.bit_exact, result.steps) == (True, 3)


def test_gradients_reach_every_array_and_what_is_before():
    tiled = model(tile=(10, 3))
    optimizer = optim.InSitu(tiled, 3)
    (images, labels), = batches(1, 4)
    images.requires_grad_(True)
    nn.CrossEntropy()(tiled(images), labels).backward()
    assert images.grad.abs().sum() > 0
    optimizer.step()
    assert all(array.crossbar.counters["update_rows"] for array in nn.arrays(tiled))


def test_a_state_goes_on_to_the_same_bits():
    first, second = model(tile=10), model(tile=10)
    for _ in range(2):
        for inputs, labels in batches(3, 2):
            optimizer = optim.InSitu(first, 3)
            nn.CrossEntropy()(first(inputs), labels).backward()
            optimizer.step()
        second.load_state_dict(first.state_dict())
        x = batches(1, 3)[0][0]
        assert first(x).tolist() == second(x).tolist()


def test_large_layers_need_no_tile():
    layer = nn.Linear(4100, 2100, device=WALL)
    assert [(array.crossbar.geometry.rows, array.crossbar.geometry.cols) for array in nn.arrays(layer)] == [
        (1367, 1050), (1367, 1050), (1367, 1050), (1367, 1050), (1366, 1050), (1366, 1050)]
    assert {array.crossbar.geometry.weight_step for array in nn.arrays(layer)} == {-5}  # of 4,100 rows
    assert layer(random(2, 4100)).shape == (2, 2100)


def test_an_lstm_in_tiles():
    nn.manual_seed(2)
    layer = nn.LSTM(3, 4, tile=(5, 9), **CELLS)
    outputs, _ = layer(torch.rand(5, 2, 3) * 2 - 1)
    assert outputs.shape == (5, 2, 4)
    assert [(array.crossbar.geometry.rows, array.crossbar.geometry.cols) for array in nn.arrays(layer)] == [
        (5, 8), (5, 8), (3, 8), (3, 8)]


def test_converted_weights_are_written_into_all_arrays():
    ordinary = torch.nn.Sequential(torch.nn.Conv2d(4, 5, 3), torch.nn.Flatten(), torch.nn.Linear(80, 6))
    fine = {"device": sl.device("ideal", states=64), "weight_step": -6}
    whole, tiled = (nn.convert(ordinary, **fine, **tile).model for tile in ({}, {"tile": (30, 4)}))
    assert len(nn.arrays(tiled)) == 2 * 2 + 3 * 2
    kernel = torch.cat([torch.cat([weights(array) for array in nn.arrays(tiled[0])[2 * row:2 * row + 2]], dim=1)
                        .unflatten(0, (3, 3, 2)) for row in range(2)], dim=2)
    assert kernel.flatten(0, 2).tolist() == weights(nn.arrays(whole[0])[0]).tolist()


def test_shared_arrays():
    first = nn.Linear(8, 8, tile=4, **CELLS)
    second = nn.Linear(8, 8, array=first.array)
    assert isinstance(second.array, Tiles)
    assert second(random(2, 8)).tolist() == first(random(2, 8)).tolist()
    with pytest.raises(nn.ArrayError, match="the array has 8 inputs and 8 columns"):
        nn.Linear(8, 7, array=first.array)


@pytest.mark.parametrize(("tile", "message"), [
    (1, "tile=1: must be a whole number from 2 to 2,048"), (4096, "tile=4096: must be"), ((4, 4, 4), "tile="),
    ("many", "tile='many'"), (8, "kernel=3x3: a channel of it needs 10 rows with the bias; an array has 8")])
def test_tiles_that_are_not_possible_are_refused(tile, message):
    with pytest.raises(ConfigError, match=message):
        nn.Conv2d(2, 2, 3, bias=True, tile=tile, **CELLS)


def test_a_machine_has_one_array_in_each_layer():
    tiled = model(tile=18)
    nn.calibrate(tiled, random(4, 3, 6, 6))  # whatever formats that chooses
    with pytest.raises(ConfigError, match="0: its weights are in 2 arrays; in a machine, each layer has one"):
        nn.experiment(tiled, input={"map": [6, 6, 3]})
