"""What every run of the program must come to, however bad its input: a result, or one line that says what is wrong."""

import contextlib
import io
import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass

from spinloom import cli

SECONDS = 240
"""What a command on a small input may take at most: on a machine that is busy, and compiles its kernels first."""
STATUSES = (0, 1, 2, 130)


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str


class Hang(BaseException):
    """No end in time. It is no ``Exception``, least of all Python's own ``TimeoutError``, which is an ``OSError``: the
    program would take it for trouble with a file, and end in order."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raises ``Hang`` in the main thread after ``seconds``."""
    def expire(*_: object) -> None:
        raise Hang(f"no end after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def outcome(*arguments: object, seconds: float = SECONDS) -> Outcome:
    """Run the program with ``arguments`` in this process, and check that it ends as it must: in time, with a status
    that it has, without a traceback; a failure in one line on standard error, a success with ``--json`` in one valid
    JSON object on standard output."""
    out, err = io.StringIO(), io.StringIO()
    texts = [str(argument) for argument in arguments]
    with time_limit(seconds), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = cli.run(texts)
    result = Outcome(status, out.getvalue(), err.getvalue())
    assert status in STATUSES, result
    assert "Traceback" not in result.err, result
    if status == 2:
        lines = [line for line in result.err.splitlines() if line.startswith("spinloom: ")]
        assert len(lines) == 1, result
        assert result.err.rstrip().endswith(lines[0]), result
    if status == 0 and "--json" in texts:
        json.loads(result.out, parse_constant=_refuse)
    return result


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")
