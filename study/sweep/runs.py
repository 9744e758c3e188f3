"""A sweep from its description to its table."""

import json
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from statistics import mean
from typing import Any

from tqdm import tqdm

from ...contract.errors import ConfigError, InterruptedRunError, SpinloomError, one_line, shown
from ...render.text import cut
from ...system import disk, files, toml
from ...system.claim import HOLDER, claimed
from ...system.notice import warn
from ...system.progress import bar
from ...system.stop import deferred_stop
from ...train import run_folder
from ...train.results import TrainResult, TransferResult
from ..energy import account
from ..energy.costs import load_costs
from . import table, worker
from .document import Sweep, read
from .earlier import COPY, require_extension
from .executors import ClusterError, executor
from .fields import value
from .plan import FORMAT, Planner, Point, Run, points
from .results import BestTrial, FailedRun, SweepResult
from .search import Proposals, name_of

RECORD, RUNS = "sweep.json", "runs"
"""In the folder of a sweep: the format of the folder, and the run folders."""
FAILURE = "failed.json"
"""In a run folder: why the run has failed."""
MOST_BYTES = 1 << 20
"""Of a record or a failure."""
MOST_ERROR = 200
"""Letters of an error in a message; the table has it whole."""
WAITING = 256
"""Most runs that wait for a worker."""
TABLE_SECONDS = 10
"""Time between two writings of the table."""


def run(source: str | Path | dict[str, Any], *, out: str | Path | None = None, data_dir: str | Path | None = None,
        workers: int | None = None, cluster: str | None = None, retry: bool = False,
        progress: bool = True) -> SweepResult:
    """Train every run of a sweep that has not been trained, and write the table. ``source`` is a TOML file
    (docs/sweep.md), or what is in one. Everything goes to the folder ``out``, ``runs/NAME`` after the file unless
    given: a copy of the description, ``table.csv``, ``table.parquet``, and the run folders ``runs/DIGEST``.

    Runs are trained by ``workers`` processes, one a core unless given, 0 for this process itself; or by the cluster of
    dask.distributed at the address ``cluster``. What has failed is tried again only if ``retry``; a damaged run is then
    begun anew. A sweep that was interrupted or killed goes on when it is called again, to the same results.

    A folder that holds a sweep may be given one with more points.

    Contradictory points, and runs that fail, are named in the result, and the others go on. Raises ``ConfigError`` if
    the sweep is not valid, if all its points are contradictory, or if ``out`` holds anything else or another
    sweep; ``InUseError`` if another process works there; ``ClusterError`` if there is no such cluster; ``OSError`` on a
    full disk; ``InterruptedRunError`` after Ctrl-C or SIGTERM.
    """
    begun = time.monotonic()
    if workers is not None and (cluster or workers < 0):
        raise ConfigError(f"workers={workers}: must be 0 or more, and a cluster has its own")
    sweep = read(source)
    file, text = (None, toml.text_of(source)) if isinstance(source, dict) else (Path(source), "")
    folder = Path(out or Path("runs") / files.safe_name(file.stem if file else "sweep"))
    if sweep.search and sweep.search.of not in (known := table.figure_names()):
        raise ConfigError(f"search.of={shown(sweep.search.of)}: must be one of {', '.join(known)}")
    planner = Planner(sweep, file.parent if file else Path(), data_dir)
    proposals = Proposals(sweep.search, name_of(sweep)) if sweep.search else None
    batches = (_Batch(planner, sweep, batch) for batch in (proposals.batches() if proposals else [[Point()]]))
    first = next(batches)
    first.require_possible()
    content = file.read_bytes() if file else text.encode()
    digests = [each.digest for each in first.runs]
    with executor(workers, cluster) as place, _held(folder, content, sweep, digests), deferred_stop() as stop:
        study = _Study(sweep, folder, data_dir, retry)
        with bar(show=progress, total=sweep.count if proposals else len(first.runs), unit="run", desc="sweep",
                 initial=study.enter(first.runs), smoothing=0.05) as line:
            for batch in chain([first], batches):
                line.update(study.enter(batch.runs))
                study.train(batch.runs, place, stop, line)
                if proposals:
                    proposals.tell(study.values(batch))
                    proposals.record(folder)
        if stop.is_set():
            raise InterruptedRunError("interrupted at the end; the same command gives the result")
    return study.result(time.monotonic() - begun, proposals)


