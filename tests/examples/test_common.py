"""What the examples share."""

import json

import pytest
import torch
from spinloom import nn
from spinloom.contract.hashing import sample_order


@pytest.fixture
def run():
    import common

    return common.Run(common.options(None, 2, "mnist").parse_args(["--samples", "30"]))


def test_digits_are_enlarged(run):
    (small, labels), _ = run.images()
    (large, same), test = run.images(1, 28)
    assert (small.shape, large.shape, len(test.labels)) == ((30, 1, 8, 8), (30, 1, 28, 28), 359)
    assert torch.equal(large[:, :, 2:26:3, 4:26:3], small)
    assert large.sum().item() == 9 * small.sum().item()
    assert torch.equal(labels, same)


def test_digits_are_coloured(run):
    (images, _), _ = run.images(3, 32)
    (plain, _), _ = run.images(1, 32)
    assert images.shape == (30, 3, 32, 32)
    assert 0 <= images.min() < images.max() < 1
    ground, brightest = images[:, :, 0, 0], plain.flatten(1).argmax(dim=1)
    assert len(set(ground.flatten().tolist())) == 90
    assert (images.flatten(2)[torch.arange(30), :, brightest] != ground).all()


def test_mini_batches_come_in_the_order_of_the_machine(run):
    numbers = torch.arange(30)
    for epoch in run.epochs("arrays", float):
        batches = [batch for (batch,) in run.batches(numbers, size=8)]
        assert [len(batch) for batch in batches] == [8, 8, 8, 6]
        assert torch.cat(batches).tolist() == sample_order(1, epoch, 30).tolist()
    assert epoch == 1


def test_no_sample_is_a_mini_batch_alone(run):
    """Batch normalisation could not take it. Where all are alone, that is wanted."""
    for numbers, size, sizes in ((17, 8, [8, 9]), (16, 8, [8, 8]), (3, 1, [1, 1, 1]), (1, 8, [1])):
        for _ in run.epochs("arrays", float, count=1):
            assert [len(batch) for (batch,) in run.batches(torch.arange(numbers), size=size)] == sizes


def test_a_picture_is_a_png_file_whatever_its_name(tmp_path):
    from common import save_picture
    from matplotlib.image import imread

    images = torch.rand(100, 1, 8, 8)
    save_picture(tmp_path / "picture", images, images)
    assert imread(tmp_path / "picture", "png").shape == (80, 80 + 8 + 80, 4)


def test_cells_whose_write_pulses_nobody_counts_are_not_told(run, capsys):
    from digits import in_arrays

    model = in_arrays(64)
    run.options.json = True
    run.answer(model, test_accuracy=1.0)
    for array in nn.arrays(model):
        array.backend = "rtl"
    run.answer(model, test_accuracy=1.0)
    golden, hardware = map(json.loads, capsys.readouterr().out.splitlines())
    assert golden["wear"]["worst"]["pulses"] == 0
    assert hardware["wear"] is None


def test_the_frechet_distance():
    from common import frechet

    features = torch.tensor([[1, 1], [1, -1], [-1, 1], [-1, -1], [0, 0]], dtype=torch.float64)
    assert frechet(features, features) == 0
    assert frechet(features, 2 * features + 3) == 2 * 9 + (2 + 8 - 2 * 4)
