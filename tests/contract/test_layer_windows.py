"""Layers that are applied at several positions: what follows from their fields, and what is refused, each in a line."""

import copy

import pytest
from spinloom import config
from spinloom.contract.errors import ConfigError

LENET = {
    "input": {"map": [28, 28, 1]}, "device": {"kind": "domain_wall"},
    "layers": [{"kind": "conv", "cols": 16, "kernel": 5, "pool": 2},
               {"kind": "conv", "cols": 32, "kernel": 5, "pool": 2}, {"cols": 128}, {"cols": 10}],
}


def test_shapes_follow_from_the_windows():
    experiment = config.parse(LENET, "lenet")
    assert experiment.input.count == 784
    assert [window.map for window in experiment.windows] == [(28, 28, 1), (12, 12, 16), (4, 4, 32), (1, 1, 128)]
    assert [(crossbar.rows, crossbar.cols, crossbar.positions) for crossbar in experiment.crossbars] == [
        (25, 16, 576), (400, 32, 64), (512, 128, 1), (128, 10, 1)]
    assert [layer.neuron for layer in experiment.layers] == ["relu", "relu", "relu", None]
    assert config.parse(experiment.model_dump(mode="json"), "again") == experiment
    assert experiment.replaced() == experiment
    smaller = experiment.replaced(input={"map": [8, 8, 1], "count": None}, layers={
        0: {"kernel": (1, 3), "pool": (2, 1)}, 1: {"kernel": 3, "pool": None}})
    assert [window.pooled for window in smaller.windows] == [(4, 6, 16), (2, 4, 32), (1, 1, 128), (1, 1, 10)]


def test_a_dense_layer_is_a_map_to_the_next_one():
    layers = [{"cols": 32, "map": [4, 4, 2]}, {"kind": "conv", "cols": 3, "kernel": [2, 3], "pool": [3, 2]}]
    experiment = config.parse({"input": {"count": 12}, "device": {"kind": "domain_wall"}, "layers": layers}, "test")
    assert [(window.map, window.outputs, window.pooled) for window in experiment.windows] == [
        ((1, 1, 12), (1, 1, 32), (4, 4, 2)), ((4, 4, 2), (3, 2, 3), (1, 1, 3))]


def refused(place, fields, document=LENET):
    """The message for ``document`` with other ``fields`` of a layer (a number) or section (a name)."""
    document = copy.deepcopy(document)
    (document["layers"][place] if isinstance(place, int) else document[place]).update(fields)
    with pytest.raises(ConfigError) as caught:
        config.parse(document, "test")
    assert "\n" not in str(caught.value)
    return str(caught.value)


LEFT_OUT = ", or drop=true if they may be left out"
FOREIGN = "a layer of kind='dense' has none; use kind='conv', or leave it out"


@pytest.mark.parametrize(("layer", "fields", "message"), [
    (0, {"kernel": 29}, "layers[0].kernel=29: must be 1 to 28, as the map is 28 high"),
    (0, {"kernel": [5, 31], "padding": 1},
     "layers[0].kernel=31: must be 1 to 30, as the map is 28 wide, and 30 with its padding"),
    (1, {"kernel": 12}, "layers[1].pool=2: must be 1, as the outputs are 1 high"),
    (0, {"padding": [0, 5]}, "layers[0].padding=5: must be less than the kernel, which is 5 wide"),
    (0, {"pool": 5}, "layers[0].pool=5: leaves out 4 of 24 lines of cells, as the outputs are 24 high; use "
                     f"1, 2, 3, 4, 6, 8, 12, 24{LEFT_OUT}"),
    (0, {"pool": [2, 2], "pool_stride": [2, 3]}, "layers[0].pool_stride=3: leaves out 8 of 24 lines of cells, as the "
                                                 f"outputs are 24 wide; use 1, 2{LEFT_OUT}"),
    (0, {"stride": 2}, "layers[0].stride=2: leaves out 1 of 28 lines of cells, as the map is 28 high; "
                       f"use 1{LEFT_OUT}"),
    (0, {"kernel": 4, "stride": 6}, "layers[0].stride=6: leaves out 8 of 28 lines of cells, as the map is 28 high; use "
                                    f"1, 2, 3, 4{LEFT_OUT}"),
    (1, {"cols": 200}, "layers[2]: 3,200 inputs need 3,200 rows; an array has 1 to 2,048"),
    (1, {"cols": 128, "bias": True, "kernel": 12, "pool": None}, "layers[1].kernel=12x12: windows of 12x12 cells in 16 "
     "channels need 2,305 rows with the bias; an array has 1 to 2,048"),
    (0, {"cols": 2048}, "layers[0].cols=2048: makes outputs of 294,912 cells, 12 x 12 x 2048; at most 65,536 are "
                        "possible"),
    (0, {"kind": "convolution"}, "layers[0].kind='convolution': Input should be 'dense' or 'conv'"),
    (0, {"kernel": None}, "layers[0]: kind='conv': needs a kernel, such as kernel=5"),
    (0, {"map": [1, 4, 4]},
     "layers[0]: map=[1, 4, 4]: a layer of kind='conv' has none; use kind='dense', or leave it out"),
    (2, {"kernel": 5}, f"layers[2]: kernel=[5, 5]: {FOREIGN}"),
    (2, {"stride": [2, 1]}, f"layers[2]: stride=[2, 1]: {FOREIGN}"),
    (2, {"padding": 1}, f"layers[2]: padding=[1, 1]: {FOREIGN}"),
    (2, {"pool": 2}, f"layers[2]: pool=[2, 2]: {FOREIGN}"),
    (2, {"pool_stride": 2}, f"layers[2]: pool_stride=[2, 2]: {FOREIGN}"),
    (2, {"drop": True}, f"layers[2]: drop=True: {FOREIGN}"),
    (2, {"map": [4, 4, 7]}, "layers[2].map=[4, 4, 7]: has 112 cells; it must have as many as the layer has columns, "
                            "which is cols=128"),
    (3, {"map": [2, 5, 1]}, "layers[3].map=[2, 5, 1]: the outputs of the last layer are 2 x 5; they must be 1 x 1: of "
                            "a dense layer, or by pooling over all of them"),
    (0, {"rate_offset": 16}, "layers[0].rate_offset=16: Input should be less than or equal to 15"),
    (0, {"forward_reads": 26}, "layers[0].forward_reads=26: must be 1 to 25"),
    (1, {"second_reads": 65}, "layers[1].second_reads=65: Input should be less than or equal to 64"),
    (0, {"drop": 1}, "layers[0].drop=1: Input should be a valid boolean"),
])
def test_a_layer_that_does_not_fit_is_refused(layer, fields, message):
    assert refused(layer, fields) == f"test: {message}"


