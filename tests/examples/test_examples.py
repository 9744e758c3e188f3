"""Every example runs, small, as it stands, and answers in JSON; one that was interrupted ends in the same bits."""

import json
import runpy
import signal
import subprocess
import sys
from collections import Counter

import pytest
import torch

from .conftest import EXAMPLES

ACCURACY = ["test_accuracy", "baseline_accuracy"]
BITS = ["bits_per_character", "baseline_bits_per_character"]
FRECHET = ["frechet", "baseline_frechet"]
SMALL = {
    "cifar10": ("--samples", 41), "convert": ("--samples", 60), "digits": (), "gan": ("--samples", 150),
    "gxnor": ("--samples", 61), "lenet": ("--samples", 60), "lstm": ("--samples", 3), "move": ("--backend", "golden"),
    "own_device": ("--samples", 200),
}
"""Of each example, the options that make it small. Where it normalises, a sample is left over."""


def run(monkeypatch, capsys, name, *options):
    """The answer of an example to ``options``."""
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--epochs", "1", "--json", *map(str, options)])
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("name", SMALL)
def test_examples_run(monkeypatch, capsys, name):
    assert len((EXAMPLES / f"{name}.py").read_text().splitlines()) < 100
    answers = [run(monkeypatch, capsys, name, *SMALL[name], *more) for more in ((), ("--no-baseline", "--seed", "2"))]
    measure, baseline = {"lstm": BITS, "gan": FRECHET}.get(name, ACCURACY)
    for answer in answers:
        assert list(answer) == [measure, baseline, "write_pulses", "backend", "seconds", "wear"]
        assert answer["backend"] == "golden"
        assert answer["write_pulses"] >= answer["wear"]["worst"]["pulses"] >= 0
    assert answers[0][baseline] > 0
    assert answers[1][baseline] is None
    assert answers[0][measure] != answers[1][measure]


def test_every_example_is_tried():
    assert sorted([*SMALL, "common"]) == sorted(path.stem for path in EXAMPLES.glob("*.py"))


def test_an_example_learns_by_the_command_line():
    done = subprocess.run([sys.executable, EXAMPLES / "digits.py", "--epochs", "1"], capture_output=True, text=True,
                          check=True, timeout=300)
    accuracy = next(line.split()[1] for line in done.stdout.splitlines() if line.startswith("test_accuracy"))
    assert float(accuracy) > 50


@pytest.mark.parametrize(("options", "message"), [
    (("--data", "{nowhere}"), "no data set 'mnist' there; there is no such folder"),
    (("--samples", "0"), "must be a whole number, 1 or more"),
    (("--torch-device", "cuda", "--backend", "rtl"), "--torch-device cuda: "),
    (("--checkpoint", "/dev/null"), "/dev/null: cannot be written (File exists); name a folder with --checkpoint"),
    (("--seed", "-1"), "seed=-1: must be a whole number from 0"),
])
def test_errors_are_lines(tmp_path, options, message):
    given = [option.format(nowhere=tmp_path / "nowhere") for option in options]
    done = subprocess.run([sys.executable, EXAMPLES / "lenet.py", *given], capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("name", "options", "message"), [
    ("gxnor", ("--samples", 1), "1 samples to train on, 359 to measure on: at least two of each are needed"),
    ("gan", ("--samples", 10, "--validation"), "9 samples to train on, 1 to measure on: at least two"),
    ("digits", ("--samples", 1, "--validation"), "0 samples to train on, 1 to measure on: at least two"),
    ("digits", ("--epochs", "few"), "argument --epochs: must be a whole number, 1 or more"),
    ("digits", ("--data", ""), "argument --data: must not be empty"),
    ("digits", ("--checkpoint", ""), "argument --checkpoint: must not be empty"),
    ("digits", ("--dataset", "mnist"), "error: --dataset mnist: name the folder that it is in, with --data"),
    ("own_device", ("--kind", "mtj"), "error: --kind mtj: name what was measured, with --measurements"),
    ("gan", ("--picture", "{folder}"), "argument --picture: {folder} is a folder; name a file in it"),
    ("gan", ("--picture", "{folder}/no/a.png"), "argument --picture: there is no folder {folder}/no"),
])
def test_nothing_is_trained_in_vain(monkeypatch, capsys, tmp_path, name, options, message):
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, capsys, name, *(str(option).format(folder=tmp_path) for option in options))
    assert ended.value.code == 2
    assert message.format(folder=tmp_path) in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("name", ["cifar10", "digits", "gan", "gxnor", "lstm"])
