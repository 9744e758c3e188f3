"""The mutation tests of the RTL, on a block of which the fate of each mutant is known."""

import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np
import pytest
import torch
from amaranth.back import rtlil
from amaranth.hdl import Module, Mux
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from numba import njit
from spinloom.model.compiled import lanes as compiled_lanes
from spinloom.study.mutants import __main__ as tool
from spinloom.study.mutants import plain, python
from spinloom.study.mutants.__main__ import MutantsError
from spinloom.study.mutants.aiger import Circuit, resting
from spinloom.study.mutants.benches import KERNEL
from spinloom.study.mutants.equivalence import equivalent
from spinloom.study.mutants.planting import Mutant, draw, plant
from spinloom.study.mutants.recording import TOP
from spinloom.study.mutants.replay import Column, Replayer, Run


class Block(wiring.Component):
    """Counts while ``enable``; ``twice`` is enabled either way, so its multiplexer does not matter."""

    enable: In(1)
    count: Out(4)
    twice: Out(1)

    def elaborate(self, platform) -> Module:
        m = Module()
        with m.If(self.enable):
            m.d.sync += self.count.eq(self.count + 1)
        with m.If(self.enable):
            m.d.comb += self.twice.eq(1)
        with m.Else():
            m.d.comb += self.twice.eq(1)
        return m


def mutant(cell: str, port: str, bit: int, mode: str) -> Mutant:
    return Mutant(design="block", file="hw/block.py", line=1, module=TOP, cell=cell, port=port, bit=bit, mode=mode)


def run(cycles: int) -> Run:
    """Enabled in all clock cycles but every third."""
    enable = np.array([cycle % 3 != 2 for cycle in range(cycles)], dtype=np.uint64)
    count = (np.cumsum(enable) - enable) % 16
    columns = {"enable": (True, 1, enable), "count": (False, 4, count), "twice": (False, 1, np.ones_like(enable))}
    return Run(tuple(Column(name=name, inner=inner, width=width, words=words.astype(np.uint64).reshape(-1, 1))
                     for name, (inner, width, words) in columns.items()))


def test_a_mutant_is_noticed_or_equivalent_or_survives(verilator):
    design = rtlil.convert(Block(), name=TOP)
    adder = next(line.split()[2] for line in design.splitlines() if line.strip().startswith("cell $add"))
    lowest, highest = mutant(adder, "Y", 0, "inv"), mutant(adder, "Y", 3, "const0")
    harmless = mutant(adder, "Y", 4, "inv")  # a carry that is cut off
    mutants = [lowest, highest, harmless]
    short = Replayer(plant(design, mutants), [run(10)])
    assert short.notice(0) is None
    assert short.notice(1) == "count in clock cycle 1"
    assert short.notice(2) is None  # it does not count to 8
    assert short.notice(3) is None
    short.runs.append(run(20))
    assert short.notice(2).startswith("count in clock cycle ")
    assert equivalent(design, [highest, harmless]) == [False, True]


class Store(wiring.Component):
    """A memory: what is written where nothing is written does not matter."""

    place: In(2)
    word: In(3)
    write: In(1)
    read: Out(3)

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=3, depth=4, init=[])
        port, reads = memory.write_port(), memory.read_port()
        m.d.comb += [port.en.eq(self.write), port.addr.eq(Mux(self.write, self.place, 0)), port.data.eq(self.word),
                     reads.addr.eq(self.place), self.read.eq(reads.data)]
        return m


def test_what_memories_are_told_is_compared():
    design = rtlil.convert(Store(), name=TOP)
    chooser = next(line.split()[2] for line in design.splitlines() if line.strip().startswith("cell $mux"))
    memory = next(re.findall(r"memory (?:width|size|offset).*\\\\?(\S+)$", line)[0] for line in design.splitlines()
                  if line.strip().startswith("memory "))
    elsewhere, anywhere = mutant(chooser, "B", 1, "inv"), mutant(chooser, "A", 1, "inv")
    wrong, asked = mutant(memory, "WR_DATA", 2, "const0"), mutant(memory, "RD_ADDR", 0, "inv")
    assert equivalent(design, [elsewhere, anywhere, wrong, asked]) == [False, True, False, False]


