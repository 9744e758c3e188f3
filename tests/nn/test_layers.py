import copy
import io
import pickle

import numpy as np
import pytest
import torch
from spinloom import nn, optim
from spinloom.config import load_device
from spinloom.contract.errors import ConfigError
from spinloom.contract.lfsr import MAX_SEGMENTS
from spinloom.model.crossbar import Crossbar, StateError
from spinloom.nn import seed
from torch.nn.functional import conv2d

from .twins import state

WALL = {"device": load_device("domain_wall"), "weight_step": -2, "z_frac": 6}


def weights(layer):
    """What an ordinary layer would have: floats (rows, cols), those of the bias last."""
    geometry = layer.array.crossbar.geometry
    return layer.array.golden.model.g.double() * 2.0 ** (geometry.weight_step - geometry.device.sub_bits)


def random_drive(*shape, seed=0):
    """Multiples of 1/256 from 0 on, less than 1."""
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, shape) / 256)


def digits_model(**formats):
    nn.manual_seed(1)
    return torch.nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, **WALL, **formats), torch.nn.MaxPool2d(2), nn.ReLU(frac=6), nn.Flatten(),
        nn.Linear(64, 10, bias=True, drive=nn.unsigned(8, 6), **WALL))


def train(model, optimizer, steps, first=0, batch=4):
    criterion = nn.CrossEntropy()
    for step in range(first, first + steps):
        x, labels = random_drive(batch, 1, 8, 8, seed=step), torch.arange(batch) % 10
        optimizer.zero_grad()
        criterion(model(x), labels).backward()
        optimizer.step()


def one_pulse(layer):
    """Load a state with one number of write pulses for all cells."""
    layer.array.load(layer.array.state() | {"pulses": np.array(5)})


def load_formats(place, number):
    """Load a state in whose formats there is another number."""
    layer = nn.Linear(6, 4, drive=nn.signed(8), **WALL)
    state = layer.array.get_extra_state()
    state["formats"][place] = number
    layer.array.set_extra_state(state)


def test_linear_is_a_product_with_its_weights():
    """Outputs that neither saturate nor are rounded, and their gradients."""
    layer = nn.Linear(6, 5, bias=True, device="domain_wall", weight_step=-4, z_bits=12, z_frac=8, delta_frac=6)
    x = (random_drive(2, 3, 6) * 0.25).mul(16).floor().div(16).requires_grad_()
    exact = torch.nn.functional.pad(x, (0, 1), value=255 / 256).detach() @ weights(layer)
    z = layer(x)
    assert z.tolist() == (torch.floor(exact * 256 + 0.5) / 256).tolist()
    gradient = torch.from_numpy(np.random.default_rng(1).integers(-64, 64, (2, 3, 5)) / 64)
    z.backward(gradient)
    assert x.grad.tolist() == (gradient @ weights(layer)[:6].T).tolist()
    assert layer.array.crossbar.counters["forwards"] == 6


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 1), ((2, 3), (2, 1), (0, 2)), (1, 2, 0)])
def test_convolutions_are_those_of_pytorch(kernel, stride, padding):
    layer = nn.Conv2d(2, 5, kernel, stride, padding, device="domain_wall", weight_step=-4, z_bits=12, z_frac=8,
                      delta_frac=6)
    x = (random_drive(3, 2, 7, 6) * 0.25).mul(16).floor().div(16).requires_grad_()
    floats = weights(layer).reshape(*layer.kernel_size, 2, 5).permute(3, 2, 0, 1)
    copied = x.detach().clone().requires_grad_()
    expected = conv2d(copied, floats, stride=stride, padding=padding)
    z = layer(x)
    assert z.tolist() == (torch.floor(expected * 256 + 0.5) / 256).tolist()
    gradient = torch.from_numpy(np.random.default_rng(1).integers(-64, 64, z.shape) / 64)
    z.backward(gradient)
    expected.backward(gradient)
    assert x.grad.tolist() == copied.grad.tolist()
    larger = layer(random_drive(1, 2, 9, 9))
    assert larger.shape == conv2d(random_drive(1, 2, 9, 9), floats, stride=stride, padding=padding).shape


