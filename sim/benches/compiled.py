"""A compiled simulation in this process: Verilator's model of a design behind a thin driver, without cocotb.

Many clock cycles pass in one call, so this is the bench for long runs. Its streams never stall.
"""

import ctypes
import weakref
from collections.abc import Callable, Iterable
from importlib import resources
from typing import Any

import numpy as np
from amaranth.hdl import ClockDomain, ClockSignal, DomainRenamer, Module, ResetSignal, ShapeLike, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...hw.export.verilog import to_verilog
from ..bench import ClockedBench, SimulationStuckError
from ..sdram import cells_driver, check
from ..simulators.library import build, declare
from ..simulators.toolchain import TOP
from .words import WordSink, WordSource

_PATIENCE = 100_000
"""Clock cycles that an idle design is given to answer."""
_SETTLE = 64
"""Clock cycles that an idle design is run on at a time."""
_CHUNK = 1 << 16
"""Clock cycles between two looks at the condition that is waited for."""
_WORD = 64
"""Bits in which payloads are handed over."""


class CompiledSource(WordSource):
    """Puts beats into an In stream of a ``CompiledBench``, which makes it."""

    def __init__(self, bench: "CompiledBench", index: int, size: int, shape: ShapeLike) -> None:
        super().__init__(shape)
        self._bench, self._index, self._size = bench, index, size

    def put_words(self, words: Iterable[int]) -> None:
        if self._size == 1:
            array = np.array(list(words), dtype=np.uint64)
        else:
            size = self._size * _WORD // 8
            array = np.frombuffer(b"".join(word.to_bytes(size, "little") for word in words), dtype="<u8")
        self._bench.library.bench_put(self._bench.handle, self._index, array.ctypes.data, len(array))

    @property
    def idle(self) -> bool:
        return self._bench.library.bench_sent(self._bench.handle, self._index)


class CompiledSink(WordSink):
    """Takes beats out of an Out stream of a ``CompiledBench``, which makes it."""

    def __init__(self, bench: "CompiledBench", index: int, size: int, shape: ShapeLike) -> None:
        super().__init__(shape)
        self._bench, self._index, self._size = bench, index, size

    def __len__(self) -> int:
        return self._bench.library.bench_received(self._bench.handle, self._index)

    def take_words(self, count: int) -> list[int]:
        words = np.empty(count * self._size, dtype="<u8")
        self._bench.library.bench_take(self._bench.handle, self._index, words.ctypes.data, count)
        if self._size == 1:
            return words.tolist()
        data, size = words.tobytes(), self._size * _WORD // 8
        return [int.from_bytes(data[start:start + size], "little") for start in range(0, len(data), size)]


class _HeldInputs(wiring.Component):
    """``component`` with registers before its reset and its In streams, which take over at a rising edge of ``take``.
    Its Out streams are always ready.

    Verilator evaluates in every call what depends on an input, but what depends on a register only when that is
    clocked. Inputs change rarely, so this saves most of that work.
    """

    def __init__(self, component: wiring.Component) -> None:
        super().__init__({**component.signature.members, "take": In(1)})
        self._component = component

    def elaborate(self, _platform: Any) -> Module:
        m = Module()
        component = self._component
        m.submodules.component = DomainRenamer("design")(component)
        m.domains.held = ClockDomain(reset_less=True)
        m.domains.design = ClockDomain()
        m.d.comb += [ClockSignal("held").eq(self.take), ClockSignal("design").eq(ClockSignal())]
        m.d.held += ResetSignal("design").eq(ResetSignal())
        for name, member in component.signature.members.items():
            outer, inner = getattr(self, name), getattr(component, name)
            if not member.is_signature:
                m.d.comb += outer.eq(inner) if member.flow is Out else inner.eq(outer)
            elif not isinstance(member.signature, stream.Signature):
                wiring.connect(m, wiring.flipped(outer), inner)
            elif member.flow is In:
                m.d.held += [inner.valid.eq(outer.valid), inner.payload.eq(outer.payload)]
                m.d.comb += outer.ready.eq(inner.ready)
            else:
                m.d.comb += [outer.valid.eq(inner.valid), outer.payload.eq(inner.payload), inner.ready.eq(1)]
        return m


