"""A wheel is all that it takes: installed from a file, the program passes its demo where there is no checkout."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
import spinloom

ROOT = Path(spinloom.__file__).parent
PIP = (sys.executable, "-m", "pip", "-q", "--disable-pip-version-check")
SMALL = """
dataset = "digits"
learning_rate_shifts = [4]
epochs = 2
input = { count = 64 }
device = { kind = "domain_wall" }
[[layers]]
cols = 10
lanes = 2
weight_step = -1
z_bits = 8
z_frac = 4
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of the package. It is built of a copy: setuptools leaves folders behind."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, folder / "source", ignore=shutil.ignore_patterns(
        ".*", "build", "runs", "tests", "__pycache__", "*.egg-info"))
    subprocess.run([*PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder, folder / "source"],
                   check=True, timeout=300)
    return next(folder.glob("spinloom-*.whl"))


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_package(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = {name.removeprefix("spinloom/") for name in archive.namelist() if name.startswith("spinloom/")}
    folders = [ROOT, *(path.parent for path in ROOT.glob("[a-z]*/**/__init__.py")
                       if path.relative_to(ROOT).parts[0] not in ("build", "tests", "runs"))]
    package = {str(path.relative_to(ROOT)) for folder in folders for path in folder.iterdir() if path.is_file()}
    assert held == {name for name in package if "/" in name or name.endswith(".py")}


@pytest.mark.slow
def test_the_demo_passes_without_the_repository(wheel, tmp_path, verilator):
    python = tmp_path / "venv" / "bin" / "python"
    elsewhere = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*command: str | Path) -> str:
        done = subprocess.run(command, cwd=tmp_path, env=elsewhere, text=True, capture_output=True, check=False,
                              timeout=1800)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(sys.executable, "-m", "venv", "--without-pip", "venv")
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (site / "others.pth").write_text(sysconfig.get_path("purelib"))  # what the wheel depends on, without a download
    run(*PIP, "--python", python, "install", "--no-deps", "--no-index", wheel)
    assert run(python, "-c", "import spinloom; print(spinloom.__file__)") == f"{site / 'spinloom' / '__init__.py'}\n"
    (tmp_path / "small.toml").write_text(SMALL)
    assert json.loads(run(python.with_name("spinloom"), "demo", "small.toml", "--json"))["bit_exact"] is True
