"""Training from the SDRAM's model, measured: golden model and network agree, or it is said that they do not."""

import pytest
from click.testing import CliRunner
from spinloom.config import load
from spinloom.contract.errors import SpinloomError
from spinloom.contract.store import pack
from spinloom.hw.store.order import PermutedOrder
from spinloom.sim import stored_speed
from spinloom.train import data

LAYERS = [{"cols": 6, "lanes": 3, "weight_step": -2, "z_frac": 6},
          {"cols": 10, "lanes": 5, "weight_step": -1, "z_bits": 8, "z_frac": 4}]

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("verilator")]


def small():
    return load("digits-dw5").replaced(layers=LAYERS, order="permuted")


def test_parts_of_an_epoch():
    samples = data.load("digits").train
    reports = list(stored_speed.measure(small(), samples, [20, 1, 59]))
    assert not any(report.damaged for report in reports)
    assert reports[0].stalls > PermutedOrder.latency, "nothing is read ahead of the first sample"
    assert reports[2].stalls < reports[2].cycles / 10
    assert reports == list(stored_speed.measure(small(), samples, [20, 1, 59]))


def test_other_samples_in_memory(monkeypatch):
    samples = data.load("digits").train
    monkeypatch.setattr(stored_speed, "pack", lambda images, labels: pack(255 - images, labels))
    with pytest.raises(SpinloomError):
        list(stored_speed.measure(small(), samples, [20]))


def test_command(monkeypatch):
    monkeypatch.setattr(stored_speed, "load", lambda preset: small())
    result = CliRunner().invoke(stored_speed.main, ["digits-dw5", "--lanes", "3", "--samples", "20"])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1].split() == ["bit-exact", "yes"]
