"""Experiments as models, and models as experiments: chains of layers that the machine can run by itself."""

from collections.abc import Iterator
from itertools import zip_longest
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..config import Cells, Experiment, Layer, edited, load, parse
from ..contract.errors import ConfigError
from ..model.crossbar import StateError
from ..train import run_folder
from . import formats
from .array import Array, arrays
from .formats import Formats, described
from .layers import Conv2d, Flatten, Linear, Unflatten
from .losses import CrossEntropy, SquaredHinge
from .neurons import HardTanh, Neuron, ReLU, Sigmoid, Stochastic, Ternary
from .seed import manual_seed
from .tiles import Tiles

Fields = dict[str, Any]
"""Of an experiment, or of a layer of one."""
State = dict[str, np.ndarray]
"""That of a `model.network.Network`, and the write pulses of its cells: what is in the ``state.npz`` of a run."""
PLACE: Fields = {"kind": "dense", "kernel": None, "stride": (1, 1), "padding": (0, 0), "pool": None,
                 "pool_stride": None, "map": None, "neuron": None}
"""Where a dense layer is applied, and what is behind it: nothing."""


class Chain(torch.nn.Sequential):
    """The network of an experiment as modules."""

    origin: Experiment | None = None
    """The experiment that it was made from."""

    def load(self, state: State) -> None:
        """Take the ``state`` of a network, and the write pulses of its cells if they are there; arrays of other names
        are ignored. ``StateError`` if it does not fit."""
        for index, array in enumerate(arrays(self)):
            prefix = f"layer{index}_"
            array.load({name.removeprefix(prefix): state[name] for name in state if name.startswith(prefix)})
        for name, neurons in _firing(self).items():
            if name not in state:
                raise StateError(f"the state has no array {name!r}")
            neurons.lfsr.state = int(state[name])


def model(source: Experiment | str | Path) -> Chain:
    """The network of ``source`` as modules: of the folder of a run, in the latest state of that; of an experiment, or
    of what names one (`config.load`), in the initial state.

    The seed of the experiment becomes the master seed (`manual_seed`). ``ConfigError`` if there is no such experiment,
    or if the files in the folder are not those of a run.
    """
    if isinstance(source, Experiment):
        return _chain(source)
    folder = Path(source)
    if not folder.is_dir():
        return _chain(load(str(source)))
    record = run_folder.read_record(folder)
    found = _chain(record.experiment)
    run_folder.read_state(folder, record, found)
    return found


def loss_of(experiment: Experiment) -> torch.nn.Module:
    """The loss of ``experiment`` as a module."""
    return SquaredHinge() if experiment.loss == "squared_hinge" else CrossEntropy(experiment.layers[-1].delta_frac)


def network_state(model: torch.nn.Module) -> State:
    """The state of the arrays and of the stochastic neurons in ``model``, as `model.network.Network.load` takes it, and
    the write pulses of the arrays' cells."""
    return {f"layer{index}_{name}": values for index, array in enumerate(arrays(model))
            for name, values in array.state().items()} | {
        name: np.array(neurons.lfsr.state, dtype=np.uint32) for name, neurons in _firing(model).items()}


def _firing(model: torch.nn.Module) -> dict[str, Stochastic]:
    """The stochastic neurons in ``model``, by the names of their LFSRs in the state of a network: each drives the array
    behind it."""
    found, behind = {}, 0
    for module in model.modules():
        behind += isinstance(module, Array)
        if isinstance(module, Stochastic):
            found[f"layer{behind}_neuron_lfsr"] = module
    return found