@contextmanager
def _held(folder: Path, content: bytes, sweep: Sweep, digests: Sequence[str]) -> Iterator[None]:
    """Within the ``with`` block, ``folder`` belongs to this process and to ``sweep``, which the file of ``content``
    describes and whose first runs have ``digests``. ``ConfigError`` if it holds anything else than a sweep of this
    version, or another sweep; then nothing changes there."""
    _refuse_other(folder)
    with claimed(folder):
        require_extension(folder, sweep, digests)
        files.write_json(folder / RECORD, {"format": FORMAT})
        files.replace(folder / COPY, lambda file: file.write(content))
        yield


def _refuse_other(folder: Path) -> None:
    if not folder.is_dir() or all(path.name == HOLDER or path.name.startswith(".") for path in folder.iterdir()):
        return
    try:
        found = json.loads(files.read(folder / RECORD, MOST_BYTES))["format"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise ConfigError(f"{folder} holds something else than a sweep of this version; take another folder with "
                          "--out") from None
    if found != FORMAT:
        raise ConfigError(f"{folder} is a sweep of another version (its format is {shown(found)}, not {FORMAT}); take "
                          "another folder with --out")


class _Batch:
    """What is trained before a search proposes more; without a search, all."""

    def __init__(self, planner: Planner, sweep: Sweep, proposed: Sequence[Point]) -> None:
        """The points of ``sweep``, each with each of those ``proposed``."""
        self.trials = [[planner.run(point | trial) for point in points(sweep)] for trial in proposed]
        found: dict[str, Run] = {}
        for run in chain(*self.trials):
            found.setdefault(run.digest, run)
        self.runs = list(found.values())
        """Those that differ."""

    def require_possible(self) -> None:
        """``ConfigError`` if all its runs are contradictory. A line on standard error if some are."""
        errors = [run.error for run in self.runs if run.error]
        if len(errors) == len(self.runs):
            raise ConfigError(f"every run is contradictory, the first: {cut(errors[0], MOST_ERROR)}")
        if errors:
            warn(f"{len(errors)} of {len(self.runs)} runs are contradictory, the first: "
                 f"{cut(errors[0], MOST_ERROR)}")


class _Study:
    """A sweep under way: its rows, and how many runs have come to what."""

    def __init__(self, sweep: Sweep, folder: Path, data_dir: str | Path | None, retry: bool) -> None:
        self._sweep, self._folder, self._retry = sweep, folder, retry
        self._data_dir = None if data_dir is None else str(Path(data_dir).absolute())
        self._costs = load_costs()
        self._rows: dict[str, table.Row] = {}
        """By the digests of the runs."""
        self._points: dict[str, Point] = {}
        self._done = self._skipped = 0
        self._written = 0.0

    def enter(self, runs: Iterable[Run]) -> int:
        """Give every one of ``runs`` that has none a row. Returns how many of these need no training."""
        known = 0
        for run in runs:
            if run.digest in self._rows:
                continue
            self._points[run.digest] = run.point
            varied = {name: run.point[name] if name in run.point else run.experiment and value(name, run.experiment)
                      for name in self._sweep.varied}
            self._rows[run.digest] = {"run": run.digest, "status": table.WAITING, "error": "",
                                      "config": run.config} | varied
            if error := run.error or ("" if self._retry else self._failure(run)):
                self._rows[run.digest] |= {"status": table.FAILED, "error": error}
            elif self._read(run):
                self._skipped += 1
            known += self._rows[run.digest]["status"] != table.WAITING
        return known

    def train(self, runs: Iterable[Run], place: Executor, stop: threading.Event, line: tqdm) -> None:
        """Train those of ``runs`` that wait for it. ``InterruptedRunError`` once ``stop`` is set."""
        waiting = deque(run for run in runs if self._rows[run.digest]["status"] == table.WAITING)
        pending: dict[Future, Run] = {}
        self._write()
        try:
            while (waiting or pending) and not stop.is_set():
                if more := waiting and len(pending) < WAITING:
                    run = waiting.popleft()
                    pending[self._submit(run, place)] = run
                for future in wait(pending, timeout=0 if more else 0.2, return_when=FIRST_COMPLETED).done:
                    self._end(pending.pop(future), future)
                    line.update()
                    if failed := self._count(table.FAILED):
                        line.set_postfix_str(f"{failed} failed")
                line.refresh()
                if time.monotonic() - self._written > TABLE_SECONDS:
                    self._write()
        finally:
            with suppress(OSError):  # of a full disk, whose error is on its way
                self._write()
        if waiting or pending:
            raise self._interrupted()

    def values(self, batch: _Batch) -> list[float | None]:
        """What a search looks at: of each trial of ``batch`` the mean over its runs; None if one has failed."""
        assert self._sweep.search
        of = self._sweep.search.of
        found = [[figure for run in trial if (figure := self._rows[run.digest].get(of)) is not None]
                 for trial in batch.trials]
        return [mean(found) if len(found) == len(trial) else None
                for found, trial in zip(found, batch.trials, strict=True)]

    def result(self, seconds: float, proposals: Proposals | None) -> SweepResult:
        """What has come of it, after so many ``seconds``."""
        failures = tuple(FailedRun(run=row["run"], fields=self._points[row["run"]], error=row["error"])
                         for row in self._rows.values() if row["status"] == table.FAILED)
        best = proposals.best if proposals else None
        return SweepResult(
            runs=len(self._rows), done=self._done, skipped=self._skipped, failed=len(failures),
            seconds=round(seconds, 3), table=self._folder / table.CSV, out=self._folder, failures=failures,
            best=BestTrial(fields=best[0], value=best[1]) if best else None)

    def _submit(self, run: Run, place: Executor) -> Future:
        """Have ``run`` trained."""
        assert run.experiment
        failed = bool(self._failure(run))
        return place.submit(
            worker.train, run.experiment.model_dump(mode="json"), self._place(run).absolute(), data_dir=self._data_dir,
            data=run.data, samples=run.samples, baseline=self._sweep.baseline, afresh=failed,
            mend=self._retry)

    def _end(self, run: Run, future: Future) -> None:
        """Note what has become of ``run``. What concerns all runs is raised: a stop, a full disk, a lost cluster."""
        try:
            future.result()
            if not self._read(run):
                raise ConfigError(f"{self._place(run)}: the worker has left no result here; a cluster's workers need "
                                  "the folder of the sweep under the same path")
        except CancelledError:
            raise ClusterError("the cluster is gone; the same command goes on when it is back") from None
        except InterruptedRunError:
            raise self._interrupted() from None
        except Exception as error:
            if isinstance(error, OSError) and disk.is_full(error) or disk.room(self._folder) < disk.LITTLE:
                raise
            self._fail(run, str(error) if isinstance(error, SpinloomError) else f"{type(error).__name__}: {error}")
        else:
            (self._place(run) / FAILURE).unlink(missing_ok=True)
            self._done += 1

    def _read(self, run: Run) -> bool:
        """Fill in the row of ``run`` from its folder; False if it has not come to its end there."""
        assert run.experiment
        if (self._place(run) / HOLDER).exists():  # a process is at work there, or was killed
            return False
        kind = TransferResult if run.experiment.transfer else TrainResult
        try:
            result = run_folder.read_result(self._place(run), kind)
            if self._sweep.baseline and result.baseline_accuracy is None:
                return False
            energy = account.spent(self._place(run), self._costs)
        except ConfigError:
            return False
        self._rows[run.digest] |= {"status": table.DONE} | table.figures(result) | dict(
            zip(table.ENERGY, energy, strict=True))
        return True

    def _fail(self, run: Run, error: str) -> None:
        """Note that ``run`` has failed, and why."""
        self._rows[run.digest] |= {"status": table.FAILED, "error": one_line(error)}
        self._place(run).mkdir(parents=True, exist_ok=True)
        files.write_json(self._place(run) / FAILURE, {"error": one_line(error)})

    def _failure(self, run: Run) -> str:
        """Why ``run`` has failed before; empty if it has not."""
        try:
            return str(json.loads(files.read(self._place(run) / FAILURE, MOST_BYTES))["error"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return ""

    def _place(self, run: Run) -> Path:
        return self._folder / RUNS / run.digest

    def _write(self) -> None:
        table.write(self._folder, self._sweep.varied, list(self._rows.values()))
        self._written = time.monotonic()

    def _interrupted(self) -> InterruptedRunError:
        return InterruptedRunError(f"interrupted with {self._count(table.WAITING)} of {len(self._rows)} runs to go; "
                                   "the same command goes on with them")

    def _count(self, status: str) -> int:
        return sum(row["status"] == status for row in self._rows.values())
