"""The command ``trace``: what it says of a trace is what the trace holds."""

import csv
import json

import pytest
from spinloom.cli import run
from spinloom.config import parse
from spinloom.train import loop
from spinloom.train.trace import SELECTED, Trace


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    experiment = parse({
        "epochs": 2, "learning_rate_shifts": [3], "input": {"count": 64},
        "device": {"kind": "pcm_pair", "refresh_high": 0.4, "refresh_low": 0.1},
        "layers": [{"cols": 8, "weight_step": -4, "z_frac": 6}, {"cols": 10, "weight_step": -3}]}, "pairs")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(loop, "plot", lambda *_: None)
        out = tmp_path_factory.mktemp("traced")
        loop.run(experiment, out=out, samples=200, baseline=False, progress=False, trace=True)
    return out


def answer(capsys, *arguments):
    assert run(["trace", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_summary(folder, capsys):
    result, pulses = answer(capsys, folder), Trace.of(folder).select()
    assert (result["pulses"], result["first_sample"], result["last_sample"]) == (
        len(pulses), pulses["sample"][0], pulses["sample"][-1])
    for each in result["layers"]:
        ours = pulses[pulses["layer"] == each["layer"]]
        count = Trace.of(folder).counts()[each["layer"]]
        assert each == {
            "layer": each["layer"], "pulses": len(ours), "up": ours["up"].sum(), "verify": ours["verify"].sum(),
            "programmed": (ours["attempt"] == 1).sum(), "most_attempts": ours["attempt"].max(),
            "cells_pulsed": (count > 0).sum(), "cells": count.size}
        assert 0 < each["verify"] < each["pulses"]
    assert run(["trace", str(folder)]) == 0
    assert f"pulses   {len(pulses):,}\n" in capsys.readouterr().out


def test_a_trajectory(folder, capsys):
    pulses = Trace.of(folder).select()
    layer, row, col = (int(pulses[100][name]) for name in ("layer", "row", "col"))
    result = answer(capsys, folder, "--cell", f"{layer},{row},{col}")
    assert [tuple(pulse.values()) for pulse in result["trajectory"]] == Trace.of(folder).select(
        layer=layer, row=row, col=col).tolist()
    assert run(["trace", str(folder), "--cell", f"{layer},{row},{col}"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == result["pulses"] + 4


def test_pulses_as_csv(folder, tmp_path, capsys):
    out = tmp_path / "pulses.csv"
    result = answer(capsys, folder, "--layer", 1, "--samples", "20,90", "--csv", out)
    expected = Trace.of(folder).select(layer=1, samples=range(20, 91))
    rows = list(csv.reader(out.open(newline="")))
    assert tuple(rows[0]) == SELECTED.names
    assert [tuple(map(int, row)) for row in rows[1:]] == expected.tolist()
    assert result["pulses"] == len(expected) > 0


@pytest.mark.parametrize(("arguments", "message"), [
    (["--cell", "0,1"], "'0,1' is not 3 whole numbers with commas between them, such as 0,12,3"),
    (["--cell", "0,64,0"], "layer 0, row 64, column 0: there is no such place; the layers have 64 x 8, 8 x 10 cells"),
    (["--cell", "0,1,1", "--layer", "0"], "--cell names a layer; leave out --layer"),
    (["--csv", "trace.bin"], "trace.bin: would be written over "),
])
def test_what_cannot_be_shown(folder, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(folder)
    assert run(["trace", ".", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("samples", "message"), [
    ("9000,9001", "samples 9000 to 9001: there is no pulse; the last one of the run is that of sample "),
    ("9,3", "samples 9 to 3: there are none; give the first one first")])
def test_samples_without_a_pulse_are_told(folder, capsys, samples, message):
    assert run(["trace", str(folder), "--samples", samples]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert message in captured.err
