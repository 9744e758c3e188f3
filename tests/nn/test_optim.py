import copy
import pickle

import numpy as np
import pytest
import torch
from spinloom import config, nn, optim
from spinloom.model.network import Network
from spinloom.train.host import HostTrainer

from ..model.experiments import random_samples
from .test_layers import WALL, digits_model, random_drive, train
from .twins import images, state


@pytest.mark.parametrize("preset", ["digits-dw5", "digits-conv-dw5"])
def test_a_host_is_that_of_the_machine(preset):
    """But that backward passes of its twin are counted, which the machine leaves to its host."""
    experiment = config.load(preset).replaced(batch=8, host={"optimizer": "sgd"})
    network, (xs, labels) = Network(experiment), random_samples(experiment, 64, 1)
    HostTrainer(network).train_span(xs, labels, np.arange(64), range(64), 1)

    model, criterion = nn.model(experiment), nn.loss_of(experiment)
    optimizer = optim.Host(torch.optim.SGD, model, lr=0.5 / 8)
    for part in np.split(np.arange(64), 8):
        optimizer.zero_grad()
        criterion(model(images(experiment, xs)[part]), torch.from_numpy(labels[part])).backward()
        optimizer.step()
    expected, found = state(network), state(model)
    for name in found:
        if name.endswith("counters"):
            del found[name][2], expected[name][2]
    assert found == expected
    assert all(crossbar.counters["attempts"] for crossbar in network.crossbars)


def test_any_optimizer_makes_increments():
    """Those of Adam: a step of the size of its learning rate, in levels, in the first step."""
    layer = nn.Linear(4, 3, device="ideal", z_frac=4, delta_frac=4)
    optimizer = optim.Host(torch.optim.Adam, layer, lr=0.25, eps=0.0)
    layer(random_drive(2, 4) + 0.25).sum().backward()
    optimizer.step()
    crossbar = layer.array.golden.model
    assert crossbar.accumulator.chi.tolist() == [[-1024] * 3] * 4
    assert crossbar.counters["update_rows"] == 4
    before = state(layer)
    optimizer.step()
    assert state(layer) == before, "without a gradient nothing changes"


@pytest.mark.parametrize("make", [
    lambda model: optim.InSitu(model, 2), lambda model: optim.Host(torch.optim.Adam, model, lr=0.25)])
def test_schedulers_set_the_learning_rate(make):
    model = digits_model()
    optimizer = make(model)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    for _ in range(2):
        train(model, optimizer, 1)
        scheduler.step()
    assert optimizer.param_groups[0]["lr"] == 0.0625
    saved = optimizer.state_dict()
    other = make(digits_model())
    other.load_state_dict(saved)
    assert other.param_groups[0]["lr"] == 0.0625


def test_the_learning_rate_is_the_nearest_power_of_two():
    states = []
    for rate in (2.0**-4, 0.06, 0.07):
        nn.manual_seed(1)
        model = digits_model()
        optimizer = optim.InSitu(model)
        optimizer.param_groups[0]["lr"] = rate
        train(model, optimizer, 3)
        states.append(state(model))
    assert states[0] == states[1] == states[2]


def test_a_rate_that_one_array_cannot_have_trains_none():
    model = torch.nn.Sequential(nn.Linear(4, 3, **WALL), nn.Linear(3, 2, chi_bits=24, chi_frac=20, **WALL))
    optimizer = optim.InSitu(model, 0)
    model(random_drive(2, 4)).sum().backward()
    before = state(model)
    with pytest.raises(nn.ArrayError, match=r"a learning rate of 2\*\*-0: array .* a larger one needs a smaller"):
        optimizer.step()
    assert state(model) == before


def test_a_host_goes_on_where_it_was_saved():
    model = digits_model()
    optimizer = optim.Host(torch.optim.Adam, model, lr=0.1)
    train(model, optimizer, 3)
    copied = digits_model()
    copied.load_state_dict(model.state_dict())
    other = optim.Host(torch.optim.Adam, copied, lr=0.5)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for each, optimizer_of_it in ((model, optimizer), (copied, other)):
        train(each, optimizer_of_it, 3, 3)
    assert state(model) == state(copied)


def test_zero_grad_forgets_and_a_step_takes_what_there_is():
    model = digits_model()
    optimizer = optim.InSitu(model, 3)
    before = state(model)
    model(random_drive(2, 1, 8, 8)).sum().backward()
    optimizer.zero_grad()
    optimizer.step()
    after = state(model)
    assert all(before[name] == after[name] for name in before if not name.endswith("counters"))
    model(random_drive(2, 1, 8, 8)).sum().backward()
    optimizer.step()
    changed = state(model)
    assert changed["layer1_chi"] != after["layer1_chi"]
    optimizer.step()
    assert state(model) == changed


