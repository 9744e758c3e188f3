"""A compiled simulation in this process: Verilator's model of a design behind a thin driver, without cocotb.

Python sleeps while the design runs, so this is the bench for long runs; ``CompiledBench`` stands in for a
`streams.Bench` without stalls.
"""

import ctypes
import hashlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path

import numpy as np
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..hw.export.verilog import to_verilog
from . import toolchain
from .packing import Packing
from .runner import TOP, SimulationError
from .streams import SimulationStuckError

_VERILATE = ["-cc", "--prefix", "Vtop", "-O3", "--threads", "1", "-Wno-fatal", "-Wno-lint", "--noassert",
             "--x-assign", "fast", "--x-initial", "fast", "-CFLAGS", "-fPIC"]
_PATIENCE = 100_000
"""Clocks that an idle design is given to answer."""
_SETTLE = 64
"""Clocks that an idle design is run on at a time."""
_CHUNK = 1 << 16
"""Clocks between two looks at the condition that is waited for."""


class _Source:
    def __init__(self, bench: "CompiledBench", index: int, shape) -> None:
        self.packing = Packing(shape)
        self._bench, self._index = bench, index

    def put(self, beat) -> None:
        self.put_words([self.packing.pack(beat)])

    def put_all(self, beats: Iterable) -> None:
        self.put_words([self.packing.pack(beat) for beat in beats])

    def put_words(self, words) -> None:
        """Queue packed beats."""
        array = np.ascontiguousarray(words, dtype=np.uint64)
        self._bench.library.bench_put(self._bench.handle, self._index, array.ctypes.data, len(array))

    @property
    def idle(self) -> bool:
        return self._bench.library.bench_waiting(self._bench.handle, self._index) == 0


class _Sink:
    def __init__(self, bench: "CompiledBench", index: int, shape) -> None:
        self.packing = Packing(shape)
        self._bench, self._index = bench, index

    def __len__(self) -> int:
        return self._bench.library.bench_received(self._bench.handle, self._index)

    def take_words(self, count: int) -> np.ndarray:
        """The oldest ``count`` beats, packed: uint64 (count,)."""
        words = np.empty(count, dtype=np.uint64)
        self._bench.library.bench_take(self._bench.handle, self._index, words.ctypes.data, count)
        return words

    def take(self):
        return self.packing.unpack(int(self.take_words(1)[0]))

    def take_all(self) -> list:
        return [self.packing.unpack(word) for word in self.take_words(len(self)).tolist()]


