"""Increments of the samples that a run would train on next, counted once more beside the network."""

import pytest
from spinloom.config import parse
from spinloom.contract.errors import ConfigError
from spinloom.model.crossbar import Crossbar
from spinloom.model.fixed import round_shift
from spinloom.model.window import with_bias
from spinloom.study.energy import increments
from spinloom.study.energy.costs import load_costs
from spinloom.train import loop

SMALL = {"input": {"count": 64}, "device": {"kind": "domain_wall"}, "learning_rate_shifts": [4], "layers": [
    {"cols": 12, "weight_step": -2, "z_frac": 6, "bias": True}, {"cols": 10, "weight_step": -1}]}
CONVOLUTIONS = SMALL | {"input": {"map": [8, 8, 1]}, "layers": [
    {"kind": "conv", "cols": 4, "kernel": 3, "weight_step": -1, "z_frac": 6}, {"cols": 10, "weight_step": -1}]}


COSTS = """
memory = [{ picojoules = 1e12, standing = "sourced", source = "1/4 J for 16 bits" }]

[array]
accumulation = { picojoules = 0, standing = "sourced", source = "" }
comparison = { picojoules = 0.5e12, standing = "sourced", source = "1/2 J" }
"""


@pytest.fixture
def costs(tmp_path):
    """Costs whose sums are exact."""
    (tmp_path / "costs.toml").write_text(COSTS)
    return load_costs(tmp_path / "costs.toml")


def trained(folder, described, samples=60):
    loop.run(parse(described | {"epochs": 1}, "small"), samples=samples, out=folder, progress=False)
    return folder


@pytest.mark.parametrize("described", [SMALL, CONVOLUTIONS, SMALL | {"batch": 4}])
def test_increments_are_counted(tmp_path, monkeypatch, costs, described):
    """All of them, those in columns with an error, those that change a residual."""
    folder = trained(tmp_path / "run", described)
    before = (folder / "state.npz").read_bytes()
    sums = [[0, 0, 0] for _ in described["layers"]]
    update = Crossbar.update

    def spy(crossbar, x, d, shift, program=True):
        geometry = crossbar.geometry
        drive, delta = with_bias(geometry, x).reshape(-1, geometry.rows).long(), d.reshape(-1, geometry.cols)
        rows = (drive[delta.any(dim=1)] != 0).any(dim=0)
        changes = round_shift(-(drive.T @ delta), geometry.update_shift(shift))[rows]
        counts = changes.numel(), int(rows.sum()) * int(delta.any(dim=0).sum()), int((changes != 0).sum())
        sums[geometry.index] = [a + b for a, b in zip(sums[geometry.index], counts, strict=True)]
        update(crossbar, x, d, shift, program)

    monkeypatch.setattr(Crossbar, "update", spy)
    answer = increments.measure(folder, 20, costs)
    assert [[row.given, row.with_error, row.changing] for row in answer] == sums
    assert [(row.layer, row.samples) for row in answer] == [(0, 20), (1, 20)]
    assert all(row.given >= row.with_error >= row.changing > 0 for row in answer)
    assert (folder / "state.npz").read_bytes() == before
    for row in answer:
        idle = (row.given - row.with_error) * (2 * 0.25 + (0 if "batch" in described else 0.5))
        assert row.joules_with_error == row.joules - idle


def test_residuals_that_are_due_without_an_increment(tmp_path):
    """In mini-batches, residuals wait beyond the threshold."""
    folder = trained(tmp_path, SMALL | {"batch": 50, "learning_rate_shifts": [2]})
    assert sum(row.due for row in increments.measure(folder, 50, load_costs())) > 0


def test_a_host_makes_its_own_increments(tmp_path):
    folder = trained(tmp_path, SMALL | {"host": {"optimizer": "sgd"}, "batch": 20})
    with pytest.raises(ConfigError, match="a host makes the increments; leave --increments out"):
        increments.measure(folder, 20, load_costs())
