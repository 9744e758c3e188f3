"""Sweeps in processes of their own: some are killed, and the results are those of an undisturbed sweep."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from spinloom.study import sweep
from spinloom.study.sweep import executors
from spinloom.system import toml

from .sweeps import CONFIG, SMALL, left, rows

SLOWER = SMALL | {"fixed": {"epochs": 20}}
"""Each run takes some tenths of a second."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An undisturbed sweep, and its description beside it."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "small.toml").write_text(CONFIG)
    (folder / "sweep.toml").write_text(toml.text_of(SLOWER))
    sweep.run(folder / "sweep.toml", out=folder / "out", workers=0, progress=False)
    return folder


def begin(whole, out):
    return subprocess.Popen([sys.executable, "-m", "spinloom", "sweep", str(whole / "sweep.toml"), "--workers", "2",
                             "--out", str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def wait_for_results(out, count, process):
    while len(list(out.glob("runs/*/result.json"))) < count:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)


def workers_of(process):
    """The processes that train for ``process``."""
    return [worker for server in children(process.pid) if "forkserver" in command(server)
            for worker in children(server)]


def children(process):
    return [int(child) for path in Path(f"/proc/{process}/task").glob("*/children")
            for child in path.read_text().split()]


def command(process):
    try:
        return Path(f"/proc/{process}/cmdline").read_text()
    except OSError:
        return ""


def alive(process):
    return "forkserver" in command(process)


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc")
def test_kills(whole, tmp_path):
    out = tmp_path / "out"
    with begin(whole, out) as process:  # the parent is killed, and its workers end by themselves
        wait_for_results(out, 1, process)
        workers = workers_of(process)
        process.kill()
    assert len(workers) == 2
    deadline = time.monotonic() + 30
    while any(map(alive, workers)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    done = len(list(out.glob("runs/*/result.json")))
    assert done < 8
    with begin(whole, out) as process:  # a worker is killed, and the sweep goes on
        wait_for_results(out, done + 1, process)
        os.kill(workers_of(process)[0], signal.SIGKILL)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert all(line.startswith("sweep: ") for line in err.splitlines()), err
    assert left(out) == left(whole / "out")
    assert rows(out) == rows(whole / "out")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc")
def test_a_request_to_stop(whole, tmp_path):
    out = tmp_path / "out"
    with begin(whole, out) as process:
        wait_for_results(out, 1, process)
        workers = workers_of(process)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "of 8 runs to go; the same command goes on with them" in err.splitlines()[-1]
    assert all(line.startswith("sweep: ") for line in err.splitlines()[:-1]), err
    assert not any(map(alive, workers))
    answer = sweep.run(whole / "sweep.toml", out=out, workers=0, progress=False)
    assert answer.skipped >= 1
    assert answer.failed == 0
    assert left(out) == left(whole / "out")


def test_a_run_that_loses_every_worker_fails():
    place = executors.LocalExecutor(1)
    try:
        with pytest.raises(executors.LostWorkerError, match="its worker was lost 3 times"):
            place.submit(os._exit, 1).result(timeout=120)
        assert place.submit(abs, -1).result(timeout=60) == 1
    finally:
        place.shutdown()
