"""Models in RTL, against the golden model."""

from copy import deepcopy

import pytest
import spinloom as sl
import torch
from spinloom import nn, optim
from spinloom.backends.protocol import BackendError

from .twins import crossbar_states

WALL = sl.device("domain_wall", states=5, sigma=0.2)
pytestmark = pytest.mark.usefixtures("verilator")


def network() -> torch.nn.Sequential:
    nn.manual_seed(3)
    return torch.nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, device=WALL), torch.nn.MaxPool2d(2), nn.ReLU(bits=6),
        nn.Flatten(), nn.Linear(3 * 3 * 4, 5, bias=True, device=WALL))


def batches(count: int, size: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(count)
    return [(torch.rand(size, 1, 6, 6, generator=generator), torch.randint(0, 5, (size,), generator=generator))
            for _ in range(count)]


def train(model, optimizer, samples):
    criterion = nn.CrossEntropy()
    for images, labels in samples:
        optimizer.zero_grad()
        criterion(model(images), labels).backward()
        optimizer.step()


@pytest.mark.parametrize("size", [1, 4])
def test_a_model_that_moves_goes_on_to_the_same_bits(size):
    stays, moves = network(), network()
    first, second, third = batches(3, size), batches(4, size), batches(5, size)
    optimizers = [optim.InSitu(model, learning_rate_shift=4) for model in (stays, moves)]
    for number, samples in enumerate((first, second, third)):
        for model, optimizer in zip((stays, moves), optimizers, strict=True):
            train(model, optimizer, samples)
        assert crossbar_states(moves) == crossbar_states(stays)
        with torch.no_grad():
            evaluated = [model.eval()(samples[0][0]).tolist() for model in (stays, moves)]
        assert evaluated[0] == evaluated[1]
        assert crossbar_states(moves) == crossbar_states(stays)
        stays.train(), moves.train()
        backend = ("rtl", "golden", "rtl")[number]
        assert nn.to_backend(moves, backend) is moves
        assert {array.backend for array in nn.arrays(moves)} == {backend}
    assert f"backend={backend}" in repr(moves)
    assert all(sum(map(sum, state["chi"])) for state in crossbar_states(stays))


def test_what_is_recorded_moves_along():
    stays, moves = network(), network()
    images, labels = batches(1, 2)[0]
    for model in (stays, moves):
        optimizer = optim.InSitu(model, learning_rate_shift=4)
        nn.CrossEntropy()(model(images), labels).backward()
        if model is moves:
            nn.to_backend(model, "rtl")
        optimizer.step()
    assert crossbar_states(moves) == crossbar_states(stays)


def test_lockstep():
    result = nn.lockstep(network(), "rtl", samples=batches(3, 2), loss=nn.CrossEntropy(), optimizer=optim.InSitu)
    assert (result.bit_exact, result.steps, result.first_difference) == (True, 3, None)


def test_lockstep_with_increments_of_another_optimizer():
    model = network()
    before = crossbar_states(model)
    result = nn.lockstep(model, "rtl", samples=batches(3, 2), loss=nn.CrossEntropy(),
                         optimizer=lambda twin: optim.Host(torch.optim.Adam, twin, lr=0.3))
    assert (result.bit_exact, result.steps) == (True, 3)
    assert crossbar_states(model) == before


def test_lockstep_names_the_first_difference(monkeypatch):
    broken = nn.Array.train_recorded

    def train_recorded(array, shift):
        broken(array, shift)
        if array.backend == "rtl" and array.crossbar.geometry.index == 1:
            state = array.crossbar.state()
            state["chi"][2, 3] += 1
            array.crossbar.load(state)

    monkeypatch.setattr(nn.Array, "train_recorded", train_recorded)
    result = nn.lockstep(network(), "rtl", samples=batches(3, 2), loss=nn.CrossEntropy(), optimizer=optim.InSitu)
    assert (result.bit_exact, result.steps) == (False, 0)
    assert result.first_difference.startswith("chi, sample 0, layer 1, row 2, col 3: expected ")


def test_an_lstm_in_rtl():
    nn.manual_seed(2)
    model = nn.LSTM(3, 4, device=WALL)
    x = torch.rand(5, 2, 3, generator=torch.Generator().manual_seed(1)) * 2 - 1
    twin = deepcopy(model)
    for each in (model, twin):
        each(x)
    nn.to_backend(twin, "rtl", lanes=4)
    for each in (model, twin):
        optimizer = optim.InSitu(each, learning_rate_shift=2)
        optimizer.zero_grad()
        outputs, _ = each(x)
        outputs.sum().backward()
        optimizer.step()
    assert crossbar_states(twin) == crossbar_states(model)


def test_lockstep_of_a_model_with_several_outputs():
    nn.manual_seed(2)
    generator = torch.Generator().manual_seed(1)
    samples = [(torch.rand(5, 2, 3, generator=generator) * 2 - 1, torch.rand(5, 2, 4, generator=generator))
               for _ in range(2)]
    result = nn.lockstep(nn.LSTM(3, 4, device=WALL), "rtl", samples=samples, optimizer=optim.InSitu, lanes=4,
                         loss=lambda outputs, wanted: (outputs[0] - wanted).square().sum())
    assert (result.bit_exact, result.steps) == (True, 2)


def test_what_cannot_move_is_refused():
    model = network()
    with pytest.raises(nn.ArrayError, match=r"backend='fpga': must be golden, rtl, or board:PORT"):
        nn.to_backend(model, "fpga")
    with pytest.raises(nn.ArrayError, match="array 0 has not been applied to anything yet"):
        nn.to_backend(model, "rtl")
    with pytest.raises(nn.ArrayError, match="the model has no arrays"):
        nn.lockstep(torch.nn.Linear(2, 2), "rtl", samples=[], loss=torch.nn.MSELoss(), optimizer=optim.InSitu)
    model(batches(1, 1)[0][0])
    once = nn.Conv2d(1, 2, 6, device=WALL)
    once(batches(1, 1)[0][0])
    with pytest.raises(nn.ArrayError, match="fits its map at one position only"):
        nn.to_backend(once, "rtl")
    with pytest.raises(nn.ArrayError, match="lanes=0: must be at least 1"):
        nn.to_backend(model, "rtl", lanes=0)
    nn.to_backend(model, "rtl")
    with pytest.raises(BackendError, match="maps of"):
        model(torch.rand(1, 1, 8, 6))
    with pytest.raises(BackendError, match="neither copied nor pickled"):
        deepcopy(model)
    with pytest.raises(nn.ArrayError, match="take the model back first"):
        nn.calibrate(model, batches(1, 1)[0][0])
