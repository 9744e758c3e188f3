"""A request to stop that waits for a good moment."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def deferred_stop() -> Iterator[threading.Event]:
    """Within the ``with`` block, Ctrl-C and SIGTERM set the event instead of raising an exception. The block asks the
    event between two steps, so that no step is torn apart.

    Signals reach the main thread only. In another thread the event is never set.
    """
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
