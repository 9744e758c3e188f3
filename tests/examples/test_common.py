"""What the examples share."""

import pytest
import torch
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


def test_the_frechet_distance():
    from common import frechet

    features = torch.tensor([[1, 1], [1, -1], [-1, 1], [-1, -1], [0, 0]], dtype=torch.float64)
    assert frechet(features, features) == 0
    assert frechet(features, 2 * features + 3) == 2 * 9 + (2 + 8 - 2 * 4)
