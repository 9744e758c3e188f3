"""A folder that one process works in: refused at once to others, free again whatever became of its owner."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from filelock import FileLock
from spinloom.contract.errors import ConfigError
from spinloom.system import claim
from spinloom.system.claim import HOLDER, LOCK, InUseError, claimed

HOLD = """
import sys, time
from pathlib import Path
from spinloom.system.claim import claimed
with claimed(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_nothing_is_left_but_the_lock(tmp_path):
    folder = tmp_path / "deep" / "run"
    with claimed(folder):
        holder = json.loads((folder / HOLDER).read_text())
        assert holder["process"] == os.getpid()
        assert set(holder) == {"host", "machine", "process", "since", "command"}
    assert [path.name for path in folder.iterdir()] == [LOCK]


def test_a_folder_in_use_is_refused_at_once_and_free_when_its_process_is_killed(tmp_path):
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "held\n"
        began = time.monotonic()
        with pytest.raises(InUseError, match=rf"is in use by process {other.pid} on \S+ since 20\d\d-.*; wait"):
            with claimed(tmp_path):
                pass
        assert time.monotonic() - began < 2
        assert InUseError("").exit_status == 1
    finally:
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert (tmp_path / HOLDER).exists()
    with claimed(tmp_path):
        assert json.loads((tmp_path / HOLDER).read_text())["process"] == os.getpid()


def test_two_threads_of_a_process_do_not_share_it(tmp_path):
    caught = []

    def second():
        try:
            with claimed(tmp_path):
                pass
        except InUseError as error:
            caught.append(error)

    with claimed(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert len(caught) == 1


def left_by(folder, seconds, **fields):
    """A claim that another process has left in ``folder``, with a sign of life ``seconds`` ago."""
    holder = {"host": "far", "machine": "another", "process": 7, "since": "2024-05-01 10:00:00 +0000"} | fields
    (folder / HOLDER).write_text(json.dumps(holder))
    os.utime(folder / HOLDER, (time.time() - seconds,) * 2)


def test_another_machine_is_believed_while_it_gives_signs_of_life(tmp_path, capsys):
    left_by(tmp_path, 5)
    with pytest.raises(InUseError, match=r"in use by process 7 on far since 2024-05-01 .* killed, try again in 5\d s"):
        with claimed(tmp_path):
            pass
    assert json.loads((tmp_path / HOLDER).read_text())["process"] == 7
    left_by(tmp_path, 100)
    with claimed(tmp_path):
        pass
    assert capsys.readouterr().err == (f"warning: {tmp_path}: process 7 on far since 2024-05-01 10:00:00 +0000 has "
                                       "given no sign of life for 100 s; its claim is taken over\n")


def test_signs_of_life_are_given(tmp_path, monkeypatch):
    monkeypatch.setattr(claim, "BEAT_SECONDS", 0.01)
    with claimed(tmp_path):
        os.utime(tmp_path / HOLDER, (0, 0))
        deadline = time.monotonic() + 10
        while (tmp_path / HOLDER).stat().st_mtime == 0:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"null", b'{"machine": []}', b"[" * 100_000])
def test_a_damaged_claim_is_none(tmp_path, content):
    (tmp_path / HOLDER).write_bytes(content)
    os.utime(tmp_path / HOLDER, (0, 0))
    with claimed(tmp_path):
        pass


def test_a_file_system_without_locks(tmp_path, monkeypatch, capsys):
    """There is one warning, and signs of life protect the folder."""
    def acquire(lock, **_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(FileLock, "acquire", acquire)
    with claimed(tmp_path):
        assert capsys.readouterr().err.count("warning: ") == 1
        with pytest.raises(InUseError, match=f"in use by process {os.getpid()} on"):
            with claimed(tmp_path):
                pass
    with claimed(tmp_path):
        pass
    assert "has no locks" in capsys.readouterr().err


def test_what_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=f"cannot write to {tmp_path}/file: File exists"):
        with claimed(tmp_path / "file"):
            pass
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / LOCK).mkdir()
    with pytest.raises(ConfigError, match=f"cannot write to {tmp_path}/run: Is a directory"):
        with claimed(tmp_path / "run"):
            pass
