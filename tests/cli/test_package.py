"""The package as pyproject.toml describes it: nothing is left out of what is installed."""

import fnmatch
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import spinloom

ROOT = Path(spinloom.__file__).parent
SETUP = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def parts():
    """The folders of the package, the root among them."""
    return [ROOT, *(path.parent for path in ROOT.glob("[a-z]*/**/__init__.py")
                    if path.relative_to(ROOT).parts[0] not in ("build", "tests", "runs"))]


def name(folder):
    return ".".join(["spinloom", *folder.relative_to(ROOT).parts])


def test_every_package_is_installed():
    assert sorted(SETUP["packages"]) == sorted(map(name, parts()))


def test_every_file_beside_the_code_is_installed():
    for folder in parts()[1:]:
        patterns = SETUP["package-data"].get(name(folder), [])
        for path in folder.iterdir():
            if path.is_file() and path.suffix not in (".py", ".pyc"):
                assert any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns), path


def test_tests_run_in_a_checkout_of_any_name(tmp_path):
    checkout = tmp_path / "über-$x 1.0"
    (checkout / "tests" / "one").mkdir(parents=True)
    for file in ("__init__.py", "pyproject.toml"):
        shutil.copy(ROOT / file, checkout)
    (checkout / "tests" / "one" / "test_one.py").write_text("def test_one():\n    pass\n")
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=checkout, text=True,
                          capture_output=True, check=False, timeout=60)
    assert "1 passed" in done.stdout, done.stdout
