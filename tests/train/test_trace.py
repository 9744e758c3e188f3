"""Traces: every write pulse once, whoever trains and however often it is stopped, and as many as the state says."""

import signal
from random import Random

import numpy as np
import pytest
from spinloom import config
from spinloom.contract.errors import ConfigError, InterruptedRunError
from spinloom.random_experiment import random_experiment
from spinloom.train import data, loop, run_folder, transfer
from spinloom.train.results import DataRecord
from spinloom.train.trace import Trace
from spinloom.train.wear import wear

from .test_loop import experiment, stop_after

COUNT = 30


def dataset(experiment) -> data.Dataset:
    random = np.random.default_rng(1)
    images = random.integers(0, 256, (COUNT, experiment.input.count)).astype(np.uint8)
    samples = data.Samples(images, random.integers(0, experiment.layers[-1].cols, COUNT))
    return data.Dataset(samples, samples, DataRecord(name="made up", known=None, sha256="0", train=COUNT, test=COUNT))


def run(experiment, out, **options):
    return loop.run(experiment, out=out, baseline=False, progress=False, trace=True, **options)


@pytest.fixture(autouse=True)
def _no_plots(monkeypatch):
    monkeypatch.setattr(loop, "plot", lambda *_: None)
    monkeypatch.setattr(transfer, "plot_attempts", lambda *_: None)


def state(folder):
    with np.load(folder / "state.npz") as file:
        return dict(file)


def assert_traced(folder, pair: bool) -> Trace:
    """The trace agrees with the state: as many pulses of each cell, and each has left what the next one has found."""
    trace, left = Trace.of(folder), state(folder)
    several, relaxes = "layer0_slices" in left, bool(run_folder.read_record(folder).experiment.device.retention)
    assert [count.tolist() for count in trace.counts()] == [
        left[f"layer{layer}_pulses"].tolist() for layer in range(len(trace.shapes))]
    pulses = trace.select()
    assert (np.diff(trace.pulses["sample"].astype(int)) >= 0).all()
    last: dict[tuple, int] = {}
    for pulse in pulses.tolist():
        _, *place, before, asked, after, attempt, up, verify = pulse
        assert pair or relaxes or last.get(tuple(place), before) == before
        assert several or attempt > 1 or verify or up == (asked > before)
        last[tuple(place)] = after
    assert pair or several or relaxes or all(left[f"layer{layer}_g"][row, col] == after for (layer, row, col, _), after
                                  in last.items())
    return trace


@pytest.mark.parametrize("kind", ["ideal", "domain_wall", "incremental", "pcm_pair", "mtj"])
def test_traces_of_random_experiments(tmp_path, kind):
    flags = set()
    for seed in range(8):
        machine = random_experiment(Random(f"trace {kind} {seed}"), kind=kind, convolutions=seed % 3 == 2)
        folders = [tmp_path / f"{seed} {compiled}" for compiled in ((True, False) if seed < 2 else (True,))]
        for folder in folders:
            run(machine.replaced(epochs=2), folder, dataset=dataset(machine), compiled=folder == folders[0])
        assert len({(folder / "trace.bin").read_bytes() for folder in folders}) == 1
        pulses = assert_traced(folders[0], kind == "pcm_pair").select()
        flags |= set(zip(pulses["up"].tolist(), pulses["verify"].tolist(), strict=True))
    assert {(True, False), (False, False)} <= flags
    assert any(verify for _, verify in flags) == (kind == "pcm_pair")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_leaves_the_same_trace(tmp_path, monkeypatch, number):
    run(experiment(), tmp_path / "whole", samples=100)
    with monkeypatch.context() as patched:
        stop_after(patched, 150, number)
        with pytest.raises(InterruptedRunError):
            run(experiment(), tmp_path / "torn", samples=100)
    before = assert_traced(tmp_path / "torn", False)
    with (tmp_path / "torn" / "trace.bin").open("ab") as file:  # what a kill may leave behind the checkpoint
        file.write(bytes(40))
    assert Trace.of(tmp_path / "torn").pulses.tolist() == before.pulses.tolist()
    loop.run(None, resume=tmp_path / "torn", baseline=False, progress=False)
    whole = (tmp_path / "whole" / "trace.bin").read_bytes()
    assert (tmp_path / "torn" / "trace.bin").read_bytes() == whole
    assert 0 < len(before) < len(assert_traced(tmp_path / "whole", False))
    assert run_folder.read_record(tmp_path / "whole").traced


