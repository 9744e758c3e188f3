"""Standard output and standard error where they cannot be written, because the disk behind them is full."""

import os
import sys
from collections.abc import Callable
from typing import Any, TextIO, cast


def guard_streams() -> None:
    """From now on, for the rest of the process: where standard output cannot be written, the ``OSError`` names it.
    Standard error loses what cannot be written, so that no run ends for the sake of its messages."""
    if sys.stdout is not None:
        sys.stdout = cast(TextIO, _Output(sys.stdout))
    if sys.stderr is not None:
        sys.stderr = cast(TextIO, _Messages(sys.stderr))


def close_output() -> None:
    """Drop what standard output has not been able to write, about which Python would complain as it ends."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Guarded:
    """The text stream ``stream``, with its errors answered by ``failed``."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def failed(self, error: OSError) -> None:
        """What happens when the stream cannot be written."""
        raise NotImplementedError

    def write(self, text: str) -> int:
        self._guarded(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._guarded(self._stream.flush)

    def _guarded(self, action: Callable[[], object]) -> None:
        try:
            action()
        except OSError as error:
            self.failed(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Output(_Guarded):
    def failed(self, error: OSError) -> None:
        if isinstance(error, BrokenPipeError):
            raise error
        raise OSError(error.errno, error.strerror, "standard output")


class _Messages(_Guarded):
    def failed(self, error: OSError) -> None:
        pass
