"""The floating-point baseline: a network of the same topology, trained in the usual way."""

from collections.abc import Callable
from itertools import accumulate
from math import ceil, cos, pi

import torch
from torch import nn
from torch.nn import functional
from torch.optim.adam import adam

from ..config import Experiment, Layer
from ..contract.window import Window

STEPS = 5000
"""Updates of the training, at least, if mini-batches of 8 to 128 samples allow it."""
LEARNING_RATE = 1e-2
"""Of Adam, at the beginning; it falls to 0 along half a cosine."""


DECISIVE = {"dataset", "seed", "epochs", "loss", "input", "layers"}
"""The fields of an experiment that decide its baseline, which knows nothing of devices and of how they are trained."""


class Ternary(nn.Module):
    """-1, 0 or 1. The gradient is taken as 1 where ``abs(z) < 3/2``: in a wider range than the machine's derivative, so
    that small initial weights can leave 0."""

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """The outputs for the inputs ``z``."""
        ramp = z.clamp(-1.5, 1.5)
        steps = z.sign() * (z.abs() >= 1)
        return ramp + (steps - ramp).detach()


class Convolution(nn.Module):
    """A convolution and the max pooling behind it. Maps go in and out flat, (n, cells), in the order height, width,
    channels."""

    def __init__(self, window: Window, bias: bool) -> None:
        """The convolution of a layer that is applied at ``window``."""
        super().__init__()
        self.map = window.map
        self.convolution = nn.Conv2d(window.map[2], window.cols, window.kernel, window.stride, window.padding,
                                     bias=bias)
        self.pooling = nn.MaxPool2d(window.pool, window.pool_stride)

    def forward(self, cells: torch.Tensor) -> torch.Tensor:
        """The outputs for the map ``cells``."""
        planes = cells.unflatten(1, self.map).movedim(3, 1)
        return self.pooling(self.convolution(planes)).movedim(1, 3).flatten(1)


def network(experiment: Experiment) -> nn.Sequential:
    """The network of ``experiment`` in floating point. It takes maps flat, (n, inputs), and gives the outputs that the
    loss follows."""
    modules: list[nn.Module] = []
    for layer, window in zip(experiment.layers, experiment.windows, strict=True):
        modules += [_layer(layer, window), _neuron(layer)]
    return nn.Sequential(*modules[:-1])


def _layer(layer: Layer, window: Window) -> nn.Module:
    return Convolution(window, layer.bias) if layer.kind == "conv" else nn.Linear(window.cells, layer.cols, layer.bias)


def _neuron(layer: Layer) -> nn.Module:
    match layer.neuron:
        case "sigmoid" | "stochastic":
            return nn.Sigmoid()
        case "hard_tanh":
            limit = 2.0 ** (layer.activation_bits - 1 - layer.z_frac)
            return nn.Hardtanh(-limit, limit)
        case "ternary":
            return Ternary()
        case _:
            return nn.ReLU()


def _loss(experiment: Experiment, z: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    wanted = functional.one_hot(labels, z.shape[1]).to(z.dtype)
    if experiment.loss == "cross_entropy":
        return functional.binary_cross_entropy_with_logits(z, wanted, reduction="sum") / len(z)
    return (1 - (2 * wanted - 1) * z).clamp(min=0).square().sum() / len(z) / 2


def _adam(net: nn.Module, steps: int) -> Callable[[torch.Tensor], None]:
    """What takes one of ``steps`` updates of ``net``, by Adam, that lessen a loss. It is PyTorch's function:
    PyTorch's class loads its compiler first, for seconds in which nothing can be stopped, and leaves a folder of
    temporary files."""
    parameters: list[torch.Tensor] = [*net.parameters()]
    means, squares = ([torch.zeros_like(parameter) for parameter in parameters] for _ in range(2))
    taken = [torch.tensor(0.0) for _ in parameters]
    rates = accumulate(range(1, steps), lambda rate, step: (
        (1 + cos(pi * step / steps)) / (1 + cos(pi * (step - 1) / steps)) * rate), initial=LEARNING_RATE)

    def step(loss: torch.Tensor) -> None:
        gradients = list(torch.autograd.grad(loss, parameters))
        with torch.no_grad():
            adam(parameters, gradients, means, squares, [], taken, foreach=False, amsgrad=False, beta1=0.9,
                 beta2=0.999, lr=next(rates), weight_decay=0.0, eps=1e-8, maximize=False)
    return step


def accuracy(experiment: Experiment, train_x: torch.Tensor, train_labels: torch.Tensor,
             test_x: torch.Tensor, test_labels: torch.Tensor, seen: Callable[[int], None]) -> float:
    """Test accuracy in percent of the network of ``experiment`` in float32, after as many epochs.

    It is given what the machine is given: ``train_x`` and ``test_x`` are drives, integers (n, inputs). Adam trains it
    on mini-batches. The result is repeatable for a seed and a version of PyTorch. ``seen`` is told the number of
    samples of each mini-batch when it is done.
    """
    scale = 2.0 ** -experiment.input.format.frac
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(experiment.seed)
        net = network(experiment).to(train_x.device)
        size = min(max(experiment.epochs * len(train_x) // STEPS, 8), 128)
        step = _adam(net, experiment.epochs * ceil(len(train_x) / size))
        for _ in range(experiment.epochs):
            for batch in torch.randperm(len(train_x)).split(size):
                step(_loss(experiment, net(train_x[batch] * scale), train_labels[batch]))
                seen(len(batch))
        with torch.no_grad():
            return 100 * (net(test_x * scale).argmax(1) == test_labels).double().mean().item()
