"""What every long run needs: files that are replaced as a whole, and an orderly stop."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


class InterruptedRunError(Exception):
    """A run was asked to stop, by Ctrl-C or SIGTERM, and has saved its state."""


@contextmanager
def deferred_stop() -> Iterator[threading.Event]:
    """Turns Ctrl-C and SIGTERM into an event, so that they cannot tear an update apart. Signals can only
    be caught in the main thread; in others the event is never set."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: stop.set()) for number in signals]
    try:
        yield stop
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def replace(path: Path, write: Callable[[BinaryIO], object]):
    """Have ``write`` fill a temporary binary file, then put that in the place of ``path``."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
