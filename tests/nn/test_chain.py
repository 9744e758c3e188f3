import copy
from dataclasses import replace
from random import Random

import pytest
import torch
from spinloom import config, nn
from spinloom.contract.errors import ConfigError
from spinloom.model.network import Network
from spinloom.random_experiment import random_experiment
from spinloom.train import loop

from .test_layers import WALL, digits_model
from .twins import relaxing_by_steps, state


def plain(experiment):
    """``experiment`` without what goes without saying: the distance of windows of a pooling that is their width."""
    return experiment.replaced(layers={
        index: {"pool_stride": None} for index, layer in enumerate(experiment.layers)
        if layer.pool_stride == layer.pool})


def numbers(experiment):
    """The crossbars of ``experiment``, whatever they are made of."""
    return [replace(geometry, window=replace(geometry.window, drop=True), lanes=geometry.cols, adcs=1, ports=2,
                    forward_reads=1, second_reads=1) for geometry in experiment.crossbars]


def assert_there_and_back(experiment):
    model = nn.model(experiment)
    assert nn.experiment(model) == nn.experiment(copy.deepcopy(model)) == experiment
    assert state(model) == state(Network(experiment))

    alone = nn.experiment(torch.nn.Sequential(*model), loss=experiment.loss, input=experiment.input,
                          learning_rate_shifts=experiment.learning_rate_shifts)
    assert numbers(alone) == numbers(experiment)


@pytest.mark.parametrize("preset", ["digits-dw5", "digits-conv-dw5", "mnist-lenet-dw5", "mnist-mtj2"])
def test_presets_go_there_and_back(preset):
    assert_there_and_back(config.load(preset))


def test_random_experiments_go_there_and_back():
    for seed in range(40):
        assert_there_and_back(plain(relaxing_by_steps(random_experiment(Random(seed), convolutions=seed % 2 == 1))))


def test_what_a_model_does_not_tell_can_be_given():
    made = nn.experiment(nn.model("digits-dw5"), layers={0: {"lanes": 8}}, epochs=3)
    assert made == config.load("digits-dw5").replaced(layers={0: {"lanes": 8}}, epochs=3)


def test_a_model_that_has_changed_is_another_experiment():
    model, origin = nn.model("digits-conv-dw5"), config.load("digits-conv-dw5")
    nn.manual_seed(7)
    model[0] = nn.Conv2d(1, 8, 5, padding=2, **WALL)
    model[3] = nn.Conv2d(8, 6, 3, **WALL | {"z_frac": 5})
    model[-1] = nn.Linear(6, 10, **WALL)
    made = nn.experiment(model)
    assert (origin.topology, made.topology) == ("8C3p1-MP2-16C3p1-MP2-10", "8C5p2-MP2-6C3-MP2-10")
    assert (made.seed, made.epochs, made.layers[0].rate_offset) == (7, 20, 0)


def test_a_model_of_ones_own_is_an_experiment_with_the_usual_fields():
    model = digits_model()
    model[-1].array.reform(replace(model[-1].array.formats, drive=None))
    made = nn.experiment(model, input={"map": [8, 8, 1]}, dataset="digits", layers={-1: {"adcs": 2}})
    assert (made.topology, made.name, made.seed, made.epochs) == ("4C3p1-MP2-10", "model", 1, 5)
    assert [layer.adcs for layer in made.layers] == [None, 2]
    assert state(model) == state(Network(made))


def test_a_run_folder_becomes_a_model(tmp_path):
    experiment = config.load("digits-dw5").replaced(epochs=1)
    loop.run(experiment, out=tmp_path / "run", samples=200, baseline=False, progress=False)
    model = nn.model(tmp_path / "run")
    assert nn.experiment(model) == experiment
    network = Network(experiment)
    network.load(nn.network_state(model))
    pulses = [int(array.pulses.sum()) for array in nn.arrays(model)]
    assert [crossbar.counters["attempts"] for crossbar in network.crossbars] == pulses
    assert min(pulses) > 0
    (tmp_path / "run" / "state.npz").unlink()
    with pytest.raises(ConfigError, match="run has no state: there is no"):
        nn.model(str(tmp_path / "run"))
    with pytest.raises(ConfigError, match="is not the folder of a run"):
        nn.model(tmp_path)
    with pytest.raises(ConfigError, match="no preset 'digits'; presets are"):
        nn.model("digits")


def chain(*modules):
    nn.manual_seed(1)
    return torch.nn.Sequential(*(make() for make in modules))


def linear(inputs, cols, **formats):
    return lambda: nn.Linear(inputs, cols, **WALL | formats)


def convolution():
    return nn.Conv2d(1, 2, 2, **WALL)


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
    ([convolution, lambda: torch.nn.MaxPool2d(2, padding=1)], "1: a machine pools without padding, dilation and"),
    ([convolution, nn.ReLU, lambda: torch.nn.MaxPool2d(2)], "2: a machine has no MaxPool2d there"),
    ([convolution, nn.ReLU, torch.nn.Flatten], "2: torch.nn.Flatten has another order of cells than a machine"),
    ([convolution], r"input: needs a count of inputs, such as count=784, or a map, such as map=\[28, 28, 1\]"),
    ([linear(4, 3), nn.ReLU], "the last layer has neuron='relu'; it must have none"),
    ([], "the model has no layers; use those of spinloom.nn"),
])
def test_what_is_no_machine_is_refused(modules, message):
    with pytest.raises(ConfigError, match=message):
        nn.experiment(chain(*modules))


def test_an_input_that_asks_for_other_arrays_is_refused():
    model = chain(convolution, nn.ReLU, nn.Flatten, linear(8, 2))
    assert nn.experiment(model, input={"map": [3, 3, 1]}).crossbars[1].rows == 8
    with pytest.raises(ConfigError, match="layer 1 has 8 rows: with this input it would need 18"):
        nn.experiment(model, input={"map": [4, 4, 1]})


def test_layers_must_have_been_made_in_their_order():
    nn.manual_seed(1)
    last, first = nn.Linear(3, 2, **WALL), nn.Linear(4, 3, **WALL)
    with pytest.raises(ConfigError, match="layer 0 has the array 1 of the seed 1: call manual_seed, and then make"):
        nn.experiment(torch.nn.Sequential(first, nn.ReLU(), last))
    shared = nn.Linear(3, 3, **WALL)
    with pytest.raises(ConfigError, match="the model has 2 layers and 1 arrays: in a machine, each layer has an array"):
        nn.experiment(torch.nn.Sequential(shared, nn.ReLU(), shared))
