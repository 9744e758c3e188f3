"""Presets written with `spinloom.nn`."""

import torch
from spinloom import nn
from spinloom.config import Experiment
from spinloom.contract.formats import ActivationFormat
from spinloom.nn.formats import CELLS, INTEGERS

NEURONS = {"relu": nn.ReLU, "hard_tanh": nn.HardTanh}


def twin(experiment: Experiment) -> torch.nn.Sequential:
    """The network of ``experiment`` as modules, in its initial state."""
    nn.manual_seed(experiment.seed)
    cells = {name: getattr(experiment, name) for name in CELLS}
    drive, modules = experiment.input.format, []
    for layer, window in zip(experiment.layers, experiment.windows, strict=True):
        formats = cells | {name: getattr(layer, name) for name in INTEGERS} | {"drive": drive}
        if layer.kind == "conv":
            modules.append(nn.Conv2d(window.map[2], layer.cols, layer.kernel, layer.stride, layer.padding, layer.bias,
                                     **formats))
        else:
            flat = [nn.Flatten()] if window.map[:2] != (1, 1) else []
            modules += [*flat, nn.Linear(window.inputs, layer.cols, layer.bias, **formats)]
        if layer.pool:
            modules.append(torch.nn.MaxPool2d(layer.pool, layer.pool_stride or layer.pool))
        if layer.neuron:
            modules.append(neuron(layer))
            drive = modules[-1].format
    return torch.nn.Sequential(*modules)


def neuron(layer) -> torch.nn.Module:
    """The neuron of a layer of an experiment."""
    match layer.neuron:
        case "ternary":
            return nn.Ternary()
        case "sigmoid":
            return nn.Sigmoid(layer.activation_bits)
    return NEURONS[layer.neuron](layer.activation_bits, layer.z_frac)


def loss(experiment: Experiment) -> torch.nn.Module:
    """The loss of ``experiment``."""
    if experiment.loss == "squared_hinge":
        return nn.SquaredHinge()
    return nn.CrossEntropy(experiment.layers[-1].delta_frac)


def images(experiment: Experiment, xs: torch.Tensor) -> torch.Tensor:
    """The drives ``xs``, integers (n, inputs), as floats: images (n, channels, height, width) for a convolution."""
    form: ActivationFormat = experiment.input.format
    floats = xs.double() * 2.0**-form.frac
    if experiment.input.map is None:
        return floats
    return floats.reshape(-1, *experiment.input.map).permute(0, 3, 1, 2)


def state(model: torch.nn.Module) -> dict[str, list]:
    """The state of all arrays, as that of a network."""
    return {f"layer{layer}_{name}": array.tolist() for layer, each in enumerate(nn.arrays(model))
            for name, array in each.crossbar.state().items()}
