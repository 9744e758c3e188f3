"""Builds a design and a driver in C++ into a shared library, once, for a simulation in this process."""

import ctypes
import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ...system import processes
from ...system.temporary import sweep, temporary_folder
from . import toolchain
from .cache import digest, keep_runtime, lend_runtime
from .toolchain import TOP

_VERILATE = ["-cc", "--prefix", "Vtop", "-O3", "--threads", "1", "-Wno-fatal", "-Wno-lint", "--noassert",
             "--x-assign", "fast", "--x-initial", "fast", "-CFLAGS", "-fPIC"]

_LINK = ('"${CXX:-g++}" %s -fPIC -shared -std=c++17 -I. -I"$VERILATOR_ROOT/include" -I"$VERILATOR_ROOT/include/vltstd" '
         "bench.cpp -Wl,--whole-archive libVtop.a libverilated.a -Wl,--no-whole-archive -pthread -o bench.so")

Function = tuple[str, Any, list[Any]]
"""Name, type of the result, types of the arguments: those of ctypes."""


def build(verilog: str, driver: str) -> Path:
    """The shared library of the module ``TOP`` in ``verilog`` with its ``driver``, a text in C++ that includes
    ``Vtop.h``: from the cache if it is there. It is built to run fast, or to be built fast if ``QUICK_BUILDS`` is set
    in the environment.

    Raises ``SimulatorError`` if Verilator cannot be used, ``SimulationError`` if the design cannot be built.
    """
    toolchain.require("verilator")
    optimised = not os.environ.get(toolchain.QUICK_BUILDS)
    recipe = [toolchain.version("verilator"), _VERILATE]
    builds = toolchain.cache_folder() / "compiled"
    library = builds / f"{digest([verilog, driver, optimised, *recipe])}.so"
    runtime = builds / f"runtime-{digest(recipe)}"
    if library.is_file():
        return library
    builds.mkdir(parents=True, exist_ok=True)
    sweep(builds, "build-")
    with temporary_folder("build-", builds, keep=(toolchain.SimulationError,)) as folder:
        (folder / f"{TOP}.v").write_text(verilog, encoding="utf-8")
        (folder / "bench.cpp").write_text(driver, encoding="utf-8")
        lend_runtime(runtime, folder)
        with toolchain.environment(optimised), (folder / "log").open("wb") as log:
            try:
                for command in _commands(optimised):
                    processes.run(command, folder=folder, output=log, temporary=folder)
            except subprocess.CalledProcessError:
                raise toolchain.failure(f"verilator could not build the design: see {folder / 'log'}",
                                        folder) from None
        keep_runtime(folder, runtime)
        (folder / "bench.so").replace(library)
    return library


def _commands(optimised: bool) -> Iterator[list[str]]:
    """How a library is built in a folder that holds the design and the driver."""
    yield ["verilator", *_VERILATE, "--top-module", TOP, "-Mdir", ".", f"{TOP}.v"]
    yield ["make", "-j2", "-f", "Vtop.mk", "libVtop", "libverilated.a"]
    yield ["sh", "-c", _LINK % ("-O2" if optimised else "-O0")]


def declare(path: Path, functions: Iterable[Function]) -> ctypes.CDLL:
    """The library at ``path``, ready for calls of ``functions``."""
    library = ctypes.CDLL(str(path))
    for name, result, arguments in functions:
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
