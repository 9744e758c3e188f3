"""A request to stop waits until it is asked for."""

import os
import signal
import threading

import pytest
from spinloom.system.stop import deferred_stop


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_sets_the_event(number):
    before = signal.getsignal(number)
    with deferred_stop() as stop:
        assert not stop.is_set()
        os.kill(os.getpid(), number)
        assert stop.is_set()
    assert signal.getsignal(number) is before


def test_another_thread_is_never_asked_to_stop():
    seen = []

    def work():
        before = signal.getsignal(signal.SIGINT)
        with deferred_stop() as stop:
            seen.append((stop.is_set(), signal.getsignal(signal.SIGINT) is before))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, True)]