class CompiledBench:
    """Runs ``component``, whose streams are at most 64 bits wide and which tells when it is ``idle``.

    Raises ``SimulatorError`` if Verilator cannot be used, ``SimulationError`` if the design cannot be built.
    """

    def __init__(self, component: wiring.Component) -> None:
        streams = {name: member.flow for name, member in component.signature.members.items()
                   if member.is_signature and isinstance(member.signature, stream.Signature)}
        self._sources = [name for name, flow in streams.items() if flow is In]
        self._sinks = [name for name, flow in streams.items() if flow is Out]
        for name in streams:
            width = len(Value.cast(getattr(component, name).payload))
            if width > 64:
                raise ValueError(f"stream {name} is {width} bits wide: a compiled bench takes at most 64")
        self.library = _load(build(to_verilog(component, TOP), _driver(self._sources, self._sinks)))
        self.handle = self.library.bench_new()
        self.pins = self

    def close(self) -> None:
        """Free the model; the bench cannot be used any more."""
        self.library.bench_delete(self.handle)
        self.handle = None

    @property
    def cycle(self) -> int:
        """Clocks passed."""
        return self.library.bench_cycle(self.handle)

    @property
    def answered(self) -> int:
        """The clock in which the design's last answer was taken."""
        return self.library.bench_answered(self.handle)

    def get(self, name: str) -> int:
        """Whether the design is idle: the one pin that drivers ask for."""
        if name != "idle":
            raise ValueError(f"pin {name!r}: a compiled bench knows `idle` only")
        return int(self.library.bench_run(self.handle, 1, True))

    def source(self, name: str, shape) -> _Source:
        """The driver of the In stream ``name`` with payloads of ``shape``."""
        return _Source(self, self._sources.index(name), shape)

    def sink(self, name: str, shape) -> _Sink:
        """The driver of the Out stream ``name`` with payloads of ``shape``."""
        return _Sink(self, self._sinks.index(name), shape)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Run until ``condition()`` holds; it is looked at when the design is idle or after many clocks.
        ``SimulationStuckError`` if the design stays idle and it does not hold."""
        waited = 0
        while not condition():
            if self.library.bench_run(self.handle, _CHUNK, True):
                if waited >= _PATIENCE:
                    raise SimulationStuckError(f"the design has been idle for {waited} clocks and does not answer")
                self.library.bench_run(self.handle, _SETTLE, False)
                waited += _SETTLE
            else:
                waited = 0


def build(verilog: str, driver: str) -> Path:
    """The shared library of the module ``TOP`` in ``verilog`` with its ``driver``, C++ text: from the cache if it is
    there."""
    toolchain.require("verilator")
    recipe = [verilog, driver, toolchain.version("verilator"), _VERILATE]
    builds = toolchain.cache_folder() / "compiled"
    library = builds / f"{hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:24]}.so"
    if library.is_file():
        return library
    builds.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="build-", dir=builds))
    (folder / f"{TOP}.v").write_text(verilog, encoding="utf-8")
    (folder / "bench.cpp").write_text(driver, encoding="utf-8")
    with toolchain.environment(), (folder / "log").open("wb") as log:
        try:
            for command in (
                ["verilator", *_VERILATE, "--top-module", TOP, "-Mdir", ".", f"{TOP}.v"],
                ["make", "-j2", "-f", "Vtop.mk", "libVtop", "libverilated.a"],
                ["sh", "-c", '"${CXX:-g++}" -O2 -fPIC -shared -std=c++17 -I. -I"$VERILATOR_ROOT/include" '
                 '-I"$VERILATOR_ROOT/include/vltstd" bench.cpp -Wl,--whole-archive libVtop.a libverilated.a '
                 "-Wl,--no-whole-archive -pthread -o bench.so"],
            ):
                subprocess.run(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, check=True)
        except subprocess.CalledProcessError:
            raise SimulationError(f"verilator could not build the design: see {folder / 'log'}") from None
    (folder / "bench.so").replace(library)
    shutil.rmtree(folder)
    return library


def _driver(sources: list[str], sinks: list[str]) -> str:
    """The C++ text of the driver for the streams named."""
    def port(name: str) -> str:
        return f"top.{name.replace('__', '___05F')}"  # Verilator's spelling of the ports' names

    def row(name: str, driven: str, other: str) -> str:
        drive = f"{port(f'{name}__{driven}')} = flag;"
        if driven == "valid":
            drive += f" {port(f'{name}__payload')} = payload;"
        return (f"    {{[](Top &top, bool flag, uint64_t payload) {{ {drive} }},\n"
                f"     [](const Top &top) -> bool {{ return {port(f'{name}__{other}')}; }},\n"
                f"     [](const Top &top) -> uint64_t {{ return {port(f'{name}__payload')}; }}}},\n")

    text = resources.files(__package__).joinpath("compiled.cpp").read_text(encoding="utf-8")
    tables = (f"static const Stream SOURCES[] = {{\n{''.join(row(name, 'valid', 'ready') for name in sources)}}};\n"
              f"static const Stream SINKS[] = {{\n{''.join(row(name, 'ready', 'valid') for name in sinks)}}};\n"
              f"enum {{ SOURCE_COUNT = {len(sources)}, SINK_COUNT = {len(sinks)} }};\n")
    return text.replace("// STREAMS\n", tables)


def _load(path: Path) -> ctypes.CDLL:
    handle, words, size = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t
    return declare(path, (
        ("bench_new", handle, []),
        ("bench_delete", None, [handle]),
        ("bench_put", None, [handle, ctypes.c_uint, words, size]),
        ("bench_waiting", size, [handle, ctypes.c_uint]),
        ("bench_received", size, [handle, ctypes.c_uint]),
        ("bench_take", None, [handle, ctypes.c_uint, words, size]),
        ("bench_cycle", ctypes.c_uint64, [handle]),
        ("bench_answered", ctypes.c_uint64, [handle]),
        ("bench_run", ctypes.c_bool, [handle, ctypes.c_uint64, ctypes.c_bool]),
    ))


def declare(path: Path, functions: Iterable[tuple]) -> ctypes.CDLL:
    """The library at ``path`` with ``functions``: names, types of the result and of the arguments."""
    library = ctypes.CDLL(str(path))
    for name, result, arguments in functions:
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def complete(coroutine):
    """The result of a driver's ``coroutine`` on a ``CompiledBench``, which never suspends it."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise RuntimeError("a driver of a compiled bench waited for something else")
