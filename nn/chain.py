"""Experiments as models, and models as experiments: a chain of layers that the machine can run by itself."""

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
import torch

from ..config import Cells, Experiment, Layer, parse
from ..contract.errors import ConfigError
from ..contract.geometry import Loss
from . import formats
from .array import arrays
from .formats import described
from .layers import Conv2d, Flatten, Linear, Unflatten
from .losses import CrossEntropy, SquaredHinge
from .neurons import HardTanh, Neuron, ReLU, Sigmoid, Ternary
from .seed import manual_seed

Fields = dict[str, Any]
"""Of a layer of an experiment."""
State = dict[str, np.ndarray]
"""That of a `model.network.Network`, by name."""


def from_experiment(experiment: Experiment, state: State | None = None) -> torch.nn.Sequential:
    """The network of ``experiment`` as modules, in its initial state, or in ``state``, which may hold other arrays
    too: what `numpy.load` reads from the ``state.npz`` of a run folder.

    The seed of ``experiment`` becomes the master seed (`manual_seed`). ``StateError`` if the state does not fit.
    """
    manual_seed(experiment.seed)
    shared = {name: getattr(experiment, name) for name in Cells.model_fields}
    drive = experiment.input.format
    modules: list[torch.nn.Module] = []
    for layer, window in zip(experiment.layers, experiment.windows, strict=True):
        given = shared | {name: getattr(layer, name) for name in formats.INTEGERS} | {"drive": drive}
        if layer.kernel:
            modules.append(Conv2d(window.map[2], layer.cols, layer.kernel, layer.stride, layer.padding, layer.bias,
                                  **given))
        else:
            modules += [Flatten()] * (window.map[:2] != (1, 1))
            modules.append(Linear(window.inputs, layer.cols, layer.bias, **given))
        if layer.pool:
            modules.append(torch.nn.MaxPool2d(layer.pool, layer.pool_stride or layer.pool))
        if layer.neuron:
            neuron = _neuron(layer)
            modules.append(neuron)
            drive = neuron.format
        if layer.map:
            modules.append(Unflatten(*layer.map[:2]))
    model = torch.nn.Sequential(*modules)
    if state is not None:
        for index, array in enumerate(arrays(model)):
            prefix = f"layer{index}_"
            array.load({name.removeprefix(prefix): state[name] for name in state if name.startswith(prefix)})
    return model


def loss_of(experiment: Experiment) -> torch.nn.Module:
    """The loss of ``experiment`` as a module."""
    return SquaredHinge() if experiment.loss == "squared_hinge" else CrossEntropy(experiment.layers[-1].delta_frac)


def network_state(model: torch.nn.Module) -> State:
    """The state of the arrays in ``model``, as `model.network.Network.load` takes it."""
    return {f"layer{index}_{name}": values for index, array in enumerate(arrays(model))
            for name, values in array.crossbar.state().items()}


def to_experiment(model: torch.nn.Module, input_map: tuple[int, int, int] | None = None, loss: Loss = "cross_entropy",
                  **fields: Any) -> Experiment:
    """The experiment whose network ``model`` is, with other ``fields`` of an experiment: ``dataset``, ``epochs``, ...

    ``model`` is a `torch.nn.Sequential` of layers and neurons of `spinloom.nn`, with max pooling between convolutions
    and their neurons. If it begins with images, they have ``input_map``: height, width, channels.

    ``ConfigError`` names a module that the machine does not have, and formats that do not suit each other.
    """
    layers, found = _layers(model), arrays(model)
    if not layers or len(found) != len(layers):
        raise ConfigError(f"the model has {len(found)} arrays in {len(layers)} layers: a machine has one in each")
    first = found[0]
    for index, array in enumerate(found):
        if (array.seed, array.index) != (first.seed, index):
            raise ConfigError(f"layer {index} has the array {array.index} of the seed {array.seed}: call manual_seed, "
                              "and then make the layers in their order")
        if array.formats.cells != first.formats.cells:
            raise ConfigError(f"layer {index} has other devices or rules than layer 0: in a machine all are alike")
    drive = first.formats.x
    shape = {"count": first.window.cells} if input_map is None else {"map": list(input_map)}
    experiment = parse(dict(first.formats.cells) | {
        "seed": first.seed, "loss": loss, "input": {"kind": drive.kind, "bits": drive.bits} | shape, "layers": layers,
    } | fields, "model")
    for index, (array, geometry) in enumerate(zip(found, experiment.crossbars, strict=True)):
        if array.formats.drive not in (None, geometry.x):
            raise ConfigError(f"layer {index} has drive={described(array.formats.x)}: in a machine it is "
                              f"{described(geometry.x)}, as what comes before it")
    return experiment


def _layers(model: torch.nn.Module) -> list[Fields]:
    """The layers of the chain ``model``, as an experiment has them."""
    layers: list[Fields] = []
    for name, module in _leaves(model, ""):
        last = layers[-1] if layers else {}
        match module:
            case Linear() | Conv2d():
                if layers and "neuron" not in last:
                    raise ConfigError(f"{name}: there are no neurons before it; put some of spinloom.nn there")
                layers.append(_layer(module))
            case torch.nn.MaxPool2d() if "kernel" in last and not last.keys() & {"pool", "neuron"}:
                last |= _pooling(name, module)
            case Neuron() if layers and "neuron" not in last:
                if module.kind in ("relu", "hard_tanh") and module.format.frac != last["z_frac"]:
                    raise ConfigError(f"{name}: frac={module.format.frac}: in a machine it is the z_frac of the layer "
                                      f"before, {last['z_frac']}")
                last |= {"neuron": module.kind, "activation_bits": module.format.bits}
            case Unflatten() if "neuron" in last:
                last["map"] = [*module.sides, last["cols"] // prod(module.sides)]
            case Flatten():
                pass
            case _:
                raise ConfigError(f"{name}: a machine has no {type(module).__name__} there; it has layers of "
                                  "spinloom.nn, max pooling behind convolutions, and then neurons")
    return layers


def _leaves(model: torch.nn.Module, name: str) -> Iterator[tuple[str, torch.nn.Module]]:
    """The modules of a chain with their names, in their order."""
    if isinstance(model, torch.nn.Sequential):
        for inner, module in model.named_children():
            yield from _leaves(module, f"{name}.{inner}".lstrip("."))
    else:
        yield name or "the model", model


def _layer(module: Linear | Conv2d) -> Fields:
    """A layer as an experiment has it."""
    layer = module.array.formats.layer
    described = {name: getattr(layer, name) for name in ("cols", "bias", *formats.INTEGERS)}
    if isinstance(module, Linear):
        return described
    return described | {"kind": "conv", "kernel": module.kernel_size, "stride": module.stride,
                        "padding": module.padding, "drop": True}


def _pooling(name: str, module: torch.nn.MaxPool2d) -> Fields:
    """A max pooling as an experiment has it."""
    if module.padding not in (0, (0, 0)) or module.dilation not in (1, (1, 1)) or module.ceil_mode:
        raise ConfigError(f"{name}: a machine pools without padding, dilation and ceil_mode")
    pool, stride = (side if isinstance(side, tuple) else (side, side) for side in (module.kernel_size, module.stride))
    return {"pool": pool, "pool_stride": stride}


def _neuron(layer: Layer) -> Neuron:
    """The neuron of a layer of an experiment."""
    match layer.neuron:
        case "relu":
            return ReLU(layer.activation_bits, layer.z_frac)
        case "hard_tanh":
            return HardTanh(layer.activation_bits, layer.z_frac)
        case "sigmoid":
            return Sigmoid(layer.activation_bits)
        case _:
            return Ternary()
