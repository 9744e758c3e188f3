"""Where the runs of a sweep are trained. All three places are executors of `concurrent.futures`.

A run whose worker is lost is repeated, and fails once that has happened ``LOSSES`` times. ``shutdown`` with
``cancel_futures`` ends those under way as well, in a state from which they go on.
"""

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from ...contract.errors import ConfigError, InterruptedRunError, SpinloomError
from . import worker

LOSSES = 3
"""Workers that a run may lose."""
CONNECT_SECONDS = 10
"""Time that a cluster may take to answer."""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
"""What tells libraries how many threads they may have."""


class LostWorkerError(SpinloomError):
    """The workers of a run have been lost."""


class ClusterError(SpinloomError):
    """There is no cluster, or none any more."""


@contextmanager
def executor(workers: int | None = None, cluster: str | None = None) -> Iterator[Executor]:
    """Within the ``with`` block, what trains: a cluster of dask.distributed at an address, or so many processes of this
    machine, one a core unless given; with 0 this process itself. ``ClusterError`` if there is no such cluster."""
    with _one_thread_each():
        made = ClusterExecutor(cluster) if cluster else InlineExecutor() if workers == 0 else (
            LocalExecutor(workers or cores()))
        try:
            yield made
        except BaseException:
            made.shutdown(cancel_futures=True)
            raise
        made.shutdown()


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class InlineExecutor(Executor):
    """This process itself, one run after the other: for debuggers, and where no process can be started."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future:
        """What ``function`` has returned or raised, as a future that is done."""
        future: Future = Future()
        try:
            future.set_result(function(*arguments, **options))
        except BaseException as error:
            future.set_exception(error)
        return future


class LocalExecutor(Executor):
    """Processes of this machine, with one thread each. They are forked from one that has loaded all that they need. The
    first of them compiles the trainer, the others wait for that."""

    def __init__(self, workers: int) -> None:
        """``workers`` processes, which are started when they are needed."""
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([worker.__name__])
        self._threads = ThreadPoolExecutor(workers)  # each keeps one process at work, and sees if it is lost
        self._own = threading.local()
        self._compiling, self._compiled = threading.Lock(), False
        self._pools: set[ProcessPoolExecutor] = set()
        self._processes: set[int] = set()
        self._stopping = False

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future:
        """What ``function`` will have returned or raised in a worker."""
        return self._threads.submit(self._see_through, function, arguments, options)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers: with ``cancel_futures`` at once, else when all is done."""
        if cancel_futures:
            self._stopping = True
            for process in list(self._processes):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGTERM)
        self._threads.shutdown(wait, cancel_futures=cancel_futures)
        for pool in list(self._pools):
            pool.shutdown(wait)

    def _see_through(self, function: Callable[..., Any], arguments: tuple, options: dict[str, Any]) -> Any:
        """What ``function`` returns in the process of this thread, which is replaced if it is lost."""
        for _ in range(LOSSES):
            try:
                pool = self._pool()
                if self._stopping:  # it may have been started too late to be told
                    break
                return pool.submit(function, *arguments, **options).result()
            except BrokenExecutor:
                self._drop()
            if self._stopping:
                break
        if self._stopping:
            raise InterruptedRunError("interrupted")
        raise LostWorkerError(f"its worker was lost {LOSSES} times: it was killed, or its memory did not suffice")

    def _pool(self) -> ProcessPoolExecutor:
        """The process of this thread, which is started if there is none."""
        if getattr(self._own, "pool", None) is None:
            self._own.pool = ProcessPoolExecutor(1, self._context, worker.begin)
            self._pools.add(self._own.pool)
            self._own.process = self._own.pool.submit(os.getpid).result()
            self._processes.add(self._own.process)
            with self._compiling:
                if not self._compiled:
                    self._own.pool.submit(worker.compile_code).result()
                    self._compiled = True
        return self._own.pool

    def _drop(self) -> None:
        """Let go of the process of this thread, which has been lost."""
        self._pools.discard(self._own.pool)
        self._processes.discard(getattr(self._own, "process", 0))
        self._own.pool.shutdown()
        self._own.pool = None


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Within the ``with`` block, processes that are started have one thread for each library."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ |= dict.fromkeys(THREADS, "1")
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


class ClusterExecutor(Executor):
    """The workers of a cluster of dask.distributed. They need Spinloom, and the folders of sweep and data set under the
    same path as here."""

    def __init__(self, address: str) -> None:
        """Connect to the scheduler at ``address``; ``ClusterError`` if there is none, or if it has no workers."""
        try:
            from distributed import Client
        except ImportError:
            raise ConfigError("--cluster needs dask.distributed; install spinloom[cluster]") from None
        for name in ("distributed", "distributed.client"):  # what goes wrong is told in one line
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            self._client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise ClusterError(f"--cluster {address}: no cluster answers there ({type(error).__name__}); start one "
                               "with dask scheduler and dask worker, and give the scheduler's address") from None
        if not self._client.nthreads():
            self._client.close()
            raise ClusterError(f"--cluster {address}: it has no workers; start some with dask worker")
        self._executor = self._client.get_executor(pure=False)

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future:
        """What ``function`` will have returned or raised on a worker."""
        return self._executor.submit(function, *arguments, **options)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster. With ``cancel_futures``, runs that have not begun never do."""
        self._executor.shutdown(wait=wait and not cancel_futures)
        self._client.close()
