"""The benchmark: its figures, tables and plot, on a network that is built in seconds."""

import dataclasses
import json

import numpy as np
import pytest
from spinloom import cli, config
from spinloom.config import load
from spinloom.contract.errors import ConfigError
from spinloom.study.bench import measure
from spinloom.study.bench.plan import QUICK, TRAINERS
from spinloom.study.bench.results import StartUp
from spinloom.train import data

TINY = dataclasses.replace(QUICK, rounds=1, round_seconds=0.02, warm_up=100, lanes=(8,), steady=100, samples=40,
                           convolutions_steady=20, convolutions_samples=5,
                           simulator_samples={"amaranth": 1, "compiled": 40}, sizes=(8,), size_lanes=8)
LAYERS = {
    "digits-dw5": [{"cols": 8, "weight_step": -3, "z_frac": 6}, {"cols": 10, "weight_step": -1}],
    "digits-conv-dw5": [{"kind": "conv", "cols": 3, "kernel": 3, "pool": 2, "weight_step": -3, "z_frac": 6},
                        {"cols": 10, "weight_step": -1}],
}
"""Networks that are built in seconds, by the presets in whose place they are."""


def small(name):
    return config.parse({"dataset": "digits", "input": {"map": [8, 8, 1]}, "device": {"kind": "domain_wall"},
                         "layers": LAYERS[name]}, name)


def run(capsys, *arguments):
    status = cli.run(["bench", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def check(answer, folder, columns):
    """``answer`` has every headline and every table, and is what the folder holds; the first layer has ``columns``."""
    assert json.loads((folder / "bench.json").read_text()) == answer
    assert (folder / "bench.png").read_bytes().startswith(b"\x89PNG")
    text = (folder / "bench.md").read_text()
    assert f"| {answer['cycles_vs_bound']:.3f} |" in text
    for headline in ("golden_vs_float32_batch1", "golden_vs_float32_batch32", "rtl_samples_per_second"):
        assert answer[headline] > 0
    steady = answer["cycles"][0]["steady"]
    assert answer["cycles_vs_bound"] == steady["cycles"] / steady["bound_cycles"]
    speeds = {(row["trainer"], row["batch"]): row["speed"] for row in answer["training"]}
    assert set(speeds) == {(trainer, batch) for trainer in TRAINERS for batch in (1, 32)}
    compiled, float32 = (speeds[trainer, 32]["samples_per_cpu_second"] for trainer in ("compiled", "float32"))
    assert answer["golden_vs_float32_batch32"] == compiled / float32
    speeds = {row["trainer"]: row["speed"]["samples_per_cpu_second"] for row in answer["convolutions"]}
    assert answer["convolutional"] == QUICK.convolutions
    assert answer["convolutions_vs_float32"] == speeds["compiled"] / speeds["float32"] > 0
    assert {(row["model"], row["trainer"], row["batch"], row["threads"]) for row in answer["layers"]} >= {
        (model, trainer, batch, 1) for trainer in ("arrays", "float32") for model, batch in (
            *((f"Linear 64-{columns}", batch) for batch in (1, 32)),
            (QUICK.convolutions, 16))}
    for row in answer["layers"]:
        seconds = row["forward_seconds"] + row["backward_seconds"] + row["step_seconds"]
        assert row["samples_per_second"] == 1 / seconds > 0
    measured = [part for row in answer["cycles"] for part in (row["start"], row["steady"])]
    assert {(row["forward_reads"], row["second_reads"]) for row in answer["convolution_cycles"]} == {(1, 1)}
    measured += [part for row in answer["convolution_cycles"] for part in (row["start"], row["steady"])]
    measured += [row for row in answer["simulators"] if "cycles" in row] + [row["rtl"] for row in answer["scaling"]]
    for row in measured:
        assert min(row["cycles"], row["bound_cycles"]) > row["samples"] > 0
        assert row["seconds"] > 0


@pytest.mark.slow
def test_everything_is_measured(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(measure, "QUICK", TINY)
    monkeypatch.setattr(measure, "load", small)
    monkeypatch.setattr(measure, "start_up", lambda _: StartUp(import_seconds=1.0, compiled_first_seconds=7.0,
                                                               compiled_seconds=0.2))
    status, out, err = run(capsys, "--quick", "--out", tmp_path / "bench", "--json")
    assert status == 0
    assert "100%" in err
    answer = json.loads(out)
    check(answer, tmp_path / "bench", 8)
    assert answer["start_up"] == {"import_seconds": 1.0, "compiled_first_seconds": 7.0, "compiled_seconds": 0.2,
                                  "kernel_first_seconds": 7.0, "kernel_seconds": 0.2}
    assert all(row["kernel"] == row["compiled"] for row in answer["scaling"])


@pytest.mark.slow
def test_quick(capsys, tmp_path):
    status, out, _ = run(capsys, "--quick", "--out", tmp_path)
    answer = json.loads((tmp_path / "bench.json").read_text())
    assert status == 0
    assert f"{answer['cycles_vs_bound']:.3f}" in out
    check(answer, tmp_path, 32)


def test_samples_are_made_up_where_mnist_is_missing(monkeypatch, tmp_path):
    def missing(*_):
        raise ConfigError("mnist: the download failed")
    experiment = load("mnist-dw5")
    with pytest.raises(ConfigError, match="no data set 'mnist'"):
        measure.samples_of(experiment, tmp_path)
    monkeypatch.setattr(data, "load", missing)
    monkeypatch.setenv("SPINLOOM_DATA", str(tmp_path))
    with pytest.raises(ConfigError, match="download failed"):
        measure.samples_of(experiment, None)
    monkeypatch.delenv("SPINLOOM_DATA")
    xs, labels, source = measure.samples_of(experiment, None)
    assert source.startswith("synthetic")
    assert xs.shape == (len(labels), 784)
    assert set(labels.tolist()) == set(range(10))
    assert 140 < np.count_nonzero(xs.numpy()) / len(labels) < 160


def test_errors_end_in_one_line(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    for arguments, text in ((["--quick", "--out", tmp_path / "file" / "bench"], "cannot write to"),
                            (["--data", tmp_path], "no data set 'mnist'")):
        status, out, err = run(capsys, *arguments)
        assert (status, out) == (2, "")
        assert err.startswith("spinloom: ")
        assert text in err
