"""Builds a design and a driver in C++ into a shared library, once, for a simulation in this process."""

import ctypes
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...system import processes
from ...system.temporary import sweep, temporary_folder
from . import toolchain
from .cache import digest, keep_runtime, lend_runtime
from .toolchain import TOP

_VERILATE = ["-cc", "--prefix", "Vtop", "-O3", "--threads", "1", "-Wno-fatal", "-Wno-lint", "--noassert",
             "--x-assign", "fast", "--x-initial", "fast", "-CFLAGS", "-fPIC"]

_COMMANDS = (
    ["verilator", *_VERILATE, "--top-module", TOP, "-Mdir", ".", f"{TOP}.v"],
    ["make", "-j2", "-f", "Vtop.mk", "libVtop", "libverilated.a"],
    ["sh", "-c", '"${CXX:-g++}" -O2 -fPIC -shared -std=c++17 -I. -I"$VERILATOR_ROOT/include" '
     '-I"$VERILATOR_ROOT/include/vltstd" bench.cpp -Wl,--whole-archive libVtop.a libverilated.a '
     "-Wl,--no-whole-archive -pthread -o bench.so"],
)
"""How a library is built in a folder that holds the design and the driver."""

Function = tuple[str, Any, list[Any]]
"""Name, type of the result, types of the arguments: those of ctypes."""


def build(verilog: str, driver: str) -> Path:
    """The shared library of the module ``TOP`` in ``verilog`` with its ``driver``, a text in C++ that includes
    ``Vtop.h``: from the cache if it is there.

    Raises ``SimulatorError`` if Verilator cannot be used, ``SimulationError`` if the design cannot be built.
    """
    toolchain.require("verilator")
    recipe = [toolchain.version("verilator"), _VERILATE]
    builds = toolchain.cache_folder() / "compiled"
    library, runtime = builds / f"{digest([verilog, driver, *recipe])}.so", builds / f"runtime-{digest(recipe)}"
    if library.is_file():
        return library
    builds.mkdir(parents=True, exist_ok=True)
    sweep(builds, "build-")
    with temporary_folder("build-", builds, keep=(toolchain.SimulationError,)) as folder:
        (folder / f"{TOP}.v").write_text(verilog, encoding="utf-8")
        (folder / "bench.cpp").write_text(driver, encoding="utf-8")
        lend_runtime(runtime, folder)
        with toolchain.environment(), (folder / "log").open("wb") as log:
            try:
                for command in _COMMANDS:
                    processes.run(command, folder=folder, output=log, temporary=folder)
            except subprocess.CalledProcessError:
                raise toolchain.failure(f"verilator could not build the design: see {folder / 'log'}",
                                        folder) from None
        keep_runtime(folder, runtime)
        (folder / "bench.so").replace(library)
    return library


def declare(path: Path, functions: Iterable[Function]) -> ctypes.CDLL:
    """The library at ``path``, ready for calls of ``functions``."""
    library = ctypes.CDLL(str(path))
    for name, result, arguments in functions:
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