def test_writing_ex_situ_leaves_two_traces(tmp_path):
    machine = config.parse(experiment().model_dump() | {"transfer": {}, "device": {"kind": "pcm_pair"}}, "pairs")
    result = transfer.run(machine, out=tmp_path, samples=COUNT, baseline=False, progress=False, trace=True)
    written, trained = assert_traced(tmp_path, True), assert_traced(tmp_path / "precursor", True)
    assert written.select()["verify"].all()
    assert not written.pulses["sample"].any()
    assert len(written) == result.write_pulses == result.wear.worst.pulses + sum(
        count.sum() for count in written.counts()) - max(count.max() for count in written.counts()) > 0
    assert len(trained) == result.precursor_write_pulses > 0


def test_a_host_ends_mini_batches(tmp_path):
    machine = experiment(batch=8).replaced(host={"optimizer": "adam"}, epochs=2, learning_rate_shifts=[1])
    run(machine, tmp_path, samples=20)
    samples = assert_traced(tmp_path, False).pulses["sample"]
    assert set(samples.tolist()) <= {8, 16, 20, 28, 36, 40}
    assert len(samples)


def test_parts_are_selected(tmp_path):
    run(experiment(), tmp_path, samples=100)
    trace = Trace.of(tmp_path)
    every = trace.select()
    layer, row, col = (int(every[len(every) // 2][name]) for name in ("layer", "row", "col"))
    for place in ({"layer": layer}, {"row": row}, {"layer": layer, "row": row, "col": col}):
        chosen = np.logical_and.reduce([every[name] == value for name, value in place.items()])
        assert trace.select(**place).tolist() == every[chosen].tolist()
    samples = every[(every["sample"] >= 50) & (every["sample"] < 120)]
    assert 0 < len(samples) < len(every)
    assert trace.select(samples=range(50, 120)).tolist() == samples.tolist()
    assert trace.select(samples=range(1000, 1001)).tolist() == []
    for place in ({"layer": 2}, {"layer": 1, "row": 8}, {"col": -1}):
        with pytest.raises(ConfigError, match=r"trace.bin: .*: there is no such place; the layers have 65 x 8, 8 x 10"):
            trace.select(**place)


def test_what_is_no_trace_of_the_run(tmp_path):
    folder, other = tmp_path / "run", tmp_path / "other"
    run(experiment(), folder, samples=20)
    run(experiment(), other, samples=21)
    trace = folder / "trace.bin"
    content = trace.read_bytes()

    def refuse(message):
        with pytest.raises(ConfigError, match=message):
            Trace.of(folder)
        with pytest.raises(ConfigError, match="trace.bin is not the trace that belongs to it; put that back, or "):
            loop.run(None, resume=folder, baseline=False, progress=False)

    trace.write_bytes(content[:-1])
    refuse("trace.bin: holds less than the .* pulses of .*state.npz; it has been cut")
    trace.write_bytes((other / "trace.bin").read_bytes())
    refuse("trace.bin: is the trace of another run than that of the folder")
    trace.write_bytes(content.replace(b'"version": 1', b'"version": 2'))
    refuse("trace.bin: is a trace of version 2; this version of Spinloom reads 1")
    trace.write_bytes(b"no trace")
    refuse("trace.bin: is no trace")
    trace.unlink()
    refuse("cannot read .*trace.bin: No such file or directory")
    trace.write_bytes(content[:-12] + b"\xff\xff\xff\xff" + content[-8:])
    with pytest.raises(ConfigError, match="trace.bin: names cells that the network does not have; it is damaged"):
        Trace.of(folder).counts()
    with pytest.raises(ConfigError, match="a run that is resumed is traced if it has been from its beginning: leave "):
        loop.run(None, resume=folder, baseline=False, progress=False, trace=True)
    loop.run(experiment(), out=tmp_path / "plain", samples=20, baseline=False, progress=False)
    with pytest.raises(ConfigError, match="plain: the run is not traced; run it again with --trace"):
        Trace.of(tmp_path / "plain")


def test_wear_names_the_worst_cell():
    answer = wear([np.array([[0, 1, 2], [3, 4, 7]]), np.array([[0, 8], [5, 8]])])
    assert answer.to_json() == {
        "cells": 10, "worst": {"layer": 1, "row": 0, "col": 1, "pulses": 8, "device": None},
        "quantiles": {"0.5": 3, "0.9": 8, "0.99": 8, "0.999": 8}, "histogram": [2, 1, 2, 3, 2], "failed": None}
    assert str(answer.worst) == "layer 1, row 0, column 1: 8 write pulses"
    assert str(answer) == "0: 2; 1: 1; 2 to 3: 2; 4 to 7: 3; 8 to 15: 2"


def test_a_parsed_result_knows_its_wear(tmp_path):
    result = run(experiment(), tmp_path, samples=20)
    assert run_folder.read_result(tmp_path, type(result)).wear == result.wear