def test_registers_that_never_leave_0_are_found():
    keeps_and, takes, follows = 10, 2, 4  # literals: the input is 2, the registers are 4, 6 and 8
    circuit = Circuit(["go"], [keeps_and, takes, follows], {}, [(4, 2)])
    assert resting(circuit, {}) == {0, 2}
    assert resting(circuit, {"go": 0}) == {0, 1, 2}
    assert resting(circuit, {"go": 1}) == {0, 2}
    assert resting(Circuit(["go"], [5, takes, follows], {}, []), {}) == set()  # the first one toggles


def test_a_mutant_of_python_is_in_the_module_that_is_imported():
    found = python.candidates("reference", ["model/fixed.py"], 1, 200)
    rounding = min((each for each in found if each.change == "LShift to RShift"), key=lambda each: each.line)
    assert len({each.key for each in found}) == len(found)
    assert "<<" in rounding.where
    before, after = ({"__name__": "spinloom.model.fixed"} for _ in range(2))
    exec((python.ROOT / rounding.file).read_text(encoding="utf-8"), before)
    exec(python.planted(rounding), after)
    values = torch.arange(8)
    assert before["round_shift"](values, 2).tolist() == [0, 0, 1, 1, 1, 1, 2, 2]
    assert after["round_shift"](values, 2).tolist() != before["round_shift"](values, 2).tolist()


def of_vectors(lanes, count):
    """What ``lanes``, those of compiled code or the stand-ins for them, make of vectors of ``count``."""
    pointers, zeros, load, store, spread = lanes.pointers, lanes.zeros, lanes.load, lanes.store, lanes.spread

    def work(arrays):
        found = pointers(arrays)
        narrow, few = zeros(count, found.narrow), zeros(8, found.wide)
        wide, widest = zeros(count, found.wide), zeros(count, found.widest)
        a, b = load(found.narrow, 1, wide), load(found.wide, 2, wide)
        store(found.widest, 0, lanes.resized(a - b * a, widest))
        store(found.narrow, 3, a + b >> spread(3, wide))
        store(found.wide, 0, lanes.limited(load(found.widest, 4, widest) * spread(1 << 40, widest), wide))
        store(found.wide, 2, lanes.larger(a, b, spread(-5, wide), b))
        store(found.wide, 20, lanes.pair_products(load(found.narrow, 0, narrow), load(found.narrow, 9, narrow), few))
        store(found.widest, 16, lanes.halves(few))
        found.widest[30] = lanes.total(b) + lanes.largest(a)
        found.narrow[30] = np.int64(found.wide[1]) >> 20

    return work


class Arrays(NamedTuple):
    narrow: np.ndarray
    wide: np.ndarray
    widest: np.ndarray


