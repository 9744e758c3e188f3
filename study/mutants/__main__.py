"""``python -m spinloom.study.mutants``: plants faults in the RTL, or in a part of the golden model, and tells which of
them the tests notice.

The last line that it prints is JSON. A run that is interrupted goes on where it was.
"""

import argparse
import json
import multiprocessing
import os
import random
import subprocess
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from ...contract.errors import InterruptedRunError, SpinloomError
from ...system import processes
from ...system.files import write_json
from ...system.stop import StopRequest, raise_on_stop
from ..sweep import worker
from . import python, recording
from .benches import BENCHES, PYTHON
from .equivalence import equivalent
from .planting import CANDIDATES, Mutant, candidates, draw, plant
from .python import SourceMutant
from .replay import Replayer, Run

ROOT = Path(__file__).parents[2]
FOLDER = Path("build/mutants")
"""For recordings and results."""
RTL = "rtl"
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
        command = [sys.executable, "-m", "pytest", "-q", "-p", recording.__name__, *tests]
        environment = os.environ | {recording.FOLDER: str(folder)}
        try:
            processes.run(command, folder=Path.cwd(), output=sys.stderr, environment=environment)
        except subprocess.CalledProcessError:
            raise MutantsError("the tests fail without a mutant: see above") from None
        done.touch()
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.il"))}


def try_all(design: str, rtlil: str, mutants: list[Mutant], folder: Path) -> dict[str, str | None]:
    """What noticed each of the ``mutants`` of a design first, by their keys; None if nothing did."""
    runs = [Run.load(path) for path in sorted(folder.glob(f"{design}-*.npz"))]
    replayer = Replayer(plant(rtlil, mutants), runs)
    if (differs := replayer.notice(0)) is not None:
        raise MutantsError(f"{design}: a replay without a mutant differs from the recording, {differs}")
    return {mutant.key: replayer.notice(number) for number, mutant in enumerate(mutants, start=1)}


@contextmanager
def _processes(workers: int) -> Iterator[ProcessPoolExecutor]:
    """So many processes. If the ``with`` block fails, or is to stop, they and what they have started end at once."""
    with ProcessPoolExecutor(workers, initializer=worker.begin) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.kill()
            raise


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


def summary(mutants: Sequence[Mutant | SourceMutant], noticed: dict[str, str | None],
            proved: dict[str, bool]) -> tuple[str, dict[str, Any]]:
    """The table by block with all survivors below it, and the counts over all."""
    blocks: dict[str, Counter[str]] = defaultdict(Counter)
    said, survivors = sentences(), []
    for mutant in mutants:
        outcome = "noticed" if noticed[mutant.key] else "equivalent" if proved.get(mutant.key) else "survived"
        blocks[mutant.file][outcome] += 1
        if outcome == "survived":
            sentence = said.get(mutant.file, {}).get(mutant.name)
            blocks[mutant.file]["explained"] += sentence is not None
            survivors.append(f"| `{mutant.file}` | {mutant.name} | `{mutant.where}` | {sentence or ''} |")
    rows = ["| block | mutants | noticed | equivalent | survived | of them explained |", "|---|--:|--:|--:|--:|--:|"]
    rows += [f"| `{file}` | {sum(count[outcome] for outcome in OUTCOMES)} | {count['noticed']} | {count['equivalent']} "
             f"| {count['survived']} | {count['explained']} |" for file, count in sorted(blocks.items())]
    if survivors:
        rows += ["", "| block | survivor | where | why |", "|---|---|---|---|", *survivors]
    total: Counter[str] = sum(blocks.values(), Counter())
    counts = {outcome: total[outcome] for outcome in (*OUTCOMES, "explained")}
    return "\n".join(rows), {"mutants": len(mutants)} | counts


def by_design(mutants: list[Mutant], done: dict[str, Any]) -> dict[str, list[Mutant]]:
    """Those of the ``mutants`` whose keys are not among the ``done``, by design."""
    left: dict[str, list[Mutant]] = defaultdict(list)
    for mutant in mutants:
        if mutant.key not in done:
            left[mutant.design].append(mutant)
    return left


def replay(pool: ProcessPoolExecutor, designs: dict[str, str], mutants: list[Mutant], folder: Path,
           results: dict[str, Any]) -> list[str]:
    """Run those of the ``mutants`` that ``results`` does not hold. The designs that failed; each is named at once."""
    noticed, failed = results["noticed"], []
    left = by_design(mutants, noticed)
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
    """Try those of the proofs that ``results`` does not hold. Where that fails, the design is named, and nothing
    proved."""
    proved, left = results["proved"], by_design(survivors, results["proved"])
    smallest_first = sorted(left, key=lambda design: len(designs[design]))
    proofs = {pool.submit(equivalent, designs[design], left[design]): design for design in smallest_first}
    for proof in as_completed(proofs):
        design, some = proofs[proof], left[proofs[proof]]
        try:
            answers = proof.result()
        except SpinloomError as error:
            answers = [False] * len(some)
            print(f"{design}: no proofs: {error}", file=sys.stderr)
        proved |= {mutant.key: answer for mutant, answer in zip(some, answers, strict=True)}
        write_json(FOLDER / "results.json", results)
        print(f"{design}: {sum(answers)} of {len(some)} are equivalent", file=sys.stderr)


