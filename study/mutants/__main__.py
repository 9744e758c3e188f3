"""``python -m spinloom.study.mutants``: plants faults in the RTL, and tells which of them the tests notice.

The last line that it prints is JSON. A run that is interrupted goes on where it was.
"""

import argparse
import json
import os
import subprocess
import sys
import tomllib
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib import resources
from pathlib import Path
from typing import Any

from ...contract.errors import SpinloomError
from ...system.files import write_json
from . import recording
from .benches import BENCHES
from .equivalence import equivalent
from .planting import Mutant, candidates, draw, plant
from .replay import Replayer, Run

ROOT = Path(__file__).parents[2]
FOLDER = Path("build/mutants")
"""For recordings and results."""
OUTCOMES = ("noticed", "equivalent", "survived")


class MutantsError(SpinloomError, RuntimeError):
    """Mutants cannot be run, in one line that says why."""


def record(folder: Path) -> dict[str, str]:
    """The RTLIL, by name, of the designs that the tests simulate, recorded in ``folder`` unless they are there."""
    done = folder / "recorded"
    if not done.exists():
        if not (ROOT / "tests" / "hw").is_dir():
            raise MutantsError("mutants need the tests, which are in the repository alone")
        folder.mkdir(parents=True, exist_ok=True)
        tests = [str(ROOT / "tests" / "hw" / bench) for bench in BENCHES]
        print("recording the tests", file=sys.stderr)
        command = [sys.executable, "-m", "pytest", "-q", "-p", recording.__name__, "-m", "not slow", *tests]
        environment = os.environ | {recording.FOLDER: str(folder)}
        ended = subprocess.run(command, env=environment, stdout=sys.stderr, check=False)
        if ended.returncode:
            raise MutantsError("the tests fail without a mutant: see above")
        done.touch()
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.il"))}


def try_all(design: str, rtlil: str, mutants: list[Mutant], folder: Path) -> dict[str, str | None]:
    """What noticed each of the ``mutants`` of a design first, by their keys; None if nothing did."""
    runs = [Run.load(path) for path in sorted(folder.glob(f"{design}-*.npz"))]
    replayer = Replayer(plant(rtlil, mutants), runs)
    if (differs := replayer.notice(0)) is not None:
        raise MutantsError(f"{design}: a replay without a mutant differs from the recording, {differs}")
    return {mutant.key: replayer.notice(number) for number, mutant in enumerate(mutants, start=1)}


def drawn(pool: ProcessPoolExecutor, designs: dict[str, str], count: int, seed: int,
          results: dict[str, Any]) -> list[Mutant]:
    """The mutants to run. Candidates are kept in ``results``, by design."""
    listed = results["candidates"]
    tasks = {pool.submit(candidates, design, rtlil, seed): design
             for design, rtlil in designs.items() if design not in listed}
    for task in as_completed(tasks):
        listed[tasks[task]] = [vars(mutant) for mutant in task.result()]
        print(f"{tasks[task]}: {len(listed[tasks[task]])} mutants to draw from", file=sys.stderr)
        write_json(FOLDER / "results.json", results)
    return draw({design: [Mutant(**fields) for fields in listed[design]] for design in sorted(designs)}, count, seed)


def sentences() -> dict[str, dict[str, str]]:
    """Why survivors do not matter, or what is missing: by block, then by the mutant's ``name``."""
    return tomllib.loads(resources.files(__package__).joinpath("survivors.toml").read_text(encoding="utf-8"))


def summary(mutants: list[Mutant], noticed: dict[str, str | None],
            proved: dict[str, bool]) -> tuple[str, dict[str, Any]]:
    """The table by block with all survivors below it, and the counts over all."""
    blocks: dict[str, Counter[str]] = defaultdict(Counter)
    said, survivors = sentences(), []
    for mutant in mutants:
        outcome = "noticed" if noticed[mutant.key] else "equivalent" if proved[mutant.key] else "survived"
        blocks[mutant.file][outcome] += 1
        if outcome == "survived":
            sentence = said.get(mutant.file, {}).get(mutant.name)
            blocks[mutant.file]["explained"] += sentence is not None
            survivors.append(f"| `{mutant.file}` | {mutant.name} | `{mutant.module} {mutant.cell}.{mutant.port}"
                             f"[{mutant.bit}]` | {sentence or ''} |")
    rows = ["| block | mutants | noticed | equivalent | survived | of them explained |", "|---|--:|--:|--:|--:|--:|"]
    rows += [f"| `{file}` | {sum(count[outcome] for outcome in OUTCOMES)} | {count['noticed']} | {count['equivalent']} "
             f"| {count['survived']} | {count['explained']} |" for file, count in sorted(blocks.items())]
    if survivors:
        rows += ["", "| block | survivor | where | why |", "|---|---|---|---|", *survivors]
    total: Counter[str] = sum(blocks.values(), Counter())
    counts = {outcome: total[outcome] for outcome in (*OUTCOMES, "explained")}
    return "\n".join(rows), {"mutants": len(mutants)} | counts