def test_float_tensors_keep_their_type_and_learning_goes_down():
    model = digits_model().float()
    assert model(random_drive(2, 1, 8, 8).float()).dtype == torch.float32
    optimizer, criterion = optim.InSitu(model, 5), nn.CrossEntropy()
    x, labels, losses = random_drive(10, 1, 8, 8).float(), torch.arange(10), []
    for _ in range(30):
        loss = criterion(model(x), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


def test_evaluation_changes_nothing():
    model = digits_model(converters={"read_noise": 1.0})
    before = state(model)
    model.eval()
    x = random_drive(3, 1, 8, 8).requires_grad_()
    z = model(x)
    z.sum().backward()
    assert x.grad.abs().sum() > 0
    assert model(x).tolist() == z.tolist()
    optimizer = optim.InSitu(model, 3)
    optimizer.step()
    assert state(model) == before
    model.train()
    with torch.no_grad():
        assert model(x).tolist() == z.tolist(), "the noise that was to come"
    assert state(model) != before


@pytest.mark.parametrize("device", ["domain_wall", "pcm_pair"])
def test_a_saved_model_goes_on_to_the_same_bits(device):
    nn.manual_seed(3)
    formats = WALL | {"device": device, "converters": {"read_noise": 1.0}}
    model = torch.nn.Sequential(torch.nn.Flatten(), nn.Linear(64, 10, **formats))
    optimizer = optim.InSitu(model, 2)
    train(model, optimizer, 5)
    file = io.BytesIO()
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file)
    copies = copy.deepcopy(model), pickle.loads(pickle.dumps(model)), torch.nn.Sequential(
        torch.nn.Flatten(), nn.Linear(64, 10, **formats))
    copies[2].load_state_dict(saved["model"])
    assert all(state(each) == state(model) for each in copies)
    train(model, optimizer, 5, 5)
    for each in copies:
        again = optim.InSitu(each, 6)
        again.load_state_dict(saved["optimizer"])
        train(each, again, 5, 5)
        assert state(each) == state(model)
        assert nn.arrays(each)[0].pulses.tolist() == nn.arrays(model)[0].pulses.tolist()
    assert int(nn.arrays(model)[0].pulses.sum()) == nn.arrays(model)[0].crossbar.counters["attempts"] > 100
    assert nn.wear(model).worst.pulses == nn.arrays(model)[0].pulses.max()


def test_formats_go_along_with_a_state():
    """What calibration and the first forward pass have settled: whoever loads the state computes the same."""
    def fresh(**formats):
        nn.manual_seed(4)
        return torch.nn.Sequential(nn.Linear(6, 4, device="domain_wall", **formats), nn.ReLU(),
                                   nn.Linear(4, 3, device="domain_wall"))
    model, x = fresh(chi_bits=14, chi_frac=11), 16 * random_drive(8, 6) - 8
    nn.calibrate(model, x, lambda outputs: outputs.square().sum())
    other = fresh(weight_step=-4)
    other(random_drive(1, 6))
    other.load_state_dict(model.state_dict())
    assert [array.formats for array in nn.arrays(other)] == [array.formats for array in nn.arrays(model)]
    assert other[1].format == model[1].format != nn.ReLU().format
    assert other.eval()(x).tolist() == model.eval()(x).tolist()

    old = {name: {part: value for part, value in state.items() if part != "formats"}
           for name, state in model.state_dict().items() if not name.startswith("1.")}
    other, formats = fresh(), fresh()[0].array.formats
    other.load_state_dict(old)
    assert (other[0].array.formats, other[1].format) == (formats, nn.ReLU().format)


def test_layers_that_share_an_array():
    """One module twice, and two modules: the samples come in the order of the forward passes."""
    def of(change):
        nn.manual_seed(5)
        first = nn.Linear(6, 6, **WALL)
        second = first if change == "module" else nn.Linear(6, 6, array=first.array)
        model = torch.nn.Sequential(first, nn.ReLU(frac=8), second)
        assert len(nn.arrays(model)) == 1
        optimizer = optim.InSitu(model, 2)
        for step in range(5):
            model(random_drive(1, 6, seed=step)).sum().backward()
            optimizer.step()
        return model
    one, two = of("module"), of("array")
    assert state(one) == state(two)
    assert state(copy.deepcopy(one)) == state(one)
    assert len(nn.arrays(copy.deepcopy(two))) == 1

    nn.manual_seed(5)
    layer = nn.Linear(6, 6, **WALL)
    reference = Crossbar(layer.array.crossbar.geometry, 5)
    x = random_drive(2, 6)
    late = layer(x[1:])
    early = layer(x[:1])
    (early.sum() + 0.5 * late.sum()).backward()
    optim.InSitu(layer, 0).step()
    integers = (x * 256).long()
    reference.forward(integers)
    reference.update(integers[1], torch.full((6,), 128), 0, program=False)
    reference.update(integers[0], torch.full((6,), 255), 0, program=False)
    reference.program()
    assert reference.counters["attempts"] > 0
    assert layer.array.crossbar.state()["chi"].tolist() == reference.state()["chi"].tolist()
    assert layer.array.crossbar.state()["g"].tolist() == reference.state()["g"].tolist()


