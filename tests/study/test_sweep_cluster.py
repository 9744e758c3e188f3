"""Sweeps on a cluster of dask.distributed."""

import os
import signal
import threading
import time

import pytest
from spinloom.contract.errors import ConfigError
from spinloom.study import sweep
from spinloom.study.sweep import executors

from .sweeps import CONFIG, SMALL, left, rows

distributed = pytest.importorskip("distributed")
SLOWER = SMALL | {"config": "small.toml", "fixed": {"epochs": 20}}


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(CONFIG)


@pytest.fixture
def cluster():
    """Two workers, each a process."""
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None,
                                  silence_logs=50) as cluster:
        yield cluster


@pytest.mark.slow
def test_a_worker_that_is_killed(cluster, tmp_path):
    answers = []
    training = threading.Thread(target=lambda: answers.append(sweep.run(
        SLOWER, out="out", cluster=cluster.scheduler_address, progress=False)))
    with distributed.Client(cluster) as client:
        processes = client.run(os.getpid)
    training.start()
    while not list(tmp_path.glob("out/runs/*/result.json")):
        assert training.is_alive()
        time.sleep(0.01)
    os.kill(next(iter(processes.values())), signal.SIGKILL)
    training.join(timeout=300)
    answer, = answers
    assert (answer.runs, answer.done, answer.failed) == (8, 8, 0)
    whole = sweep.run(SLOWER, out="whole", workers=0, progress=False)
    assert left(tmp_path / "out") == left(whole.out)
    assert rows(tmp_path / "out") == rows(whole.out)


def test_a_cluster_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr(executors, "CONNECT_SECONDS", 0.5)
    for address in ("tcp://127.0.0.1:1", "nonsense", "x://y"):
        with pytest.raises(executors.ClusterError, match=f"--cluster {address}: no cluster answers there"):
            sweep.run(SMALL, out="out", cluster=address, progress=False)
    assert not (tmp_path / "out").exists()


def test_distributed_is_needed(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(ConfigError, match=r"--cluster needs dask.distributed; install spinloom\[cluster\]"):
        sweep.run(SMALL, cluster="tcp://127.0.0.1:1", progress=False)
