import pytest
import torch
from spinloom import config, nn
from spinloom.contract.errors import ConfigError
from spinloom.contract.lfsr import initial_states
from spinloom.model.lfsr import Lfsr
from spinloom.model.loss import Loss
from spinloom.model.neuron import Neuron
from spinloom.nn.activation import Activation


def hidden(kind, bits, z_bits, z_frac):
    rates = {"learning_rate_shifts": [16]}
    return config.parse(rates | {"input": {"count": 2, "bits": 12}, "device": {"kind": "ideal"}, "layers": [
        {"cols": 3, "neuron": kind, "activation_bits": bits, "z_bits": z_bits, "z_frac": z_frac, "delta_frac": 2,
         "weight_step": 0},
        {"cols": 2, "z_frac": 1}]}, "neurons")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("kind", "bits", "z_bits", "z_frac"), [
    ("relu", 8, 10, 6), ("relu", 3, 12, 5), ("hard_tanh", 8, 10, 6), ("hard_tanh", 4, 8, 1), ("ternary", 2, 10, 6),
    ("ternary", 2, 6, 1), ("stochastic", 1, 10, 6), ("stochastic", 1, 6, 1),
    ("sigmoid", 8, 10, 6), ("sigmoid", 12, 12, 9), ("sigmoid", 1, 5, 3)])
def test_neurons_are_those_of_the_machine(kind, bits, z_bits, z_frac, dtype):
    """For every output that an array can have."""
    experiment = hidden(kind, bits, z_bits, z_frac)
    before, after = experiment.crossbars
    module = nn.model(experiment)[1]
    assert module.format == after.x
    z = torch.arange(-(1 << z_bits - 1), 1 << z_bits - 1)
    x, y = Neuron(before, after)(z, Lfsr(initial_states(experiment.seed, after).get("neuron_lfsr", 1)))
    floats = (z.to(dtype) * 2.0**-z_frac).requires_grad_()
    outputs = module(floats)
    assert outputs.dtype == dtype
    assert (outputs * 2.0**after.x.frac).tolist() == x.tolist()
    outputs.sum().backward()
    slope = y.double() * 2.0**-9 if kind in ("sigmoid", "stochastic") else y.double()
    assert floats.grad.tolist() == slope.tolist()
    assert outputs.derivative.tolist() == slope.tolist()


def test_stochastic_neurons_draw_from_an_lfsr_that_evaluation_leaves_as_it_is():
    nn.manual_seed(3)
    neurons, z = nn.Stochastic(), torch.zeros(4, 1000)
    before = neurons.state_dict()
    evaluated = neurons.eval()(z)
    assert neurons.state_dict() == before
    trained = neurons.train()(z)
    assert trained.tolist() == evaluated.tolist()
    assert neurons(z).tolist() != trained.tolist()
    neurons.load_state_dict(before)
    assert neurons(z).tolist() == trained.tolist()


@pytest.mark.parametrize("neurons", [nn.ReLU, nn.HardTanh, nn.Sigmoid, nn.Ternary, nn.Stochastic])
def test_what_is_not_a_number_stays_so(neurons):
    assert neurons()(torch.tensor([-2.0, float("nan"), 2.0])).isnan().tolist() == [False, True, False]


def test_what_lies_between_is_rounded():
    z = torch.tensor([-0.26, -0.25, 0.24, 0.25, 0.74, 0.75, 9.0])
    assert nn.ReLU(bits=2, frac=1)(z).tolist() == [0, 0, 0, 0.5, 0.5, 1, 1.5]
    assert nn.HardTanh(bits=3, frac=1)(-z).tolist() == [0.5, 0.5, 0, 0, -0.5, -0.5, -2]


