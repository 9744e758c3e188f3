"""Requests to stop: Ctrl-C, SIGTERM, and a terminal that is closed. They are heeded, once, at a good moment."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from ..contract.errors import InterruptedRunError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE = 5.0
"""Seconds that what follows a request may take: further requests are ignored meanwhile. A later one ends it at once."""


class StopRequest(KeyboardInterrupt):
    """A request to stop. It is no plain ``KeyboardInterrupt``: once one of these has passed through a text that is
    executed, as `dataclasses` and others do, ``python -m`` ends by the signal SIGINT, whatever the program's status."""


_Handler = Callable[[int, FrameType | None], Any]


def raise_on_stop() -> None:
    """From now on, for the rest of the process, a request to stop raises ``StopRequest``.

    Requests that follow within ``PATIENCE`` change nothing, so that cleaning up is not torn apart. SIGHUP stays ignored
    if it was, as under ``nohup``.
    """
    last = -PATIENCE

    def interrupt(*_: object) -> None:
        nonlocal last
        if time.monotonic() - last >= PATIENCE:
            last = time.monotonic()
            raise StopRequest

    _handle(interrupt)


def end_on_stop() -> None:
    """From now on, until one of the others is called, a request to stop ends the process at once, with one line and the
    status of an interruption: for the time while there is nothing to clean up, and exceptions find nobody."""
    def end(*_: object) -> None:
        with suppress(OSError):
            os.write(2, b"spinloom: interrupted\n")
        os._exit(InterruptedRunError.exit_status)

    _handle(end)


def ignore_stop() -> None:
    """From now on, for the rest of the process, a request to stop changes nothing: what was to be done is done."""
    _handle(signal.SIG_IGN)


@contextmanager
def deferred_stop() -> Iterator[threading.Event]:
    """Within the ``with`` block, a request to stop sets the event instead of raising an exception. The block asks the
    event between two steps, so that no step is torn apart.

    No request is lost: if the block ends as if there had been none, it is delivered again after it. If the block does
    not answer, a request that comes more than ``PATIENCE`` after the first raises ``StopRequest``.

    Signals reach the main thread only. In another thread the event is never set.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    requests: list[int] = []
    first = 0.0

    def request(number: int, _: object) -> None:
        nonlocal first
        if not requests:
            first = time.monotonic()
        elif time.monotonic() - first >= PATIENCE:
            raise StopRequest
        requests.append(number)
        stop.set()

    before = _handle(request)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if requests:
        signal.raise_signal(requests[0])


def _handle(handler: _Handler | signal.Handlers) -> dict[int, _Handler | int | None]:
    """Put ``handler`` in the place of those of ``SIGNALS``; returns those."""
    before: dict[int, _Handler | int | None] = {}
    for number in SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, handler)
    return before
