"""Pictures of convolutions: that of the documents, and that of a demonstration."""

import io
from xml.etree import ElementTree

import numpy as np
import pytest
from spinloom import config
from spinloom.study import convolution_figure, demo_figure


def test_the_picture_of_the_documents_is_always_the_same():
    pictures = []
    for _ in range(2):
        file = io.BytesIO()
        convolution_figure.draw(file)
        pictures.append(file.getvalue())
    assert pictures[0] == pictures[1]
    shown = ElementTree.fromstring(pictures[0])
    assert ElementTree.fromstring(convolution_figure.PICTURE.read_bytes()).get("viewBox") == shown.get("viewBox")


def test_only_winners_above_zero_have_an_error():
    outputs = np.zeros((16, 2), dtype=int)
    outputs[[3, 6, 9], 0] = 5, 5, -1  # 3 and 6 are in the same window of the pooling: the first of them wins
    assert convolution_figure._erring(outputs) == [3]


@pytest.mark.parametrize(("given", "layer", "tile"), [
    ({"count": 16}, {"cols": 3}, (4, 4)), ({"count": 15}, {"cols": 3}, (1, 15)),
    ({"map": [3, 5, 1]}, {"cols": 3}, (3, 5)),
    ({"map": [6, 6, 2]}, {"kind": "conv", "cols": 3, "kernel": [3, 2], "pool": [4, 5]}, (3, 4)),
])
def test_the_cells_of_a_column_are_drawn_as_the_window_that_drives_them(tmp_path, monkeypatch, given, layer, tile):
    from matplotlib.axes import Axes

    experiment = config.parse({"input": given, "device": {"kind": "domain_wall"}, "layers": [layer, {"cols": 2}]}, "x")
    geometry = experiment.crossbars[0]
    g = np.arange(geometry.rows * geometry.cols).reshape(geometry.rows, geometry.cols)
    drawn = []
    monkeypatch.setattr(Axes, "imshow", lambda axes, image, **_: drawn.append(image))
    figure = demo_figure.house.new(4, 3, layout=None)
    demo_figure._draw_cells(figure, figure.add_gridspec(1, 1)[0, 0], experiment, g)
    assert [image.shape for image in drawn] == [tile] * 3
    scale = 1 << geometry.device.sub_bits
    assert sorted((drawn[1] * scale).ravel().tolist()) == g[:, 1].tolist()
    if geometry.positions > 1:  # channels side by side, each with the cells of the window at their places
        assert (drawn[1] * scale)[2, 1] == g[(2 * 2 + 1) * 2, 1]
        assert (drawn[1] * scale)[2, 3] == g[(2 * 2 + 1) * 2 + 1, 1]
