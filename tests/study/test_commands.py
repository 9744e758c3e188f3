"""From measurements to a trained network, its Verilog and its energy, by the commands of the program."""

import json
from pathlib import Path

import pytest
from spinloom import cli
from spinloom.devices.fit import fittable
from spinloom.study.energy.costs import COSTS


@pytest.fixture
def spinloom(capsys):
    """Runs the program; returns its answer as JSON."""
    def run(*arguments):
        status = cli.run([*map(str, arguments), "--json"])
        captured = capsys.readouterr()
        assert status == 0, captured.err
        return json.loads(captured.out)
    return run


RULES = {"pcm_pair": 'update.residual = "nominal"',
         "mtj": 'update.rounding = "stochastic"\nupdate.residual = "none"\nlearning_rate_shifts = [1]'}
KINDS = pytest.mark.parametrize(("kind", "rule"), [(kind, RULES.get(kind, "")) for kind in fittable()])


def small(folder, rule):
    """The path of an experiment with the device of ``device.toml``."""
    path = folder / "small.toml"
    path.write_text(f"""
device = "device.toml"
input.count = 64
epochs = 1
{rule}
[[layers]]
cols = 8
weight_step = -2
z_frac = 6
[[layers]]
cols = 10
weight_step = -1
""")
    return path


def fit(spinloom, folder, kind):
    """Measures a device of ``kind`` into ``data.csv``, and fits ``device.toml``; returns the answer."""
    source = folder / "known.toml"
    source.write_text(f'kind = "{kind}"\n' + ('curve = "switching_time"\n' if kind == "mtj" else ""))
    spinloom("device", "measure", source, "--out", folder / "data.csv", "--pulses", 4000)
    told = ("--kind", kind) if kind == "measured" else ()  # it is never guessed
    return spinloom("device", "fit", folder / "data.csv", "--out", folder / "device.toml", "--unit", "uS", *told)


@KINDS
def test_measured_devices_train_and_are_accounted(spinloom, tmp_path, kind, rule):
    device, run = tmp_path / "device.toml", tmp_path / "run"
    fitted = fit(spinloom, tmp_path, kind)
    assert fitted["kind"] == kind
    assert "data.csv, 4000 pulses; one level is" in fitted["device"]["measured"]

    shown = spinloom("device", "show", device, "--out", tmp_path / "device.png")
    assert shown["device"] == fitted["device"]
    assert (tmp_path / "device.png").stat().st_size > 1000

    trained = spinloom("train", small(tmp_path, rule), "--samples", 300, "--out", run)
    device.unlink()
    described = json.loads((run / "experiment.json").read_text())["experiment"]["device"]
    assert described == fitted["device"]

    spent = spinloom("energy", run)
    assert (spent["kind"], spent["samples"]) == (kind, 300)
    pulses = [row["number"] for row in spent["events"] if row["event"] in ("write pulses", "verify pulses")]
    assert sum(pulses) == trained["programming_events"] > 0
    costs = tmp_path / "costs.toml"
    costs.write_text(COSTS.read_text().replace("picojoules = 1.67", "picojoules = 1670"))
    assert spinloom("energy", run, "--costs", costs)["joules"] > 10 * spent["joules"]


@pytest.mark.slow
@KINDS
def test_measured_devices_agree_in_every_bit(spinloom, tmp_path, kind, rule):
    fit(spinloom, tmp_path, kind)
    assert spinloom("cosim", small(tmp_path, rule), "--samples", 60)["bit_exact"]


def test_a_measured_device_takes_a_presets_place(spinloom, tmp_path):
    data, device = tmp_path / "data.csv", tmp_path / "device.toml"
    spinloom("device", "measure", "domain_wall", "--out", data, "--pulses", 5000, "--seed", 4)
    spinloom("device", "fit", data, "--out", device)
    trained = spinloom("train", "digits-dw5", "--device", device, "--epochs", 2, "--out", tmp_path / "run")
    assert trained["test_accuracy"] > 90  # with the seeds 1 to 6: 92.5 to 95.3
    files = spinloom("generate", "digits-dw5", "--device", device, "--out", tmp_path / "verilog")["files"]
    verilog = next(Path(path) for path in files if path.endswith(".v"))
    assert "module digits_dw5" in verilog.read_text()


def test_errors_are_one_line(capsys, tmp_path):
    (tmp_path / "data.csv").write_text("before,after\n1,2\n")
    for arguments, message in (
            (("device", "fit", tmp_path / "data.csv", "--out", tmp_path / "d.toml"), "no column 'pulse'"),
            (("device", "fit", tmp_path / "none.csv", "--out", tmp_path / "d.toml"), "No such file"),
            (("device", "show", "nothing"), "no device 'nothing'"),
            (("device", "measure", "mtj", "--out", tmp_path / "data.csv" / "d.csv"), "data.csv"),
            (("energy", tmp_path), "is not the folder of a run"),
            (("train", "digits-dw5", "--device", "nothing"), "no device 'nothing'"),
            (("train", "digits-dw5", "--device", "mtj", "--resume", tmp_path), "--device is fixed")):
        status = cli.run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert (status, captured.out, len(captured.err.splitlines())) == (2, "", 1)
        assert message in captured.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.csv"]
