"""Processes that are killed at a chosen moment, as by SIGKILL: nothing of theirs is cleaned up."""

import os
import signal
import warnings
from collections.abc import Callable
from pathlib import Path

KILLED = 9


def _forked(body: Callable[[], object]) -> int:
    """The wait status of a child process that runs ``body``; it exits with 0 if that returns, with 1 if it raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside other threads
        child = os.fork()
    if child == 0:
        try:
            body()
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1]


def killed_at(step: int, body: Callable[[], object]) -> bool:
    """Run ``body`` in a child that is killed at ``step``: before or after it has renamed or deleted a file. False if it
    has ended before."""
    count = 0

    def dying(original):
        def operation(*arguments, **options):
            nonlocal count
            count += 1
            if count == step:
                os._exit(KILLED)
            result = original(*arguments, **options)
            count += 1
            if count == step:
                os._exit(KILLED)
            return result
        return operation

    def child():
        os.replace, Path.unlink = dying(os.replace), dying(Path.unlink)
        body()

    status = os.waitstatus_to_exitcode(_forked(child))
    assert status in (0, KILLED), status
    return status == KILLED


def killed_after(seconds: float, body: Callable[[], object]) -> bool:
    """Run ``body`` in a child that is killed after ``seconds``. False if it has ended before."""
    def child():
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        signal.setitimer(signal.ITIMER_REAL, seconds)
        body()

    status = os.waitstatus_to_exitcode(_forked(child))
    assert status in (0, -signal.SIGKILL), status
    return status != 0
