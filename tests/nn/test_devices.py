"""Arrays on tensors of any device of PyTorch: the bits of compiled code."""

import pytest
import torch
from spinloom import nn, optim
from spinloom.backends import golden
from spinloom.model.compiled.gpu import GpuCrossbar
from spinloom.model.samples import SampleCrossbar

from .test_layers import digits_model, random_drive
from .twins import state

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
OPTIMIZERS = {
    "in situ": lambda model: optim.InSitu(model, 3),
    "host": lambda model: optim.Host(torch.optim.Adam, model, lr=0.5),
}

CONVERTERS = {"read_noise": 1.0, "offset": 1.0, "gain": 0.05, "nonlinearity": [0.5, -1.0, 0.5, 0.0],
              "row_dac_bits": 5, "column_dac_bits": 7, "wire_ratio": 1e-3}


def trained(optimizer, batch, device="cpu", **formats):
    """Outputs in evaluation, and the state, of a model that has been trained there."""
    model = digits_model(converters=CONVERTERS, **formats).to(device)
    chosen, criterion = OPTIMIZERS[optimizer](model), nn.CrossEntropy()
    for step in range(4):
        x, labels = random_drive(batch, 1, 8, 8, seed=step).to(device), torch.arange(batch, device=device)
        chosen.zero_grad()
        criterion(model(x), labels).backward()
        chosen.step()
    model.eval()
    assert sum(array.crossbar.counters["attempts"] for array in nn.arrays(model)) > 0
    return model(random_drive(3, 1, 8, 8).to(device)).tolist(), state(model)


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("crossbar", [SampleCrossbar, GpuCrossbar])
def test_tensors_in_main_memory_give_the_same_bits(monkeypatch, crossbar, optimizer, batch):
    compiled = trained(optimizer, batch)
    monkeypatch.setattr(golden, "CompiledCrossbar", crossbar)
    assert trained(optimizer, batch) == compiled


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_cells_of_several_devices_give_the_same_bits(monkeypatch, optimizer):
    compiled = trained(optimizer, 4, synapse={"slices": [2, 1]})
    assert compiled != trained(optimizer, 4)
    monkeypatch.setattr(golden, "CompiledCrossbar", SampleCrossbar)
    assert trained(optimizer, 4, synapse={"slices": [2, 1]}) == compiled


@CUDA
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_tensors_on_cuda_give_the_same_bits(optimizer, batch):
    assert trained(optimizer, batch, "cuda") == trained(optimizer, batch)


@CUDA
@pytest.mark.parametrize("module", [torch.nn.Linear(6, 4), torch.nn.Conv2d(2, 3, 3), torch.nn.LSTM(3, 4)])
def test_conversion_on_cuda_gives_the_same_states(module):
    converted = []
    for place in ("cpu", "cuda"):
        nn.manual_seed(1)
        converted.append(nn.convert(module.to(place), device="domain_wall").model)
    assert nn.arrays(converted[1])[0].golden.model.g.is_cuda
    assert all(torch.equal(*(array.golden.model.states().cpu() for array in pair))
               for pair in zip(*map(nn.arrays, converted), strict=True))


@CUDA
def test_a_model_moves_to_cuda_and_back():
    model = digits_model()
    before = state(model)
    model.to("cuda")
    assert nn.arrays(model)[0].golden.model.g.is_cuda
    assert state(model) == before
    with pytest.raises(nn.ArrayError, match=r"a drive on cpu: the array is on cuda:0; move one of them with to\(\)"):
        model(random_drive(1, 1, 8, 8))
    copied = digits_model()
    copied.load_state_dict(model.state_dict())
    assert state(copied) == state(model.cpu()) == before


def test_other_types_of_floats_leave_the_array_as_it_is():
    model = digits_model()
    crossbar = nn.arrays(model)[0].crossbar
    assert nn.arrays(model.double().half().to("cpu"))[0].crossbar is crossbar
