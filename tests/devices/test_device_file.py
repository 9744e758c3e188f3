"""Devices in files of their own, and devices that take the place of an experiment's."""

import json

import pytest
from spinloom import cli, config
from spinloom.contract.errors import ConfigError

EXPERIMENT = """
device = {device}
input.count = 64
[[layers]]
cols = 10
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "devices").mkdir()
    (tmp_path / "devices" / "wall.toml").write_text('kind = "domain_wall"\nstates = 3\nmeasured = "by us"\n')
    (tmp_path / "refers.toml").write_text(EXPERIMENT.format(device='"devices/wall.toml"'))
    (tmp_path / "holds.toml").write_text(EXPERIMENT.format(device='{kind = "mtj"}'))
    return tmp_path


def test_an_experiment_refers_to_a_device_beside_it(folder):
    experiment = config.load(str(folder / "refers.toml"))
    assert (experiment.device.kind, experiment.device.states, experiment.device.measured) == ("domain_wall", 3, "by us")


def test_what_is_dumped_holds_the_whole_device(folder):
    experiment = config.load(str(folder / "refers.toml"))
    document = json.loads(json.dumps(experiment.model_dump(mode="json")))
    (folder / "devices" / "wall.toml").unlink()
    assert config.parse(document, "again") == experiment


def test_a_device_takes_the_place_of_the_experiments(folder):
    wall = config.load_device(str(folder / "devices" / "wall.toml"))
    for source in ("digits-dw5", str(folder / "holds.toml"), str(folder / "refers.toml")):
        assert config.load(source, str(folder / "devices" / "wall.toml")).device == wall
        assert config.load(source, str(folder / "holds.toml")).device.kind == "mtj"
        assert config.load(source, "pcm_pair").device == config.load_device("pcm_pair")


def test_a_device_is_a_kind_a_preset_or_a_file(folder):
    assert config.load_device("mtj").states == 3
    assert config.load_device("digits-dw5") == config.load("digits-dw5").device
    assert config.load_device("wall.toml", folder / "devices").states == 3


@pytest.mark.parametrize(("text", "message"), [
    ('kind = "domain_wall"\nsigma = 50.0', r"device.domain_wall: sigma=50: must lie in 0 to"),
    ('kind = "domain_wall"\nsigmas = 0.1', r"sigmas=0.1: unknown field; allowed are .*, offset"),
    ("states = 3", "device: kind is missing"),
    ('kind = "rram"', "device: .*'rram'"),
    ("kind", "not valid TOML"),
    (EXPERIMENT.format(device='"wall.toml"'), r"takes its device from 'wall\.toml'; name the file that describes it"),
])
def test_a_wrong_device_is_named_with_its_file(tmp_path, text, message):
    (tmp_path / "device.toml").write_text(text)
    with pytest.raises(ConfigError, match=rf"device\.toml.*{message}"):
        config.load_device(str(tmp_path / "device.toml"))


def test_a_missing_device_is_named(folder):
    (folder / "refers.toml").write_text(EXPERIMENT.format(device='"lost.toml"'))
    with pytest.raises(ConfigError, match=r"cannot read .*lost\.toml"):
        config.load(str(folder / "refers.toml"))
    with pytest.raises(ConfigError, match="no device 'rram'; a device is a file, .* domain_wall,.* preset"):
        config.load_device("rram")


@pytest.mark.parametrize("arguments", [
    ["show", "d.toml", "--out", "d.toml"], ["show", "d.toml", "--out", "../{name}/d.toml"],
    ["measure", "d.toml", "--out", "link.csv"], ["fit", "m.csv", "--out", "d.toml", "--picture", "m.csv"],
    ["fit", "m.csv", "--out", "new.toml", "--picture", "new.toml"], ["fit", "m.toml", "--out", "m.toml"]])
def test_what_is_read_is_not_overwritten(tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d.toml").write_text('kind = "domain_wall"\n')
    for name in ("m.csv", "m.toml"):
        (tmp_path / name).write_text("before,pulse,after\n1,1,2\n")
    (tmp_path / "link.csv").symlink_to("d.toml")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert cli.run(["device", *(argument.format(name=tmp_path.name) for argument in arguments)]) == 2
    assert "which is read; name another file" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
