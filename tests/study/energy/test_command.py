"""What `spinloom energy` prints, and what it answers as JSON."""

import json

import pytest
from spinloom import cli
from spinloom.render.text import si

SMALL = """
learning_rate_shifts = [4]
epochs = 1
input.count = 64
device.kind = "domain_wall"
[[layers]]
cols = 12
weight_step = -2
z_frac = 6
[[layers]]
cols = 10
weight_step = -1
"""
TITLES = ("energy and time a sample", "events of the training", "digital implementations of the same training",
          "operations a sample", "time a sample", "a tenth and ten times each placeholder", "what was published")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run of 30 samples."""
    folder = tmp_path_factory.mktemp("energy")
    (folder / "small.toml").write_text(SMALL)
    assert cli.run(["train", str(folder / "small.toml"), "--samples", "30", "--out", str(folder / "run")]) == 0
    return folder / "run"


def test_the_report_has_all_parts(run, capsys):
    assert cli.run(["energy", str(run)]) == 0
    head, *parts = capsys.readouterr().out.split("\n\n")
    assert "samples trained              30" in head
    assert [part.startswith(title) for part, title in zip(parts, TITLES, strict=False)] == [True] * len(TITLES)
    for source in ("conversions, energy: sourced: 8-bit ADC (ISAAC", "float32, multiplications: sourced: 32-bit float",
                   "float8, additions: derived: products are", "float16, weight accesses: derived: 16/64 of access"):
        assert source in parts[-1]
    phases = [line.split()[0] for line in parts[0].splitlines()[2:]]
    assert phases == ["forward"] * 3 + ["backward"] * 2 + ["update"] * 3 + ["programming"] * (len(phases) - 8)


def test_the_report_and_its_json_agree(run, capsys):
    assert cli.run(["energy", str(run), "--increments", "5", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert cli.run(["energy", str(run), "--increments", "5"]) == 0
    text = capsys.readouterr().out
    whole, each = (si(answer["joules"] / samples, "J") for samples in (1, 30))
    assert f"energy, memories banked      {whole}, {each} a sample" in text
    assert f"{answer['ratio']:.3g} banked, {answer['ratio_one_memory']:.3g} one memory" in text
    assert "cells a sample that an update is for" in text
    assert [row["samples"] for row in answer["increments"]] == [5, 5]
    assert answer["operation"] in text


def test_a_run_that_has_not_trained_is_told_of(tmp_path, capsys):
    (tmp_path / "exsitu.toml").write_text('transfer.precursor.kind = "ideal"' + SMALL)
    assert cli.run(["train", str(tmp_path / "exsitu.toml"), "--samples", "30", "--out", str(tmp_path / "run")]) == 0
    capsys.readouterr()
    assert cli.run(["energy", str(tmp_path / "run")]) == 0
    text = capsys.readouterr().out
    assert "ratio to 32 bit, dense       none banked, none one memory" in text
    assert "energy and time all in all, by layer and phase" in text
    assert "the cells were written from a precursor" in text


@pytest.mark.parametrize(("value", "text"), [
    (0.0, "0 pJ"), (2e-15, "0.002 pJ"), (1.5e-9, "1.5 nJ"), (83.2e-9, "83.2 nJ"), (1.0, "1 J"), (2500.0, "2.5 kJ"),
    (18.3e12, "18.3 TJ")])
def test_quantities_have_a_prefix(value, text):
    assert si(value, "J") == text
