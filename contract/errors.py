"""The errors that are meant for people: each is one line that says what is wrong and what to do."""

SHOWN = 60
"""Most characters of a value in a message."""


class SpinloomError(Exception):
    """The base of all of them."""

    exit_status = 1
    """Of the program when this error ends it: 1 for a failure, 2 for bad input, 130 for an interruption."""


class ConfigError(SpinloomError, ValueError):
    """A configuration, a file or an argument is contradictory, unknown or out of bounds. The message names the field,
    its value and what is allowed."""

    exit_status = 2


class InterruptedRunError(SpinloomError):
    """A run was asked to stop, by Ctrl-C or SIGTERM, and has saved its state."""

    exit_status = 130


def shown(value: object) -> str:
    """``value`` as it stands in a message: on one line, printable, of at most ``SHOWN`` characters and an ellipsis."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to write integers of thousands of digits
        text = f"{value:#x}"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def key(name: str) -> str:
    """The name of a field as it stands in a message."""
    return name if name.isidentifier() and len(name) <= SHOWN else shown(name)


def one_line(text: str) -> str:
    """``text`` in one line: other white space becomes a space, and what a terminal cannot show its code."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in " ".join(text.split()))