class CompiledBench(ClockedBench):
    """Runs ``component``, which has a port ``idle``, until ``close``.

    It may have the ``cells`` and ``broken`` of an SDRAM's model (`SdramModel`). Its columns are kept here then, and
    running it raises `SdramError` when a rule of the chip is broken.

    Raises ``SimulatorError`` if Verilator cannot be used, ``SimulationError`` if the design cannot be built.
    """

    def __init__(self, component: wiring.Component) -> None:
        streams = {name: member.flow for name, member in component.signature.members.items()
                   if member.is_signature and isinstance(member.signature, stream.Signature)}
        sizes = {name: -(-len(Value.cast(getattr(component, name).payload)) // _WORD) for name in streams}
        self._sources = {name: sizes[name] for name, flow in streams.items() if flow is In}
        self._sinks = {name: size for name, size in sizes.items() if name not in self._sources}
        driver = cells_driver(component) + _driver(self._sources, self._sinks)
        handle, words, size = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t
        self.library = declare(build(to_verilog(_HeldInputs(component), TOP), driver), (
            ("bench_new", handle, []),
            ("bench_delete", None, [handle]),
            ("bench_put", None, [handle, ctypes.c_uint, words, size]),
            ("bench_sent", ctypes.c_bool, [handle, ctypes.c_uint]),
            ("bench_received", size, [handle, ctypes.c_uint]),
            ("bench_take", None, [handle, ctypes.c_uint, words, size]),
            ("bench_cycle", ctypes.c_uint64, [handle]),
            ("bench_idle", ctypes.c_bool, [handle]),
            ("bench_broken", ctypes.c_uint, [handle]),
            ("bench_columns", ctypes.POINTER(ctypes.c_uint32), [handle]),
            ("bench_column_count", size, [handle]),
            ("bench_run", ctypes.c_bool, [handle, ctypes.c_uint64, ctypes.c_bool]),
        ))
        self.handle: Any = self.library.bench_new()
        self._delete = weakref.finalize(self, self.library.bench_delete, self.handle)

    def close(self) -> None:
        """Free the model, as happens to a bench that nothing refers to. The bench cannot be used any more."""
        self._delete()
        self.handle = None

    def source(self, name: str, shape: ShapeLike) -> CompiledSource:
        return CompiledSource(self, list(self._sources).index(name), self._sources[name], shape)

    def sink(self, name: str, shape: ShapeLike) -> CompiledSink:
        return CompiledSink(self, list(self._sinks).index(name), self._sinks[name], shape)

    @property
    def idle(self) -> bool:
        return self.library.bench_idle(self.handle)

    @property
    def cycle(self) -> int:
        return self.library.bench_cycle(self.handle)

    @property
    def columns(self) -> np.ndarray:
        """The columns of its SDRAM, by address, as long as it is not closed: what is written here is in the chip."""
        return np.ctypeslib.as_array(self.library.bench_columns(self.handle),
                                      (self.library.bench_column_count(self.handle),))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Run until ``condition()`` holds, which is looked at whenever the design is idle, or after many clock cycles.
        ``SimulationStuckError`` if the design stays idle and the condition does not hold."""
        waited = 0
        while not condition():
            stopped = self.library.bench_run(self.handle, _CHUNK, True)
            check(self.library.bench_broken(self.handle), self.cycle)
            if stopped:
                if waited >= _PATIENCE:
                    raise SimulationStuckError(f"the design has been idle for {waited} clock cycles and does not "
                                               "answer")
                self.library.bench_run(self.handle, _SETTLE, False)
                waited += _SETTLE
            else:
                waited = 0


def _driver(sources: dict[str, int], sinks: dict[str, int]) -> str:
    """The C++ text of the driver for streams by name, each with the words of a payload."""
    def port(name: str) -> str:
        return f"top.{name.replace('__', '___05F')}"  # Verilator's spelling of the ports' names

    def source(name: str, size: int) -> str:
        return (f"    {{{size},\n     [](Top &top, bool valid, const uint64_t *words) "
                f"{{ {port(f'{name}__valid')} = valid; store({port(f'{name}__payload')}, words); }},\n"
                f"     [](const Top &top) -> bool {{ return {port(f'{name}__ready')}; }}}},\n")

    def sink(name: str, size: int) -> str:
        return (f"    {{{size},\n     [](const Top &top) -> bool {{ return {port(f'{name}__valid')}; }},\n"
                f"     [](const Top &top, uint64_t *words) {{ load({port(f'{name}__payload')}, words); }}}},\n")

    def table(kind: str, name: str, row: Callable[[str, int], str], streams: dict[str, int]) -> str:
        return f"static const {kind} {name}[] = {{\n{''.join(row(*stream) for stream in streams.items())}}};\n"

    widest = max([*sources.values(), *sinks.values()])
    text = resources.files(__package__).joinpath("compiled.cpp").read_text(encoding="utf-8")
    return text.replace("// STREAMS\n", (
        table("Source", "SOURCES", source, sources) + table("Sink", "SINKS", sink, sinks)
        + f"enum {{ SOURCE_COUNT = {len(sources)}, SINK_COUNT = {len(sinks)}, WIDEST = {widest} }};\n"))
