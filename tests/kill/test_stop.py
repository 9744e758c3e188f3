"""Commands end in order: when they are stopped, whatever they are doing, and when a disk is full."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = [sys.executable, "-m", "spinloom"]


@pytest.fixture
def full(tmp_path):
    """A disk of 64 kB, which is nearly full."""
    disk = tmp_path / "full"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=False,
                             capture_output=True)
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    (disk / "filler").write_bytes(bytes(60 << 10))
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def run(*arguments, **options):
    options = {"stdout": subprocess.PIPE} | options
    return subprocess.run([*PROGRAM, *map(str, arguments)], stderr=subprocess.PIPE, text=True, check=False, timeout=120,
                          **options)


def assert_one_line(done, status, *texts):
    lines = [line for line in done.stderr.splitlines() if line.startswith("spinloom: ")]
    assert (done.returncode, len(lines)) == (status, 1), done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    for text in texts:
        assert text in lines[0]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("arguments", [["--help"], ["estimate", "digits-dw5", "--json"]])
def test_standard_output_that_is_full_is_named(arguments):
    with open("/dev/full", "w") as full:
        assert_one_line(run(*arguments, stdout=full), 1, "standard output: No space left on device")


def test_a_reader_that_has_gone_is_no_news():
    read, write = os.pipe()
    os.close(read)
    done = run("--help", stdout=write)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize(("arguments", "file"), [
    (["device", "measure", "domain_wall", "--out", "d.csv", "--overwrite"], "d.csv"),
    (["device", "show", "domain_wall", "--out", "d.png"], "d.png"),
    (["generate", "digits-dw5", "--out", "verilog"], "verilog"),
])
def test_a_full_disk_is_told_by_the_files_name(full, arguments, file):
    (full / "d.csv").write_text("old")
    assert_one_line(run(*arguments, cwd=full), 1, file, "No space left on device")
    assert (full / "d.csv").read_text() == "old"
    assert not list(full.rglob("*.tmp"))


@pytest.mark.parametrize("kind", [signal.SIGTERM, *(pytest.param(kind, marks=pytest.mark.slow)
                                                    for kind in (signal.SIGINT, signal.SIGHUP))])
def test_a_co_simulation_ends_with_its_simulator(tmp_path, simulator, kind):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    arguments = ["cosim", "digits-dw5", "--digits", "--samples", "1000000", "--simulator", simulator]
    with subprocess.Popen([*PROGRAM, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          env=os.environ | {"TMPDIR": str(temporary)}) as process:
        mine = str(temporary)
        deadline = time.monotonic() + 120
        while not (found := _processes_of(mine) - {process.pid}):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)
        process.send_signal(kind)
        time.sleep(0.05)
        process.send_signal(kind)  # a second one is no worse than the first
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "spinloom: interrupted"
    assert "Traceback" not in err
    assert not found & _processes_of(mine)
    assert [path.name for path in temporary.iterdir() if path.name.startswith("spinloom-cosim")] == []


LOADING = """
import os, signal, sys
signal.signal(signal.{kind}, signal.SIG_DFL)  # whatever started the tests may have had it ignored
class Stop:
    def find_spec(self, name, *_):
        if name == "spinloom.cli":
            os.kill(os.getpid(), signal.{kind})
sys.meta_path.insert(0, Stop())
sys.argv = ["spinloom", "estimate", "digits-dw5"]
from spinloom.__main__ import main
assert not {{"numpy", "click", "pydantic", "torch"}} & sys.modules.keys()
main()
"""


@pytest.mark.parametrize("kind", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_stop_is_heeded_while_the_program_is_loaded(kind):
    done = subprocess.run([sys.executable, "-c", LOADING.format(kind=kind)], capture_output=True, text=True, timeout=60,
                          check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "spinloom: interrupted\n")


def _processes_of(temporary):
    """The living processes whose temporary files go below ``temporary`` or which were told that folder."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if temporary.encode() in path.read_bytes():
                found.add(int(path.parent.name))
        except OSError:
            continue
    return found
