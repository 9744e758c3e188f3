"""Proofs that mutants change nothing that could be seen.

Two copies of a flattened design, one with a mutant, get the same inputs; a proof says that they never answer
differently, in runs of any length from power-up on. As in a replay, a payload that is not valid does not count.

Memories are cut out: what a memory is told counts as an answer, where it matters to it, and what it answers may be
anything, the same for both copies. So a proof holds whatever is in the memories.

Registers that never leave 0, such as one that counts the only fold, are made 0. Much is done by `aiger.miter`, which
makes gates that are the same one. ABC does the rest: for the blocks that the mutant is in by themselves, whatever is
around them, and for the whole design, where these are small.
"""

import contextlib
from importlib import resources
from pathlib import Path

from ...hw.export import abc
from ...hw.export.tool import SynthesisTimeoutError, yosys
from ...system.temporary import temporary_folder
from .aiger import Circuit, miter, resting
from .planting import WIDTH, Mutant, plant_in
from .recording import TOP
from .replay import SELECT, valid_of

SECONDS = 4
"""Time that ABC is given for a proof."""
SMALL = 800
"""Registers in a circuit that ABC tries to prove; larger ones take too long."""
CIRCUIT = ("read_rtlil planted.il; hierarchy -top {top}; flatten; opt_clean; techmap -map memory.v; expose a:told; "
           "expose -input a:answer; opt_clean; async2sync; dffunmap; techmap; simplemap; opt -nodffe -nosdff; "
           "dffunmap; aigmap; opt_clean; write_aiger -zinit -symbols design.aig")
PROVE = f"strash; scorr; dc2; write_aiger {{name}}.left; pdr -T {SECONDS}"
"""What `scorr` leaves may be a constant, of which `pdr` says nothing."""


def equivalent(rtlil: str, mutants: list[Mutant]) -> list[bool]:
    """Which of the ``mutants`` are proved to answer as the design of ``rtlil``, for all inputs. False says only that
    there is no such proof in the time given."""
    numbers = {mutant: number for number, mutant in enumerate(mutants, start=1)}
    proved: set[Mutant] = set()
    with temporary_folder("spinloom-mutants-") as folder:
        (folder / "memory.v").write_text(resources.files(__package__).joinpath("memory.v").read_text(encoding="utf-8"),
                                         encoding="utf-8")
        yosys(f"script {plant_in(folder, rtlil, mutants)}; write_rtlil planted.il", folder)
        for top in (TOP, *sorted({block for mutant in mutants for block in _around(mutant)}, reverse=True)):
            left = {mutant: number for mutant, number in numbers.items()
                    if mutant not in proved and top in (TOP, *_around(mutant))}
            if left:
                proved |= _prove(folder, top, left)
    return [mutant in proved for mutant in mutants]


def _prove(folder: Path, top: str, numbers: dict[Mutant, int]) -> set[Mutant]:
    """Those of the mutants, planted by their ``numbers``, that the module ``top`` with what is in it tells nothing
    of."""
    yosys(CIRCUIT.format(top=top), folder)
    circuit = Circuit.read(folder / "design.aig")
    counts = {name: valid_of(name) for name in circuit.outputs if top == TOP and valid_of(name) in circuit.outputs}
    proved, apart = set(), {}
    original = _chosen(0)
    still = resting(circuit, original)
    for mutant, number in numbers.items():
        path = folder / f"{number}.aig"
        registers = miter(circuit, original, _chosen(number), still, counts, path)
        if registers is None:
            proved.add(mutant)
        elif registers <= SMALL:
            apart[mutant] = path
    if apart:
        script = abc.write_script(folder, "prove.abc", [path.name for path in apart.values()], PROVE)
        with contextlib.suppress(SynthesisTimeoutError):  # some may be ready
            yosys(script, folder, seconds=60 + 8 * SECONDS * len(apart))
    return proved | {mutant for mutant, path in apart.items() if _never(path)}


def _around(mutant: Mutant) -> list[str]:
    """The blocks that the mutant is in, but for the whole design: names of modules in Amaranth's netlists tell."""
    parts = mutant.module.split(".")
    return [".".join(parts[:count]) for count in range(2, len(parts) + 1)]


def _chosen(number: int) -> dict[str, int]:
    """What the bits of the input that chooses a mutant are for that ``number``, 0 for none."""
    return {f"{SELECT}[{bit}]": number >> bit & 1 for bit in range(WIDTH)}


def _never(circuit: Path) -> bool:
    """Whether ABC has found that the only output of ``circuit`` is always 0."""
    status, left = (Path(f"{circuit}.{suffix}") for suffix in ("status", "left"))
    if not status.exists():
        return False
    header, output, *_ = left.read_bytes().split(b"\n")
    _, _, _, latches, _, gates = header.split()
    never = (latches, gates, output) == (b"0", b"0", b"0") or status.read_text(encoding="utf-8").startswith("snl_UNSAT")
    status.unlink()
    return never
