"""Progress of long runs on standard error: a bar on a terminal, elsewhere a line now and then."""

import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

LINE_SECONDS = 10
"""Between two lines where standard error is not a terminal."""


class _Lines(tqdm):
    """A bar that writes a whole line every ``LINE_SECONDS``, and one at its end if it has written any before."""

    def __init__(self, **options: Any) -> None:
        self._due = time.monotonic() + LINE_SECONDS
        self._written = False
        super().__init__(**options)

    @staticmethod
    def status_printer(file: Any) -> Any:
        def write(text: str) -> None:
            file.write(text.strip() + "\n")
            file.flush()
        return write

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        if time.monotonic() < self._due:
            return
        self._due, self._written = time.monotonic() + LINE_SECONDS, True
        self.sp(str(self) if msg is None else msg)

    def close(self) -> None:
        if not self.disable and self._written:
            self._due = 0.0
            self.display()
        self._due = math.inf
        self.leave = False  # or an empty line follows
        super().close()


def bar(*, show: bool = True, **options: Any) -> tqdm:
    """A progress bar with tqdm's ``options``; nothing is written unless it is to ``show``."""
    kind = tqdm if sys.stderr.isatty() else _Lines
    return kind(file=sys.stderr, disable=not show, **options)


@contextmanager
def waiting(shown: tqdm, description: str, look: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Shows ``description`` on a bar, and how long it takes, while something is done that does not move the bar.
    ``look``, which may move it, is called twice a second."""
    shown.set_description(description)
    ended = threading.Event()

    def follow() -> None:
        while not ended.wait(0.5):
            look()
            shown.refresh()

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
