"""Other programs: each in a process group of its own, which never outlives its purpose."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from .stop import deferred_stop


@contextmanager
def running(command: Sequence[str], *, folder: str | Path, output: IO[Any],
            environment: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Starts ``command`` in ``folder``. It has no input, and ``output`` takes what it prints.

    Ctrl-C on the terminal does not reach it. When the ``with`` block is left before the command has ended, the command
    and everything that it has started are killed.
    """
    process = None
    try:
        with deferred_stop():
            process = subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=subprocess.STDOUT, process_group=0)
        yield process
    finally:
        if process is not None:
            with deferred_stop():
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()


def run(command: Sequence[str], *, folder: str | Path, output: IO[Any],
        environment: Mapping[str, str] | None = None) -> None:
    """Run ``command`` to its end, as ``running`` does. ``CalledProcessError`` if it fails."""
    with running(command, folder=folder, output=output, environment=environment) as process:
        status = process.wait()
    if status:
        raise subprocess.CalledProcessError(status, list(command))