@pytest.mark.parametrize("value", [True, [5], "5", [5, 5, 5], [5, "a"], [5, None], [True, 5], 5.0, [], [[5, 5]], -1,
                                   [2, -1], 10**12, 1 << 70, 1025])
@pytest.mark.parametrize("name", ["kernel", "stride", "padding", "pool", "pool_stride"])
def test_what_is_no_pair_is_refused(name, value):
    least = 0 if name == "padding" else 1
    assert refused(0, {name: value}) == (f"test: layers[0].{name}={value!r}: must be {least} to 1,024, or two such "
                                         "numbers, [vertical, horizontal]")


@pytest.mark.parametrize("value", [[28, 28], [28, 28, 1, 1], [], [28, 28, 0], [-28, -28, 1], [28, 28, True],
                                   [28.0, 28, 1], ["28", 28, 1], "28x28x1", 28, [10**12, 10**12, 1], [1 << 63, 1, 1],
                                   [1025, 1, 1], [1, 1, 2049], [[28, 28, 1]]])
@pytest.mark.parametrize("place", ["input", 2])
def test_what_is_no_map_is_refused(place, value):
    name = "input" if place == "input" else f"layers[{place}]"
    assert refused(place, {"map": value}) == (
        f"test: {name}.map={value!r}: must be three numbers, [height, width, channels], of which height and width are "
        "1 to 1,024 and channels are 1 to 2,048")


@pytest.mark.parametrize(("fields", "message"), [
    ({"count": 64}, "input: map=[28, 28, 1]: has 784 cells; count=64 must be left out, or be the same"),
    ({"map": None}, "input: needs a count of inputs, such as count=784, or a map, such as map=[28, 28, 1]"),
    ({"map": None, "count": 784}, "layers[0].kernel=5: must be 1, as the map is 1 high; give input.map, "
     "such as [8, 8, 1]"),
    ({"map": [512, 512, 1]}, "input.map=[512, 512, 1]: has 262,144 cells; at most 65,536 are possible"),
    ({"map": [1024, 1024, 2048]}, "input.map=[1024, 1024, 2048]: has 2,147,483,648 cells; at most 65,536 are possible"),
])
def test_inputs_that_do_not_fit_are_refused(fields, message):
    assert refused("input", fields) == f"test: {message}"


def test_the_outputs_of_the_last_layer_are_one_position():
    first, second = LENET["layers"][:2]
    with pytest.raises(ConfigError, match=r"layers\[1\].kind='conv': the outputs of the last layer are 4 x 4; they "
                                          "must be 1 x 1: of a dense layer, or by pooling over all of them$"):
        config.parse(LENET | {"layers": [first, second]}, "test")
    pooled = config.parse(LENET | {"layers": [first, second | {"cols": 10, "pool": 8}]}, "test")
    assert pooled.windows[-1].pooled == (1, 1, 10)
