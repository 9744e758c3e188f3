import csv
import json
import os
import signal

import numpy as np
import pytest
from spinloom import config
from spinloom.cli.common import worn
from spinloom.contract.errors import ConfigError, InterruptedRunError
from spinloom.contract.geometry import COUNTERS
from spinloom.contract.hashing import sample_order
from spinloom.contract.permutation import permuted_order
from spinloom.model.compiled.trainer import CompiledTrainer
from spinloom.model.network import Network
from spinloom.train import baseline, data, run_folder
from spinloom.train import loop as train
from spinloom.train.results import TrainResult
from spinloom.train.wear import Wear

ATTEMPTS = COUNTERS.index("attempts")
METRICS_BEFORE = ("epoch", "samples", "training_accuracy", "test_accuracy", "programming_events", "samples_per_second")
"""Columns of ``metrics.csv`` in the previous version."""


def experiment(batch=1):
    return config.parse({
        "epochs": 3, "batch": batch, "learning_rate_shifts": [4, 5], "input": {"count": 64},
        "device": {"kind": "domain_wall", "states": 5, "sigma": 0.2},
        "layers": [{"cols": 8, "bias": True, "weight_step": -3, "z_frac": 6}, {"cols": 10, "weight_step": -1}],
    }, "small")


def run(*arguments, **options):
    return train.run(*arguments, progress=False, **options)


def outcome(folder):
    """The state, and the metrics without the speed."""
    with (folder / "metrics.csv").open(newline="") as file:
        rows = [{name: value for name, value in row.items() if name != "samples_per_second"}
                for row in csv.DictReader(file)]
    with np.load(folder / "state.npz") as state:
        return {name: array.tolist() for name, array in state.items()}, rows


def stop_after(monkeypatch, samples, number):
    """Send the signal ``number`` to this process within the training of a sample; from the 17th on, one at a time."""
    count, original = 0, CompiledTrainer.train_span

    def train_span(trainer, xs, labels, order, span, learning_rate_shift):
        nonlocal count
        before, count = count, count + len(span)
        if before < samples <= count:
            os.kill(os.getpid(), number)
        return original(trainer, xs, labels, order, span, learning_rate_shift)

    monkeypatch.setattr(CompiledTrainer, "train_span", train_span)
    monkeypatch.setattr(train, "CHUNK_SECONDS", 0)


