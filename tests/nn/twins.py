"""What the tests of twins need: data and states of a model as those of a network."""

import torch
from spinloom import nn
from spinloom.config import Experiment


def images(experiment: Experiment, xs: torch.Tensor) -> torch.Tensor:
    """The drives ``xs``, integers (n, inputs), as floats: images (n, channels, height, width) for a convolution."""
    floats = xs.double() * 2.0**-experiment.input.format.frac
    if experiment.input.map is None:
        return floats
    return floats.reshape(-1, *experiment.input.map).permute(0, 3, 1, 2)


def state(model: torch.nn.Module) -> dict[str, list]:
    """The state of all arrays, as that of a network."""
    return {name: array.tolist() for name, array in nn.network_state(model).items()}
