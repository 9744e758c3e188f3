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
