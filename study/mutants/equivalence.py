"""Proofs that a mutant changes nothing that could be seen, by Yosys."""

from ...hw.export.tool import SynthesisError, SynthesisTimeoutError, yosys
from ...system.temporary import temporary_folder
from .planting import PREPARE, Mutant
from .recording import TOP

LARGEST = 200_000
"""Characters of RTLIL of a design that proofs are tried on: larger ones take too long."""
DEPTH = 3
"""Clock cycles of an induction."""
SECONDS = 30
"""Time that a proof is given."""


def equivalent(rtlil: str, mutant: Mutant) -> bool:
    """Whether Yosys proves that the design with ``mutant`` answers as the one without: for all inputs, by induction
    over ``DEPTH`` clock cycles on every signal. False says only that there is no such proof in ``SECONDS``."""
    if len(rtlil) > LARGEST:
        return False
    finish = "flatten; memory -nomap; memory_map; opt_clean"
    with temporary_folder("spinloom-mutants-") as folder:
        (folder / "design.il").write_text(rtlil, encoding="utf-8")
        script = (f"{PREPARE}; {finish}; rename {TOP} gold; design -stash gold; "
                  f"{PREPARE}; {mutant.command(None)}; {finish}; rename {TOP} gate; design -stash gate; "
                  "design -copy-from gold gold; design -copy-from gate gate; equiv_make gold gate equiv; "
                  f"hierarchy -top equiv; equiv_simple -seq {DEPTH}; equiv_induct -seq {DEPTH}; equiv_status -assert")
        (folder / "prove.ys").write_text(script.replace("; ", "\n") + "\n", encoding="utf-8")
        try:
            yosys("script prove.ys", folder, seconds=SECONDS)
        except SynthesisTimeoutError:
            return False
        except SynthesisError:
            if "unproven" not in (folder / "yosys.log").read_text(encoding="utf-8"):
                raise
            return False
    return True