@pytest.mark.parametrize("batch_first", [False, True])
def test_lstm_has_the_shapes_of_pytorch_and_every_step_is_a_sample(batch_first):
    model = nn.LSTM(7, 5, 2, batch_first=batch_first, **WALL)
    ordinary = torch.nn.LSTM(7, 5, 2, batch_first=batch_first)
    x = random_drive(3, 4, 7).float().requires_grad_()
    outputs, (h, c) = model(x)
    expected = ordinary(x)
    assert outputs.shape == expected[0].shape
    assert (h.shape, c.shape) == (expected[1][0].shape, expected[1][1].shape)
    assert (outputs[:, -1] if batch_first else outputs[-1]).tolist() == h[1].tolist()
    again, _ = model(x, (h, c))
    assert again.tolist() != outputs.tolist()
    again.square().sum().backward()
    assert x.grad.abs().sum() > 0
    first, second = nn.arrays(model)
    assert first.golden.model.g.shape == (7 + 5 + 1, 20)
    assert second.golden.model.g.shape == (5 + 5 + 1, 20)
    optim.InSitu(model, 2).step()
    assert [array.crossbar.counters["forwards"] for array in (first, second)] == [24, 24]
    assert all(array.crossbar.counters["update_rows"] > 0 for array in (first, second))


def test_lstm_gates_are_those_of_pytorch():
    """With the weights of the array, one step from zeros; what is rounded is made exact by wide formats."""
    model = nn.LSTM(4, 3, drive=nn.signed(12, 11), **WALL | {"z_bits": 12, "z_frac": 6, "weight_step": -3})
    x = torch.tensor([[0.5, -0.25, 0, 0.75]], dtype=torch.float64)
    array = model.arrays[0]
    z = array(torch.cat([x, torch.zeros(1, 3)], dim=1))[0, 0]
    i, f, g, o = z.reshape(4, 3)
    c = i.sigmoid() * g.tanh() + f.sigmoid() * 0
    outputs, (_, cell) = model(x[None])
    assert cell[0, 0].tolist() == c.tolist()
    assert outputs[0, 0].tolist() == (o.sigmoid() * c.tanh()).tolist()


def test_gradients_flow_through_functional_code():
    a, b = nn.Linear(6, 4, **WALL), nn.Linear(6, 4, **WALL)
    norm = torch.nn.BatchNorm1d(4).double()
    x = random_drive(8, 6)
    y = torch.where(torch.arange(4) < 2, norm(a(x)), a(x)) + torch.nn.functional.dropout(b(x).tanh(), 0.5)
    y.square().sum().backward()
    assert norm.weight.grad.abs().sum() > 0
    assert sum(len(part.x) for part in a.array.take()) == 16
    assert sum(len(part.x) for part in b.array.take()) == 8


def test_the_first_forward_pass_settles_the_drive():
    relu = nn.ReLU(bits=6, frac=4)
    pooled = torch.nn.MaxPool2d(2)(relu(random_drive(2, 1, 4, 4)))
    for x, drive in ((relu(random_drive(2, 4)), relu.format), (pooled.flatten(1), relu.format),
                     (random_drive(2, 4), nn.unsigned(8)), (random_drive(2, 4) - 0.5, nn.signed(8))):
        layer = nn.Linear(4, 3, device="domain_wall")
        before = state(layer)
        assert layer.eval()(x).shape == (2, 3)
        assert layer.array.crossbar.geometry.x == drive
        layer(random_drive(2, 4) - 1)
        assert layer.array.crossbar.geometry.x == drive
        assert state(layer) == before


def test_an_array_without_gradient_is_not_trained():
    layer = nn.Linear(4, 3, device="domain_wall")
    layer.array.handle.requires_grad_(False)
    x = random_drive(2, 4).requires_grad_()
    layer(x).sum().backward()
    assert x.grad.abs().sum() > 0
    assert not layer.array.take()


