import re

import pytest
import torch
from spinloom import nn, optim

from .test_layers import WALL, random_drive, train
from .twins import state


def model():
    nn.manual_seed(2)
    return torch.nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, device="domain_wall", z_frac=2), torch.nn.MaxPool2d(2), nn.ReLU(frac=0),
        nn.Flatten(), nn.Linear(64, 10, device="domain_wall", z_frac=0, delta_frac=0))


def chosen(calibration):
    return {(choice.layer, choice.what): choice for choice in calibration.choices}


def test_formats_are_as_fine_as_the_data_allow():
    net = model()
    before, x, labels = state(net), random_drive(10, 1, 8, 8) * 3.9, torch.arange(10)
    calibration = nn.calibrate(net, x, lambda z: nn.CrossEntropy()(z, labels))
    assert state(net) == before
    assert all(array.training for array in nn.arrays(net))
    choices = chosen(calibration)
    assert list(choices) == [("0", "drive"), ("0", "output"), ("2", "activation"), ("4", "output"), ("4", "delta"),
                             ("0", "delta")]
    for choice in choices.values():
        top = (1 << choice.bits - (choice.what in ("output", "delta"))) - 1
        assert choice.limited <= 0.1
        assert choice.largest > 0
        assert choice.what == "drive" or choice.largest * 2.0 ** (choice.frac + 1) > top
    first, last = nn.arrays(net)
    assert first.crossbar.geometry.x == nn.unsigned(8, 6)
    assert last.crossbar.geometry.x == net[2].format == nn.unsigned(8, choices["2", "activation"].frac)
    for name, array in (("0", first), ("4", last)):
        assert array.crossbar.geometry.z_frac == choices[name, "output"].frac
        assert array.crossbar.geometry.delta_frac == choices[name, "delta"].frac
    assert str(calibration).split("\n")[0].split() == ["layer", "numbers", "bits", "frac", "largest", "limited", "%"]
    train(net, optim.InSitu(net, 6), 3)


@pytest.mark.parametrize(("option", "what"), [("headroom", "output"), ("delta_headroom", "delta")])
def test_headroom_for_what_grows(option, what):
    x, labels = random_drive(10, 1, 8, 8), torch.arange(10)
    tight, roomy = (chosen(nn.calibrate(model(), x, lambda z: nn.CrossEntropy()(z, labels), **{option: bits}))
                    for bits in (0, 2))
    for key, choice in tight.items():
        assert roomy[key].frac == choice.frac - 2 * (key[1] == what)
    with pytest.raises(ValueError, match=rf"^{option}=-1: it must be 0 or more bits$"):
        nn.calibrate(model(), x, **{option: -1})


def test_without_a_loss_deltas_stay_and_negative_data_are_signed():
    net = nn.Linear(4, 3, device="domain_wall")
    calibration = nn.calibrate(net, random_drive(50, 4) - 0.5)
    assert [choice.what for choice in calibration.choices] == ["drive", "output"]
    assert net.array.crossbar.geometry.x == nn.signed(8, 7)


class OneHot(torch.nn.Module):
    def forward(self, places):
        return torch.nn.functional.one_hot(places, 6).float()


def test_deltas_of_data_that_have_no_gradient_are_chosen():
    """Of the first array too, which nothing that needs a gradient comes before."""
    net = torch.nn.Sequential(OneHot(), nn.Linear(6, 4, **WALL), torch.nn.Tanh(), nn.Linear(4, 3, **WALL))
    calibration = nn.calibrate(net, torch.arange(3), lambda z: nn.CrossEntropy()(z, torch.arange(3)))
    assert {("1", "delta"), ("3", "delta")} <= set(chosen(calibration))
    assert calibration == nn.calibrate(net[1:], net[0](torch.arange(3)), lambda z: nn.CrossEntropy()(
        z, torch.arange(3)))


@pytest.mark.parametrize("batch", [torch.zeros(0, 3), torch.full((2, 3), float("nan")), torch.full((2, 3), torch.inf)])
def test_a_batch_that_no_format_suits_is_refused(batch):
    with pytest.raises(nn.ArrayError, match="0: the batch gives it drives that are not finite, or none at all"):
        nn.calibrate(torch.nn.Sequential(nn.Linear(3, 4, **WALL)), batch)


def test_an_array_of_an_lstm_gets_what_all_times_need():
    net = nn.LSTM(3, 4, **WALL)
    x = torch.cat([torch.full((1, 2, 3), 0.01), torch.full((1, 2, 3), 0.9)])
    nn.calibrate(net, x.double(), lambda outputs: outputs[0].square().sum())
    assert net.arrays[0].crossbar.geometry.x == nn.signed(8, 7)


@pytest.mark.parametrize(("what", "formats", "message"), [
    ("drive", {"drive": nn.unsigned(8, 12)}, "array 0: 9[0-9] % of its drives are limited to their format; give it a"),
    ("output", {"z_frac": 11, "drive": nn.unsigned(8, 8)}, "of its outputs are limited to their format; lower z_frac"),
    ("delta", {"delta_frac": 12}, "of its deltas are limited to their format; lower delta_frac, as nn.calibrate does"),
])
def test_saturation_in_training_is_said_once(what, formats, message, capsys):
    nn.manual_seed(1)
    layer = nn.Linear(64, 64, device="domain_wall", weight_step=0, **formats)
    for _ in range(4):
        layer(random_drive(100, 64)).sum().backward()
    said = [line for line in capsys.readouterr().err.split("\n") if f"its {what}s" in line]
    assert len(said) == 1
    assert re.search(message, said[0]), said
    assert layer.array.saturation.shares[what] > 0.05
    layer.eval()
    before = layer.array.saturation.shares
    layer(random_drive(100, 64) * 100)
    assert layer.array.saturation.shares == before
