"""Replays of recorded runs on a design with mutants in it, one at a time."""

import ctypes
import re
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from ...sim.simulators.library import build, declare
from .apart import apart

SELECT = "mutant"
"""The input by which a design's mutant is chosen; 0 chooses none."""
PATIENCE = 60
"""Seconds after which a replay is given up: a mutant that loops has been noticed."""
RESETS = 12
"""Replays of a run that follow a reset."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A port in each clock cycle of a run: words uint64 (cycles, words)."""

    name: str
    inner: bool
    width: int
    words: np.ndarray


@dataclass(frozen=True)
class Run:
    """A recorded run of a design."""

    columns: tuple[Column, ...]

    @classmethod
    def load(cls, path: Path) -> "Run":
        with np.load(path) as file:
            return cls(tuple(Column(name=key.partition(":")[2], inner=key[0] == "i",
                                    width=int(key.partition(":")[0][1:]), words=file[key]) for key in file.files))

    @property
    def cycles(self) -> int:
        return len(self.columns[0].words)

    @cached_property
    def inputs(self) -> np.ndarray:
        return self._joined([column.words for column in self.columns if column.inner])

    @cached_property
    def expected(self) -> np.ndarray:
        return self._joined([column.words for column in self.columns if not column.inner])

    @cached_property
    def mask(self) -> np.ndarray:
        """Which bits of the outputs count. A payload that is not valid may be anything."""
        by_name = {column.name: column for column in self.columns}
        masks = []
        for column in self.columns:
            if column.inner:
                continue
            mask = np.full_like(column.words, ~np.uint64(0))
            valid = by_name.get(valid_of(column.name))
            if valid is not None:
                mask[valid.words[:, 0] == 0] = 0
            masks.append(mask)
        return self._joined(masks)

    def _joined(self, words: list[np.ndarray]) -> np.ndarray:
        return np.ascontiguousarray(np.concatenate([*words, np.zeros((self.cycles, 1), np.uint64)], axis=1))


def valid_of(name: str) -> str:
    """What the port would be called that says when the port ``name`` counts: ``x__valid`` of ``x__payload`` in a
    stream, ``valid`` of ``data``, ``byte_valid`` of ``byte``."""
    head, kind = re.fullmatch(r"(|.*__)(payload|data)|.*", name).groups()  # type: ignore[union-attr]
    return f"{head}valid" if kind else f"{name}_valid"


class Replayer:
    """A design with its mutants, compiled from ``verilog``, and the ``runs`` that are replayed on it, shortest first:
    each from power-up, and after a reset. Runs for which memories matter, which no reset clears, are not replayed after
    one.

    Raises ``SimulatorError`` if Verilator cannot be used, ``SimulationError`` if the design cannot be built.
    """

    def __init__(self, verilog: str, runs: list[Run]) -> None:
        self.runs = sorted(runs, key=lambda run: run.cycles)
        self.outputs = [column.name for column in runs[0].columns if not column.inner]
        self._library = declare(build(verilog, _driver(verilog, runs[0])), (
            ("replay", ctypes.c_int64, [ctypes.c_uint, ctypes.c_size_t, *[ctypes.c_void_p] * 3, ctypes.c_size_t]),))
        for run in self.runs:
            _ = run.inputs, run.expected, run.mask  # once, for all mutants
        self._after_reset = [(number, lead) for number, run in enumerate(self.runs)
                             for lead in _leads(number, run.cycles) if self._replay(0, number, lead) < 0]

    def notice(self, mutant: int) -> str | None:
        """What the first replay that differs with ``mutant`` saw; None if none differs.

        Each mutant runs in a process of its own, which a fault that crashes or stops the simulation cannot leave.
        """
        return apart(lambda: self._run(mutant), "the simulations", PATIENCE)

    def _run(self, mutant: int) -> str | None:
        for number, lead in [*((number, 0) for number in range(len(self.runs))), *self._after_reset]:
            found = self._replay(mutant, number, lead)
            if found >= 0:
                reset = " after a reset" if lead else ""
                return f"{self.outputs[found % len(self.outputs)]} in clock cycle {found // len(self.outputs)}{reset}"
        return None

    def _replay(self, mutant: int, number: int, lead: int) -> int:
        """As `replay` in replay.cpp, of the run with that ``number``."""
        run = self.runs[number]
        return self._library.replay(mutant, run.cycles, run.inputs.ctypes.data, run.expected.ctypes.data,
                                    run.mask.ctypes.data, lead)


def _leads(number: int, cycles: int) -> list[int]:
    """After how many clock cycles the run with that ``number`` is reset, to be replayed then."""
    return sorted(Random(number).sample(range(1, cycles + 1), min(RESETS, cycles)))


def _driver(verilog: str, run: Run) -> str:
    """The C++ text that drives and reads the ports."""
    def port(name: str) -> str:
        return f"top.{name.replace('__', '___05F')}"  # Verilator's spelling

    def has(name: str) -> bool:
        return re.search(rf"^  input (?:\[\d+:\d+\] )?{name} ?;", verilog, re.MULTILINE) is not None

    def lines(columns: list[Column], text: Any) -> tuple[str, int]:
        body, offset = "", 0
        for number, column in enumerate(columns):
            body += text(number, column.name, offset)
            offset += column.words.shape[1]
        return body, offset + 1

    inner = [column for column in run.columns if column.inner]
    outer = [column for column in run.columns if not column.inner]
    apply, input_words = lines(inner, lambda _, name, offset: f"    drive({port(name)}, words + {offset});\n")
    first, output_words = lines(outer, lambda number, name, offset:
                                f"    if (differs({port(name)}, expected + {offset}, mask + {offset})) "
                                f"return {number};\n")
    missing = "static inline unsigned &absent() { static unsigned port; return port; }\n"
    pins = "".join(f"#define {macro}(top) {port(name) if has(name) else 'absent()'}\n"
                   for macro, name in (("CLOCK", "clk"), ("RESET", "rst"), ("MUTANT", SELECT)))
    text = resources.files(__package__).joinpath("replay.cpp").read_text(encoding="utf-8")
    return text.replace("// PORTS\n", (
        f"{missing}{pins}enum {{ INPUT_WORDS = {input_words}, OUTPUT_WORDS = {output_words}, "
        f"OUTPUTS = {len(outer)} }};\n"
        f"static inline void apply(Top &top, const uint64_t *words) {{\n{apply}}}\n"
        "static inline int first(const Top &top, const uint64_t *expected, const uint64_t *mask) {\n"
        f"{first}    return -1;\n}}\n"))
