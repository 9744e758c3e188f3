"""What the tests of twins need: data and states of a model as those of a network."""

import torch
from spinloom import nn
from spinloom.config import Experiment
from spinloom.model.network import Network
from spinloom.train.wear import Wear


def images(experiment: Experiment, xs: torch.Tensor) -> torch.Tensor:
    """The drives ``xs``, integers (n, inputs), as floats: images (n, channels, height, width) for a convolution."""
    floats = xs.double() * 2.0**-experiment.input.format.frac
    if experiment.input.map is None:
        return floats
    return floats.reshape(-1, *experiment.input.map).permute(0, 3, 1, 2)


def state(of: torch.nn.Module | Network) -> dict[str, list]:
    """The state of all arrays of a model, or of a network, and the write pulses of their cells."""
    arrays = of.state() | Wear(of).state() if isinstance(of, Network) else nn.network_state(of)
    return {name: array.tolist() for name, array in arrays.items()}


def crossbar_states(model: torch.nn.Module) -> list[dict[str, list]]:
    """The complete states of the crossbars of a model, wherever they are."""
    return [{name: values.tolist() for name, values in array.crossbar.state().items()} for array in nn.arrays(model)]


def relaxing_by_steps(experiment: Experiment) -> Experiment:
    """``experiment``, whose cells relax only if a mini-batch is one sample: arrays count steps, not samples."""
    if experiment.batch == 1 or not experiment.device.retention:
        return experiment
    return experiment.replaced(device={"retention": None})
