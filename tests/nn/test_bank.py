"""The file of a bank that a model is in."""

import pytest
import spinloom as sl
import torch
from spinloom import design, nn
from spinloom.boards.catalogue import find
from spinloom.contract.errors import ConfigError
from spinloom.contract.parameters import design_digest

WALL = sl.device("domain_wall", states=5, sigma=0.3, variation=0.1)


def saved(model: torch.nn.Module, path, **options) -> tuple:
    """The geometries in the file that the model writes."""
    nn.save_bank(model, path, **options)
    return design.load(str(path)).crossbars


def convolutions() -> torch.nn.Module:
    """Arrays of several devices and formats, by two seeds."""
    nn.manual_seed(3)
    model = torch.nn.Sequential(
        nn.Conv2d(1, 4, (3, 2), stride=2, padding=1, device=WALL), nn.ReLU(bits=6), nn.Flatten(),
        nn.Linear(3 * 4 * 4, 50, bias=True, device="mtj", converters={"read_noise": 0.3},
                  update={"rounding": "stochastic", "residual": "none"}),
        nn.HardTanh(5), nn.Linear(50, 7, device="pcm_pair", rate_offset=1, chi_bits=18), nn.Ternary())
    nn.manual_seed(9)
    model.append(nn.Linear(7, 2, device=WALL, init_spread=0.5, z_frac=3, write={"margin": 0.5}))
    model(torch.rand(2, 1, 6, 6))
    return model


def lstm() -> torch.nn.Module:
    nn.manual_seed(2)
    model = nn.LSTM(5, 6, num_layers=2, device="pcm_pair")
    model(torch.rand(3, 1, 5) * 2 - 1)
    return model


def many() -> torch.nn.Module:
    """More arrays than a seed has."""
    nn.manual_seed(4)
    model = torch.nn.Sequential(*(nn.Linear(4, 4, device=WALL, weight_step=-3) for _ in range(18)))
    model(torch.rand(1, 4) - 0.5)
    return model


@pytest.mark.parametrize("lanes", [1, 5, 16])
@pytest.mark.parametrize("make", [convolutions, lstm, many])
def test_a_file_has_the_geometries_of_the_model(tmp_path, make, lanes):
    model = make()
    assert saved(model, tmp_path / "model.toml", lanes=lanes) == nn.bank(model, lanes=lanes)


def test_the_bitstream_of_the_file_is_what_the_model_expects(tmp_path):
    model, board = lstm(), find("ulx3s")
    nn.save_bank(model, tmp_path / "lstm.toml", lanes=4)
    top = board.top(design.load(str(tmp_path / "lstm.toml")))
    assert top.component.link.design_digest == design_digest(nn.bank(model, lanes=4))
    assert top.component.design.geometries == nn.bank(model, lanes=4)


def test_a_calibrated_model(tmp_path):
    torch.manual_seed(1)
    batch = 3 * torch.rand(8, 6) - 1
    model = nn.convert(torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Linear(5, 3)), batch,
                       lambda outputs: outputs.square().sum(), device=WALL).model
    assert saved(model, tmp_path / "model.toml") == nn.bank(model)


def test_only_what_does_not_go_without_saying_is_written(tmp_path):
    nn.manual_seed(1)
    model = torch.nn.Sequential(nn.Linear(4, 8, device=WALL), nn.ReLU(bits=5), nn.Linear(8, 3, bias=True, device=WALL))
    model(torch.rand(1, 4))
    nn.save_bank(model, tmp_path / "model.toml", lanes=4)
    assert (tmp_path / "model.toml").read_text() == """seed = 1

[device]
kind = "domain_wall"
sub_bits = 3
states = 5
sigma = 0.3
variation = 0.1

[[crossbars]]
cols = 8
lanes = 4
adcs = 4
weight_step = 0
z_frac = 6

[crossbars.input]
count = 4
kind = "unsigned"
bits = 8
frac = 8

[[crossbars]]
cols = 3
lanes = 3
adcs = 3
bias = true
weight_step = -1
z_frac = 6

[crossbars.input]
count = 8
kind = "unsigned"
bits = 5
frac = 6
"""


def test_what_cannot_be_written_is_refused(tmp_path):
    nn.manual_seed(1)
    model = nn.Linear(4, 3, device=WALL)
    with pytest.raises(nn.ArrayError, match="array 0 has not been applied to anything yet"):
        nn.save_bank(model, tmp_path / "model.toml")
    model(torch.rand(1, 4))
    with pytest.raises(ConfigError, match="model.json: the name of a bank's file must end in .toml"):
        nn.save_bank(model, tmp_path / "model.json")
    with pytest.raises(nn.ArrayError, match="lanes=0: must be at least 1"):
        nn.save_bank(model, tmp_path / "model.toml", lanes=0)
    with pytest.raises(nn.ArrayError, match="the model has no arrays: put its layers into some"):
        nn.save_bank(torch.nn.Linear(4, 3), tmp_path / "model.toml")
    with pytest.raises(ConfigError, match="nowhere/model.toml: cannot be written: No such file or directory"):
        nn.save_bank(model, tmp_path / "nowhere" / "model.toml")
    assert not list(tmp_path.iterdir())