@pytest.mark.parametrize("make", [
    lambda model: optim.InSitu(model, 2), lambda model: optim.Host(torch.optim.Adam, model, lr=0.25)])
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_a_model_is_copied_with_its_optimizer(make, copied):
    model = digits_model()
    pairs = [(model, make(model))]
    train(*pairs[0], 1)
    pairs.append(copied(pairs[0]))
    for pair in pairs:
        train(*pair, 2, first=1)
        pair[1].param_groups[0]["lr"] = 0.5
        train(*pair, 1, first=3)
    assert state(pairs[0][0]) == state(pairs[1][0])


def test_a_host_trains_what_was_evaluated_first():
    model = digits_model()
    with torch.inference_mode():
        model.eval()(random_drive(2, 1, 8, 8))
    model.train().load_state_dict(model.state_dict())
    before = state(model)
    train(model, optim.Host(torch.optim.Adam, model, lr=0.25), 1)
    assert state(model)["layer0_chi"] != before["layer0_chi"]


def test_closures_are_evaluated():
    model = digits_model()
    optimizer = optim.InSitu(model, 3)

    def closure():
        optimizer.zero_grad()
        value = model(random_drive(2, 1, 8, 8)).square().sum()
        value.backward()
        return value
    with torch.no_grad():
        assert optimizer.step(closure) > 0
    assert nn.arrays(model)[0].crossbar.counters["update_rows"] > 0


def test_other_parameters_are_trained_beside_arrays():
    model = torch.nn.Sequential(nn.Linear(64, 16, **WALL), torch.nn.BatchNorm1d(16), torch.nn.ReLU(),
                                torch.nn.Linear(16, 10)).double()
    assert len(list(model.parameters())) == 4, "those of the batch normalisation and of the last layer"
    ordinary, arrays = torch.optim.Adam(model.parameters(), lr=0.01), optim.InSitu(model, 4)
    before = [parameter.clone() for parameter in model.parameters()]
    weights = state(model)["layer0_chi"]
    torch.nn.functional.cross_entropy(model(random_drive(4, 64)), torch.arange(4), reduction="sum").backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in (ordinary, arrays):
        optimizer.step()
        optimizer.zero_grad()
    assert all((parameter != old).any() for parameter, old in zip(model.parameters(), before, strict=True))
    assert state(model)["layer0_chi"] != weights


def test_the_gradients_of_a_host_can_be_clipped():
    """To half of their norm: with plain descent, half of the increments."""
    residuals = []
    for part in (None, 0.5):
        layer = nn.Linear(4, 3, device="ideal", delta_frac=4)
        optimizer = optim.Host(torch.optim.SGD, layer, lr=1 / 64)
        layer(random_drive(4, 4).mul(4).floor().div(4)).sum().backward()
        if part:
            whole = optimizer.gradients()[0].grad.norm().item()
            assert torch.nn.utils.clip_grad_norm_(optimizer.gradients(), part * whole).item() == whole > 0
        optimizer.step()
        assert optimizer.gradients()[0].grad is None
        residuals.append(layer.array.crossbar.state()["chi"])
    assert abs(residuals[0] - 2 * residuals[1]).max() <= 1 < abs(residuals[0]).max()


@pytest.mark.parametrize(("act", "message"), [
    (lambda: optim.InSitu(torch.nn.Linear(2, 2)), "the model has no array; use layers of spinloom.nn"),
    (lambda: optim.Host(torch.optim.SGD, torch.nn.Linear(2, 2)), "the model has no array"),
    (lambda: optim.Host(torch.optim.LBFGS, digits_model()),
     "LBFGS evaluates a closure several times in a step, but arrays are trained by samples that are recorded once"),
    (lambda: set_rate(0.0), "lr=0.0: must be positive; to train no array, do not call step"),
    (lambda: set_rate(float("nan")), "lr=nan: must be positive"),
    (lambda: set_rate(float("inf")), "lr=inf: must be positive"),
    (lambda: optim.InSitu(digits_model().parameters()), "generator: an optimiser of arrays is given the model itself"),
    (lambda: train(model := digits_model(), optim.Host(torch.optim.SGD, model, lr=float("nan")), 1),
     "a step that is not a number"),
    (lambda: set_rate(2.0**-20), r"a learning rate of 2\*\*-20: array 0 can have 2\*\*-0 to 2\*\*-15; let a"),
    (lambda: set_rate(2.0), r"a learning rate of 2\*\*--1: .*; a larger one needs a smaller chi_frac"),
])
def test_what_cannot_train_is_refused(act, message):
    with pytest.raises((optim.OptimizerError, nn.ArrayError), match=message):
        act()


def set_rate(rate):
    nn.manual_seed(1)
    optimizer = optim.InSitu(nn.Linear(2, 2, **WALL))
    optimizer.param_groups[0]["lr"] = rate
    optimizer.step()