def experiment(model: torch.nn.Module, **fields: Any) -> Experiment:
    """The experiment whose network ``model`` is.

    ``model`` is a `torch.nn.Sequential` of layers and neurons of `spinloom.nn`, with max pooling between convolutions
    and their neurons. What it does not tell, such as the loss, the data set, epochs and lanes, is that of the
    experiment that it was made from (`model`), or the default. ``fields`` change it, as in `Experiment.replaced`:
    ``input={"map": [28, 28, 1]}``, which a model needs that begins with images, or ``layers={0: {"lanes": 8}}``.

    ``ConfigError`` names a module that the machine does not have, and formats that do not suit each other.
    """
    layers, found = _layers(model), arrays(model)
    _check(found, layers)
    first = found[0]
    nothing: Fields = {}
    origin = model.origin.model_dump() if isinstance(model, Chain) and model.origin else nothing
    known = origin.get("layers", ())[:len(layers)]
    document = origin | first.formats.cells.model_dump() | {
        "seed": first.seed, "input": origin.get("input", nothing) | _input(first, layers[0]),
        "layers": tuple({"drop": True} | before | told
                        for before, told in zip_longest(known, layers, fillvalue=nothing))}
    made = parse(edited(document, fields), "model")
    for index, (array, geometry) in enumerate(zip(found, made.crossbars, strict=True)):
        rows = array.crossbar.geometry.rows
        if rows != geometry.rows:
            raise ConfigError(f"layer {index} has {rows} rows: with this input it would need {geometry.rows}")
        if array.formats.drive not in (None, geometry.x):
            raise ConfigError(f"layer {index} has drive={described(array.formats.x)}: in a machine it is "
                              f"{described(geometry.x)}, as what comes before it")
    return made


def _chain(origin: Experiment) -> Chain:
    """The network of ``origin`` as modules, in the initial state. Inputs are images if it says so, else rows; outputs
    are rows."""
    manual_seed(origin.seed)
    shared = {name: getattr(origin, name) for name in Cells.model_fields}
    drive, images = origin.input.format, origin.input.map is not None
    modules: list[torch.nn.Module] = []
    for layer, window in zip(origin.layers, origin.windows, strict=True):
        given = shared | {name: getattr(layer, name) for name in formats.INTEGERS}
        array = Array(Formats.of(window, layer.bias, drive=drive, **given), window)
        if bool(layer.kernel) != images:
            modules.append(Flatten() if images else Unflatten(1, 1))
        modules.append(
            Conv2d(window.map[2], layer.cols, layer.kernel, layer.stride, layer.padding, bias=layer.bias, array=array)
            if layer.kernel else Linear(window.inputs, layer.cols, layer.bias, array=array))
        images = bool(layer.kernel or layer.map)
        if layer.pool:
            modules.append(torch.nn.MaxPool2d(layer.pool, layer.pool_stride or layer.pool))
        if layer.neuron:
            neuron = _neuron(layer)
            modules.append(neuron)
            drive = neuron.format
        if layer.map:
            modules.append(Unflatten(*layer.map[:2]))
    made = Chain(*modules, *([Flatten()] if images else []))
    made.origin = origin
    return made


def _neuron(layer: Layer) -> Neuron:
    """The neuron of a layer of an experiment."""
    match layer.neuron:
        case "relu":
            return ReLU(layer.activation_bits, layer.z_frac)
        case "hard_tanh":
            return HardTanh(layer.activation_bits, layer.z_frac)
        case "sigmoid":
            return Sigmoid(layer.activation_bits)
        case "stochastic":
            return Stochastic()
        case _:
            return Ternary()


def _check(found: list[Array], layers: list[Fields]) -> None:
    """``ConfigError`` unless ``found`` are the arrays that a machine with ``layers`` has."""
    if not layers:
        raise ConfigError("the model has no layers; use those of spinloom.nn")
    if len(found) != len(layers):
        raise ConfigError(f"the model has {len(layers)} layers and {len(found)} arrays: in a machine, each layer has "
                          "an array of its own")
    seed, cells = found[0].seed, found[0].formats.cells
    for index, array in enumerate(found):
        if (array.seed, array.index) != (seed, index):
            raise ConfigError(f"layer {index} has the array {array.index} of the seed {array.seed}: call manual_seed, "
                              "and then make the layers in their order")
        if array.formats.cells != cells:
            raise ConfigError(f"layer {index} has other devices or rules than layer 0: in a machine all are alike")


