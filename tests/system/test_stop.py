"""A request to stop waits until it is asked for, and is never lost."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from spinloom.contract.errors import InterruptedRunError
from spinloom.system import stop as stopping
from spinloom.system.stop import deferred_stop

SIGNALS = pytest.mark.parametrize("number", stopping.SIGNALS)


@pytest.fixture
def delivered():
    """The requests to stop that nothing has deferred."""
    received = []
    before = {number: signal.signal(number, lambda number, _: received.append(number)) for number in stopping.SIGNALS}
    yield received
    for number, handler in before.items():
        signal.signal(number, handler)


def request(number):
    os.kill(os.getpid(), number)


@SIGNALS
def test_a_signal_sets_the_event_and_is_delivered_afterwards(delivered, number):
    before = signal.getsignal(number)
    with deferred_stop() as stop:
        assert not stop.is_set()
        request(number)
        assert stop.is_set()
        request(number)
        assert delivered == []
    assert delivered == [number]
    assert signal.getsignal(number) is before


def test_a_request_that_was_answered_is_not_delivered_again(delivered):
    def work():
        with deferred_stop() as stop:
            request(signal.SIGTERM)
            if stop.is_set():
                raise InterruptedRunError("saved")

    with pytest.raises(InterruptedRunError):
        work()
    assert delivered == []


def test_one_request_reaches_all_who_defer_it(delivered):
    with deferred_stop() as outer:
        with deferred_stop() as inner:
            request(signal.SIGTERM)
            assert inner.is_set()
            assert not outer.is_set()
        assert outer.is_set()
    assert delivered == [signal.SIGTERM]


def test_a_block_that_does_not_answer_is_ended_by_a_later_request(delivered, monkeypatch):
    monkeypatch.setattr(stopping, "PATIENCE", 0.05)

    def work():
        with deferred_stop():
            request(signal.SIGINT)
            time.sleep(0.1)
            request(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        work()


@SIGNALS
def test_the_program_is_interrupted_once(delivered, number):
    stopping.raise_on_stop()
    with pytest.raises(KeyboardInterrupt):
        request(number)
    request(number)  # cleaning up is not torn apart
    stopping.ignore_stop()
    request(number)


def test_nohup_is_respected(delivered):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stopping.raise_on_stop()
    request(signal.SIGHUP)
    with deferred_stop() as stop:
        request(signal.SIGHUP)
        assert not stop.is_set()


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


def test_the_status_is_the_programs_even_if_a_text_was_being_executed(tmp_path):
    text = "import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(60)"
    (tmp_path / "program.py").write_text(f"""
import sys
from spinloom.system.stop import raise_on_stop
raise_on_stop()
try:
    exec({text!r})
except KeyboardInterrupt:
    sys.exit(130)
""")
    assert subprocess.run([sys.executable, "-m", "program"], cwd=tmp_path, check=False, timeout=60).returncode == 130
