"""Remarks for people beside a result: one line each, on standard error."""

import sys


def warn(text: str) -> None:
    """Write ``warning: text`` as one line on standard error. It is for what a person should know although the command
    goes on."""
    print("warning: " + " ".join(text.split()), file=sys.stderr, flush=True)