def _layers(model: torch.nn.Module) -> list[Fields]:
    """The layers of the chain ``model``, as an experiment has them."""
    layers: list[Fields] = []
    for name, module in _leaves(model, ""):
        last = layers[-1] if layers else PLACE
        match module:
            case Linear() | Conv2d():
                if layers and not last["neuron"]:
                    raise ConfigError(f"{name}: there are no neurons before it; put some of spinloom.nn there")
                layers.append(_layer(name, module))
            case torch.nn.MaxPool2d() if last["kernel"] and not last["pool"] and not last["neuron"]:
                last |= _pooling(name, module)
            case Neuron() if layers and not last["neuron"]:
                last |= _activation(name, module, last["z_frac"])
            case Unflatten() if last["neuron"] and not last["kernel"]:
                last["map"] = *module.sides, last["cols"] // prod(module.sides)
            case Flatten():
                pass
            case torch.nn.Flatten():
                raise ConfigError(f"{name}: torch.nn.Flatten has another order of cells than a machine; use "
                                  "spinloom.nn.Flatten")
            case _:
                raise ConfigError(f"{name}: a machine has no {type(module).__name__} there; it has layers of "
                                  "spinloom.nn, max pooling behind convolutions, and then neurons")
    return layers


def _leaves(model: torch.nn.Module, name: str) -> Iterator[tuple[str, torch.nn.Module]]:
    """The modules of a chain with their names, in their order."""
    if isinstance(model, torch.nn.Sequential):
        for inner, module in model._modules.items():  # named_children names a module once that is there twice
            yield from _leaves(module, f"{name}.{inner}".lstrip("."))
    else:
        yield name or "the model", model


def _input(first: Array, layer: Fields) -> Fields:
    """The input of a chain, as far as its ``first`` array and ``layer`` tell it."""
    drive = first.formats.x
    bits = {} if drive.kind == "ternary" else {"bits": drive.bits}
    return {"kind": drive.kind} | bits | ({} if layer["kernel"] else {"count": first.window.cells})


def _layer(name: str, module: Linear | Conv2d) -> Fields:
    """A layer as an experiment has it."""
    if isinstance(module.array, Tiles):
        raise ConfigError(f"{name}: its weights are in {len(module.array.arrays)} arrays; in a machine, each layer has "
                          "one: make it smaller, or without tile")
    layer = module.array.formats.layer
    place = {"drop": False} if isinstance(module, Linear) else {
        "kind": "conv", "kernel": module.kernel_size, "stride": module.stride, "padding": module.padding}
    return PLACE | place | {name: getattr(layer, name) for name in ("cols", "bias", *formats.INTEGERS)}


def _pooling(name: str, module: torch.nn.MaxPool2d) -> Fields:
    """A max pooling as an experiment has it."""
    if module.padding not in (0, (0, 0)) or module.dilation not in (1, (1, 1)) or module.ceil_mode:
        raise ConfigError(f"{name}: a machine pools without padding, dilation and ceil_mode")
    pool, stride = (side if isinstance(side, tuple) else (side, side) for side in (module.kernel_size, module.stride))
    return {"pool": pool, "pool_stride": None if stride == pool else stride}


def _activation(name: str, module: Neuron, z_frac: int) -> Fields:
    """Neurons behind a layer of ``z_frac`` as an experiment has them."""
    if module.kind in ("relu", "hard_tanh") and module.format.frac != z_frac:
        raise ConfigError(f"{name}: frac={module.format.frac}: in a machine it is the z_frac of the layer before, "
                          f"{z_frac}")
    given = module.kind not in ("ternary", "stochastic")
    return {"neuron": module.kind} | ({"activation_bits": module.format.bits} if given else {})
