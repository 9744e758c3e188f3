"""Other programs: each in a process group of its own, which never outlives its purpose."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from .stop import deferred_stop

_DYING_SECONDS = 2
"""Time that killed processes are given to let go of their files."""


@contextmanager
def running(command: Sequence[str], *, folder: str | Path, output: IO[Any],
            environment: Mapping[str, str] | None = None,
            temporary: str | Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Starts ``command`` in ``folder``; ``output`` takes what it prints. Its standard input is empty, and ends when
    this process ends, however it does. Its temporary files go to ``temporary``, if that is given.

    Ctrl-C on the terminal does not reach it. When the ``with`` block is left before the command has ended, the command
    and everything that it has started are killed.
    """
    process = None
    variables = dict(os.environ if environment is None else environment)
    if temporary is not None:
        variables["TMPDIR"] = str(temporary)
    try:
        with deferred_stop():
            process = subprocess.Popen(command, cwd=folder, env=variables, stdin=subprocess.PIPE, stdout=output,
                                       stderr=subprocess.STDOUT, process_group=0)
        yield process
    finally:
        if process is not None:
            with deferred_stop():
                _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill ``process`` and everything that it has started, unless it has ended."""
    killed = process.poll() is None
    if killed:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    deadline = time.monotonic() + _DYING_SECONDS
    while killed and _exists(process.pid) and time.monotonic() < deadline:
        time.sleep(0.01)


def _exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def run(command: Sequence[str], *, folder: str | Path, output: IO[Any],
        environment: Mapping[str, str] | None = None, temporary: str | Path | None = None) -> None:
    """Run ``command`` to its end, as ``running`` does. ``CalledProcessError`` if it fails."""
    with running(command, folder=folder, output=output, environment=environment, temporary=temporary) as process:
        status = process.wait()
    if status:
        raise subprocess.CalledProcessError(status, list(command))
