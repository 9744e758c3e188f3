"""``python -m spinloom.study.mutants``: plants faults in the RTL, and tells which of them the tests notice.

The last line that it prints is JSON. A run that is interrupted goes on where it was.
"""

import argparse
import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor, as_completed
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


def summary(mutants: list[Mutant], noticed: dict[str, str | None],
            proved: dict[str, bool]) -> tuple[str, dict[str, Any]]:
    """The table by block, and the counts over all."""
    blocks: dict[str, Counter[str]] = defaultdict(Counter)
    for mutant in mutants:
        outcome = "noticed" if noticed[mutant.key] else "equivalent" if proved[mutant.key] else "survived"
        blocks[mutant.file][outcome] += 1
    rows = ["| block | mutants | noticed | equivalent | survived |", "|---|--:|--:|--:|--:|"]
    rows += [f"| `{file}` | {count.total()} | {count['noticed']} | {count['equivalent']} | {count['survived']} |"
             for file, count in sorted(blocks.items())]
    total: Counter[str] = sum(blocks.values(), Counter())
    return "\n".join(rows), {"mutants": total.total()} | {
        outcome: total[outcome] for outcome in ("noticed", "equivalent", "survived")}


def run(count: int, workers: int, seed: int) -> dict[str, Any]:
    """Run ``count`` mutants in ``workers`` processes, and print what came out."""
    recordings, place = FOLDER / "recordings", FOLDER / "results.json"
    designs = record(recordings.absolute())
    results = {"seed": seed, "candidates": {}, "noticed": {}, "proved": {}}
    if place.exists():
        kept = json.loads(place.read_text(encoding="utf-8"))
        results = kept if kept["seed"] == seed else results
    noticed: dict[str, str | None] = results["noticed"]  # type: ignore[assignment]
    proved: dict[str, bool] = results.setdefault("proved", {})  # type: ignore[assignment]
    with ProcessPoolExecutor(workers) as pool:
        mutants = drawn(pool, designs, count, seed, results)
        left: dict[str, list[Mutant]] = defaultdict(list)
        for mutant in mutants:
            if mutant.key not in noticed:
                left[mutant.design].append(mutant)
        tasks = {pool.submit(try_all, design, designs[design], some, recordings): design
                 for design, some in left.items()}
        failed: SpinloomError | None = None
        for task in as_completed(tasks):
            try:
                noticed |= task.result()
            except SpinloomError as error:  # other designs are finished, and kept, first
                failed = error
                print(f"{tasks[task]}: failed", file=sys.stderr)
                continue
            write_json(place, results)
            some = left[tasks[task]]
            print(f"{tasks[task]}: {len(some)} mutants, {sum(noticed[mutant.key] is None for mutant in some)} survive",
                  file=sys.stderr)
        if failed is not None:
            raise failed
        proofs = {pool.submit(equivalent, designs[mutant.design], mutant): mutant.key for mutant in mutants
                  if noticed[mutant.key] is None and mutant.key not in proved}
        for proof in as_completed(proofs):
            proved[proofs[proof]] = proof.result()
            write_json(place, results)
    table, answer = summary(mutants, noticed, proved)
    print(table)
    for mutant in mutants:
        if noticed[mutant.key] is None and not proved[mutant.key]:
            print(f"survived: {mutant.key}")
    return answer


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


if __name__ == "__main__":
    main()
