"""The shapes of a network for people: what they are, and how they are written."""

import re
from math import prod

import pytest
from hypothesis import given, settings
from spinloom import config
from spinloom.contract.shapes import LayerShape

from .test_layer_windows import LENET
from .test_window import windows


def experiment(*layers, **given_inputs):
    return config.parse({"input": given_inputs, "device": {"kind": "domain_wall"}, "layers": layers}, "test")


@pytest.mark.parametrize(("name", "expected"), [
    ("digits-dw5", "64-32-10"), ("mnist-dw5", "784-250-10"), ("mnist-dw5-deep", "784-256-128-64-10"),
])
def test_dense_networks_begin_with_their_inputs(name, expected):
    assert config.load(name).topology == expected


def test_the_reference_has_every_preset_with_its_network():
    reference = (config.PRESETS.parent / "docs" / "configuration.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `([\w-]+)` \| (\S+) \| ", reference, re.MULTILINE))
    for path in config.PRESETS.glob("*.toml"):
        assert told[path.stem] == config.load(path.stem).topology


@pytest.mark.parametrize(("layer", "expected"), [
    ({"kernel": 5, "pool": 2}, "2C5-MP2-10"), ({"kernel": 4, "stride": 2}, "2C4s2-10"),
    ({"kernel": 3, "padding": 1}, "2C3p1-10"), ({"kernel": [5, 3], "padding": [0, 1]}, "2C5x3p0x1-10"),
    ({"kernel": 3, "stride": [1, 5], "padding": [1, 0], "drop": True}, "2C3s1x5p1x0-10"),
    ({"kernel": 5, "pool": [2, 4]}, "2C5-MP2x4-10"), ({"kernel": 5, "pool": 2, "pool_stride": 1}, "2C5-MP2s1-10"),
    ({"kernel": 28}, "2C28-10"),
])
def test_convolutions_in_short(layer, expected):
    network = experiment({"kind": "conv", "cols": 2} | layer, {"cols": 10}, map=[28, 28, 1])
    assert network.topology == expected


def test_a_network_of_both():
    assert config.parse(LENET, "lenet").topology == "16C5-MP2-32C5-MP2-128-10"
    network = experiment({"cols": 32, "map": [4, 4, 2]}, {"kind": "conv", "cols": 3, "kernel": 3, "pool": 2}, count=7)
    assert network.topology == "7-32-3C3-MP2"


def test_every_layer_has_its_shape():
    shapes = config.parse(LENET, "lenet").shapes
    assert shapes[1].to_json() == {
        "kind": "conv", "map": [12, 12, 16], "kernel": [5, 5], "stride": [1, 1], "padding": [0, 0], "positions": 64,
        "rows": 400, "cols": 32, "cells": 12800, "lanes": 32, "outputs": [8, 8, 32], "pool": [2, 2],
        "pool_stride": [2, 2], "pooled": [4, 4, 32]}
    assert shapes[1].row() == {
        "kind": "conv", "map": "12x12x16", "kernel": "5", "stride": "1", "padding": "0", "positions": 64,
        "rows x cols": "400 x 32", "cells": 12800, "lanes": 32, "outputs": "8x8x32", "next map": "4x4x32"}
    assert shapes[3].row() == {
        "kind": "dense", "map": "128", "kernel": "", "stride": "", "padding": "", "positions": 1,
        "rows x cols": "128 x 10", "cells": 1280, "lanes": 10, "outputs": "10", "next map": ""}
    for before, after in zip(shapes, shapes[1:], strict=False):
        assert before.pooled == after.map
    assert [LayerShape.from_json(shape.to_json(), "test") for shape in shapes] == list(shapes)


def pair(text, usual):
    """What ``5`` or ``5x3`` stands for; ``usual`` if there is none."""
    sides = [int(side) for side in (text or "").split("x") if side]
    return (sides[0], sides[-1]) if sides else usual


@settings(max_examples=60)
@given(window=windows())
def test_the_window_can_be_read_from_its_short_form(window):
    fields = {name: getattr(window, name) for name in ("kernel", "stride", "padding", "pool", "pool_stride")}
    network = experiment({"kind": "conv", "cols": window.cols, "drop": True} | fields, {"cols": 2}, map=window.map)
    side = r"(\d+(?:x\d+)?)"
    cols, kernel, stride, padding, pool, pool_stride = re.fullmatch(
        rf"(\d+)C{side}(?:s{side})?(?:p{side})?(?:-MP{side}(?:s{side})?)?-2", network.topology).groups()
    read = {"kernel": pair(kernel, None), "stride": pair(stride, (1, 1)), "padding": pair(padding, (0, 0)),
            "pool": pair(pool, (1, 1))}
    assert (int(cols), read | {"pool_stride": pair(pool_stride, read["pool"])}) == (window.cols, fields)
    first, second = network.shapes
    assert (first.outputs, first.pooled, first.positions) == (window.outputs, window.pooled, window.positions)
    assert (first.cells, second.rows) == (window.inputs * window.cols, prod(window.pooled))