def check_proofs(pool: ProcessPoolExecutor, designs: dict[str, str], mutants: list[Mutant], count: int, seed: int,
                 results: dict[str, Any]) -> None:
    """Try to prove ``count`` of the ``mutants`` that have been noticed. ``MutantsError`` names those that were proved:
    such a proof is wrong."""
    noticed = [mutant for mutant in mutants if results["noticed"][mutant.key]]
    chosen = random.Random(seed).sample(noticed, min(count, len(noticed)))
    prove(pool, designs, chosen, results)
    if wrong := [mutant.key for mutant in chosen if results["proved"][mutant.key]]:
        raise MutantsError(f"proved equivalent, but noticed: {', '.join(wrong)}")
    print(f"of {len(chosen)} mutants that were noticed, none was proved equivalent", file=sys.stderr)


def results_of(part: str, seed: int) -> tuple[Path, dict[str, Any]]:
    """The file with the results of a part, and what a run that was interrupted has left there."""
    place = FOLDER / ("results.json" if part == RTL else f"{part}.json")
    if place.exists():
        kept = json.loads(place.read_text(encoding="utf-8"))
        if kept["seed"] == seed:
            return place, kept
    return place, {"seed": seed, "candidates": {}, "noticed": {}, "proved": {}}


def run(count: int, workers: int, seed: int, checks: int = 0) -> dict[str, Any]:
    """Run ``count`` mutants of the RTL in ``workers`` processes, and print what came out. ``checks`` are the mutants
    that proofs are checked with, as ``check_proofs`` does."""
    recordings = FOLDER / "recordings"
    designs = record(recordings.absolute())
    _, results = results_of(RTL, seed)
    noticed = results["noticed"]
    with _processes(workers) as pool:
        mutants = drawn(pool, designs, count, seed, results)
        failed = replay(pool, designs, mutants, recordings, results)
        ran = [mutant for mutant in mutants if mutant.design not in failed]
        prove(pool, designs, [mutant for mutant in ran if noticed[mutant.key] is None], results)
        if checks:
            check_proofs(pool, designs, ran, checks, seed, results)
    table, counts = summary(ran, noticed, results["proved"])
    print(table)
    return counts | {"failed": failed}


def run_python(part: str, count: int, workers: int, seed: int) -> dict[str, Any]:
    """Run ``count`` mutants of a part of the golden model in ``workers`` processes, and print what came out."""
    tested = PYTHON[part]
    FOLDER.mkdir(parents=True, exist_ok=True)
    place, results = results_of(part, seed)
    noticed = results["noticed"]
    mutants: list[SourceMutant] = draw({part: python.candidates(part, tested.files, seed, CANDIDATES)}, count, seed)
    with _processes(workers) as pool:
        if not noticed and (fails := pool.submit(python.notice, None, tested.all_tests, tested.plugins).result()):
            raise MutantsError(f"the tests fail without a mutant: {fails}")
        tasks = {pool.submit(python.notice, mutant, tested.tests_of(mutant.file), tested.plugins): mutant
                 for mutant in mutants if mutant.key not in noticed}
        for task in as_completed(tasks):
            mutant = tasks[task]
            noticed[mutant.key] = task.result()
            write_json(place, results)
            print(f"{mutant.key}: {noticed[mutant.key] or 'survives'}", file=sys.stderr)
    table, counts = summary(mutants, noticed, results["proved"])
    print(table)
    return counts | {"failed": []}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m spinloom.study.mutants", description=__doc__)
    parser.add_argument("--part", choices=(RTL, *PYTHON), default=RTL, help="what is mutated (default: %(default)s)")
    parser.add_argument("--mutants", type=int, default=600, help="mutants to run (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the draw (default: %(default)s)")
    parser.add_argument("--check-proofs", type=int, default=0, metavar="N",
                        help="of the RTL: also try to prove N mutants that were noticed, which must fail")
    arguments = parser.parse_args()
    if arguments.mutants < 1 or arguments.workers < 1:
        parser.error("--mutants and --workers must be at least 1")
    try:
        counted = arguments.mutants, arguments.workers, arguments.seed
        raise_on_stop()
        answer = (run(*counted, arguments.check_proofs) if arguments.part == RTL
                  else run_python(arguments.part, *counted))
    except StopRequest:
        print("spinloom: interrupted; the same command goes on", file=sys.stderr)
        raise SystemExit(InterruptedRunError.exit_status) from None
    except SpinloomError as error:
        raise SystemExit(f"spinloom: {error}") from None
    print(json.dumps(answer))
    if answer["failed"]:
        raise SystemExit(f"spinloom: {len(answer['failed'])} designs failed, see above; their mutants are not counted")


if __name__ == "__main__":
    main()