def test_gradients_that_go_nowhere_do_not_train():
    """As those of parameters: what does not ask for them does not accumulate them."""
    layer = nn.Linear(4, 3, **WALL)
    x = random_drive(2, 4).requires_grad_()
    assert torch.autograd.grad(layer(x).sum(), x)[0].abs().sum() > 0
    layer(x).sum().backward(inputs=[x])
    assert not layer.array.take()
    loss = layer(x).sum()
    loss.backward(retain_graph=True)
    loss.backward(inputs=[x, layer.array.handle])
    assert [len(part.x) for part in layer.array.take()] == [4]
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        loss.backward()


@pytest.mark.parametrize("make", [
    lambda layer: optim.InSitu(layer, 2), lambda layer: optim.Host(torch.optim.SGD, layer, lr=0.25)])
def test_backward_after_a_step_is_refused(make):
    layer = nn.Linear(4, 3, **WALL)
    optimizer, x = make(layer), random_drive(2, 4).requires_grad_()
    first, second = layer(x).sum(), layer(x).sum()
    first.backward()
    optimizer.step()
    with pytest.raises(nn.ArrayError, match=r"array \d+ has been changed since the forward pass .* before step\(\)"):
        second.backward()


@pytest.mark.filterwarnings("ignore")
def test_tracing_is_refused():
    """A trace would answer with the numbers of one call for ever."""
    layer = nn.Linear(4, 3, **WALL).eval()
    layer(random_drive(2, 4))
    with pytest.raises(nn.ArrayError, match="cannot be traced by"):
        torch.jit.trace(layer, random_drive(2, 4))


def test_data_without_numbers_do_not_settle_the_drive():
    layer = nn.Linear(4, 3, **WALL)
    assert layer(random_drive(0, 4)).shape == (0, 3)
    with pytest.raises(nn.ArrayError, match="a drive that is not a number"):
        layer(random_drive(2, 4) * float("nan"))
    layer(random_drive(2, 4) - 0.5)
    assert layer.array.formats.drive == nn.signed(8)


def test_training_without_an_optimizer_is_said_once(capsys):
    layer = nn.Linear(4, 3, **WALL)
    for _ in range(150):
        layer(random_drive(1, 4)).sum().backward()
    assert capsys.readouterr().err == (
        f"warning: array {layer.array.index}: no optimiser trains it; give the model to spinloom.optim.InSitu or Host, "
        "as those of torch.optim know parameters only, or call eval()\n")
    layer = nn.Linear(4, 3, **WALL)
    optim.InSitu(layer)
    for _ in range(150):
        layer(random_drive(1, 4)).sum().backward()
    assert not capsys.readouterr().err


def test_arrays_are_numbered_from_the_seed_on():
    nn.manual_seed(7)
    layers = [nn.Linear(3, 2, **WALL) for _ in range(2 * MAX_SEGMENTS)]
    for index, layer in enumerate(layers[:MAX_SEGMENTS]):
        expected = Crossbar(layer.array.crossbar.geometry, 7).state()
        assert layer.array.crossbar.geometry.index == index
        assert all(array.tolist() == expected[name].tolist() for name, array in layer.array.crossbar.state().items())
    assert len({layer.array.golden.model.lfsrs["lfsr"].state for layer in layers}) == len(layers)
    nn.manual_seed(7)
    assert seed.take() == (7, 0)
    with pytest.raises(ConfigError, match=r"seed=-1: must be a whole number from 0 to 2\*\*32-1"):
        nn.manual_seed(-1)


def test_repr_shows_device_formats_and_backend():
    layer = nn.Linear(6, 4, device=load_device("domain_wall").model_copy(update={"sigma": 0.2}), weight_step=-2)
    assert repr(layer).split("\n")[0] == "Linear("
    assert "6, 4, bias=False" in repr(layer)
    assert "6 x 4 cells, device=domain_wall(" in repr(layer)
    assert ("drive=unsigned8.8, weight_step=-2, z=10.6, delta=9.8, chi=16.12, backend=golden" in repr(layer))