def test_moving_keeps_the_derivative_and_choosing_the_format():
    x = nn.ReLU(bits=4, frac=0)(torch.tensor([[-1.0, 2], [3, -4]], requires_grad=True))
    assert x.T.reshape(4).requires_grad
    assert x.reshape(4).derivative.tolist() == [0, 1, 1, 0]
    assert torch.flatten(x.permute(1, 0)).derivative.tolist() == [0, 1, 1, 0]
    assert nn.Flatten()(x[None, None]).shape == (1, 4)
    for made in (x[0], torch.nn.MaxPool2d(2)(x[None])):
        assert (made.format, made.derivative) == (nn.unsigned(4, 0), None)
    for made in (x + 1, torch.cat([x, x]), x.clone(), torch.nn.AvgPool2d(2)(x[None])):
        assert type(made) is torch.Tensor
    x = nn.ReLU(bits=4, frac=0)(torch.tensor([[-1.0, 2], [3, -4]]))
    view = x.flatten()
    x += torch.ones(2, 2)
    assert isinstance(view, Activation)
    assert view.derivative is None
    assert view.reshape(2, 2).tolist() == [[1, 3], [4, 1]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("kind", "z_bits", "z_frac", "delta_bits", "delta_frac"), [
    ("cross_entropy", 8, 4, 9, 8), ("cross_entropy", 12, 3, 16, 15), ("cross_entropy", 5, 4, 3, 1),
    ("squared_hinge", 8, 4, 9, 8), ("squared_hinge", 10, 8, 4, 1), ("squared_hinge", 10, 2, 16, 14)])
def test_losses_are_those_of_the_machine(kind, z_bits, z_frac, delta_bits, delta_frac, dtype):
    """For every output, right and wrong."""
    rates = {"learning_rate_shifts": [16]}
    experiment = config.parse(rates | {"loss": kind, "input": {"count": 2}, "device": {"kind": "ideal"}, "layers": [
        {"cols": 2, "z_bits": z_bits, "z_frac": z_frac, "delta_bits": delta_bits, "delta_frac": delta_frac,
         "weight_step": -8}]}, "loss")
    values = torch.arange(-(1 << z_bits - 1), 1 << z_bits - 1)
    z, label = torch.stack([values, values.flip(0)], dim=1), torch.arange(len(values)) % 2
    machine = Loss(experiment.loss, experiment.crossbars[0])
    expected = [machine.delta(row, int(right)).tolist() for row, right in zip(z, label, strict=True)]
    floats = (z.to(dtype) * 2.0**-z_frac).requires_grad_()
    criterion = nn.CrossEntropy(delta_frac) if kind == "cross_entropy" else nn.SquaredHinge()
    criterion(floats, label).backward()
    limit = 1 << delta_bits - 1
    delta = torch.floor(floats.grad * 2.0**delta_frac + 0.5).clamp(-limit, limit - 1)
    assert delta.tolist() == expected


def test_losses_are_sums_and_follow_their_gradients():
    z, labels = torch.tensor([[2.0, -1, 0.5], [0, 0, 0]], dtype=torch.float64), torch.tensor([0, 2])
    assert nn.SquaredHinge()(z, labels).item() == (1.5**2 + 1 + 1 + 1) / 2
    assert nn.CrossEntropy()(z[1:], labels[1:]).item() == -3 * torch.tensor(0.5).double().log().item()


@pytest.mark.parametrize(("make", "message"), [
    (lambda: nn.ReLU(bits=0), "bits=0: unsigned drives have 1 to 12"),
    (lambda: nn.HardTanh(bits=1), "bits=1: signed drives have 2 to 12"),
    (lambda: nn.ReLU(frac=99), "frac=99: must be -16 to 24"),
])
def test_formats_that_do_not_exist_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_repr_shows_formats():
    assert repr(torch.nn.Sequential(nn.ReLU(frac=6), nn.Sigmoid(4), nn.Ternary())).split("\n")[1:-1] == [
        "  (0): ReLU(bits=8, frac=6)", "  (1): Sigmoid(bits=4)", "  (2): Ternary()"]
