import pytest
import torch
from spinloom import config
from spinloom.train import baseline


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_hinge"])
@pytest.mark.parametrize("neuron", ["relu", "sigmoid", "hard_tanh", "ternary"])
def test_it_learns_two_clouds_with_every_neuron_and_loss(neuron, loss):
    experiment = config.parse({
        "epochs": 12, "loss": loss, "input": {"count": 4}, "device": {"kind": "ideal"},
        "layers": [{"cols": 12, "bias": True, "neuron": neuron}, {"cols": 2, "bias": True, "z_frac": 4, "chi_frac": 8}],
    }, "clouds")
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(600) % 2
    x = torch.randint(0, 120, (600, 4), generator=generator)
    x[:, 0] += 130 * labels
    before = torch.get_rng_state()
    seen = []
    accuracies = [baseline.accuracy(experiment, x[:400], labels[:400], x[400:], labels[400:], seen.append)
                  for _ in range(2)]
    assert sum(seen) == 2 * 12 * 400
    assert accuracies[0] > (80 if neuron == "ternary" else 95)
    assert accuracies[0] == accuracies[1]
    assert (torch.get_rng_state() == before).all()


def test_it_finds_a_mark_wherever_it_is():
    """A convolution of every shape: with a stride, padding, pooling that drops the rest, and behind a dense layer."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(400) % 2
    images = torch.randint(0, 60, (400, 9, 8, 2), generator=generator)
    for image, label in zip(images, labels.tolist(), strict=True):
        i, j = (int(torch.randint(1, 7, (), generator=generator)) for _ in range(2))
        image[i, j:j + 2 if label else j + 1, 0] = 255
        image[i + 1 if label else i, j, 1] = 255
    layers = [{"kind": "conv", "cols": 8, "kernel": [3, 2], "padding": [1, 0], "pool": 2, "drop": True},
              {"kind": "conv", "cols": 8, "kernel": 3, "stride": [1, 2], "pool": [2, 1], "bias": True, "drop": True},
              {"cols": 12, "map": [2, 2, 3]}, {"kind": "conv", "cols": 6, "kernel": 2, "bias": True}]
    layers = [layer | {"neuron": "hard_tanh", "z_frac": 6} for layer in layers] + [{"cols": 2}]
    experiment = config.parse({"epochs": 20, "input": {"map": [9, 8, 2]}, "device": {"kind": "ideal"},
                               "layers": layers}, "marks")
    xs = images.flatten(1)
    assert baseline.accuracy(experiment, xs[:300], labels[:300], xs[300:], labels[300:], lambda _: None) > 90


def test_maps_are_in_the_order_height_width_channels():
    window = config.parse({
        "input": {"map": [4, 3, 2]}, "device": {"kind": "ideal"},
        "layers": [{"kind": "conv", "cols": 3, "kernel": [2, 1], "pool": [3, 2], "drop": True}, {"cols": 2}],
    }, "maps").windows[0]
    layer = baseline.Convolution(window, bias=False)
    with torch.no_grad():
        layer.convolution.weight.zero_()
        layer.convolution.weight[2, 1, 1, 0] = 1  # the last channel: the cell below, of channel 1
    cells = torch.arange(24.0)
    assert layer(cells[None]).tolist() == [[0, 0, cells.reshape(4, 3, 2)[1:4, :2, 1].max()]]


def test_its_updates_are_those_of_adam_on_half_a_cosine():
    def network():
        torch.manual_seed(1)
        return torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))

    x, ours, theirs = torch.randn(40, 5), network(), network()
    step = baseline._adam(ours, 30)
    optimizer = torch.optim.Adam(theirs.parameters(), baseline.LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 30)
    for _ in range(30):
        step(ours(x).square().mean())
        optimizer.zero_grad()
        theirs(x).square().mean().backward()
        optimizer.step()
        schedule.step()
    assert all(map(torch.equal, ours.parameters(), theirs.parameters()))
