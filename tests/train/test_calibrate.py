"""Ranges of ADCs from data."""

import pytest
from spinloom import config
from spinloom.contract.errors import ConfigError
from spinloom.model.ranges import BEYOND
from spinloom.train import calibrate
from spinloom.train import loop as train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibrate") / "run"
    train.run(config.load("digits-dw5").replaced(epochs=1), samples=300, out=folder, baseline=False, progress=False)
    return folder


def test_ranges_are_the_finest_that_limit_few(run, tmp_path):
    result = calibrate.run(run, samples=200, out=tmp_path / "calibrated.toml")
    hidden, last = result.ranges
    assert [each.z_frac_before for each in result.ranges] == [6, 4]
    for each, top in ((hidden, 255), (last, 127)):
        assert each.limited <= 100 * BEYOND
        assert each.largest * 2.0 ** (each.z_frac - 1) <= top + 0.5, "a coarser range limits nothing"
    written = config.load(str(tmp_path / "calibrated.toml"))
    before = config.load("digits-dw5").replaced(epochs=1)
    assert written == before.replaced(layers={0: {"z_frac": hidden.z_frac}, 1: {"z_frac": last.z_frac}})


def test_an_experiment_of_somebody_else_is_not_replaced(run, tmp_path):
    out = tmp_path / "mine.toml"
    out.write_text("epochs = 1\n")
    with pytest.raises(ConfigError, match="mine.toml: is there already, and not made by this command"):
        calibrate.run(run, samples=50, out=out)
    assert out.read_text() == "epochs = 1\n"
    calibrate.run(run, samples=50, out=out, overwrite=True)
    calibrate.run(run, samples=60, out=out)  # it is our own now


def test_the_accuracy_is_that_of_both_ranges(run):
    result = calibrate.run(run, samples=50)
    assert 20 < result.accuracy_before <= 100
    assert abs(result.accuracy - result.accuracy_before) < 10
