"""A serial port never waits for long, whatever is at its other end: measured in real time, at pseudo-terminals."""

import contextlib
import os
import threading
import time
import tty

import pytest
from spinloom.boards import link as host
from spinloom.boards.link import Link, LinkError, LinkInterruptedError, Patience
from spinloom.boards.serial_port import SerialPort
from spinloom.contract.errors import ConfigError

SLACK = 3
"""Seconds that a busy machine may take longer."""


@pytest.fixture
def terminal():
    """Both ends of a line: the host's by its name."""
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    yield master, os.ttyname(slave)
    for descriptor in (master, slave):
        with contextlib.suppress(OSError):
            os.close(descriptor)


@contextlib.contextmanager
def at_most(seconds: float):
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < seconds + SLACK


@contextlib.contextmanager
def chatter(master: int, text: bytes, pause: float):
    """Something sends ``text`` again and again, and listens to nobody."""
    end = threading.Event()

    def send() -> None:
        while not end.wait(pause):
            with contextlib.suppress(BlockingIOError):
                os.write(master, text)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


@pytest.mark.parametrize(("text", "pause"), [(b"\x7e\x55\xaa" * 1000, 0.0), (b"\0" * 3000, 0.0), (b"x", 0.02)])
@pytest.mark.parametrize("stopped", [False, True])
def test_chatter_ends_in_time(terminal, text, pause, stopped):
    """At full speed, and drop by drop."""
    master, name = terminal
    stop = threading.Event()
    port = SerialPort(name, 3_000_000)
    if stopped:
        threading.Timer(0.3, stop.set).start()
    with chatter(master, text, pause), at_most(1.5):
        if stopped:
            with pytest.raises(LinkInterruptedError):
                Link(port, 1, stop=stop).open()
        else:
            with pytest.raises(LinkError, match="not answered for 1 s: [0-9,]+ bytes came, but no sound frame"):
                Link(port, 1, patience=Patience(answer=1)).open()
    with at_most(1):
        port.close()


def test_a_line_that_takes_nothing_does_not_hold_the_host(terminal):
    _, name = terminal
    port = SerialPort(name, 3_000_000)
    with at_most(1):
        sent = port.write(bytes(1 << 20))
    assert 0 < sent < 1 << 20
    with at_most(0.2):
        assert port.write(b"more") < 4
    with at_most(2), pytest.raises(LinkError, match="not answered for 1 s: the port takes no more bytes"):
        Link(port, 1, patience=Patience(answer=1)).open()
    with at_most(1):
        port.close()


def test_what_is_written_arrives(terminal):
    master, name = terminal
    port, data = SerialPort(name, 3_000_000), bytes(range(256)) * 400
    heard = bytearray()
    while data or len(heard) < 102_400:
        sent = port.write(data)
        data = data[sent:]
        with contextlib.suppress(BlockingIOError):
            heard += os.read(master, 1 << 16)
    assert bytes(heard) == bytes(range(256)) * 400
    port.close()


def test_a_port_that_goes_away_is_told(terminal):
    master, name = terminal
    port = SerialPort(name, 3_000_000)
    os.close(master)
    with pytest.raises(LinkError, match=f"the port {name} is gone: "):
        Link(port, 1).open()
    port.close()


@pytest.mark.parametrize(("name", "reason"), [
    ("/dev/nowhere", "No such file or directory"), ("/dev/null", "it is no serial device"), ("/tmp", "Is a directory"),
    ("", "No such file or directory"), ("a\0b", "embedded null byte"), ("/proc/self/mem", "it is no serial device"),
])
def test_what_is_no_port_is_refused(name, reason):
    with pytest.raises(ConfigError) as error:
        SerialPort(name, 3_000_000)
    assert str(error.value) == f"cannot open the port {name}: {reason}"


@pytest.mark.parametrize("baud", [-1, 1 << 40])
def test_a_rate_that_no_device_has_is_refused(terminal, baud):
    with pytest.raises(ConfigError, match="cannot open the port"):
        SerialPort(terminal[1], baud)


def test_a_port_belongs_to_one_program(terminal):
    port = SerialPort(terminal[1], 3_000_000)
    with pytest.raises(ConfigError, match="another program has it open$"):
        SerialPort(terminal[1], 3_000_000)
    port.close()


def test_silence_is_what_the_link_counts_with(terminal):
    port = SerialPort(terminal[1], 3_000_000)
    begun = port.now()
    assert port.read() == b""
    assert host.SILENCE <= port.now() - begun < host.SILENCE + SLACK
    port.close()
