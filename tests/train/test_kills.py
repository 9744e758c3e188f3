"""Runs that are killed: at every step between two files, and at random moments. What they leave is resumed to the same
bits, or recognised as finished."""

from contextlib import nullcontext
from functools import partial
from itertools import count
from random import Random

import numpy as np
import pytest
from spinloom import config
from spinloom.boards import run as boards
from spinloom.sim import epoch
from spinloom.study import reproduce
from spinloom.study.sweep import plan
from spinloom.train import baseline as floating_point
from spinloom.train import loop, run_folder, transfer

from . import kills
from .test_lockstep import ModelMachine

LAYERS = [{"cols": 8, "bias": True, "weight_step": -3, "z_frac": 6}, {"cols": 10, "weight_step": -1}]
SEED = 20240501


def experiment(**fields):
    return config.parse({"epochs": 2, "learning_rate_shifts": [4, 5], "input": {"count": 64}, "layers": LAYERS,
                         "device": {"kind": "domain_wall", "states": 5, "sigma": 0.2}} | fields, "small")


def left(folder):
    """All arrays of all states in ``folder``, by file and name, and all traces."""
    found = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("trace.bin")}
    for path in sorted(folder.rglob("state.npz")):
        with np.load(path) as file:
            found |= {f"{path.relative_to(folder)} {name}": array.tolist() for name, array in file.items()}
    return found


def train(folder, resume, overwrite=False, **options):
    place = {"resume": folder} if resume else {"out": folder}
    return loop.run(experiment(), **place, samples=None if resume else 30, baseline=False, progress=False,
                    overwrite=overwrite, trace=not resume, **options)


def train_exsitu(folder, resume, overwrite=False):
    place = {"resume": folder} if resume else {"out": folder, "samples": 30}
    return transfer.run(experiment(transfer={}), **place, baseline=False, progress=False, overwrite=overwrite,
                        trace=not resume)


def train_epoch(folder, resume, overwrite=False):
    return epoch.run(experiment(), out=folder, resume=resume, samples=30, overwrite=overwrite)


def train_on_board(folder, resume, overwrite=False):
    return boards.run(experiment(), port="none", out=folder, resume=resume, samples=30, test_samples=20,
                      overwrite=overwrite)


class ModelBench:
    """In the place of a simulator or a link: the golden model once more."""

    cycle, retransmissions = 100, 0

    def __init__(self, *_, **__):
        self._sent = count(0, 1000)

    @property
    def bytes_sent(self):
        return next(self._sent)

    def open(self):
        pass

    def close(self):
        pass


class BoardMachine(ModelMachine):
    async def configure(self, geometries):
        pass


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """The simulation is a model, the test set is small, and checkpoints are made all the time."""
    monkeypatch.setattr(epoch.toolchain, "require", lambda name: None)
    monkeypatch.setattr(epoch, "CompiledBench", ModelBench)
    monkeypatch.setattr(epoch, "Design", lambda **_: None)
    monkeypatch.setattr(epoch, "NetworkDriver", lambda *_: ModelMachine(experiment()))
    monkeypatch.setattr(boards, "_open", lambda *_: nullcontext())
    monkeypatch.setattr(boards, "Link", ModelBench)
    monkeypatch.setattr(boards.LineSupply, "driver", lambda *_: BoardMachine(experiment()))
    monkeypatch.setattr("spinloom.train.lockstep.SPAN", 16)
    monkeypatch.setattr("spinloom.train.lockstep.CHECKPOINT_SECONDS", -1)
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1)
    monkeypatch.setattr(loop, "plot", lambda *_: None)
    monkeypatch.setattr(transfer, "plot_attempts", lambda *_: None)
    monkeypatch.setattr(floating_point, "accuracy", lambda *_: 50.0)


def carry_on(run, folder):
    """What a person does: resume what can be resumed, and begin what has not begun."""
    if not any((folder / name).exists() for name in ("experiment.json", "checkpoint.npz", "state.npz")):
        return run(folder, False)
    return run(folder, True)


