"""Runs what a mutant may crash, or keep from ending, in a process of its own."""

import os
import select
import signal
from collections.abc import Callable


def apart(work: Callable[[], str | None], name: str, patience: float) -> str | None:
    """What ``work`` returns in a copy of this process: None, or a text, of which 4,000 bytes count. If the copy
    crashes, or has not ended after ``patience`` seconds, a text that says so of ``name``, a plural. It is then
    killed, with what it has started."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.setsid()
        try:
            said = work()
        except BaseException as error:  # whatever it is, the mutant has caused it
            said = type(error).__name__
        os.write(writer, (said or "-").encode()[:4000])
        os._exit(0)
    os.close(writer)
    try:
        ready, _, _ = select.select([reader], [], [], patience)
        said = os.read(reader, 4096).decode() if ready else ""
        if not ready:
            os.killpg(child, signal.SIGKILL)
    finally:
        os.close(reader)
        os.waitpid(child, 0)
    if not said:
        return f"{name} crash" if ready else f"{name} do not end"
    return None if said == "-" else said