def test_a_run_folder_tells_everything(tmp_path):
    folder = tmp_path / "deep" / "run"
    result = run(experiment(), out=folder, samples=100)
    state, rows = outcome(folder)
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert tuple(rows[0]) == tuple(name for name in run_folder.METRICS if name != "samples_per_second")
    assert (state["epoch"], state["sample"], state["correct"]) == (3, 0, 0)
    pulses = [np.array(state[f"layer{layer}_pulses"]) for layer in range(2)]
    assert sum(array.sum() for array in pulses) == result.write_pulses
    assert max(array.max() for array in pulses) == result.most_write_pulses > 1
    worst = result.wear.worst
    assert pulses[worst.layer][worst.row, worst.col] == worst.pulses == result.most_write_pulses
    attempts = state["layer0_counters"][ATTEMPTS] + state["layer1_counters"][ATTEMPTS]
    assert attempts == result.write_pulses == sum(int(row["write_pulses"]) for row in rows) > 0
    assert all(row["programming_events"] == row["write_pulses"] for row in rows)
    assert result.test_accuracy == float(rows[-1]["test_accuracy"])
    assert (result.epochs, result.samples, result.out) == (3, 100, folder)
    assert result.baseline_accuracy is not None
    assert 0 < result.baseline_accuracy <= 100
    assert result.samples_per_second > 0
    document = json.loads((folder / "result.json").read_text())
    assert document == result.to_json()
    assert document["programming_events"] == attempts
    assert run_folder.read_result(folder, TrainResult) == result
    read = run_folder.read_metrics(folder)
    assert [(row.epoch, row.samples, row.write_pulses) for row in read] == [
        (int(row["epoch"]), 100, int(row["write_pulses"])) for row in rows]
    assert [f"{row.training_accuracy:.3f} {row.test_accuracy:.3f}" for row in read] == [
        f"{row['training_accuracy']} {row['test_accuracy']}" for row in rows]
    assert (folder / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert not list(folder.glob("*.tmp"))


def test_failed_cells_are_counted(tmp_path):
    ageing = experiment().replaced(device={"ageing": {"endurance": 2.0}})
    result = run(ageing, out=tmp_path / "ageing", samples=40, baseline=False)
    state, _ = outcome(tmp_path / "ageing")
    lives = [life for layer in range(2) for row in state[f"layer{layer}_life"] for life in row]
    assert result.wear.failed == lives.count(0) > 0
    assert worn(result.wear)["failed cells"] == f"{lives.count(0)} of 600, {lives.count(0) / 6:.2f} %"
    plain = run(experiment(), out=tmp_path / "plain", samples=40, baseline=False)
    assert plain.wear.failed is None
    assert "failed cells" not in worn(plain.wear)


@pytest.mark.parametrize(("order", "samples"), [("hashed", sample_order), ("permuted", permuted_order)])
def test_it_trains_in_the_order_and_with_the_rates_of_the_specification(tmp_path, order, samples):
    small = experiment(batch=8).replaced(order=order)
    run(small, out=tmp_path, samples=30, baseline=False)
    dataset = data.load(small)
    x = data.drive(dataset.train.images[:30], small.input.format)
    network = Network(small)
    for epoch in range(3):
        for count, i in enumerate(samples(small.seed, epoch, 30), start=1):
            network.train(x[i], int(dataset.train.labels[i]), (4, 5, 5)[epoch], program=False)
            if count in (8, 16, 24, 30):
                network.program()
    state, _ = outcome(tmp_path)
    expected = network.state()
    assert all(state[name] == expected[name].tolist() for name in expected)


@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize(("samples", "number"), [(20, signal.SIGINT), (60, signal.SIGTERM), (175, signal.SIGINT)])
def test_an_interrupted_run_resumes_to_the_same_bits(tmp_path, monkeypatch, batch, samples, number):
    handler = signal.getsignal(signal.SIGINT)  # a shell's background jobs ignore it
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    run(experiment(batch), out=whole, samples=60, baseline=False)
    with monkeypatch.context() as patch:
        stop_after(patch, samples, number)
        with pytest.raises(InterruptedRunError, match=f"interrupted in epoch .* continue with --resume {torn}"):
            run(experiment(batch), out=torn, samples=60, baseline=False)
    assert not (torn / "result.json").exists()
    result = run(None, resume=torn, baseline=False)
    assert outcome(torn) == outcome(whole)
    assert (result.epochs, result.samples) == (3, 60)
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.mark.parametrize("with_baseline", [False, True])
def test_a_stop_in_the_last_evaluation_is_not_lost(tmp_path, monkeypatch, with_baseline):
    """Nor is one at the very end, when there is nothing left to stop."""
    calls, original = 0, train.test_accuracy

    def test_accuracy(*arguments):
        nonlocal calls
        calls += 1
        if calls == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(train, "test_accuracy", test_accuracy)
        with pytest.raises(InterruptedRunError, match="interrupted after the last epoch; continue with --resume"):
            run(experiment(), out=tmp_path, samples=10, baseline=with_baseline)
    before = outcome(tmp_path)
    assert not (tmp_path / "result.json").exists()
    with monkeypatch.context() as patch:
        patch.setattr(train, "plot", lambda *_: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(InterruptedRunError, match=f"interrupted at the end; --resume {tmp_path} gives the result"):
            run(None, resume=tmp_path, baseline=with_baseline)
    result = run(None, resume=tmp_path, baseline=with_baseline)
    assert run_folder.read_result(tmp_path, TrainResult) == result
    assert outcome(tmp_path) == before


def test_an_interrupted_baseline_leaves_a_finished_run(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        original = baseline.accuracy

        def accuracy(*arguments):
            os.kill(os.getpid(), signal.SIGTERM)
            return original(*arguments)

        patch.setattr(baseline, "accuracy", accuracy)
        with pytest.raises(InterruptedRunError, match="interrupted in the baseline; continue with --resume"):
            run(experiment(), out=tmp_path, samples=10)
    before = outcome(tmp_path)
    assert run(None, resume=tmp_path).baseline_accuracy > 0
    assert outcome(tmp_path) == before


def test_a_killed_run_resumes_from_its_last_checkpoint(tmp_path, monkeypatch):
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    run(experiment(), out=whole, samples=40, baseline=False)
    monkeypatch.setattr(train, "CHECKPOINT_SECONDS", -1)
    for samples, resume in ((50, None), (20, torn)):  # dies twice, without a chance to save
        with monkeypatch.context() as patch:
            patch.setattr(os, "kill", lambda *_: (_ for _ in ()).throw(SystemExit))
            stop_after(patch, samples, signal.SIGKILL)
            with pytest.raises(SystemExit):
                run(experiment(), out=torn, samples=40, baseline=False, resume=resume)
    run(None, resume=torn, baseline=False)
    assert outcome(torn) == outcome(whole)


def test_a_finished_run_may_be_resumed(tmp_path):
    first = run(experiment(), out=tmp_path, samples=20, baseline=False)
    before = outcome(tmp_path)
    again = run(None, resume=tmp_path, baseline=False)
    assert outcome(tmp_path) == before
    assert again.test_accuracy == first.test_accuracy


def test_a_run_of_the_previous_version_is_read_and_resumed(tmp_path, monkeypatch):
    """There, write pulses had another name."""
    new, old = tmp_path / "new", tmp_path / "old"
    first = run(experiment(), out=new, samples=60, baseline=False)
    with monkeypatch.context() as patch:
        stop_after(patch, 70, signal.SIGINT)
        with pytest.raises(InterruptedRunError):
            run(experiment(), out=old, samples=60, baseline=False)
    metrics = (old / "metrics.csv").read_text().splitlines()
    assert len(metrics) == 2
    with (old / "metrics.csv").open("w") as file:
        columns = [name for name in METRICS_BEFORE if name != "programming_events"]
        assert metrics[0] == ",".join([*columns[:4], "write_pulses", columns[4], "programming_events"])
        print(",".join(METRICS_BEFORE), ",".join(metrics[1].split(",")[:-1]), sep="\n", file=file)
    again = run(None, resume=old, baseline=False)
    assert outcome(old) == outcome(new)

    document = again.to_json()
    del document["write_pulses"]
    (old / "result.json").write_text(json.dumps(document))
    assert run_folder.read_result(old, TrainResult) == again
    assert again.write_pulses == first.write_pulses


def test_a_run_of_a_version_that_did_not_count_the_pulses_of_cells_is_resumed(tmp_path, monkeypatch):
    new, old = tmp_path / "new", tmp_path / "old"
    run(experiment(), out=new, samples=60, baseline=False)
    with monkeypatch.context() as patch:
        patch.setattr(Wear, "state", lambda _: {})
        stop_after(patch, 70, signal.SIGINT)
        with pytest.raises(InterruptedRunError):
            run(experiment(), out=old, samples=60, baseline=False)
    assert run(None, resume=old, baseline=False).most_write_pulses is None
    state, expected = outcome(old)[0], outcome(new)[0]
    assert state == {name: array for name, array in expected.items() if "pulses" not in name}


@pytest.mark.parametrize("pulses", [np.zeros((65, 8), np.int64), np.zeros((65, 9), np.int32),
                                    np.full((65, 8), -1, np.int32)])
def test_pulses_that_no_cells_can_have_had_are_refused(pulses):
    wear = Wear(Network(experiment()))
    with pytest.raises(ValueError, match=r"layer0_pulses must hold int32 of shape \(65, 8\) from 0 on"):
        wear.load(wear.state() | {"layer0_pulses": pulses})
    with pytest.raises(KeyError, match="layer1_pulses"):
        wear.load({"layer0_pulses": wear.state()["layer0_pulses"]})


@pytest.mark.parametrize(("content", "message"), [
    (None, "cannot read .*result.json: No such file"),
    ("{", "result.json: not the result of a run"),
    ("[]", "result.json: Input should be a dictionary"),
    ("{}", "result.json: test_accuracy: Field required"),
])
def test_a_result_that_cannot_be_read_is_named(tmp_path, content, message):
    if content is not None:
        (tmp_path / "result.json").write_text(content)
    with pytest.raises(ConfigError, match=message) as caught:
        run_folder.read_result(tmp_path, TrainResult)
    assert "\n" not in str(caught.value)


def test_a_new_run_replaces_an_old_one_only_if_that_is_wanted(tmp_path):
    run(experiment(), out=tmp_path, samples=20)
    with pytest.raises(ConfigError, match="holds a finished run; take another folder with --out, or --overwrite it"):
        run(experiment(), out=tmp_path, samples=10)
    (tmp_path / "result.json").unlink()
    with pytest.raises(ConfigError, match=f"holds a run that has not ended; continue it with --resume {tmp_path}, "):
        run(experiment(), out=tmp_path, samples=10)
    again = run(experiment(), out=tmp_path, samples=10, baseline=False, overwrite=True)
    assert len(outcome(tmp_path)[1]) == 3
    assert again.samples == 10


@pytest.mark.parametrize(("file", "content", "message"), [
    ("experiment.json", None, "is not the folder of a run: cannot read .*experiment.json: No such file"),
    ("experiment.json", b"{", "experiment.json: not the description of a run"),
    ("experiment.json", b"[]", "experiment.json: not the description of a run"),
    ("state.npz", None, "has no state: there is no .*state.npz"),
    ("state.npz", b"", "state.npz: cannot be loaded"),
    ("state.npz", b"PK\x03\x04 no archive", "state.npz: cannot be loaded"),
    ("metrics.csv", b"epoch\n", "state.npz: does not match .*metrics.csv"),
    ("metrics.csv", b"epoch,samples\n1,few\n", "metrics.csv, epoch 1: samples: Input should be a valid integer"),
])
def test_what_cannot_be_resumed_is_named(tmp_path, file, content, message):
    run(experiment(), out=tmp_path, samples=5, baseline=False)
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        run(None, resume=tmp_path)
    assert "\n" not in str(caught.value)


def test_folders_that_cannot_be_written_and_empty_runs_are_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot write to .*file: File exists"):
        run(experiment(), out=tmp_path / "file", samples=5)
    with pytest.raises(ConfigError, match="samples=0: must be at least 1"):
        run(experiment(), out=tmp_path, samples=0)
