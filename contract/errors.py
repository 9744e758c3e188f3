"""The errors that are meant for people: each is one line that says what is wrong and what to do."""


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
