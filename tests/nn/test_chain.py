from dataclasses import replace
from itertools import count, islice
from random import Random

import numpy as np
import pytest
import torch
from spinloom import config, nn
from spinloom.contract.errors import ConfigError
from spinloom.model.network import Network
from spinloom.random_experiment import random_experiment
from spinloom.train import loop

from .test_layers import WALL
from .twins import state


def crossbars(experiment):
    """The geometries of ``experiment``, whatever its windows leave out."""
    return [replace(geometry, window=replace(geometry.window, drop=True), lanes=geometry.cols, adcs=1, ports=2)
            for geometry in experiment.crossbars]


def assert_there_and_back(experiment):
    model = nn.from_experiment(experiment)
    fields = {name: getattr(experiment, name) for name in ("epochs", "batch", "learning_rate_shifts", "dataset")}
    again = nn.to_experiment(model, experiment.input.map, experiment.loss, **fields)
    assert crossbars(again) == crossbars(experiment)
    assert (again.seed, again.loss, again.batch) == (experiment.seed, experiment.loss, experiment.batch)
    network = Network(again)
    assert state(model) == {name: array.tolist() for name, array in network.state().items()}


@pytest.mark.parametrize("preset", ["digits-dw5", "digits-conv-dw5", "mnist-lenet-dw5", "mnist-mtj2"])
def test_presets_go_there_and_back(preset):
    assert_there_and_back(config.load(preset))


def test_random_experiments_go_there_and_back():
    drawn = (random_experiment(Random(seed), convolutions=seed % 2 == 1) for seed in count())
    once = (experiment for experiment in drawn if not any(
        layer.kind == "conv" and window.positions == 1
        for layer, window in zip(experiment.layers, experiment.windows, strict=True)))
    for experiment in islice(once, 30):
        assert_there_and_back(experiment)


def test_a_run_folder_becomes_a_model(tmp_path):
    experiment = config.load("digits-dw5").replaced(epochs=1)
    loop.run(experiment, out=tmp_path / "run", samples=200, baseline=False, progress=False)
    with np.load(tmp_path / "run" / "state.npz") as file:
        arrays = dict(file)
    model = nn.from_experiment(experiment, arrays)
    assert state(model) == {name: arrays[name].tolist() for name in state(model)}
    assert nn.arrays(model)[0].crossbar.pulses.tolist() == arrays["layer0_pulses"].tolist()
    network = Network(experiment)
    network.load(nn.network_state(model))
    assert network.crossbars[1].counters["attempts"] == int(arrays["layer1_pulses"].sum()) > 0


def chain(*modules):
    nn.manual_seed(1)
    return torch.nn.Sequential(*(make() for make in modules))


def linear(inputs, cols, **formats):
    return lambda: nn.Linear(inputs, cols, **WALL | formats)


@pytest.mark.parametrize(("modules", "message"), [
    ([torch.nn.ReLU], "0: a machine has no ReLU there; it has layers of spinloom.nn, max pooling behind convolutions"),
    ([linear(4, 3), linear(3, 2)], "1: there are no neurons before it; put some of spinloom.nn there"),
    ([linear(4, 3), lambda: nn.ReLU(frac=5), linear(3, 2)], "1: frac=5: in a machine it is the z_frac of the layer"),
    ([linear(4, 3), nn.ReLU, nn.ReLU, linear(3, 2)], "2: a machine has no ReLU there"),
    ([linear(4, 3), nn.ReLU, linear(3, 2, drive=nn.unsigned(8, 7))],
     "layer 1 has drive=unsigned8.7: in a machine it is unsigned8.6, as what comes before it"),
    ([linear(4, 3, drive=nn.unsigned(8, 4)), nn.ReLU, linear(3, 2)],
     "layer 0 has drive=unsigned8.4: in a machine it is unsigned8.8, as what comes before it"),
    ([linear(4, 3), nn.ReLU, linear(3, 2, device="ideal")], "layer 1 has other devices or rules than layer 0"),
    ([lambda: nn.Conv2d(1, 2, 2, **WALL), lambda: torch.nn.MaxPool2d(2, padding=1)],
     "1: a machine pools without padding, dilation and ceil_mode"),
    ([], "the model has 0 arrays in 0 layers: a machine has one in each"),
])
def test_what_is_no_machine_is_refused(modules, message):
    with pytest.raises(ConfigError, match=message):
        nn.to_experiment(chain(*modules))


def test_layers_must_have_been_made_in_their_order():
    nn.manual_seed(1)
    last, first = nn.Linear(3, 2, **WALL), nn.Linear(4, 3, **WALL)
    with pytest.raises(ConfigError, match="layer 0 has the array 1 of the seed 1: call manual_seed, and then make"):
        nn.to_experiment(torch.nn.Sequential(first, nn.ReLU(), last))
    shared = nn.Linear(3, 3, **WALL)
    with pytest.raises(ConfigError, match="the model has 1 arrays in 2 layers: a machine has one in each"):
        nn.to_experiment(torch.nn.Sequential(shared, nn.ReLU(), shared))