@pytest.mark.slow
def test_the_kernel_passes_its_tests_in_plain_python():
    """Other runs leave these tests out, and mutants are planted only if they pass."""
    command = [sys.executable, "-m", "pytest", "-p", "spinloom.study.mutants.plain", str(tool.ROOT / "tests" / KERNEL)]
    ran = subprocess.run([*command, "-q"], cwd=tool.ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout
    assert "skipped" not in ran.stdout


def test_the_kernel_in_plain_python_has_the_vectors_of_compiled_code():
    random, count = np.random.default_rng(1), 16
    compiled, same = njit(of_vectors(compiled_lanes, count)), of_vectors(plain, count)
    for _ in range(20):
        start = Arrays(*(random.integers(np.iinfo(kind).min, np.iinfo(kind).max, 32, kind)
                         for kind in (np.int16, np.int32, np.int64)))
        expected, actual = (Arrays(*map(np.copy, start)) for _ in range(2))
        compiled(expected)
        same(actual)
        assert [array.tolist() for array in actual] == [array.tolist() for array in expected]


def test_mutants_of_functions_and_of_imports_are_planted():
    fixed, lfsr = (python.candidates("reference", [f"model/{name}.py"], 1, 200) for name in ("fixed", "lfsr"))
    rounding = min((each for each in fixed if each.change == "LShift to RShift"), key=lambda each: each.line)
    word = next(each for each in lfsr if each.where.startswith("WORD_MASK"))
    assert [python.differs_at_import(each) for each in (rounding, word)] == [False, True]
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        seen = [pool.submit(python.notice, each, [f"model/{test}"]) for each, test in (
            (None, "test_lfsr.py"), (rounding, "test_fixed.py"), (word, "test_fixed.py"), (word, "test_lfsr.py"))]
        nothing, first, elsewhere, there = (each.result() for each in seen)
    assert nothing is elsewhere is None
    assert first.startswith("test_fixed.py::test_round_shift_rounds_to_nearest_ties_up[")
    assert there.startswith("test_lfsr.py::")


@pytest.mark.parametrize(("payload", "valid"), [("o__payload", "o__valid"), ("outs__0__payload", "outs__0__valid"),
                                                ("data", "valid"), ("byte", "byte_valid")])
def test_a_payload_that_is_not_valid_does_not_count(payload, valid):
    words = np.array([[3], [4]], dtype=np.uint64)
    run = Run((Column(name=payload, inner=False, width=8, words=words),
               Column(name=valid, inner=False, width=1, words=np.array([[0], [1]], dtype=np.uint64))))
    assert run.mask[:, 0].tolist() == [0, (1 << 64) - 1]
    assert (run.mask[:, 1] == (1 << 64) - 1).all()


def test_a_design_that_fails_is_named_and_the_others_go_on(tmp_path, monkeypatch, capsys):
    def attempt(design, rtlil, mutants, folder):
        if design == "bad":
            raise MutantsError("cannot be built")
        return {mutant.key: None for mutant in mutants}

    monkeypatch.setattr(tool, "try_all", attempt)
    monkeypatch.setattr(tool, "FOLDER", tmp_path)
    results = {"noticed": {}}
    good, bad = mutant("a", "A", 0, "inv"), replace(mutant("b", "A", 0, "inv"), design="bad")
    with ThreadPoolExecutor(1) as pool:
        assert tool.replay(pool, {"block": "", "bad": ""}, [good, bad], tmp_path, results) == ["bad"]
    assert results["noticed"] == {good.key: None}
    assert "bad: failed: cannot be built" in capsys.readouterr().err


def test_a_proof_of_a_mutant_that_was_noticed_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(tool, "FOLDER", tmp_path)
    monkeypatch.setattr(tool, "equivalent", lambda rtlil, mutants: [each.cell == "a" for each in mutants])
    one, other, survivor = mutant("a", "A", 0, "inv"), mutant("b", "A", 0, "inv"), mutant("a", "B", 0, "inv")
    results = {"noticed": {one.key: "port", other.key: "port", survivor.key: None}, "proved": {}}
    with ThreadPoolExecutor(1) as pool:
        tool.check_proofs(pool, {"block": ""}, [other, survivor], 5, 1, results)
        with pytest.raises(MutantsError, match=f"proved equivalent, but noticed: {re.escape(one.key)}$"):
            tool.check_proofs(pool, {"block": ""}, [one, other, survivor], 5, 1, results)


def test_a_survivor_has_its_sentence_in_the_table(monkeypatch):
    said, silent, seen = (mutant(cell, "A", 0, "inv") for cell in "abc")
    monkeypatch.setattr(tool, "sentences", lambda: {said.file: {said.name: "It is for show."}})
    table, counts = tool.summary([said, silent, seen], {said.key: None, silent.key: None, seen.key: "o"},
                                 {said.key: False, silent.key: False})
    assert counts == {"mutants": 3, "noticed": 1, "equivalent": 0, "survived": 2, "explained": 1}
    assert "| `hw/block.py` | 3 | 1 | 0 | 2 | 1 |" in table
    assert f"| {said.name} | `top a.A[0]` | It is for show. |" in table
    assert f"| {silent.name} | `top b.A[0]` |  |" in table


def test_sentences_are_for_blocks_that_exist():
    for file, block in tool.sentences().items():
        assert (tool.ROOT / file).is_file()
        form = r"\d+ (inv|const[01]|cnot[01]) [0-9a-f]{6}" if file.startswith("hw/") else r"\d+ .+"
        assert all(re.fullmatch(form, name) for name in block)


@pytest.mark.parametrize("seed", range(3))
def test_mutants_are_spread_over_blocks(seed):
    pool = {"block": [Mutant(design="block", file=f"hw/{file}.py", line=line, module=TOP, cell="c", port="A", bit=bit,
                             mode="inv")
                      for file, bits in (("a", 20), ("b", 2)) for line in range(3) for bit in range(bits)]}
    drawn = draw(pool, 10, seed)
    assert drawn == draw(pool, 10, seed)
    assert sum(each.file == "hw/b.py" for each in drawn) == 5
    assert len({(each.file, each.line) for each in drawn}) == 6
