"""Other programs and temporary folders end with their purpose."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from spinloom.system import processes
from spinloom.system.temporary import private_folder, sweep, temporary_folder

FAMILY = ["sh", "-c", "sleep 60 & echo $! > child; wait"]


def exists(process):
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition):
    for _ in range(200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come")


def test_a_program_and_its_children_are_killed_when_the_block_is_left(tmp_path):
    child = tmp_path / "child"
    with (tmp_path / "log").open("wb") as log, suppress(KeyboardInterrupt):
        with processes.running(FAMILY, folder=tmp_path, output=log):
            wait_for(lambda: child.exists() and child.read_text().strip())
            raise KeyboardInterrupt
    wait_for(lambda: not exists(int(child.read_text())))


def test_a_failure_is_told(tmp_path):
    with (tmp_path / "log").open("wb") as log:
        with pytest.raises(subprocess.CalledProcessError):
            processes.run(["sh", "-c", "echo said; exit 3"], folder=tmp_path, output=log)
        processes.run(["sh", "-c", 'echo "$TMPDIR"'], folder=tmp_path, output=log, temporary="else where")
    assert (tmp_path / "log").read_text() == "said\nelse where\n"


def test_standard_input_ends_with_the_process(tmp_path):
    script = ("import time\nfrom spinloom.system import processes\n"
              "with open('log', 'wb') as log, processes.running(['sh', '-c', 'echo x > begun; read x; echo y > ended'],"
              " folder='.', output=log):\n    time.sleep(60)")
    with subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path) as parent:
        wait_for((tmp_path / "begun").exists)
        parent.send_signal(signal.SIGKILL)
    wait_for((tmp_path / "ended").exists)


def test_a_temporary_folder_is_removed_however_it_ends(tmp_path):
    for error in (KeyboardInterrupt, ValueError):
        with suppress(error), temporary_folder("a-", tmp_path) as folder:
            (folder / "file").write_text("")
            raise error
    with temporary_folder("a-", tmp_path) as folder:
        pass
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="kept"), temporary_folder("a-", tmp_path, keep=(ValueError,)):
        raise ValueError("kept")
    assert len(list(tmp_path.iterdir())) == 1


def test_what_killed_processes_left_is_swept_after_a_day(tmp_path):
    for name, age in (("build-old", 90_000), ("build-new", 0), ("other", 90_000)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    sweep(tmp_path, "build-")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["build-new", "other"]


def test_a_private_folder_is_the_same_every_time(tmp_path):
    folder = private_folder(tmp_path)
    assert private_folder(tmp_path) == folder
    folder.chmod(0o755)
    with pytest.raises(PermissionError):
        private_folder(tmp_path)
