"""Progress: a bar on a terminal, elsewhere a line now and then, nothing if it is not shown."""

import io
import sys

import pytest
from spinloom.system import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def stderr(monkeypatch, kind=io.StringIO):
    """A file or terminal in the place of standard error."""
    file = kind()
    monkeypatch.setattr(sys, "stderr", file)
    return file


def test_a_terminal_gets_a_bar(monkeypatch):
    written = stderr(monkeypatch, Terminal)
    with progress.bar(total=10, desc="training") as shown:
        shown.update(4)
        shown.refresh()
    assert "\rtraining:  40%|" in written.getvalue()


def test_a_file_gets_a_line_every_ten_seconds_and_one_at_the_end(monkeypatch):
    written, now = stderr(monkeypatch), 100
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with progress.bar(total=100, unit=" samples") as shown:
        for now in range(101, 136):
            shown.update(2)
            shown.set_description(f"second {now - 100}")
    lines = written.getvalue().splitlines()
    assert [line.partition(":")[0] for line in lines] == ["second 10", "second 20", "second 30", "second 35"]
    assert [line.partition("%")[0][-3:] for line in lines] == [" 20", " 40", " 60", " 70"]
    assert written.getvalue().endswith("\n")
    assert "\r" not in written.getvalue()


def test_something_short_leaves_one_line(monkeypatch):
    written = stderr(monkeypatch)
    with progress.bar(total=3, desc="short") as shown:
        shown.update(3)
    assert [line[:11] for line in written.getvalue().splitlines()] == ["short: 100%"]


def test_an_error_leaves_the_line_at_which_it_happened(monkeypatch):
    written = stderr(monkeypatch)

    def work():
        with progress.bar(total=4, desc="torn") as shown:
            shown.update(1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert [line[:11] for line in written.getvalue().splitlines()] == ["torn:  25%|"]


@pytest.mark.parametrize("kind", [io.StringIO, Terminal])
def test_nothing_is_written_unless_it_is_to_be_shown(monkeypatch, kind):
    written = stderr(monkeypatch, kind)
    with progress.bar(show=False, total=2) as shown:
        shown.update(2)
        shown.set_description("hidden")
    assert written.getvalue() == ""