def replay(pool: ProcessPoolExecutor, designs: dict[str, str], mutants: list[Mutant], folder: Path,
           results: dict[str, Any]) -> list[str]:
    """Run those of the ``mutants`` that ``results`` does not hold. The designs that failed; each is named at once."""
    noticed, failed = results["noticed"], []
    left: dict[str, list[Mutant]] = defaultdict(list)
    for mutant in mutants:
        if mutant.key not in noticed:
            left[mutant.design].append(mutant)
    tasks = {pool.submit(try_all, design, designs[design], some, folder): design for design, some in left.items()}
    for task in as_completed(tasks):
        design, some = tasks[task], left[tasks[task]]
        try:
            noticed |= task.result()
        except SpinloomError as error:  # the others go on
            failed.append(design)
            print(f"{design}: failed: {error}", file=sys.stderr)
            continue
        write_json(FOLDER / "results.json", results)
        print(f"{design}: {len(some)} mutants, {sum(noticed[mutant.key] is None for mutant in some)} survive",
              file=sys.stderr)
    return sorted(failed)


def prove(pool: ProcessPoolExecutor, designs: dict[str, str], survivors: list[Mutant],
          results: dict[str, Any]) -> None:
    """Try those of the proofs that ``results`` does not hold. One that fails is named, and proves nothing."""
    proved = results["proved"]
    proofs = {pool.submit(equivalent, designs[mutant.design], mutant): mutant.key for mutant in survivors
              if mutant.key not in proved}
    for proof in as_completed(proofs):
        try:
            proved[proofs[proof]] = proof.result()
        except SpinloomError as error:
            proved[proofs[proof]] = False
            print(f"{proofs[proof]}: no proof: {error}", file=sys.stderr)
        write_json(FOLDER / "results.json", results)


def run(count: int, workers: int, seed: int) -> dict[str, Any]:
    """Run ``count`` mutants in ``workers`` processes, and print what came out."""
    recordings, place = FOLDER / "recordings", FOLDER / "results.json"
    designs = record(recordings.absolute())
    results: dict[str, Any] = {"seed": seed, "candidates": {}, "noticed": {}, "proved": {}}
    if place.exists():
        kept = json.loads(place.read_text(encoding="utf-8"))
        results = kept if kept["seed"] == seed else results
    noticed = results["noticed"]
    with ProcessPoolExecutor(workers) as pool:
        mutants = drawn(pool, designs, count, seed, results)
        failed = replay(pool, designs, mutants, recordings, results)
        ran = [mutant for mutant in mutants if mutant.design not in failed]
        prove(pool, designs, [mutant for mutant in ran if noticed[mutant.key] is None], results)
    table, counts = summary(ran, noticed, results["proved"])
    print(table)
    return counts | {"failed": failed}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m spinloom.study.mutants", description=__doc__)
    parser.add_argument("--mutants", type=int, default=600, help="mutants to run (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the draw (default: %(default)s)")
    arguments = parser.parse_args()
    if arguments.mutants < 1 or arguments.workers < 1:
        parser.error("--mutants and --workers must be at least 1")
    try:
        answer = run(arguments.mutants, arguments.workers, arguments.seed)
    except SpinloomError as error:
        raise SystemExit(f"spinloom: {error}") from None
    print(json.dumps(answer))
    if answer["failed"]:
        raise SystemExit(f"spinloom: {len(answer['failed'])} designs failed, see above; their mutants are not counted")


if __name__ == "__main__":
    main()