def test_what_was_interrupted_ends_in_the_same_bits(monkeypatch, capsys, tmp_path, name):
    import common

    options = *SMALL[name], "--samples", SMALL[name][1] if SMALL[name] else 100
    whole = run(monkeypatch, capsys, name, *options, "--checkpoint", tmp_path / "whole")
    monkeypatch.setattr(common, "SAVED_EVERY", 0)
    saves = Counter()

    def interrupted(path, write, replace=common.replace):
        replace(path, write)
        saves[path.name] += 1
        if saves[path.name] == 2:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(common, "replace", interrupted)
    trainings = len(list((tmp_path / "whole").iterdir()))
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / ".0123456789abcdef.tmp").touch()  # left behind by a process that was killed
    for _ in range(trainings):
        with pytest.raises(SystemExit) as ended:
            run(monkeypatch, capsys, name, *options, "--checkpoint", tmp_path / "parts")
        assert ended.value.code == 130
        assert capsys.readouterr().err.splitlines()[-1].startswith("error: interrupted")
    again = run(monkeypatch, capsys, name, *options, "--checkpoint", tmp_path / "parts")
    assert whole | {"seconds": 0} == again | {"seconds": 0}
    assert {path.suffix for path in (tmp_path / "parts").iterdir()} == {".pt"}
    for file in sorted((tmp_path / "whole").iterdir()):
        ends = [torch.load(tmp_path / folder / file.name) | {"seconds": 0} for folder in ("whole", "parts")]
        assert list(leaves(ends[0])) == list(leaves(ends[1]))


def leaves(state):
    """What is in a nested ``state``, with tensors as lists."""
    if isinstance(state, dict):
        for key, value in state.items():
            yield key
            yield from leaves(value)
    elif isinstance(state, list | tuple):
        for value in state:
            yield from leaves(value)
    else:
        yield state.tolist() if isinstance(state, torch.Tensor) else state


def test_a_checkpoint_with_other_options_is_refused(monkeypatch, capsys, tmp_path):
    options = "--samples", 20, "--no-baseline", "--checkpoint", tmp_path
    run(monkeypatch, capsys, "digits", *options)
    with pytest.raises(SystemExit):
        run(monkeypatch, capsys, "digits", *options, "--seed", 2)
    assert capsys.readouterr().err == (
        f"error: {tmp_path / 'arrays.pt'}: was begun with seed=1, not 2; name another folder with --checkpoint\n")
    with pytest.raises(SystemExit):
        run(monkeypatch, capsys, "lenet", *options)
    assert capsys.readouterr().err == (
        f"error: {tmp_path / 'arrays.pt'}: was begun with example=digits, not lenet; name another folder with "
        "--checkpoint\n")


def test_what_is_no_checkpoint_is_refused(monkeypatch, capsys, tmp_path):
    options = "--samples", 20, "--no-baseline", "--checkpoint", tmp_path
    run(monkeypatch, capsys, "digits", *options)
    (tmp_path / "arrays.pt").write_bytes((tmp_path / "arrays.pt").read_bytes()[:1000])
    for write in (lambda: None, lambda: torch.save({"weight": torch.zeros(2)}, tmp_path / "arrays.pt"),
                  lambda: torch.save(torch.zeros(2), tmp_path / "arrays.pt")):
        write()
        with pytest.raises(SystemExit):
            run(monkeypatch, capsys, "digits", *options)
        assert capsys.readouterr().err.splitlines()[-1] == (
            f"error: {tmp_path / 'arrays.pt'}: no checkpoint; name another folder with --checkpoint")


def test_a_data_set_must_have_the_shape_that_is_needed(monkeypatch, capsys, tmp_path):
    from spinloom.train.data_files import BATCHES

    for file in BATCHES:
        (tmp_path / file).write_bytes(bytes(range(1)) + bytes(3072))
    with pytest.raises(SystemExit):
        run(monkeypatch, capsys, "lenet", "--data", tmp_path, "--dataset", "cifar-10")
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"error: {tmp_path}: images are 3 x 32 x 32 (channels, height, width); this example needs 1 x 28 x 28")


def test_a_data_set_must_have_the_labels_that_are_told_apart(monkeypatch, capsys, tmp_path):
    from spinloom.train.data_files import BATCHES

    for file in BATCHES:
        (tmp_path / file).write_bytes(bytes([11 if "test" in file else 1]) + bytes(3072))
    with pytest.raises(SystemExit):
        run(monkeypatch, capsys, "cifar10", "--data", tmp_path)
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"error: {tmp_path}: there are labels up to 11; the examples tell 10 classes apart, 0 to 9")


@pytest.mark.slow
def test_a_model_moves_to_simulated_hardware(monkeypatch, capsys):
    answer = run(monkeypatch, capsys, "move", "--samples", 20, "--backend", "rtl")
    assert (answer["backend"], answer["wear"]) == ("rtl", None)
