"""Writes docs/proofs.md: the claims, and what checks every block of hw/. ``cd tests; python -m formal.document``."""

import re
from collections.abc import Iterable
from pathlib import Path

from amaranth.back import rtlil
from spinloom.config import load
from spinloom.hw.component import component

from . import axi, basics, crossbar, link, programmer, receiver, residuals, store
from .prover import Proof

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "proofs.md"
MARK = "<!-- What follows is written by tests/formal/document.py. -->\n"
MODULES = (axi, basics, crossbar, residuals, programmer, link, receiver, store)
PROOFS: list[Proof] = [proof for module in MODULES for proof in module.PROOFS]
ELSEWHERE = {"store/sdram.py": "tests/hw/store/test_sdram_formal.py"}
"""Proofs that are not in this folder."""
EXHAUSTIVE = {"basics/fixed.py": "tests/hw/basics/test_fixed.py"}
"""Tests that go through every input of a block, of a small size."""
RANDOM = re.compile(r"\b([Rr]andom|default_rng|hypothesis)\b")
"""Names that a test has if its inputs are drawn."""
NETLISTS = ("digits-dw5", "digits-conv-dw5")
"""Configurations whose netlists have been co-simulated: see docs/netlists.md."""


def claims() -> str:
    """The table of claims; those of one block that differ in size only share a row."""
    rows: dict[tuple[str, str, str, str], list[str]] = {}
    for proof in PROOFS:
        runs = "any" if proof.cycles is None else f"{proof.cycles} clock cycles"
        rows.setdefault((proof.block, proof.claim, runs, " and ".join(proof.starts)), []).append(proof.size)
    return "| block | claim | sizes | runs of length | from |\n|---|---|---|---|---|\n" + "".join(
        f"| `{block}` | {claim} | {'; '.join(sizes)} | {runs} | {starts} |\n"
        for (block, claim, runs, starts), sizes in rows.items())


def mutants() -> dict[str, str]:
    """Of every block that had mutants: how many of them were noticed or equivalent, and how many there were."""
    text = (ROOT / "docs" / "mutants.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `hw/(.+?)` \|(.+)\|$", text, re.MULTILINE)
    counts = {block: [int(cell) for cell in cells.split("|")] for block, cells in rows}
    return {block: f"{noticed + equivalent}/{planted}"
            for block, (planted, noticed, equivalent, *_) in counts.items()}


def in_netlists() -> set[str]:
    """The blocks of the networks whose netlists are co-simulated."""
    text = "".join(rtlil.convert(component(load(name)), emit_src=True) for name in NETLISTS)
    return set(re.findall(r"hw/([\w/]+\.py):\d", text))


def blocks() -> str:
    """The table of blocks: what checks each of them."""
    texts = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
             for folder in ("tests", "sim/testbenches") for path in sorted((ROOT / folder).rglob("*.py"))
             if path.name.startswith(("test_", "tb_"))}
    planted, synthesised, lines = mutants(), in_netlists(), []
    for path in sorted((ROOT / "hw").rglob("*.py")):
        module = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
        if path.name == "__init__.py":
            continue
        block = path.relative_to(ROOT / "hw").as_posix()
        parent, _, own = module.rpartition(".")
        importing = re.compile(rf"{re.escape(module)} import|{re.escape(parent)} import .*\b{own}\b")
        naming = [name for name, text in texts.items() if importing.search(text)]
        drawn = [name for name in naming if RANDOM.search(texts[name])]
        cells = (code(drawn), code(name for name in naming if name not in drawn), code([EXHAUSTIVE.get(block, "")]),
                 planted.get(block, ""), proved(block), "yes" if block in synthesised else "")
        lines.append(f"| `{block}` | {' | '.join(cells)} |\n")
    heads = ("block", "random", "other tests", "exhaustive", "mutants", "formal", "netlist")
    return f"| {' | '.join(heads)} |\n|---|---|---|---|--:|---|---|\n" + "".join(lines)


def code(names: Iterable[str]) -> str:
    """File names, as code."""
    return ", ".join(f"`{name}`" for name in names if name)


def proved(block: str) -> str:
    """For runs of which lengths there are proofs of a block."""
    lengths = {"any length" if proof.cycles is None else "bounded" for proof in PROOFS if proof.block == block}
    return ", ".join(sorted(lengths)) or code([ELSEWHERE.get(block, "")])


def page(text: str) -> str:
    """The page ``text`` with new tables."""
    return (text.split(MARK)[0] + MARK + f"\n## Claims\n\n{claims()}\n## Blocks\n\n{blocks()}")


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