EVERY = [(train, 1), *(pytest.param(run, stride, marks=pytest.mark.slow) for run, stride in (
    (train_exsitu, 3), (train_epoch, 1), (train_on_board, 1)))]
"""The runs, and of how many steps one is tried."""


@pytest.mark.parametrize(("run", "stride"), EVERY)
def test_every_gap_between_two_files(tmp_path, run, stride):
    whole, step = run(tmp_path / "whole", False), 1
    expected, folder = left(tmp_path / "whole"), tmp_path / "1"
    while kills.killed_at(step, partial(run, folder, False)):
        answer = carry_on(run, folder)
        assert left(folder) == expected, step
        assert not list(folder.rglob("*.tmp")), step
        assert run(folder, True).identity == answer.identity == whole.identity
        step += stride
        folder = tmp_path / str(step)
    assert expected
    assert step > 10


@pytest.mark.parametrize(("run", "stride"), EVERY)
def test_every_gap_in_overwriting(tmp_path, run, stride):
    """What is left is the old run, which can be resumed, or the new one, or none."""
    folder, step = tmp_path / "run", 1
    run(folder, False)
    expected = left(folder)
    while kills.killed_at(step, partial(run, folder, False, overwrite=True)):
        carry_on(run, folder)
        assert left(folder) == expected, step
        step += stride
    assert step > 10


def test_every_gap_in_a_change(tmp_path):
    """More epochs, at another rate, and killed on the way: the change is recorded or not, as a whole."""
    train(tmp_path / "whole", False)
    before = left(tmp_path / "whole")
    train(tmp_path / "whole", True, epochs=3, rates=(7,))
    expected, step, folder = left(tmp_path / "whole"), 1, tmp_path / "1"
    train(folder, False)
    while kills.killed_at(step, partial(train, folder, True, epochs=3, rates=(7,))):
        changed = bool(run_folder.read_record(folder).changes)
        train(folder, True)
        assert left(folder) == (expected if changed else before), step
        if not changed:
            train(folder, True, epochs=3, rates=(7,))
            assert left(folder) == expected, step
        step += 1
        folder = tmp_path / str(step)
        train(folder, False)
    assert step > 6


@pytest.mark.parametrize("run", [train, *(pytest.param(run, marks=pytest.mark.slow)
                                          for run in (train_exsitu, train_epoch, train_on_board))])
def test_random_moments(tmp_path, run):
    random, killed = Random(SEED), 0
    run(tmp_path / "whole", False)
    expected = left(tmp_path / "whole")
    for attempt in range(3):
        folder, times = tmp_path / str(attempt), 0
        while kills.killed_after(random.uniform(0.01, 0.1 * (times + 1)), partial(carry_on, run, folder)):
            times += 1
        assert left(folder) == expected, f"seed {SEED}, attempt {attempt}, killed {times} times"
        killed += times
    print(f"killed {killed} times, seed {SEED}")
    assert killed


@pytest.mark.slow
def test_a_reproduction_that_is_killed_is_carried_on(tmp_path, monkeypatch):
    preset = experiment(epochs=1)
    monkeypatch.setattr(reproduce, "load", lambda name: preset)
    monkeypatch.setattr(plan, "load", lambda name, device: preset)
    monkeypatch.setattr(reproduce, "REPORTED", {"small": ""})
    monkeypatch.setattr(reproduce, "draw", lambda file, rows: None)

    def run(folder):
        return reproduce.run(out=folder, seeds=2, workers=0, progress=False)

    run(tmp_path / "whole")
    expected, step, folder = left(tmp_path / "whole"), 1, tmp_path / "1"
    while kills.killed_at(step, partial(run, folder)):
        run(folder)
        assert left(folder) == expected, step
        step += 3
        folder = tmp_path / str(step)
    assert step > 10
