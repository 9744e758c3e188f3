import pytest
import torch
from spinloom import device, nn
from torch.nn.functional import relu

from .test_layers import random_drive

FINE = device("domain_wall", states=64, sigma=0.0, sub_bits=4)


def seeded(make):
    torch.manual_seed(1)
    return make().double()


def on_grid(model):
    """With weights at the states of ``FINE``, a level being 1/16."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "weight" in name:
                parameter.copy_((torch.floor(parameter * 16) + 0.5) / 16)
    return model


def lenet():
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 6, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Flatten(),
        torch.nn.Linear(96, 20), torch.nn.BatchNorm1d(20), torch.nn.ReLU(), torch.nn.Linear(20, 10, bias=False))


def test_fine_arrays_do_what_the_model_does():
    """Float weights on the grid of the states, and formats with room: no more than rounding of the outputs is left."""
    model = on_grid(seeded(lambda: torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.Tanh(), torch.nn.Linear(4, 3))))
    nn.manual_seed(1)
    found = nn.convert(model, device=FINE, z_bits=12, z_frac=9)
    assert [each.weight_step for each in found.arrays] == [-4, -4]
    assert [each.error for each in found.arrays] == [0.0, 0.0]
    x = random_drive(5, 6)
    hidden = model[0](x)
    assert found.model[0](x).tolist() == (
        torch.floor((hidden - model[0].bias) * 512 + 0.5) / 512 + model[0].bias).tolist()
    assert found.digital == ()
    assert len(list(found.model.parameters())) == 2
    assert model[0].weight.requires_grad, "the model itself has not changed"


def test_what_is_not_converted_is_named():
    model = seeded(lambda: torch.nn.ModuleDict({
        "a": lenet(), "b": torch.nn.Conv2d(2, 2, 3, groups=2), "c": torch.nn.GRU(3, 3), "d": torch.nn.LSTM(3, 4, 2)}))
    found = nn.convert(model, device="domain_wall", transfer=False)
    assert [each.layer for each in found.arrays] == ["a.0", "a.4", "a.7", "d", "d"]
    assert all(each.write_pulses == 0 for each in found.arrays)
    assert found.digital == ("a.5", "b", "c")
    assert str(found).split("\n")[-1] == "not in arrays: a.5, b, c"
    assert [array.golden.model.g.shape for array in nn.arrays(found.model)] == [
        (9, 6), (96, 20), (20, 10), (8, 16), (9, 16)]


def test_what_does_something_of_its_own_is_not_converted():
    class Doubled(torch.nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    found = nn.convert(torch.nn.Sequential(Doubled(4, 4), torch.nn.MultiheadAttention(4, 2)), device="ideal")
    assert found.arrays == ()
    assert found.digital == ("0", "1", "1.out_proj")
    assert nn.convert(torch.nn.GRU(3, 3), device="ideal").digital == ("the model",)


def test_weights_that_cannot_be_written_or_loaded_are_refused():
    model = torch.nn.Sequential(torch.nn.Linear(3, 2))
    found = nn.convert(model, device="ideal")
    with pytest.raises(nn.ArrayError, match=r"0\.weight: float weights cannot be loaded into an array"):
        found.model.load_state_dict(model.state_dict())
    torch.nn.init.constant_(model[0].weight, float("inf"))
    with pytest.raises(nn.ArrayError, match="0: weights that are not finite cannot be written"):
        nn.convert(model, device="ideal")


def test_shared_modules_stay_shared():
    model = seeded(lambda: torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU()))
    model = torch.nn.Sequential(model[0], model[1], model[0])
    found = nn.convert(model, device="domain_wall")
    assert found.model[0] is found.model[2]
    assert len(found.arrays) == len(nn.arrays(found.model)) == 1


def test_a_trained_model_keeps_most_of_what_it_knows():
    model, x = seeded(lenet), random_drive(200, 1, 8, 8)
    labels = x.flatten(2).mean(dim=2).squeeze(1).argsort().argsort() // 20
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(40):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), labels).backward()
        optimizer.step()
    model.eval()
    nn.manual_seed(1)
    found = nn.convert(model, x, device=device("domain_wall", states=33, sigma=0.1))
    found.model.eval()
    agree = (found.model(x).argmax(dim=1) == model(x).argmax(dim=1)).double().mean().item()
    assert agree > 0.8
    assert all(each.write_pulses > each.cells / 2 and each.outside_margin < each.cells / 50 for each in found.arrays)
    assert all(each.error < 20 for each in found.arrays)
    assert [choice.layer for choice in found.calibration.choices] == ["0.layer", "0.layer", "4.layer", "4.layer", "7",
                                                                      "7"]
    assert len(str(found).split("\n")) == 1 + 3 + 1


@pytest.mark.parametrize("bias", [True, False])
def test_an_lstm_is_written_row_by_row(bias):
    model = on_grid(seeded(lambda: torch.nn.LSTM(3, 4, 2, bias=bias, batch_first=True)))
    nn.manual_seed(1)
    found = nn.convert(model, device=FINE, weight_step=-4, drive=nn.signed(12))
    for layer, array in enumerate(found.model.arrays):
        written = array.golden.model.g.double() / 256
        rows = [getattr(model, f"weight_{kind}_l{layer}").T for kind in ("ih", "hh")]
        assert written[:-1].tolist() == torch.cat(rows).tolist()
        total = sum(getattr(model, f"bias_{kind}_l{layer}") for kind in ("ih", "hh")) * 2048 / 2047 if bias \
            else torch.zeros(16)
        assert (written[-1] * 16).tolist() == (torch.floor(total * 16) + 0.5).tolist()
    x = random_drive(2, 5, 3)
    assert found.model(x)[0].shape == model(x)[0].shape


def test_a_single_layer_is_a_model():
    layer = seeded(lambda: torch.nn.Linear(3, 2, bias=False))
    assert isinstance(nn.convert(layer, device="ideal").model, nn.Linear)
    assert relu(nn.convert(layer, device="ideal").model(random_drive(1, 3))).shape == (1, 2)


def test_how_cells_are_written_is_a_format():
    found = nn.convert(torch.nn.Linear(20, 10), device="domain_wall", write={"margin": 0.05, "max_attempts": 3})
    rule = nn.arrays(found.model)[0].formats.cells.write
    assert (rule.margin, rule.max_attempts) == (0.05, 3)
    assert found.arrays[0].write_pulses > 200