def test_outputs_have_no_finer_steps_than_column_sums():
    ternary = torch.randint(-1, 2, (3, 16)).float()
    model = torch.nn.Sequential(nn.Ternary(), nn.Linear(16, 8, device="domain_wall"))
    model(ternary)
    formats = model[1].array.formats
    assert formats.drive == nn.TERNARY
    assert model[1].array.geometry.adc_shift == 0
    assert formats.layer.z_frac < nn.Linear(16, 8, device="domain_wall").array.formats.layer.z_frac == 6
    assert nn.Linear(16, 8, drive=nn.TERNARY, device="domain_wall").array.formats.layer == formats.layer
    with pytest.raises(ConfigError, match="derived adc_shift is"):
        torch.nn.Sequential(nn.Ternary(), nn.Linear(16, 8, device="domain_wall", z_frac=6))(ternary)


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda: nn.Linear(6, 4), ConfigError, "device is missing: give one, such as device=\"domain_wall\"; kinds are"),
    (lambda: nn.Linear(6, 4, device="nothing"), ConfigError, "no device 'nothing'"),
    (lambda: nn.Linear(6, 4, z_bit=4, **WALL), ConfigError, "z_bit=4: unknown format; allowed are drive, device"),
    (lambda: nn.Linear(6, 4, z_bits=40, device="ideal"), ConfigError, "formats: z_bits=40: must be 2 to 12"),
    (lambda: nn.Linear(6, 4, device="ideal", converters={"noise": 1}), ConfigError,
     "formats: converters.noise=1: unknown field; allowed are read_noise"),
    (lambda: nn.Linear(6, 4, device="ideal", z_frac=24), ConfigError, "derived adc_shift is -12"),
    (lambda: nn.Linear(6, 4, tile=0, **WALL), ConfigError, "tile=0: must be a whole number from 2 to 2,048"),
    (lambda: nn.Linear(6, 4, array=nn.Linear(5, 4, **WALL).array), nn.ArrayError,
     "a layer of 6 inputs and 4 columns, bias=False: the array has 5 inputs and 4 columns, bias=False"),
    (lambda: nn.Linear(6, 4, array=nn.Linear(6, 4, **WALL).array, z_frac=3), nn.ArrayError,
     "z_frac: the array of another layer has its own formats; leave them out"),
    (lambda: nn.Linear(6, 4, drive="signed", **WALL), ConfigError, "drive='signed': must be a format, such as"),
    (lambda: nn.Linear(0, 4, **WALL), nn.ArrayError, "in_features=0: must be a whole number from 1 on"),
    (lambda: nn.Conv2d(1, 4, [3, 3], 0, **WALL), nn.ArrayError, "stride=0: must be a whole number from 1 on, or two"),
    (lambda: nn.Conv2d(1, 4, 3, padding="same", **WALL), nn.ArrayError, "padding='same': must be a whole number from"),
    (lambda: nn.LSTM(3, 4, 0, **WALL), nn.ArrayError, "num_layers=0: must be a whole number"),
    (lambda: nn.LSTM(3, 4, 1, True, **WALL), TypeError, "positional"),
    (lambda: nn.LSTM(3, 4, **WALL)(torch.zeros(2, 2, 3), (torch.zeros(1, 2, 4), torch.zeros(1, 1, 4))), nn.ArrayError,
     r"the state is of shapes \(1, 2, 4\), \(1, 1, 4\): h and c of \(1, 2, 4\) are needed"),
    (lambda: nn.LSTM(3, 4, **WALL)(torch.zeros(0, 2, 3)), nn.ArrayError, r"x is \(0, 2, 3\)"),
    (lambda: nn.SquaredHinge()(torch.zeros(3, 4), torch.zeros(3, 1).long()), nn.ArrayError,
     r"labels of shape \(3, 1\): outputs of shape \(3, 4\) need \(3,\)"),
    (lambda: nn.CrossEntropy()(torch.zeros(3, 4), torch.zeros(1).long()), nn.ArrayError, r"labels of shape \(1,\)"),
    (lambda: nn.CrossEntropy()(torch.zeros(3, 4), torch.tensor([0, 4, 1])), nn.ArrayError,
     r"labels of torch.int64, from 0 to 4: 4 outputs need torch.int64, from 0 to 3"),
    (lambda: nn.SquaredHinge()(torch.zeros(3, 4), torch.zeros(3)), nn.ArrayError, "labels of torch.float32, from 0.0"),
    (lambda: nn.wear(torch.nn.Linear(2, 2)), nn.ArrayError, "the model has no arrays: put its layers into some"),
    (lambda: nn.Linear(6, 4, **WALL)(torch.zeros(2, 5)), nn.ArrayError,
     r"x is \(2, 5\): a layer of 6 inputs needs \(..., 6\)"),
    (lambda: nn.Linear(6, 4, **WALL)(torch.zeros(2, 6).long()), nn.ArrayError,
     r"a drive of torch.int64 \(2, 6\): the array needs floats of shape \(samples, 6\)"),
    (lambda: nn.Linear(6, 4, **WALL)(torch.full((2, 6), torch.nan)), nn.ArrayError, "a drive that is not a number"),
    (lambda: nn.Linear(6, 4, **WALL)(torch.zeros(2, 6, device="meta")), nn.ArrayError,
     r"a drive on meta: the array is on cpu; move one of them with to\(\)"),
    (lambda: torch.nn.Sequential(nn.Linear(6, 4, **WALL)).load_state_dict(
        torch.nn.Sequential(torch.nn.Linear(6, 4)).state_dict()), nn.ArrayError,
     "0.weight: float weights cannot be loaded into an array; load them into an ordinary model"),
    (lambda: nn.LSTM(6, 4, **WALL).load_state_dict(torch.nn.LSTM(6, 4).state_dict()), nn.ArrayError,
     "weight_ih_l0: float weights cannot be loaded"),
    (lambda: nn.Conv2d(2, 4, 3, **WALL)(torch.zeros(2, 1, 5, 5)), nn.ArrayError,
     r"x is \(2, 1, 5, 5\): a convolution of 2 channels needs \(samples, 2, height, width\)"),
    (lambda: nn.Conv2d(2, 4, 3, **WALL)(torch.zeros(2, 2, 2, 5)), nn.ArrayError, "images of 2 x 5: kernel=3: must be"),
    (lambda: nn.LSTM(2, 4, **WALL)(torch.zeros(2, 2)), nn.ArrayError, r"needs \(time, samples, 2\)"),
    (lambda: nn.Flatten()(torch.zeros(2, 6)), nn.ArrayError, r"x is \(2, 6\): maps are \(samples, channels, height"),
    (lambda: nn.Linear(6, 4, **WALL).load_state_dict(nn.Linear(5, 4, **WALL).state_dict()), StateError,
     r"g is int16 \(5, 4\); it must hold integers of shape \(6, 4\)"),
    (lambda: nn.LSTM(3, 2, **WALL)(torch.nn.utils.rnn.pack_sequence([random_drive(2, 3)])), nn.ArrayError,
     "x is a PackedSequence: an LSTM needs a tensor; make one with torch.nn.utils.rnn.pad_packed_sequence"),
    (lambda: nn.LSTM(3, 2, bias=False, **WALL), nn.ArrayError, "bias=False: an LSTM has a bias row; leave bias out"),
    (lambda: nn.LSTM(3, 2, bias=0, **WALL), nn.ArrayError, "bias=0: an LSTM has a bias row"),
    (lambda: nn.LSTM(3, 2, bidirectional=True, **WALL), nn.ArrayError,
     "bidirectional=True: layers in arrays do not have bidirectional; leave it out"),
    (lambda: nn.Conv2d(4, 2, 3, groups=2, **WALL), nn.ArrayError, "groups=2: layers in arrays do not have groups"),
    (lambda: nn.Linear(6, 4, bias=1, **WALL), nn.ArrayError, "bias=1: must be True or False"),
    (lambda: nn.Linear(6, 4, device="cuda"), nn.ArrayError, "device='cuda': is the memory device of the cells here"),
    (lambda: nn.Linear(6, 4, device=torch.device("cpu")), nn.ArrayError, r"device=device\(type='cpu'\): is the memory"),
    (lambda: nn.Linear(True, 2, **WALL), nn.ArrayError, "in_features=True: must be a whole number from 1 on"),
    (lambda: load_formats(0, 7), ConfigError, r"formats=\[7, .*not those of an array; the file may be damaged"),
    (lambda: load_formats(1, 40), ConfigError, "bits=40: signed drives have 2 to 12"),
    (lambda: load_formats(10, 99), ConfigError, "formats: rate_offset=99: Input should be less"),
    (lambda: one_pulse(nn.Linear(6, 4, **WALL)), StateError, r"pulses are of shape \(\); there are \(6, 4\)"),
])
def test_what_does_not_fit_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
