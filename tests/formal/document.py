"""Writes docs/proofs.md: the claims, and what checks every block of hw/. ``cd tests; python -m formal.document``."""

import re
from pathlib import Path

from amaranth.back import rtlil
from spinloom.config import load
from spinloom.hw.component import component

from . import axi, basics, crossbar, link, store
from .prover import Proof

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "proofs.md"
MARK = "<!-- What follows is written by tests/formal/document.py. -->\n"
PROOFS: list[Proof] = [proof for module in (axi, basics, crossbar, link, store) for proof in module.PROOFS]
ELSEWHERE = {"store/sdram.py": "tests/hw/store/test_sdram_formal.py"}
"""Proofs that are not in this folder."""

NETLISTS = ("digits-dw5",)
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
        simulated = [f"`{name}`" for name, text in texts.items() if f"{module} import" in text]
        proved = "yes" if any(proof.block == block for proof in PROOFS) else ELSEWHERE.get(block, "")
        lines.append(f"| `{block}` | {', '.join(simulated) or 'as a part of others'} | {planted.get(block, '')} "
                     f"| {proved} | {'yes' if block in synthesised else ''} |\n")
    return "| block | tests that name it | mutants | formal | netlist |\n|---|---|--:|---|---|\n" + "".join(lines)


def page(text: str) -> str:
    """The page ``text`` with new tables."""
    return (text.split(MARK)[0] + MARK + f"\n## Claims\n\n{claims()}\n## Blocks\n\n{blocks()}")


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
